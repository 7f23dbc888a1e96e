//! What the controller writes on a `HostMigration`: each time one merge patch of the whole object, since it has no status
//! subresource.
//!
//! A patch carries the resourceVersion of the object that it was made from, so that it is refused when somebody else
//! has changed the object meanwhile. A merge patch replaces lists, so it carries all conditions.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::decision::{self, BEGUN, FINALIZER, MIGRATE};
use crate::engine::SwitchedHosts;
use crate::text::cut;
use hostmigration::{Condition, HostMigration, Hosts, MOST_CONDITIONS, Progress};

/// Longest text of a condition, in bytes.
const LONGEST_TEXT: usize = 16 * 1024;

/// How a switch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The routes have moved.
    Completed(SwitchedHosts),
    /// They have not, for this reason.
    Failed(String),
}

impl Ending {
    /// What the condition for it says.
    #[must_use]
    pub fn progress(&self) -> Progress {
        match self {
            Self::Completed(_) => Progress::Completed,
            Self::Failed(_) => Progress::Failed,
        }
    }

    /// What happened, in words.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Completed(switched) => cut(&switched.summary, LONGEST_TEXT),
            Self::Failed(reason) => cut(reason, LONGEST_TEXT),
        }
    }

    /// Whether `object` says it already.
    #[must_use]
    pub fn is_recorded_on(&self, object: &HostMigration) -> bool {
        decision::latest(object).is_some_and(|condition| {
            condition.progress() == Some(self.progress()) && condition.condition == self.text()
        })
    }
}

/// Takes the request back, so that a switch is never begun twice for it, and says that the switch was begun, and that
/// this controller has.
#[must_use]
pub fn start(object: &HostMigration, now: Timestamp) -> Value {
    let text = "The switch was begun.";
    let annotations = json!({ MIGRATE: "false", BEGUN: in_text(now) });
    json!({
        "metadata": { "resourceVersion": object.resource_version(), "annotations": annotations },
        "status": { "conditions": with_condition(object, Progress::Started, text, now) },
    })
}

/// Says how the switch ended.
#[must_use]
pub fn end(object: &HostMigration, ending: &Ending, now: Timestamp) -> Value {
    let mut patch = json!({
        "metadata": { "resourceVersion": object.resource_version() },
        "status": { "conditions": with_condition(object, ending.progress(), ending.text(), now) },
    });
    if let Ending::Completed(SwitchedHosts { active_hosts, standby_hosts, .. }) = ending
        && let Some(fields) = patch.as_object_mut()
    {
        let hosts = Hosts { active_hosts: active_hosts.clone(), standby_hosts: standby_hosts.clone() };
        fields.insert("spec".to_owned(), json!({ "hosts": hosts }));
    }
    patch
}

/// Takes the archived controller's finalizer off and leaves others.
#[must_use]
pub fn remove_finalizer(object: &HostMigration) -> Value {
    let others: Vec<&String> = object.finalizers().iter().filter(|finalizer| *finalizer != FINALIZER).collect();
    json!({ "metadata": { "resourceVersion": object.resource_version(), "finalizers": others } })
}

fn with_condition(object: &HostMigration, progress: Progress, text: &str, now: Timestamp) -> Vec<Condition> {
    let earlier = decision::conditions(object);
    // An object that has been asked for again and again forgets how its first switches went.
    let mut conditions: Vec<_> =
        earlier.iter().skip(earlier.len().saturating_sub(MOST_CONDITIONS - 1)).cloned().collect();
    conditions.push(Condition {
        kind: progress.name().to_owned(),
        status: "True".to_owned(),
        condition: text.to_owned(),
        last_transition_time: in_text(now),
    });
    conditions
}

fn in_text(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests;
