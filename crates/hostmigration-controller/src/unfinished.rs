//! The switches that an attempt has left without an end. They are tried again and again, and a person has to know of
//! them: a route may be offline meanwhile.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::gauge::Gauge;

use crate::count::set;

/// The switches without an end, by namespace and name of their `HostMigration`, and their number for Prometheus: it stays
/// up between two attempts.
#[derive(Debug, Default)]
pub struct Unended {
    /// With the number of hosts that the last attempt has left offline.
    switches: Mutex<BTreeMap<(String, String), usize>>,
    /// How many they are.
    pub count: Gauge,
    /// How many hosts they have left offline.
    pub hosts_offline: Gauge,
}

impl Unended {
    /// An attempt has left the object's switch without an end.
    pub fn left(&self, namespace: &str, name: &str) {
        self.change(|switches| {
            switches.entry((namespace.to_owned(), name.to_owned())).or_default();
        });
    }

    /// An attempt has left the object's switch without an end, and so many hosts offline.
    pub fn left_offline(&self, namespace: &str, name: &str, hosts: usize) {
        self.change(|switches| {
            switches.insert((namespace.to_owned(), name.to_owned()), hosts);
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
        self.change(|switches| switches.retain(|(unended, _), _| unended != namespace));
    }

    /// Whether the object's switch is among them.
    #[must_use]
    pub fn has(&self, namespace: &str, name: &str) -> bool {
        self.change(|switches| switches.contains_key(&(namespace.to_owned(), name.to_owned())))
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<(String, String), usize>) -> T) -> T {
        let mut switches = self.switches.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut switches);
        set(&self.count, switches.len());
        set(&self.hosts_offline, switches.values().sum());
        changed
    }
}

#[cfg(test)]
mod tests;
