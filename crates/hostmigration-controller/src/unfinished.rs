//! The switches that an attempt has left without an end. They are tried again and again, and a person has to know of
//! them: a route may be offline meanwhile.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::gauge::Gauge;

/// The switches without an end, by namespace and name of their `HostMigration`, and their number for Prometheus: it stays
/// up between two attempts.
#[derive(Debug, Default)]
pub struct Unended {
    switches: Mutex<BTreeSet<(String, String)>>,
    /// How many they are.
    pub count: Gauge,
}

impl Unended {
    /// An attempt has left the object's switch without an end.
    pub fn left(&self, namespace: &str, name: &str) {
        self.change(|switches| {
            switches.insert((namespace.to_owned(), name.to_owned()));
        });
    }

    /// The object's switch has ended, or there is none.
    pub fn ended(&self, namespace: &str, name: &str) {
        self.change(|switches| {
            switches.remove(&(namespace.to_owned(), name.to_owned()));
        });
    }

    /// A switch in the namespace is completed. It has ended any that was begun there before.
    pub fn completed(&self, namespace: &str) {
        self.change(|switches| switches.retain(|(unended, _)| unended != namespace));
    }

    /// Whether the object's switch is among them.
    #[must_use]
    pub fn has(&self, namespace: &str, name: &str) -> bool {
        self.change(|switches| switches.contains(&(namespace.to_owned(), name.to_owned())))
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeSet<(String, String)>) -> T) -> T {
        let mut switches = self.switches.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut switches);
        self.count.set(i64::try_from(switches.len()).unwrap_or(i64::MAX));
        changed
    }
}

#[cfg(test)]
mod tests;
