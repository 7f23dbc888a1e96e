//! Whether the controller can do its work, for `/readyz`, the metrics and the log.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::count::set;
use crate::metrics::Metrics;

/// A watch of which nothing was heard for this long counts as broken. It is checked once a minute.
const STALE: Duration = Duration::from_mins(5);

/// What is known of the controller's health.
pub struct Health {
    state: Mutex<State>,
    metrics: Arc<Metrics>,
}

/// What the controller needs of the cluster, as it was seen last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The rights that are missing, in words.
    pub rights_missing: Vec<String>,
    /// Whether the cluster does not know `HostMigration` objects.
    pub is_definition_missing: bool,
}

impl Needs {
    /// Whether everything is there.
    #[must_use]
    pub fn are_met(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct State {
    is_started: bool,
    is_leader: bool,
    watch: WatchState,
    /// `None` until they were checked.
    needs: Option<Needs>,
    /// Why they could not be checked the last time.
    unchecked: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct WatchState {
    is_synced: bool,
    last_success: Option<Timestamp>,
    error: Option<String>,
}

impl Health {
    /// That of a controller that has just started.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { state: Mutex::default(), metrics }
    }

    /// The client is made, and the replica takes part in the election.
    pub fn started(&self) {
        self.change(|state| state.is_started = true);
    }

    /// Whether this replica holds the Lease.
    pub fn leads(&self, is_leader: bool) {
        self.metrics.leader.set(i64::from(is_leader));
        self.change(|state| state.is_leader = is_leader);
    }

    /// The watch works: all objects are known.
    pub fn watch_works(&self, now: Timestamp) {
        self.metrics.watch_synced.set(1);
        self.metrics.watch_succeeded.set(now.as_second());
        let recovered = self.change(|state| {
            state.watch.is_synced = true;
            state.watch.last_success = Some(now);
            state.watch.error.take()
        });
        if recovered.is_some() {
            tracing::info!("The HostMigrations are watched again.");
        }
    }

    /// The watch was confirmed to work, if it did.
    pub fn watch_confirmed(&self, now: Timestamp) {
        if self.change(|state| state.watch.is_synced) {
            self.watch_works(now);
        }
    }

    /// The watch does not work. Each cause is logged once.
    pub fn watch_failed(&self, cause: &str) {
        self.metrics.watch_synced.set(0);
        let before = self.change(|state| {
            state.watch.is_synced = false;
            state.watch.error.replace(cause.to_owned())
        });
        if before.as_deref() != Some(cause) {
            tracing::warn!("The HostMigrations cannot be watched: {cause}. Trying again.");
        }
    }

    /// What the controller needs was checked. Each change is logged once.
    pub fn needs_checked(&self, needs: &Needs) {
        set(&self.metrics.rights_missing, needs.rights_missing.len());
        self.metrics.definition_missing.set(i64::from(needs.is_definition_missing));
        let before = self.change(|state| {
            state.unchecked = None;
            state.needs.replace(needs.clone()).unwrap_or_default()
        });
        if before == *needs {
            return;
        }
        if needs.is_definition_missing {
            tracing::warn!("The cluster does not know HostMigrations: apply crds/hostmigrations.yaml.");
        }
        if !needs.rights_missing.is_empty() {
            let rights = needs.rights_missing.join(", ");
            tracing::warn!(
                "Rights are missing; apply deploy/hostmigration-controller.yaml. The controller may not: {rights}."
            );
        }
        if needs.are_met() {
            tracing::info!("The controller's rights and the HostMigrations' definition are there.");
        }
    }

    /// What the controller needs could not be checked. Each cause is logged once.
    pub fn needs_unchecked(&self, cause: &str) {
        let before = self.change(|state| state.unchecked.replace(cause.to_owned()));
        if before.as_deref() != Some(cause) {
            tracing::warn!("The controller's rights could not be checked: {cause}. Trying again.");
        }
    }

    /// Whether the controller can do its work, and what `/readyz` says.
    #[must_use]
    pub fn report(&self, now: Timestamp) -> (bool, String) {
        self.change(|state| state.report(now))
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// A replica that waits for the Lease watches nothing, and is ready. What was not checked counts as there: the API
    /// server's own faults make no replica unready that does not lead.
    fn report(&self, now: Timestamp) -> (bool, String) {
        if !self.is_started {
            return (false, "not ready\nthe controller starts\n".to_owned());
        }
        let watch = self.watch.report(now);
        let mut lines = vec![match (self.is_leader, &watch) {
            (false, _) => "leader: no, another replica acts".to_owned(),
            (true, Ok(line) | Err(line)) => format!("leader: yes\nwatch: {line}"),
        }];
        match &self.needs {
            None => lines.push("rights: not checked yet".to_owned()),
            Some(needs) => {
                lines.extend(needs.rights_missing.iter().map(|right| format!("missing right: {right}")));
                if needs.is_definition_missing {
                    lines.push("missing definition: hostmigrations.dioscuri.amazee.io".to_owned());
                }
            }
        }
        lines.extend(self.unchecked.iter().map(|cause| format!("rights could not be checked: {cause}")));
        let is_ready = (!self.is_leader || watch.is_ok()) && self.needs.as_ref().is_none_or(Needs::are_met);
        let mut text = if is_ready { "ok\n".to_owned() } else { "not ready\n".to_owned() };
        for line in lines {
            // A string takes everything.
            let _ = writeln!(text, "{line}");
        }
        (is_ready, text)
    }
}

impl WatchState {
    fn report(&self, now: Timestamp) -> Result<String, String> {
        let last = self.last_success.map_or_else(|| "never".to_owned(), |last| last.as_second().to_string());
        let age = self.last_success.and_then(|last| Duration::try_from(now.duration_since(last)).ok());
        match &self.error {
            Some(error) => Err(format!("broken, last success {last}: {error}")),
            None if !self.is_synced => Err("the first list is not complete".to_owned()),
            None if age.is_some_and(|age| age > STALE) => Err(format!("silent, last success {last}")),
            None => Ok(format!("synced, last success {last}")),
        }
    }
}

#[cfg(test)]
mod tests;
