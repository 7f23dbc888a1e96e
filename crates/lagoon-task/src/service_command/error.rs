//! Why a command did not succeed, in words for the person who asked for it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::cluster::{Cause, ClusterError, ConnectError};
use crate::output::escape;
use crate::service_command::pod::ServicePodError;
use crate::service_command::state::{Ended, Exit, Obstacle, ObstacleKind};

/// Why a command in a service did not succeed.
///
/// ```
/// use lagoon_task::{Failure, ServiceCommandError};
///
/// fn in_words(error: ServiceCommandError) -> Failure {
///     match error {
///         ServiceCommandError::NoService { .. } => Failure::new("This site has no cli, which this task needs."),
///         other => other.into(),
///     }
/// }
/// let stopped = in_words(ServiceCommandError::StoppedBefore);
/// assert_eq!(stopped.sentence(), "The task was asked to stop before the command was run.");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceCommandError {
    /// The payload's `service` is no name of a service.
    #[error(
        "The payload's field `service` does not hold the name of a service, such as \"cli\": at most 63 of a-z, 0-9 \
         and \"-\"."
    )]
    NotAService,
    /// The payload's `container` is no name of a container.
    #[error(
        "The payload's field `container` does not hold the name of a container, such as \"php\": at most 63 of a-z, \
         0-9 and \"-\"."
    )]
    NotAContainer,
    /// There is no command.
    #[error("The payload's field `command` is empty. It takes what a shell is to run, such as \"drush status\".")]
    NoCommand,
    /// The command holds a character that no command line can hold.
    #[error("The payload's field `command` holds a NUL character, and no command line can.")]
    NotACommand,
    /// Nothing in the environment belongs to the service.
    #[error(
        "There is no service \"{service}\" in this environment: no pod of it runs, and it has no Deployment. {}",
        known(services)
    )]
    NoService {
        /// The service that was asked for.
        service: String,
        /// Those that are there.
        services: BTreeSet<String>,
    },
    /// The task's own pod is not among those of its namespace, so nothing can be made that goes with it.
    #[error(
        "The task's own pod \"{pod}\" is not there any more: the task has been cancelled. The command was not run."
    )]
    NoOwnPod {
        /// The pod's name.
        pod: String,
    },
    /// No pod can be made of what the service has.
    #[error(transparent)]
    Pod(#[from] ServicePodError),
    /// There is no way to the cluster.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The API server does not take the new pod.
    #[error("The command was not run: {}.", refusal(.0))]
    Refused(#[source] ClusterError),
    /// It is not known whether there is a new pod.
    #[error(
        "It is not known whether the command runs: the cluster did not answer when its pod was created, nor when it was \
         looked for ({0}). Such a pod is removed with the task's own pod."
    )]
    InDoubt(#[source] ClusterError),
    /// Another request failed.
    #[error("{0}.")]
    Cluster(#[from] ClusterError),
    /// The pod did not start.
    #[error("The command was not run: {}", not_started(obstacle.as_ref(), *.after))]
    NotStarted {
        /// What was in its way.
        obstacle: Option<Obstacle>,
        /// How long that was waited for.
        after: Duration,
    },
    /// The command did not end in time.
    #[error(
        "The command did not end within {} s and was stopped. What it had done by then remains. The site's variable \
         TASK_TIMEOUT_SECONDS sets another time, up to a day.", .0.as_secs()
    )]
    TimeOut(Duration),
    /// The task was asked to stop before there was a pod.
    #[error("The task was asked to stop before the command was run.")]
    StoppedBefore,
    /// The task was asked to stop.
    #[error("The task was asked to stop, so the command was stopped. What it had done by then remains.")]
    Stopped,
    /// Its pod ended before it had begun.
    #[error("{}", in_words_before(.0))]
    EndedBefore(Ended),
    /// It ended otherwise than with exit code 0.
    #[error("{}", in_words(.0))]
    Ended(Ended),
}

fn known(services: &BTreeSet<String>) -> String {
    if services.is_empty() {
        return "No service is deployed here yet: deploy the environment first.".to_owned();
    }
    let names: Vec<String> = services.iter().map(|service| escape(service)).collect();
    format!("Its services are: {}.", names.join(", "))
}

/// Why the API server does not take the pod. The plugins that decide on it say so in a 403 of their own wording.
fn refusal(error: &ClusterError) -> String {
    let Cause::Forbidden(message) = error.cause() else { return error.to_string() };
    if let Some((_, quota)) = message.split_once("exceeded quota: ") {
        return format!(
            "the namespace's quota has no room for its pod (quota {quota}). Try again when other tasks or deployments \
             have ended, or ask your Lagoon administrator for more"
        );
    }
    if let Some((_, quota)) = message.split_once("failed quota: ") {
        return format!(
            "the namespace's quota wants limits that the service's container does not have (quota {quota}). Tell your \
             Lagoon administrator"
        );
    }
    if let Some((_, violation)) = message.split_once("violates PodSecurity ") {
        return format!(
            "the namespace's pod security level does not allow a pod like the service's ({violation}). The service \
             itself could not start anew either; tell your Lagoon administrator"
        );
    }
    if let Some(limits) = message.split_once("is forbidden: ").map(|(_, rest)| rest).filter(|rest| is_of_limits(rest)) {
        return format!(
            "its pod does not keep to the namespace's limits ({limits}). They have changed since the service was \
             started; tell your Lagoon administrator"
        );
    }
    error.to_string()
}

/// The words of the `LimitRanger`: `maximum cpu usage per Container is 1, but limit is 2`, one or a list of them.
fn is_of_limits(message: &str) -> bool {
    let first = message.trim_start_matches('[');
    message.contains(" usage per ") && (first.starts_with("maximum ") || first.starts_with("minimum "))
        || first.contains("limit to request ratio per ")
}

