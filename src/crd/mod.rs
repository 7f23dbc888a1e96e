//! The switch by way of a `HostMigration` object: create it, watch it, report how it ended.
//!
//! The work itself is done by the controller in the cluster that the object is for. When nothing goes wrong this
//! takes three requests: a create, a watch from the version that the create returned, and a patch of the task's pod.

mod conditions;
mod existing;
mod request;
mod wait;

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::payload::{EnvironmentNames, as_kept_by_lagoon};
use crate::report::hand_over;
use lagoon_task::Failure;
use lagoon_task::cluster::{Cause, ClusterError};
use lagoon_task::context::Context;
use lagoon_task::output::escape;

pub use conditions::{Observed, Phase, Seen, Shown};
pub use existing::{Existing, Refusal};
pub use request::{ObjectError, Requested, TASK};
use wait::{CreateError, Ended, Waiting};

/// How long the task waits for the controller, unless `TASK_TIMEOUT_SECONDS` says otherwise: 30 minutes.
pub const TIMEOUT: Duration = Duration::from_mins(30);

const RUN_AGAIN: &str = "Running the task again is safe.";

/// The result that Lagoon takes, with its fields in the order in which upstream's image wrote them.
///
/// The environments' names are as they were before the switch: in this way Lagoon swaps them itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SwitchResult {
    status: &'static str,
    production_environment: String,
    standby_production_environment: String,
    production_routes: String,
    standby_routes: String,
}

impl SwitchResult {
    fn new(status: &'static str, names: &EnvironmentNames, observed: &Observed) -> Self {
        Self {
            status,
            production_environment: as_kept_by_lagoon(&names.production),
            standby_production_environment: as_kept_by_lagoon(&names.standby),
            production_routes: observed.active_hosts.clone().unwrap_or_default(),
            standby_routes: observed.standby_hosts.clone().unwrap_or_default(),
        }
    }
}

/// Creates the payload's object, waits until the controller has carried it out, and reports the result.
pub async fn switch(task: &Context, names: &EnvironmentNames, object: Map<String, Value>) -> Result<String, Failure> {
    let requested = Requested::from_payload(object, &task.environment.namespace, &task.environment.pod_name)?;
    let mut waiting = Waiting::new(task, &requested)?;
    task.say(format!(
        "Switching: environment \"{}\" is to become active, \"{}\" standby.",
        escape(&names.standby),
        escape(&names.production)
    ));
    let timeout = task.environment.timeout.unwrap_or(TIMEOUT);
    let ended = tokio::select! {
        ended = create_and_wait(&mut waiting, timeout) => ended?,
        () = task.stopping() => Ended::Stopped,
    };
    let observed = waiting.observed();
    match ended {
        Ended::Finished(Phase::Completed) => completed(task, names, observed).await,
        Ended::Finished(Phase::Failed(reason)) => Err(failed(task, names, observed, &reason)?),
        Ended::Finished(Phase::Waiting) | Ended::TimedOut => Err(Failure::new(format!(
            "The switch has not ended within {} s, and the task stops waiting. {}. The controller may still carry it \
             out: look at the site's routes before you do anything else. {RUN_AGAIN}",
            timeout.as_secs(),
            observed.last_words()
        ))),
        Ended::Deleted => Err(Failure::new(format!(
            "{} was deleted while the task waited for it, so how the switch ended is not known. {}. Look at the site's \
             routes: they may have moved in part. {RUN_AGAIN}",
            waiting.object_name(),
            observed.last_words()
        ))),
        Ended::Stopped => Err(Failure::new(format!(
            "The task was stopped while the switch was under way. {}. The controller goes on without the task, but \
             Lagoon will not be told how it ends. {RUN_AGAIN}",
            observed.last_words()
        ))),
    }
}

async fn create_and_wait(waiting: &mut Waiting<'_>, timeout: Duration) -> Result<Ended, Failure> {
    waiting.create().await.map_err(|error| match error {
        CreateError::Cluster(error) => not_created(&error),
        CreateError::Taken { ref refusal, .. } => {
            Failure::new(format!("{error}. This switch has changed nothing. {}", refusal.advice()))
        }
    })?;
    match tokio::time::timeout(timeout, waiting.until_it_ends()).await {
        Ok(ended) => ended.map_err(|error| {
            Failure::new(format!(
                "{error}. The switch was begun and the cluster's controller goes on with it, but the task can no longer \
                 see how it ends. {}. {RUN_AGAIN}",
                waiting.observed().last_words()
            ))
        }),
        Err(_) => Ok(Ended::TimedOut),
    }
}

/// The switch is done: Lagoon must hear of it before the task may succeed.
async fn completed(task: &Context, names: &EnvironmentNames, observed: &Observed) -> Result<String, Failure> {
    if observed.active_hosts.is_none() && observed.standby_hosts.is_none() {
        task.say("The controller did not say which hosts moved; the result names none.");
    }
    let result = SwitchResult::new("Completed", names, observed);
    hand_over(task, &result).await?;
    Ok(format!(
        "The switch is done. Environment \"{}\" is active now. Routes: {}. Routes of the standby environment: {}.",
        escape(&names.standby),
        listed(&result.production_routes),
        listed(&result.standby_routes)
    ))
}

/// The controller gave up: its reason and the result are for the log, since Lagoon ignores the result of a task that fails.
fn failed(
    task: &Context,
    names: &EnvironmentNames,
    observed: &Observed,
    reason: &str,
) -> Result<Failure, serde_json::Error> {
    let result = SwitchResult::new("Failed", names, observed);
    task.say(format!("Result: {}", serde_json::to_string(&result)?));
    let reason = if reason.trim().is_empty() { "it gave no reason".to_owned() } else { escape(reason.trim()) };
    Ok(Failure::new(format!(
        "The switch failed; the cluster's controller says: {reason}. Lagoon's record of the environments has not \
         changed. Look at the site's routes, remove the cause, and switch again."
    )))
}

/// Comma-joined routes as a person reads them.
fn listed(routes: &str) -> String {
    let routes: Vec<String> = routes.split(',').map(str::trim).filter(|route| !route.is_empty()).map(escape).collect();
    if routes.is_empty() { "none".to_owned() } else { routes.join(", ") }
}

/// What it means that the object could not be created.
fn not_created(error: &ClusterError) -> Failure {
    let meaning = match error.cause() {
        Cause::KindUnknown => {
            "The HostMigration resource is not installed in this cluster: ask your Lagoon administrator to install \
             crds/hostmigrations.yaml and a controller for it."
        }
        Cause::Forbidden(_) => {
            "Ask your Lagoon administrator to give lagoon-deployer the right to create, list and watch \
             hostmigrations.dioscuri.amazee.io in this namespace (deploy/hostmigration-deployer.yaml does that)."
        }
        _ => RUN_AGAIN,
    };
    // The object that could not be read may be the task's.
    if error.cause().nothing_was_done() && !matches!(error, ClusterError::Read { .. }) {
        Failure::new(format!("{error}. Nothing has changed. {meaning}"))
    } else {
        Failure::new(format!("{error}. It is unclear whether the switch started. {meaning}"))
    }
}
