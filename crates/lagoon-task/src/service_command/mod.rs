//! Runs a command as Lagoon's standard task does: in a new pod that is made like a service's own.
//!
//! [`run`] finds the service's running pod, or its Deployment when none runs; starts a pod like it
//! (`service_pod`) with the command; shows the command's output as it comes; and removes the pod
//! when the command has ended, when it takes too long, and when the task is asked to stop. A task that is killed
//! leaves a pod that goes with the task's own pod, with the next such task, or when its time is up.
//!
//! How long is waited until the command runs: a minute for an image that cannot be pulled or a container that cannot
//! be made, ten minutes otherwise. How long it may run: `TASK_TIMEOUT_SECONDS`, a day unless set.

mod command_pod;
mod error;
mod log_cursor;
mod output;
mod pod;
mod running;
mod source;
mod start_deadline;
mod state;

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ApiResource;
use serde::Deserialize;
use serde_json::Value;

use crate::backoff::Backoff;
use crate::cluster::{Cause, Metadata, Objects, PATIENCE};
use crate::context::Context;
use crate::environment::is_dns_label;
use crate::output::escape;
use command_pod::CommandPod;
pub use error::ServiceCommandError;
pub use pod::ServicePodError;
use pod::{ASKED_FOR_BY_LABEL, NewPod, container_name, pod_name, service_pod};
pub use state::{Ended, Exit, Obstacle, ObstacleKind};

/// How long a command may run unless `TASK_TIMEOUT_SECONDS` says so.
const LONGEST_RUN: Duration = Duration::from_hours(24);

/// Kubernetes ends the pod of a task that was killed so much later than the task would have.
const AFTER_THE_TASK: u64 = 60;

/// A create that met what may pass is sent again this long.
const CREATES: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(1)).deadline(PATIENCE);

/// A command to be run like a service's container: a task's payload, `{"service": "cli", "command": "drush status"}`.
///
/// ```
/// use lagoon_task::ServiceCommand;
///
/// let command: ServiceCommand = serde_json::from_str(r#"{ "service": "cli", "command": "drush status" }"#)?;
/// assert_eq!(command.command, "drush status");
/// assert_eq!(command.container, None);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ServiceCommand {
    /// The service's name, as in the label `lagoon.sh/service` of its pods.
    pub service: String,
    /// What `/bin/sh -c` is to run.
    pub command: String,
    /// The container, where the service's pod has several and none of the service's name. Empty counts as absent.
    #[serde(default)]
    pub container: Option<String>,
}

impl ServiceCommand {
    fn container(&self) -> Option<&str> {
        self.container.as_deref().filter(|name| !name.is_empty())
    }

    /// Whether this can be a service, a container and a command at all.
    ///
    /// ```
    /// use lagoon_task::ServiceCommand;
    ///
    /// let command = ServiceCommand { service: "cli".to_owned(), command: " ".to_owned(), container: None };
    /// assert!(command.check().unwrap_err().to_string().starts_with("The payload's field `command` is empty."));
    /// ```
    pub fn check(&self) -> Result<(), ServiceCommandError> {
        if !is_dns_label(&self.service) {
            return Err(ServiceCommandError::NotAService);
        }
        if !self.container().is_none_or(is_dns_label) {
            return Err(ServiceCommandError::NotAContainer);
        }
        if self.command.trim().is_empty() {
            return Err(ServiceCommandError::NoCommand);
        }
        if self.command.contains('\0') {
            return Err(ServiceCommandError::NotACommand);
        }
        Ok(())
    }
}

/// Runs a command as Lagoon's standard task does, and shows its output as it comes. Anything but exit code 0 is an error.
///
/// ```no_run
/// use lagoon_task::{Context, Failure, ServiceCommand, service_command};
///
/// # async fn example(task: Context) -> Result<(), Failure> {
/// let command: ServiceCommand = task.payload()?;
/// service_command::run(&task, &command).await?;
/// # Ok(()) }
/// ```
pub async fn run(task: &Context, command: &ServiceCommand) -> Result<Exit, ServiceCommandError> {
    command.check()?;
    let limit = task.environment.timeout.unwrap_or(LONGEST_RUN);
    let pods = task.cluster()?.objects(&ApiResource::erase::<Pod>(&()), &task.environment.namespace);
    let manifest = tokio::select! {
        manifest = prepare(task, command, &pods, limit) => manifest?,
        () = task.stopping() => return Err(ServiceCommandError::StoppedBefore),
    };
    // Not broken off when the task is to stop: what has been sent may be carried out, and must be removed then.
    let pod = create(task, &pods, &manifest).await?;
    let running = CommandPod { task, pods, pod, container: container_name(&manifest).to_owned(), limit };
    let ended = tokio::select! {
        ended = running.until_it_ends() => ended,
        () = task.stopping() => Err(ServiceCommandError::Stopped),
    };
    running.remove().await;
    match ended? {
        Ended::Exited(exit) if exit.code == 0 => Ok(exit),
        ended => Err(ServiceCommandError::Ended(ended)),
    }
}

