//! Kubernetes Events on a `HostMigration`, as `kubectl describe` shows them.
//!
//! They are for people. What counts stands in the object's conditions, so an Event that cannot be written is a line of
//! the log and has no other consequence.

use std::time::Duration;

use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Resource, ResourceExt};

use super::decision::STARTED;
use super::patch::Ending;
use crate::hostmigration::HostMigration;
use crate::task::cluster::{Cause, Cluster};

/// Longest note that Kubernetes takes, in bytes.
const LONGEST_NOTE: usize = 1024;

/// Longest name of a reporting instance that Kubernetes takes, in bytes.
const LONGEST_INSTANCE: usize = 128;

/// How long an Event may take. The end of a switch waits for it.
const DEADLINE: Duration = Duration::from_secs(5);

/// Writes Events.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
}

impl Events {
    /// Writes Events in the name of the controller that runs in the pod `pod_name`.
    #[must_use]
    pub fn new(cluster: &Cluster, pod_name: &str) -> Self {
        let instance = Some(cut(pod_name, LONGEST_INSTANCE).to_owned());
        let reporter = Reporter { controller: "hostmigration-controller".to_owned(), instance };
        Self { recorder: Recorder::new(cluster.client(), reporter) }
    }

    /// A switch was begun.
    pub async fn started(&self, object: &HostMigration, note: &str) {
        self.publish(object, event(STARTED, note)).await;
    }

    /// A switch has ended.
    pub async fn ended(&self, object: &HostMigration, ending: &Ending) {
        self.publish(object, event(ending.kind(), ending.text())).await;
    }

    async fn publish(&self, object: &HostMigration, event: Event) {
        let reference = object.object_ref(&());
        let published = tokio::time::timeout(DEADLINE, self.recorder.publish(&event, &reference)).await;
        let cause = match published {
            Ok(Ok(())) => return,
            Ok(Err(error)) => Cause::from(&error),
            Err(_) => Cause::Deadline(DEADLINE),
        };
        let (namespace, hostmigration) = (object.namespace(), object.name_any());
        tracing::warn!(namespace, hostmigration, "The Event {} could not be written: {cause}.", event.reason);
    }
}

/// The Event for a condition of type `kind`.
fn event(kind: &str, note: &str) -> Event {
    let (type_, reason) = match kind {
        "started" => (EventType::Normal, "Started"),
        "completed" => (EventType::Normal, "Completed"),
        _ => (EventType::Warning, "Failed"),
    };
    let note = Some(cut(note, LONGEST_NOTE).to_owned());
    Event { type_, reason: reason.to_owned(), note, action: "Switch".to_owned(), secondary: None }
}

/// The first `limit` bytes of `text`, fewer where a character would be cut in two.
#[must_use]
pub fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
