//! What a `HostMigration` asks the controller to do. Plain functions on plain data.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use hostmigration::{Condition, HostMigration, Progress};
use lagoon_task::environment::is_dns_label;

/// The annotation that asks for a switch while it is `"true"`.
pub const MIGRATE: &str = "dioscuri.amazee.io/migrate";

/// The annotation in which this controller notes which `started` condition is its own: the condition's time. The archived
/// controller left objects behind that it had begun and never ended.
pub const BEGUN: &str = "activestandby.lagoon.sh/begun";

/// The finalizer that the archived controller put on its objects. This controller puts none there, and takes it off.
pub const FINALIZER: &str = "finalizer.dioscuri.amazee.io/v1";

/// A switch that met what may pass is continued after a pause between these two. Its length comes from the object's age, so
/// that it survives a change of leader.
const SHORTEST_WAIT: Duration = Duration::from_secs(5);
/// The longest of these pauses.
pub const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What to do with a `HostMigration`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Begin the switch.
    Start,
    /// Go on with a switch that this controller has begun and that has not ended.
    Resume,
    /// Another controller has begun it and has not ended it: the site may have been switched since, so nothing moves.
    GiveUp,
    /// Let the deleted object go.
    RemoveFinalizer,
    /// Leave it alone.
    Nothing,
}

/// What to do with `object`.
#[must_use]
pub fn decide(object: &HostMigration) -> Decision {
    let is_deleted = object.metadata.deletion_timestamp.is_some();
    if !is_deleted && annotation(object, MIGRATE) == Some("true") {
        return Decision::Start;
    }
    match unfinished(object) {
        // Deleting the object does not bring routes back that have moved already.
        Some(begun) if annotation(object, BEGUN) == Some(&begun.last_transition_time) => Decision::Resume,
        Some(_) => Decision::GiveUp,
        None if is_deleted && has_finalizer(object) => Decision::RemoveFinalizer,
        None => Decision::Nothing,
    }
}

fn annotation<'a>(object: &'a HostMigration, name: &str) -> Option<&'a str> {
    object.metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

/// The object's conditions, oldest first.
#[must_use]
pub fn conditions(object: &HostMigration) -> &[Condition] {
    object.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default()
}

/// The condition that says how far the switch is: the last that holds and is of a type the controller writes.
#[must_use]
pub fn latest(object: &HostMigration) -> Option<&Condition> {
    conditions(object).iter().rev().find(|condition| condition.progress().is_some())
}

/// The condition that says that a switch was begun, if nothing after it says how it ended.
fn unfinished(object: &HostMigration) -> Option<&Condition> {
    latest(object).filter(|condition| condition.progress() == Some(Progress::Started))
}

/// Whether the archived controller's finalizer is on the object.
#[must_use]
pub fn has_finalizer(object: &HostMigration) -> bool {
    object.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
}

/// Why a `HostMigration` names no namespace to switch with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// There is none, or an empty one.
    #[error(
        "The HostMigration does not say which namespace to switch with: spec.destinationNamespace is missing. Nothing \
         has changed."
    )]
    Missing,
    /// Kubernetes takes no such name.
    #[error(
        "The HostMigration's spec.destinationNamespace is not the name of a Kubernetes namespace. Nothing has changed."
    )]
    NotANamespace,
    /// It would be switched with itself.
    #[error("The HostMigration's spec.destinationNamespace is its own namespace. Nothing has changed.")]
    Own,
}

/// The namespace of the active environment.
pub fn destination(object: &HostMigration) -> Result<&str, DestinationError> {
    let destination = object.spec.destination_namespace.as_deref().unwrap_or_default();
    if destination.is_empty() {
        Err(DestinationError::Missing)
    } else if !is_dns_label(destination) {
        Err(DestinationError::NotANamespace)
    } else if object.metadata.namespace.as_deref() == Some(destination) {
        Err(DestinationError::Own)
    } else {
        Ok(destination)
    }
}

/// How long to wait before the object is looked at again after a failure that may pass: the longer ago its switch was
/// begun, the longer. The object itself remembers that, also for the next leader.
#[must_use]
pub fn wait_before_next(object: &HostMigration, now: Timestamp) -> Duration {
    wait_since(begun(object), now)
}

/// The same where only the time is known at which the switch was begun.
#[must_use]
pub fn wait_since(begun: Option<Timestamp>, now: Timestamp) -> Duration {
    let age = begun.and_then(|begun| Duration::try_from(now.duration_since(begun)).ok()).unwrap_or_default();
    (age / 4).clamp(SHORTEST_WAIT, LONGEST_WAIT)
}

/// When the object's switch was begun, if it has not ended.
#[must_use]
pub fn begun(object: &HostMigration) -> Option<Timestamp> {
    unfinished(object)?.last_transition_time.parse().ok()
}

#[cfg(test)]
mod tests;
