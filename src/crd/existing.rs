//! What an object in the cluster that has the name of the task's object is to the task. Plain functions on plain data.

use std::fmt;

use kube::api::DynamicObject;

use crate::crd::conditions::{Observed, Seen};
use crate::crd::request::{Requested, TASK};
use hostmigration::Progress;
use lagoon_task::output::escape;

/// The annotation that asks a controller for a switch while it is `"true"`.
const MIGRATE: &str = "dioscuri.amazee.io/migrate";

/// Whose an object is that was there before the task's create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Existing {
    /// The task's: the answer to its create was lost, or its pod was started a second time.
    Own,
    /// Another one's, for the same switch and unfinished.
    Unfinished {
        /// The conditions up to the end of an earlier attempt: they say nothing about the attempt that is waited for.
        before: Vec<Seen>,
    },
    /// One that the task does not wait for.
    Refused(Refusal),
}

/// Why the task does not wait for an object that exists already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Its switch has ended.
    Ended {
        /// The pod that created it; `None` when the object does not say.
        task: Option<String>,
        /// How: completed or failed.
        how: Progress,
        /// When that was; empty when the condition does not say.
        when: String,
    },
    /// It is being deleted, and its switch has not ended.
    BeingDeleted {
        /// The pod that created it; `None` when the object does not say.
        task: Option<String>,
    },
    /// It is unfinished, and its spec is another one.
    AnotherSwitch,
}

impl Existing {
    /// What `object` is to the task that wants to create `requested`.
    #[must_use]
    pub fn of(object: &DynamicObject, requested: &Requested) -> Self {
        let same = requested.is_same_as(&object.data);
        let task = annotation(object, TASK);
        if same && task == Some(&requested.task) {
            return Self::Own;
        }
        let task = task.map(str::to_owned);
        let observed = Observed::from_object(&object.data);
        match observed.latest() {
            Some((how @ (Progress::Completed | Progress::Failed), condition)) if !is_asked_for(object) => {
                Self::Refused(Refusal::Ended { task, how, when: condition.time.clone() })
            }
            _ if is_being_deleted(object) => Self::Refused(Refusal::BeingDeleted { task }),
            _ if !same => Self::Refused(Refusal::AnotherSwitch),
            _ => Self::Unfinished { before: up_to_the_last_end(observed.conditions) },
        }
    }
}

fn up_to_the_last_end(mut conditions: Vec<Seen>) -> Vec<Seen> {
    let ends = |condition: &Seen| matches!(condition.progress(), Some(Progress::Completed | Progress::Failed));
    conditions.truncate(conditions.iter().rposition(ends).map_or(0, |last| last + 1));
    conditions
}

/// Whether a controller is still asked to start the object's switch. One that starts it takes the request back.
pub(super) fn is_asked_for(object: &DynamicObject) -> bool {
    annotation(object, MIGRATE) == Some("true")
}

/// Whether somebody has deleted the object, and a finalizer keeps it.
pub(super) fn is_being_deleted(object: &DynamicObject) -> bool {
    object.metadata.deletion_timestamp.is_some()
}

fn annotation<'a>(object: &'a DynamicObject, name: &str) -> Option<&'a str> {
    object.metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

impl Refusal {
    /// What the person who started the switch can do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            // Lagoon gives each switch an object with another name.
            Self::Ended { .. } | Self::BeingDeleted { .. } => "Start the switch again in Lagoon.",
            Self::AnotherSwitch => "Wait for that switch to end, or delete the object, then run the task again.",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let earlier = |task: &Option<String>| {
            let task = task.as_ref().map(|task| format!(" (task \"{}\")", escape(task)));
            format!("It belongs to an earlier switch{}", task.unwrap_or_default())
        };
        match self {
            Self::Ended { task, how, when } => {
                write!(formatter, "{}, which {}", earlier(task), how.name())?;
                if when.is_empty() { Ok(()) } else { write!(formatter, " at {}", escape(when)) }
            }
            Self::BeingDeleted { task } => write!(formatter, "{} and is being deleted", earlier(task)),
            Self::AnotherSwitch => formatter.write_str("It asks for another switch than this task does"),
        }
    }
}

#[cfg(test)]
mod tests;
