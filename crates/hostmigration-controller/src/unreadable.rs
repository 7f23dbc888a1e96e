//! The journals that cannot be read. The switches of such a journal's environments stop, and a person has to look at it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::gauge::Gauge;

use crate::count::set;
use lagoon_task::ObjectName;
use route_switch::journal::Shelf;

/// The journals that were found unreadable, and their number for Prometheus.
#[derive(Debug, Default)]
pub struct Unreadable {
    /// By namespace and name. The version that was read is not known of one that a switch has met.
    journals: Mutex<HashMap<(String, String), Option<String>>>,
    /// How many they are.
    pub count: Gauge,
}

impl Unreadable {
    /// A switch has met one.
    pub fn met(&self, journal: &ObjectName) {
        self.note(&journal.namespace, &journal.name, None);
    }

    /// The search has found one.
    pub fn found(&self, journal: &Shelf, version: &str) {
        self.note(&journal.namespace, &journal.name, Some(version.to_owned()));
    }

    /// These are all journals that there are, with their versions: one that is gone or has changed may be readable now.
    pub fn retain(&self, now: &HashMap<Shelf, String>) {
        let now: HashMap<_, _> =
            now.iter().map(|(shelf, version)| ((&*shelf.namespace, &*shelf.name), version)).collect();
        self.change(|journals| {
            journals.retain(|(namespace, name), seen| match now.get(&(&**namespace, &**name)) {
                Some(version) => seen.get_or_insert_with(|| (*version).clone()) == *version,
                None => false,
            });
        });
    }

    fn note(&self, namespace: &str, name: &str, version: Option<String>) {
        self.change(|journals| {
            journals.insert((namespace.to_owned(), name.to_owned()), version);
        });
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<(String, String), Option<String>>)) {
        let mut journals = self.journals.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut journals);
        set(&self.count, journals.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journal_counts_until_it_is_gone_or_has_changed() {
        let unreadable = Unreadable::default();
        let shelf = Shelf::of_a_site("shop-develop");
        let listed = |version: &str| HashMap::from([(shelf.clone(), version.to_owned())]);
        unreadable.found(&shelf, "1");
        unreadable.retain(&listed("1"));
        assert_eq!(unreadable.count.get(), 1);
        unreadable.retain(&listed("2"));
        assert_eq!(unreadable.count.get(), 0);

        unreadable.met(&ObjectName::new("ConfigMap", &shelf.namespace, &shelf.name));
        for (version, count) in [("2", 1), ("2", 1), ("3", 0)] {
            unreadable.retain(&listed(version));
            assert_eq!(unreadable.count.get(), count);
        }
        unreadable.found(&shelf, "3");
        unreadable.retain(&HashMap::new());
        assert_eq!(unreadable.count.get(), 0);
    }
}