/// Why the pod has not started.
pub(super) fn obstacle_in_words(obstacle: &Obstacle) -> String {
    let Obstacle { kind, reason, message } = obstacle;
    let what = match kind {
        ObstacleKind::NoNode => "the cluster has no node with room for its pod",
        ObstacleKind::Image => "its image could not be pulled",
        ObstacleKind::HopelessImage => "its image can never be pulled",
        ObstacleKind::Container => "its container could not be made",
        ObstacleKind::Other => "its pod could not be set up",
    };
    format!("{what} ({})", explained(reason, message))
}

fn not_started(obstacle: Option<&Obstacle>, after: Duration) -> String {
    let Some(obstacle) = obstacle else {
        return format!(
            "its pod did not start within {} s, and the cluster does not say why. Try again later, or tell your Lagoon \
             administrator.",
            after.as_secs()
        );
    };
    let to_do = match obstacle.kind {
        ObstacleKind::NoNode | ObstacleKind::Other => "Try again later, or tell your Lagoon administrator.",
        ObstacleKind::Image | ObstacleKind::HopelessImage => {
            "The service itself could not start anew either: deploy the environment again, and if that does not help \
             tell your Lagoon administrator."
        }
        ObstacleKind::Container => {
            "A Secret or ConfigMap that the service's container names is missing, or its start is wrong: deploy the \
             environment again."
        }
    };
    let waited = if after.is_zero() { String::new() } else { format!(", within {} s", after.as_secs()) };
    format!("{}{waited}. {to_do}", obstacle_in_words(obstacle))
}

/// How a command ended.
fn in_words(ended: &Ended) -> String {
    match ended {
        Ended::Exited(exit) if exit.reason == "OOMKilled" => format!(
            "The command needed more memory than the service's container may have, and Kubernetes ended it ({exit})."
        ),
        Ended::Exited(exit) if matches!(exit.reason.as_str(), "StartError" | "ContainerCannotRun") => format!(
            "The command could not be started in the service's image ({}). The image must have a /bin/sh.",
            explained(&exit.to_string(), &exit.message)
        ),
        Ended::Exited(exit) => format!("The command ended with {exit}."),
        Ended::NotPrepared { container, exit } => format!(
            "The command was not run: the container \"{}\", which prepares the service's container, ended with {exit}.",
            escape(container)
        ),
        Ended::Stopped { reason, message } if reason == "DeadlineExceeded" => format!(
            "The command ran for longer than the task may take, and Kubernetes ended it ({}).",
            explained(reason, message)
        ),
        Ended::Stopped { reason, message } if is_eviction(reason) => format!(
            "Kubernetes took the command's pod off its node before the command had ended ({}). What it had done by \
             then remains. Run the task again.",
            explained(reason, message)
        ),
        Ended::Stopped { reason, message } if reason.is_empty() && message.is_empty() => {
            "The command's pod failed, and Kubernetes does not say why. Run the task again.".to_owned()
        }
        Ended::Stopped { reason, message } => {
            format!("Kubernetes ended the command's pod ({}). Run the task again.", explained(reason, message))
        }
        Ended::Deleted => "Somebody deleted the command's pod before the command had ended. What it had done by then \
             remains."
            .to_owned(),
    }
}

/// How the pod of a command ended that has not begun.
fn in_words_before(ended: &Ended) -> String {
    match ended {
        Ended::Stopped { reason, message } if is_eviction(reason) => format!(
            "The command was not run: Kubernetes took its pod off its node before ({}). Run the task again.",
            explained(reason, message)
        ),
        Ended::Stopped { reason, message } if reason.is_empty() && message.is_empty() => {
            "The command was not run: its pod failed, and Kubernetes does not say why. Run the task again.".to_owned()
        }
        Ended::Stopped { reason, message } => format!(
            "The command was not run: Kubernetes ended its pod before ({}). Run the task again.",
            explained(reason, message)
        ),
        Ended::Deleted => "The command was not run: somebody deleted its pod before. Run the task again.".to_owned(),
        Ended::NotPrepared { .. } | Ended::Exited(_) => in_words(ended),
    }
}

/// The kubelet's word, the scheduler's, and those of the condition `DisruptionTarget`.
fn is_eviction(reason: &str) -> bool {
    const WORDS: [&str; 8] = [
        "Evicted",
        "Preempting",
        "Terminated",
        "NodeShutdown",
        "EvictionByEvictionAPI",
        "PreemptionByScheduler",
        "DeletionByTaintManager",
        "TerminationByKubelet",
    ];
    WORDS.contains(&reason)
}

impl fmt::Display for Exit {
    /// The exit code with Kubernetes' word for it, and the signal that a shell means by a code above 128.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signal = match self.code {
            129 => ", SIGHUP",
            130 => ", SIGINT",
            134 => ", SIGABRT",
            137 => ", SIGKILL",
            139 => ", SIGSEGV",
            141 => ", SIGPIPE",
            143 => ", SIGTERM",
            _ => "",
        };
        let reason = if self.reason.is_empty() { "no reason given".to_owned() } else { escape(&self.reason) };
        write!(formatter, "exit code {} ({reason}{signal})", self.code)
    }
}

/// Kubernetes' word and its explanation, on one line and not too long.
fn explained(reason: &str, message: &str) -> String {
    const LONGEST: usize = 500;
    let message = escape(message);
    let message = &message[..message.floor_char_boundary(LONGEST)];
    match (reason.is_empty(), message.is_empty()) {
        (false, false) => format!("{}: {message}", escape(reason)),
        (true, _) => message.to_owned(),
        (false, true) => escape(reason),
    }
}

#[cfg(test)]
mod tests;
