//! What an object's conditions say about the switch. Plain functions on plain data.

use std::collections::HashSet;

use serde_json::Value;

use hostmigration::Progress;
use lagoon_task::output::escape;

/// A condition as it was found; the controller may write anything into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its type: `started`, `completed`, `failed`, or one that is not known.
    pub kind: String,
    /// Its status; only one that is `True` holds.
    pub status: String,
    /// Its text.
    pub text: String,
    /// When it came to hold, as the controller wrote it; empty when it did not.
    pub time: String,
}

/// Where the switch is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Not started, or started and neither completed nor failed since.
    Waiting,
    /// The last condition that starts or ends a switch is `completed`.
    Completed,
    /// The last condition that starts or ends a switch is `failed`, with this text.
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

    /// The same without the conditions that were there `before` the switch that is waited for. A controller appends to
    /// them; where one has replaced the list, equal conditions are the earlier ones, because their times are equal too.
    #[must_use]
    pub fn since(mut self, before: &[Seen]) -> Self {
        if self.conditions.starts_with(before) {
            self.conditions.drain(..before.len());
        } else {
            self.conditions.retain(|condition| !before.contains(condition));
        }
        self
    }

    /// Where the switch is: of several conditions that end it, the last counts. One that is followed by `started` was the
    /// end of an earlier attempt.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.latest() {
            Some((Progress::Completed, _)) => Phase::Completed,
            Some((Progress::Failed, condition)) => Phase::Failed(condition.text.clone()),
            Some((Progress::Started, _)) | None => Phase::Waiting,
        }
    }

    /// The last condition that starts or ends a switch.
    #[must_use]
    pub fn latest(&self) -> Option<(Progress, &Seen)> {
        self.conditions.iter().rev().find_map(|condition| Some((condition.progress()?, condition)))
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
        Self {
            kind: field("type"),
            status: field("status"),
            text: field("condition"),
            time: field("lastTransitionTime"),
        }
    }

    /// What it says about the switch, if it holds and does.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        Progress::read(&self.kind, &self.status)
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

/// Remembers which conditions the user has been shown, by their words: a controller may renew a condition's time often.
#[derive(Debug, Default)]
pub struct Shown(HashSet<String>);

impl Shown {
    /// The conditions of `observed` that have not been shown yet, in order.
    pub fn fresh<'a>(&mut self, observed: &'a Observed) -> Vec<&'a Seen> {
        observed.conditions.iter().filter(|condition| self.0.insert(condition.in_words())).collect()
    }
}

#[cfg(test)]
mod tests;
