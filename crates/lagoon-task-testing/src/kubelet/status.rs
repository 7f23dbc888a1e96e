//! A pod's status, as a kubelet writes it. Format: Pod, `status`.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use crate::kubelet::node;

/// The exit code that a kubelet reports of a container whose program could not be started.
const CANNOT_START: i32 = 128;

/// How a container stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ContainerState {
    /// Its process has not been started.
    Waiting {
        /// Like `ContainerCreating`.
        reason: &'static str,
        /// What is missing; may be empty.
        message: String,
    },
    /// Its process runs.
    Running {
        /// The process id.
        process: u32,
        /// Since when.
        started_at: Time,
    },
    /// Its process has ended.
    Ended {
        /// How; `None` when the program could not be started.
        exit: Option<ExitStatus>,
        /// What it left in its termination message file, or why it could not be started.
        message: String,
        /// When it was started.
        started_at: Time,
        /// When it had ended.
        finished_at: Time,
    },
}

impl ContainerState {
    pub(super) fn waiting(reason: &'static str) -> Self {
        Self::Waiting { reason, message: String::new() }
    }

    pub(super) fn has_succeeded(&self) -> bool {
        matches!(self, Self::Ended { exit: Some(exit), .. } if exit.success())
    }

    fn has_failed(&self) -> bool {
        matches!(self, Self::Ended { .. }) && !self.has_succeeded()
    }

    fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting { .. })
    }

    fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }
}

/// Where a container stands in its pod.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Init(usize),
    Main(usize),
}

/// How a pod and its containers stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PodState {
    pub started_at: Time,
    /// Whether its volumes are there.
    pub is_set_up: bool,
    /// In the order of `spec.initContainers`.
    pub init_containers: Vec<ContainerState>,
    /// In the order of `spec.containers`.
    pub containers: Vec<ContainerState>,
    /// Why it was evicted, if it was.
    pub evicted: Option<String>,
    /// Whether nothing of it runs or will run any more.
    pub is_over: bool,
}

impl PodState {
    pub(super) fn new(pod: &Pod, now: Time) -> Self {
        let spec = pod.spec.as_ref();
        let init_containers = spec.and_then(|spec| spec.init_containers.as_ref()).map_or(0, Vec::len);
        let containers = spec.map_or(0, |spec| spec.containers.len());
        let reason = if init_containers > 0 { "PodInitializing" } else { "ContainerCreating" };
        Self {
            started_at: now,
            is_set_up: false,
            init_containers: vec![ContainerState::waiting("PodInitializing"); init_containers],
            containers: vec![ContainerState::waiting(reason); containers],
            evicted: None,
            is_over: false,
        }
    }

    /// The state of a container.
    pub(super) fn at(&mut self, place: Place) -> &mut ContainerState {
        match place {
            Place::Init(index) => &mut self.init_containers[index],
            Place::Main(index) => &mut self.containers[index],
        }
    }

    /// Says what its containers wait for.
    pub(super) fn say(&mut self, text: &str) {
        for container in self.init_containers.iter_mut().chain(&mut self.containers) {
            if let ContainerState::Waiting { message, .. } = container {
                text.clone_into(message);
            }
        }
    }

    /// The phase, where no container is restarted.
    pub(super) fn phase(&self) -> &'static str {
        let failed = |states: &[ContainerState]| states.iter().any(ContainerState::has_failed);
        if self.evicted.is_some() || failed(&self.init_containers) {
            "Failed"
        } else if !self.is_initialized() || self.containers.iter().any(ContainerState::is_waiting) {
            "Pending"
        } else if self.containers.iter().any(ContainerState::is_running) {
            "Running"
        } else if failed(&self.containers) {
            "Failed"
        } else {
            "Succeeded"
        }
    }

    fn is_initialized(&self) -> bool {
        self.init_containers.iter().all(ContainerState::has_succeeded)
    }

    fn conditions(&self) -> Vec<(&'static str, bool, &'static str)> {
        let phase = self.phase();
        let is_ready = phase == "Running" && self.containers.iter().all(ContainerState::is_running);
        let not_ready = match phase {
            "Succeeded" => "PodCompleted",
            "Failed" => "PodFailed",
            _ => "ContainersNotReady",
        };
        let is_initialized = self.is_initialized();
        let mut conditions = vec![
            ("PodScheduled", true, ""),
            ("PodReadyToStartContainers", self.is_set_up && !self.is_over, ""),
            ("Initialized", is_initialized, if is_initialized { "" } else { "ContainersNotInitialized" }),
            ("Ready", is_ready, if is_ready { "" } else { not_ready }),
            ("ContainersReady", is_ready, if is_ready { "" } else { not_ready }),
        ];
        if self.evicted.is_some() {
            conditions.push(("DisruptionTarget", true, "TerminationByKubelet"));
        }
        conditions
    }
}

