//! The pods that run here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use kube::ResourceExt;

use crate::kubelet::worker::Worker;
use crate::sync::lock;

/// The workers by their pods' uids, each from the start of its pod until the pod's object is gone.
#[derive(Default)]
pub(super) struct Workers {
    by_uid: Mutex<HashMap<String, Arc<Worker>>>,
}

impl Workers {
    pub(super) fn insert(&self, uid: String, worker: Arc<Worker>) {
        lock(&self.by_uid).insert(uid, worker);
    }

    pub(super) fn remove(&self, uid: &str) {
        lock(&self.by_uid).remove(uid);
    }

    pub(super) fn get(&self, uid: &str) -> Option<Arc<Worker>> {
        lock(&self.by_uid).get(uid).cloned()
    }

    pub(super) fn uids(&self) -> Vec<String> {
        lock(&self.by_uid).keys().cloned().collect()
    }

    /// The worker of the pod of this name. While an older pod of the same name still ends, it is that of the new one.
    pub(super) fn find(&self, namespace: &str, pod: &str) -> Option<Arc<Worker>> {
        let workers = lock(&self.by_uid);
        let of_pod = |worker: &&Arc<Worker>| {
            worker.pod.name_any() == pod && worker.pod.namespace().as_deref() == Some(namespace)
        };
        workers.values().filter(of_pod).max_by_key(|worker| !worker.is_gone()).cloned()
    }

    /// Kills what runs, at once and without a word.
    pub(super) fn kill_processes(&self) {
        lock(&self.by_uid).values().for_each(|worker| worker.kill_processes());
    }
}
