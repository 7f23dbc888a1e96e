//! How a command fares, read from its pod.

use serde_json::Value;

/// Kubernetes' words for a container's image that is not there (yet).
const IMAGE: [&str; 7] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];

/// The image troubles that no waiting ends.
const HOPELESS_IMAGE: [&str; 2] = ["InvalidImageName", "ErrImageNeverPull"];

/// Kubernetes' words for a container that could not be made, mostly because a Secret or a `ConfigMap` is missing.
const CONTAINER: [&str; 3] = ["CreateContainerConfigError", "CreateContainerError", "RunContainerError"];

/// How a command fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It has not begun, and this is in its way, if anything is known to be.
    Waiting(Option<Obstacle>),
    /// It runs, or its last words are still to come.
    Running,
    /// It has ended.
    Ended(Ended),
}

/// What has been seen of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) state: State,
    /// Whether it has begun.
    pub(super) has_run: bool,
}

impl Seen {
    /// Before anything is known.
    pub(super) fn nothing() -> Self {
        Self { state: State::Waiting(None), has_run: false }
    }

    /// Takes in how the pod is now, or that it is gone.
    pub(super) fn look_at(&mut self, pod: Option<&Value>, container: &str) {
        self.state = State::of(pod, container);
        self.has_run |= pod.is_some_and(|pod| has_begun(pod, container));
    }
}

fn has_begun(pod: &Value, container: &str) -> bool {
    let state = &status_of(pod, "containerStatuses", container)["state"];
    !state["running"].is_null() || !state["terminated"]["startedAt"].is_null()
}

/// What keeps a pod from starting.
///
/// ```
/// use lagoon_task::ServiceCommandError;
/// use lagoon_task::service_command::Obstacle;
///
/// fn word(error: &ServiceCommandError) -> Option<&str> {
///     match error {
///         ServiceCommandError::NotStarted { obstacle: Some(Obstacle { reason, .. }), .. } => Some(reason),
///         _ => None,
///     }
/// }
/// assert_eq!(word(&ServiceCommandError::Stopped), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What sort it is.
    pub kind: ObstacleKind,
    /// Kubernetes' word for it.
    pub reason: String,
    /// Kubernetes' explanation; may be empty.
    pub message: String,
}

/// What sort of thing keeps a pod from starting.
///
/// ```
/// use std::time::Duration;
/// use lagoon_task::ServiceCommandError;
/// use lagoon_task::service_command::{Obstacle, ObstacleKind};
///
/// let (reason, message) = ("Unschedulable".to_owned(), "0/3 nodes are available".to_owned());
/// let obstacle = Obstacle { kind: ObstacleKind::NoNode, reason, message };
/// let error = ServiceCommandError::NotStarted { obstacle: Some(obstacle), after: Duration::from_mins(10) };
/// assert!(error.to_string().contains("the cluster has no node with room for its pod"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObstacleKind {
    /// No node has room for it, or none fits.
    NoNode,
    /// Its image cannot be pulled.
    Image,
    /// Its image cannot be pulled, however often it is tried.
    HopelessImage,
    /// Its container cannot be made.
    Container,
    /// Something else that the cluster has warned of, such as a volume that is in use on another node.
    Other,
}

/// How a command ended.
///
/// ```no_run
/// use lagoon_task::service_command::{self, Ended};
/// use lagoon_task::{Context, Failure, ServiceCommand, ServiceCommandError};
///
/// # async fn example(task: Context, command: ServiceCommand) -> Result<String, Failure> {
/// match service_command::run(&task, &command).await {
///     Ok(_) => Ok("It was found.".to_owned()),
///     // So says `grep` when it has searched and found nothing.
///     Err(ServiceCommandError::Ended(Ended::Exited(exit))) if exit.code == 1 => Ok("It is not there.".to_owned()),
///     Err(error) => Err(error.into()),
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// Its container ended.
    Exited(Exit),
    /// An init container ended badly, so the command did not run.
    NotPrepared {
        /// The init container.
        container: String,
        /// How it ended.
        exit: Exit,
    },
    /// Kubernetes ended the pod, with its word and its explanation for it.
    Stopped {
        /// Like `Evicted`; may be empty.
        reason: String,
        /// May be empty.
        message: String,
    },
    /// The pod was deleted.
    Deleted,
}

/// How a container ended.
///
/// ```
/// use lagoon_task::service_command::Exit;
///
/// let exit = Exit { code: 137, reason: "OOMKilled".to_owned(), ..Exit::default() };
/// assert_eq!(exit.to_string(), "exit code 137 (OOMKilled, SIGKILL)");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code.
    pub code: i64,
    /// Kubernetes' word for it, like `Completed`, `Error`, `OOMKilled`.
    pub reason: String,
    /// Kubernetes' explanation; mostly empty.
    pub message: String,
}