/// Looks for what the service has, and makes the new pod's manifest of it.
async fn prepare(
    task: &Context,
    command: &ServiceCommand,
    pods: &Objects<'_>,
    limit: Duration,
) -> Result<Value, ServiceCommandError> {
    let own = task.environment.pod_name.as_str();
    let all = pods.list(|pod| pod).await?;
    let Some(own_pod) = all.iter().find(|pod| pod["metadata"]["name"] == own) else {
        return Err(ServiceCommandError::NoOwnPod { pod: own.to_owned() });
    };
    remove_left_behind(task, pods, &all).await;
    let name = pod_name(own, task.next_command());
    let uid = Metadata::of(own_pod).uid;
    let new = NewPod {
        name: &name,
        service: &command.service,
        container: command.container(),
        command: &command.command,
        seconds: limit.as_secs() + AFTER_THE_TASK,
        owner: (own, &uid),
    };
    let (manifest, like) = if let Some(pod) = source::running_pod(&all, &command.service) {
        (service_pod(pod, &new)?, format!("pod \"{}\"", escape(&Metadata::of(pod).name)))
    } else {
        let deployment = deployment(pods, &all, &command.service).await?;
        let name = escape(&Metadata::of(&deployment).name);
        (service_pod(&deployment, &new)?, format!("Deployment \"{name}\", since no pod of the service runs"))
    };
    let container = escape(container_name(&manifest));
    task.step(format!("Running the command in a new pod, in container \"{container}\" as in {like}."));
    Ok(manifest)
}

async fn deployment(pods: &Objects<'_>, all: &[Value], service: &str) -> Result<Value, ServiceCommandError> {
    let deployments = pods.cluster().objects(&ApiResource::erase::<Deployment>(&()), pods.namespace());
    let deployments = deployments.list(|deployment| deployment).await?;
    source::deployment(&deployments, service).cloned().ok_or_else(|| {
        let services: BTreeSet<String> =
            source::services(all.iter().chain(&deployments)).into_iter().map(str::to_owned).collect();
        ServiceCommandError::NoService { service: service.to_owned(), services }
    })
}

/// Removes the pods of such tasks as were killed. What cannot be removed now is left to their deadline.
async fn remove_left_behind(task: &Context, pods: &Objects<'_>, all: &[Value]) {
    for pod in source::left_behind(all) {
        let name = escape(&pod.name);
        match pods.delete_with_grace(&pod, running::GRACE_SECONDS).await {
            Ok(_) => task.say(format!("Removed pod \"{name}\", which a task that has ended had left behind.")),
            Err(error) => task.say(format!("{error}. A task that has ended had left it behind.")),
        }
    }
}

/// Creates the pod. Where an answer was lost it is looked for: it runs all the same, and nobody would remove it.
async fn create(task: &Context, pods: &Objects<'_>, manifest: &Value) -> Result<Metadata, ServiceCommandError> {
    let mut pauses = CREATES.start();
    let mut may_be_there = false;
    loop {
        let error = match pods.create(manifest).await {
            Ok(pod) => return Ok(Metadata::of(&pod)),
            Err(error) => error,
        };
        let cause = error.cause();
        may_be_there |= *cause == Cause::AlreadyExists || !cause.nothing_was_done();
        // A quota that several pods were counted on at once is a conflict.
        let may_succeed = *cause == Cause::Conflict || cause.may_pass();
        if may_succeed && !task.is_stopping() {
            let again = tokio::select! {
                again = pauses.pause() => again,
                () = task.stopping() => true,
            };
            if again {
                continue;
            }
        }
        let existing = if may_be_there { created_before(pods, manifest).await? } else { None };
        return existing.ok_or(ServiceCommandError::Refused(error));
    }
}

/// The pod of the manifest's name, if it was made for this very command.
async fn created_before(pods: &Objects<'_>, manifest: &Value) -> Result<Option<Metadata>, ServiceCommandError> {
    let wanted = Metadata::of(manifest);
    let existing = pods.get_metadata(&wanted.name).await.map_err(ServiceCommandError::InDoubt)?;
    let is_ours = |pod: &Metadata| {
        pod.labels.get(ASKED_FOR_BY_LABEL) == wanted.labels.get(ASKED_FOR_BY_LABEL) && pod.deletion_timestamp.is_none()
    };
    Ok(existing.filter(is_ours))
}

#[cfg(test)]
mod tests;
