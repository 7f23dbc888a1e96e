//! What an object's conditions say about the switch. Plain functions on plain data.

use std::collections::HashSet;

use serde_json::Value;

use hostmigration::Progress;
use lagoon_task::output::escape;

/// A condition as it was found; the controller may write anything into it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Seen {
    /// Its type: `started`, `completed`, `failed`, or one that is not known.
    pub kind: String,
    /// Its status; only one that is `True` holds.
    pub status: String,
    /// Its text.
    pub text: String,
}

/// Where the switch is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Neither completed nor failed.
    Waiting,
    /// The last condition that ends a switch is `completed`.
    Completed,
    /// The last condition that ends a switch is `failed`, with this text.
    Failed(String),
}

/// What of an object matters to the task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// Its conditions, oldest first.
    pub conditions: Vec<Seen>,
    /// `spec.hosts.activeHosts`, if the controller wrote it.
    pub active_hosts: Option<String>,
    /// `spec.hosts.standbyHosts`, if the controller wrote it.
    pub standby_hosts: Option<String>,
}

impl Observed {
    /// Reads an object. Whatever is missing or of another type counts as not there.
    #[must_use]
    pub fn from_object(object: &Value) -> Self {
        let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
        let host = |path: &str| object.pointer(path).and_then(Value::as_str).map(str::to_owned);
        Self {
            conditions: conditions.into_iter().flatten().map(Seen::from_value).collect(),
            active_hosts: host("/spec/hosts/activeHosts"),
            standby_hosts: host("/spec/hosts/standbyHosts"),
        }
    }

    /// Where the switch is: of several conditions that end it, the last counts.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.conditions.iter().rev().find_map(Seen::ending).unwrap_or(Phase::Waiting)
    }

    /// The latest condition in words, for a task that stops waiting.
    #[must_use]
    pub fn last_words(&self) -> String {
        match self.conditions.last() {
            Some(condition) => format!("The last that the controller said was: {}", condition.in_words()),
            None => "The controller has not said anything yet; it may not be running".to_owned(),
        }
    }
}

impl Seen {
    fn from_value(value: &Value) -> Self {
        let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { kind: field("type"), status: field("status"), text: field("condition") }
    }

    /// The phase that this condition ends a switch with, if it holds and does.
    fn ending(&self) -> Option<Phase> {
        match Progress::read(&self.kind, &self.status)? {
            Progress::Completed => Some(Phase::Completed),
            Progress::Failed => Some(Phase::Failed(self.text.clone())),
            Progress::Started => None,
        }
    }

    /// The condition on one line.
    #[must_use]
    pub fn in_words(&self) -> String {
        let mut words = if self.kind.is_empty() { "(no type)".to_owned() } else { self.kind.clone() };
        if !self.status.eq_ignore_ascii_case("true") {
            let status = if self.status.is_empty() { "no status" } else { &self.status };
            words.extend([" (", status, ")"]);
        }
        if !self.text.trim().is_empty() {
            words.push_str(": ");
            words.push_str(self.text.trim());
        }
        escape(&words)
    }
}

/// Remembers which conditions the user has been shown.
#[derive(Debug, Default)]
pub struct Shown(HashSet<Seen>);

impl Shown {
    /// The conditions of `observed` that have not been shown yet, in order.
    pub fn fresh<'a>(&mut self, observed: &'a Observed) -> Vec<&'a Seen> {
        observed.conditions.iter().filter(|condition| self.0.insert((*condition).clone())).collect()
    }
}

#[cfg(test)]
mod tests;