impl State {
    /// Reads the state of the command in `container` of a pod; of none, when the pod is gone.
    pub(super) fn of(pod: Option<&Value>, container: &str) -> Self {
        let Some(pod) = pod else { return Self::Ended(Ended::Deleted) };
        match ended(pod, container) {
            Some(ended) => Self::Ended(ended),
            None if !status_of(pod, "containerStatuses", container)["state"]["running"].is_null() => Self::Running,
            None => Self::Waiting(obstacle(pod)),
        }
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self, Self::Ended(_))
    }
}

fn ended(pod: &Value, container: &str) -> Option<Ended> {
    let status = &pod["status"];
    let phase = text(&status["phase"]);
    let (reason, message) = (text(&status["reason"]), text(&status["message"]));
    // Said before the exit code: a container that is asked to stop may well end with 0, half way through its work.
    if phase == "Failed" && !reason.is_empty() {
        return Some(Ended::Stopped { reason, message });
    }
    if let Some(exit) = exit(status_of(pod, "containerStatuses", container)) {
        return Some(if exit.code == 0 { Ended::Exited(exit) } else { disruption(pod).unwrap_or(Ended::Exited(exit)) });
    }
    match phase.as_str() {
        "Succeeded" => Some(Ended::Exited(Exit { reason: "Completed".to_owned(), ..Exit::default() })),
        "Failed" => Some(not_prepared(status).unwrap_or(Ended::Stopped { reason, message })),
        _ => None,
    }
}

/// Who ended the command, if it was not its own doing: a drained node, a more important pod, or somebody who deleted it.
fn disruption(pod: &Value) -> Option<Ended> {
    let disrupted = condition(&pod["status"], "DisruptionTarget").filter(|condition| condition["status"] == "True");
    if let Some(condition) = disrupted {
        return Some(Ended::Stopped { reason: text(&condition["reason"]), message: text(&condition["message"]) });
    }
    (!pod["metadata"]["deletionTimestamp"].is_null()).then_some(Ended::Deleted)
}

fn not_prepared(status: &Value) -> Option<Ended> {
    let mut statuses = items(&status["initContainerStatuses"]);
    let failed = |status: &Value| exit(status).filter(|exit| exit.code != 0).map(|exit| (text(&status["name"]), exit));
    statuses.find_map(failed).map(|(container, exit)| Ended::NotPrepared { container, exit })
}

fn exit(status: &Value) -> Option<Exit> {
    let terminated = status["state"]["terminated"].as_object()?;
    let field = |name| terminated.get(name).map(text).unwrap_or_default();
    // A container of which the node has lost track has no code; it did not succeed.
    let code = terminated.get("exitCode").and_then(Value::as_i64).unwrap_or(-1);
    Some(Exit { code, reason: field("reason"), message: field("message") })
}

fn obstacle(pod: &Value) -> Option<Obstacle> {
    let status = &pod["status"];
    let of_containers =
        ["initContainerStatuses", "containerStatuses"].into_iter().flat_map(|list| items(&status[list]));
    let mut waiting = of_containers.map(|status| &status["state"]["waiting"]);
    waiting.find_map(of_container).or_else(|| no_node(status))
}

fn of_container(waiting: &Value) -> Option<Obstacle> {
    let (reason, message) = (text(&waiting["reason"]), text(&waiting["message"]));
    let kind = match reason.as_str() {
        hopeless if HOPELESS_IMAGE.contains(&hopeless) => ObstacleKind::HopelessImage,
        image if IMAGE.contains(&image) => ObstacleKind::Image,
        container if CONTAINER.contains(&container) => ObstacleKind::Container,
        _ => return None,
    };
    Some(Obstacle { kind, reason, message })
}

fn no_node(status: &Value) -> Option<Obstacle> {
    let scheduled = condition(status, "PodScheduled")?;
    let (reason, message) = (text(&scheduled["reason"]), text(&scheduled["message"]));
    (scheduled["status"] == "False").then_some(Obstacle { kind: ObstacleKind::NoNode, reason, message })
}

fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    items(&status["conditions"]).find(|condition| condition["type"] == kind)
}

fn status_of<'a>(pod: &'a Value, list: &str, container: &str) -> &'a Value {
    items(&pod["status"][list]).find(|status| status["name"] == container).unwrap_or(&Value::Null)
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests;