/// What is to be written into the pod. A condition that stands as in `before`, the status written last, keeps its time.
pub(super) fn status(pod: &Pod, state: &PodState, before: &Value, now: &Time) -> Value {
    let spec = pod.spec.clone().unwrap_or_default();
    let statuses = |containers: &[Container], states: &[ContainerState]| -> Vec<Value> {
        containers.iter().zip(states).map(|(container, state)| container_status(container, state)).collect()
    };
    let conditions: Vec<Value> =
        state.conditions().into_iter().map(|condition| as_json(condition, before, now)).collect();
    let mut status = json!({
        "phase": state.phase(),
        "conditions": conditions,
        "startTime": state.started_at,
        "hostIP": node::ADDRESS,
        "hostIPs": [{ "ip": node::ADDRESS }],
        "containerStatuses": statuses(&spec.containers, &state.containers),
    });
    if let Some(containers) = &spec.init_containers {
        status["initContainerStatuses"] = json!(statuses(containers, &state.init_containers));
    }
    if state.is_set_up {
        status["podIP"] = json!(node::ADDRESS);
        status["podIPs"] = json!([{ "ip": node::ADDRESS }]);
    }
    if let Some(message) = &state.evicted {
        status["reason"] = json!("Evicted");
        status["message"] = json!(message);
    }
    status
}

fn as_json((kind, holds, reason): (&str, bool, &str), before: &Value, now: &Time) -> Value {
    let holds = if holds { "True" } else { "False" };
    let same = before["conditions"].as_array().into_iter().flatten();
    let mut same =
        same.filter(|old| old["type"] == kind && old["status"] == holds).map(|old| &old["lastTransitionTime"]);
    let since = same.next().cloned().unwrap_or_else(|| json!(now));
    let mut condition = json!({ "type": kind, "status": holds, "lastTransitionTime": since });
    if !reason.is_empty() {
        condition["reason"] = json!(reason);
    }
    condition
}

fn container_status(container: &Container, state: &ContainerState) -> Value {
    json!({
        "name": container.name,
        "image": container.image,
        // Required. Images are programs here and have no id of their own.
        "imageID": container.image,
        "restartCount": 0,
        "ready": state.is_running(),
        "started": state.is_running(),
        "state": state_as_json(state),
    })
}

fn state_as_json(state: &ContainerState) -> Value {
    match state {
        ContainerState::Waiting { reason, message } if message.is_empty() => json!({ "waiting": { "reason": reason } }),
        ContainerState::Waiting { reason, message } => json!({ "waiting": { "reason": reason, "message": message } }),
        ContainerState::Running { started_at, .. } => json!({ "running": { "startedAt": started_at } }),
        ContainerState::Ended { exit, message, started_at, finished_at } => {
            let mut ended = json!({
                "exitCode": exit.map_or(CANNOT_START, exit_code),
                "reason": reason(*exit),
                "startedAt": started_at,
                "finishedAt": finished_at,
            });
            if let Some(signal) = exit.and_then(|exit| exit.signal()) {
                ended["signal"] = json!(signal);
            }
            if !message.is_empty() {
                ended["message"] = json!(message);
            }
            json!({ "terminated": ended })
        }
    }
}

fn reason(exit: Option<ExitStatus>) -> &'static str {
    match exit {
        None => "StartError",
        Some(exit) if exit.success() => "Completed",
        Some(_) => "Error",
    }
}

/// The exit code as a container runtime reports it: 128 and the signal for one that a signal has ended.
fn exit_code(exit: ExitStatus) -> i32 {
    exit.code().or_else(|| exit.signal().map(|signal| 128 + signal)).unwrap_or(CANNOT_START)
}

#[cfg(test)]
mod tests;
