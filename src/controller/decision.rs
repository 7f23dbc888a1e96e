//! What a `HostMigration` asks the controller to do. Plain functions on plain data.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::hostmigration::{Condition, HostMigration};
use crate::task::environment::is_dns_label;

/// The annotation that asks for a switch while it is `"true"`.
pub const MIGRATE: &str = "dioscuri.amazee.io/migrate";

/// The finalizer that the archived controller put on its objects. This controller puts none there, and takes it off.
pub const FINALIZER: &str = "finalizer.dioscuri.amazee.io/v1";

/// The condition of a switch that was begun.
pub const STARTED: &str = "started";
/// The condition of a switch that is done.
pub const COMPLETED: &str = "completed";
/// The condition of a switch that was given up.
pub const FAILED: &str = "failed";

const SHORTEST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What to do with a `HostMigration`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Begin the switch.
    Start,
    /// Go on with a switch that was begun and has not ended.
    Resume,
    /// Let the deleted object go.
    RemoveFinalizer,
    /// Leave it alone.
    Nothing,
}

/// What to do with `object`.
#[must_use]
pub fn decide(object: &HostMigration) -> Decision {
    let metadata = &object.metadata;
    if metadata.deletion_timestamp.is_some() {
        // Deleting the object does not bring routes back that have moved already.
        return match is_unfinished(object) {
            true => Decision::Resume,
            false if has_finalizer(object) => Decision::RemoveFinalizer,
            false => Decision::Nothing,
        };
    }
    let asked = metadata.annotations.iter().flatten().any(|(name, value)| name == MIGRATE && value == "true");
    match (asked, is_unfinished(object)) {
        (true, _) => Decision::Start,
        (false, true) => Decision::Resume,
        (false, false) => Decision::Nothing,
    }
}

/// The object's conditions, oldest first.
#[must_use]
pub fn conditions(object: &HostMigration) -> &[Condition] {
    object.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default()
}

/// The condition that says how far the switch is: the last that holds and is of a type the controller writes.
#[must_use]
pub fn latest(object: &HostMigration) -> Option<&Condition> {
    let counts = |condition: &&Condition| {
        let kinds = [STARTED, COMPLETED, FAILED];
        condition.status.eq_ignore_ascii_case("true") && kinds.iter().any(|kind| is_of(condition, kind))
    };
    conditions(object).iter().rev().find(counts)
}

fn is_unfinished(object: &HostMigration) -> bool {
    latest(object).is_some_and(|condition| is_of(condition, STARTED))
}

fn is_of(condition: &Condition, kind: &str) -> bool {
    condition.kind.eq_ignore_ascii_case(kind)
}

fn has_finalizer(object: &HostMigration) -> bool {
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
    let begun = latest(object).filter(|condition| is_of(condition, STARTED));
    let begun = begun.and_then(|condition| condition.last_transition_time.parse::<Timestamp>().ok());
    let age = begun.and_then(|begun| Duration::try_from(now.duration_since(begun)).ok()).unwrap_or_default();
    (age / 4).clamp(SHORTEST_WAIT, LONGEST_WAIT)
}

#[cfg(test)]
#[path = "decision_tests.rs"]
mod tests;
