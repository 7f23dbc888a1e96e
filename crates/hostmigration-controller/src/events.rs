//! Kubernetes Events on a `HostMigration`, as `kubectl describe` shows them.
//!
//! They are for people. What counts stands in the object's conditions, so an Event that cannot be written is a line of
//! the log and has no other consequence.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Resource, ResourceExt};

use crate::patch::Ending;
use crate::text::cut;
use hostmigration::{HostMigration, Progress};
use k8s_openapi::api::core::v1::ObjectReference;
use lagoon_task::cluster::{Cause, Cluster};
use route_switch::journal::Shelf;

/// Longest note that Kubernetes takes, in bytes.
const LONGEST_NOTE: usize = 1024;

/// Longest name of a reporting instance that Kubernetes takes, in bytes.
const LONGEST_INSTANCE: usize = 128;

/// How long an Event may take. The end of a switch waits for it.
const DEADLINE: Duration = Duration::from_secs(5);

/// Writes Events.
#[derive(Clone)]
pub struct Events {
    cluster: Cluster,
    reporter: Reporter,
    recorder: Recorder,
    /// Of each object (by its uid) whose switch has not ended: why, and who has written so.
    not_ended: Arc<Mutex<HashMap<String, (String, Recorder)>>>,
}

impl Events {
    /// Writes Events in the name of the controller that runs in the pod `pod_name`.
    #[must_use]
    pub fn new(cluster: &Cluster, pod_name: &str) -> Self {
        let instance = Some(cut(pod_name, LONGEST_INSTANCE).to_owned());
        let reporter = Reporter { controller: "hostmigration-controller".to_owned(), instance };
        let recorder = Recorder::new(cluster.client(), reporter.clone());
        Self { cluster: cluster.clone(), reporter, recorder, not_ended: Arc::default() }
    }

    /// A switch was begun.
    pub async fn started(&self, object: &HostMigration, note: &str) {
        self.publish(&self.recorder, object, event(Reason::Progress(Progress::Started), note)).await;
    }

    /// An attempt has left the switch without an end, or without a beginning. For the same reason once more, the Event
    /// there counts one more.
    pub async fn not_ended(&self, object: &HostMigration, may_have_moved: bool, note: &str) {
        let reason = if may_have_moved { Reason::NotEnded } else { Reason::NotStarted };
        self.publish(&self.recorder_of(object, note), object, event(reason, note)).await;
    }

    /// A recorder for this note: what one has written of an object it only counts from then on, whatever the note.
    fn recorder_of(&self, object: &HostMigration, note: &str) -> Recorder {
        let mut not_ended = self.not_ended.lock().unwrap_or_else(PoisonError::into_inner);
        let uid = object.uid().unwrap_or_default();
        let new = || (note.to_owned(), Recorder::new(self.cluster.client(), self.reporter.clone()));
        let written = not_ended.remove(&uid).filter(|(written, _)| written == note).unwrap_or_else(new);
        not_ended.entry(uid).insert_entry(written).get().1.clone()
    }

    /// A switch has ended.
    pub async fn ended(&self, object: &HostMigration, ending: &Ending) {
        self.not_ended.lock().unwrap_or_else(PoisonError::into_inner).remove(&object.uid().unwrap_or_default());
        self.publish(&self.recorder, object, event(Reason::Progress(ending.progress()), ending.text())).await;
    }

    /// A journal cannot be read. It may be nobody's any more, so this is about the `ConfigMap`.
    pub async fn unreadable(&self, journal: &Shelf, note: &str) {
        let journal = ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("ConfigMap".to_owned()),
            namespace: Some(journal.namespace.clone()),
            name: Some(journal.name.clone()),
            ..ObjectReference::default()
        };
        self.publish_about(&self.recorder, &journal, event(Reason::Unreadable, note)).await;
    }

    async fn publish(&self, recorder: &Recorder, object: &HostMigration, event: Event) {
        self.publish_about(recorder, &object.object_ref(&()), event).await;
    }

    async fn publish_about(&self, recorder: &Recorder, object: &ObjectReference, event: Event) {
        let published = tokio::time::timeout(DEADLINE, recorder.publish(&event, object)).await;
        let cause = match published {
            Ok(Ok(())) => return,
            Ok(Err(error)) => Cause::from(&error),
            Err(_) => Cause::Deadline(DEADLINE),
        };
        let (namespace, object) = (object.namespace.as_deref(), object.name.as_deref());
        tracing::warn!(namespace, object, "The Event {} could not be written: {cause}.", event.reason);
    }
}

/// Why an Event is written.
#[derive(Debug, Clone, Copy)]
enum Reason {
    /// A condition says the same.
    Progress(Progress),
    /// The attempt has changed nothing. No condition says so, since those are the archived controller's.
    NotStarted,
    /// Routes have or may have moved. No condition says so either.
    NotEnded,
    /// A journal cannot be read.
    Unreadable,
}

fn event(reason: Reason, note: &str) -> Event {
    let (type_, reason) = match reason {
        Reason::Progress(Progress::Started) => (EventType::Normal, "Started"),
        Reason::Progress(Progress::Completed) => (EventType::Normal, "Completed"),
        Reason::Progress(Progress::Failed) => (EventType::Warning, "Failed"),
        Reason::NotStarted => (EventType::Warning, "NotStarted"),
        Reason::NotEnded => (EventType::Warning, "NotEnded"),
        Reason::Unreadable => (EventType::Warning, "Unreadable"),
    };
    let note = Some(cut(note, LONGEST_NOTE).to_owned());
    Event { type_, reason: reason.to_owned(), note, action: "Switch".to_owned(), secondary: None }
}

#[cfg(test)]
mod tests;
