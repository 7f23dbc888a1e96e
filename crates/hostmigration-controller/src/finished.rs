//! How many finished objects there are, by namespace. Nothing else is kept of them.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::identity::Identity;

/// The finished objects. A watch brings the same object again and again, so each is known by a hash of its uid; that two
/// are one costs no more than a wrong count.
#[derive(Debug, Default)]
pub(crate) struct Finished {
    of: HashMap<String, HashSet<u64>>,
    len: usize,
}

impl Finished {
    pub(crate) fn add(&mut self, identity: &Identity) {
        if !self.of.contains_key(&identity.namespace) {
            self.of.insert(identity.namespace.clone(), HashSet::new());
        }
        let Some(of) = self.of.get_mut(&identity.namespace) else { return };
        self.len += usize::from(of.insert(hash(&identity.uid)));
    }

    pub(crate) fn remove(&mut self, identity: &Identity) {
        let Some(of) = self.of.get_mut(&identity.namespace) else { return };
        self.len -= usize::from(of.remove(&hash(&identity.uid)));
        if of.is_empty() {
            self.of.remove(&identity.namespace);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The namespaces that have more than so many.
    pub(crate) fn namespaces_over(&self, most: usize) -> Vec<String> {
        self.of.iter().filter(|(_, of)| of.len() > most).map(|(namespace, _)| namespace.clone()).collect()
    }
}

fn hash(uid: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(namespace: &str, uid: &str) -> Identity {
        Identity { namespace: namespace.to_owned(), name: "x".to_owned(), uid: uid.to_owned() }
    }

    #[test]
    fn object_that_comes_twice_counts_once() {
        let mut finished = Finished::default();
        for (namespace, uid) in [("a", "1"), ("a", "1"), ("a", "2"), ("b", "3")] {
            finished.add(&identity(namespace, uid));
        }
        assert_eq!(finished.len(), 3);
        assert_eq!(finished.namespaces_over(1), ["a"]);
        for uid in ["1", "1", "4"] {
            finished.remove(&identity("a", uid));
        }
        assert_eq!(finished.len(), 2);
        assert_eq!(finished.namespaces_over(1), [""; 0]);
        finished.remove(&identity("b", "3"));
        assert_eq!((finished.len(), finished.of.len()), (1, 1));
    }
}
