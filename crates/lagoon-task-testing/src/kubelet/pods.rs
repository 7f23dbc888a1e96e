//! Follows the pods of all namespaces, and takes those that are to run here.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};

use crate::kubelet::node;
use crate::kubelet::shared::{Image, RETRY, Shared};
use crate::kubelet::worker::Worker;
use crate::kubelet::workers::Workers;

/// Follows the pods until it is dropped. A watch that ends, for whatever reason, restarts with a list.
pub(super) async fn follow(kubelet: Arc<Shared>, workers: Arc<Workers>) {
    let mut pods = Pods { kubelet, workers, unclaimed: HashMap::new() };
    loop {
        // An error: the API server is away, or does not know the version any more.
        let _ = pods.list_and_watch().await;
        tokio::time::sleep(RETRY).await;
    }
}

struct Pods {
    kubelet: Arc<Shared>,
    workers: Arc<Workers>,
    /// Pods that no node has, by uid. Their images may come.
    unclaimed: HashMap<String, Pod>,
}

impl Pods {
    async fn list_and_watch(&mut self) -> Result<(), kube::Error> {
        let api: Api<Pod> = Api::all(self.kubelet.client.clone());
        let list = api.list(&ListParams::default()).await?;
        let version = list.metadata.resource_version.unwrap_or_default();
        self.forget_all_but(&list.items.iter().filter_map(Pod::uid).collect());
        for pod in list.items {
            self.see(pod);
        }
        let mut events = pin!(api.watch(&WatchParams::default(), &version).await?);
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(WatchEvent::Added(pod) | WatchEvent::Modified(pod))) => self.see(pod),
                    Some(Ok(WatchEvent::Deleted(pod))) => self.lose(&pod.uid().unwrap_or_default()),
                    Some(Ok(WatchEvent::Bookmark(_))) => {}
                    Some(Ok(WatchEvent::Error(_)) | Err(_)) | None => return Ok(()),
                },
                () = self.kubelet.images_changed.notified() => {
                    for pod in std::mem::take(&mut self.unclaimed).into_values() {
                        self.see(pod);
                    }
                }
            }
        }
    }

    fn see(&mut self, pod: Pod) {
        let uid = pod.uid().unwrap_or_default();
        let worker = self.workers.get(&uid);
        if let Some(worker) = worker {
            worker.see(Some(&pod));
        } else if !is_open(&pod) {
            self.unclaimed.remove(&uid);
        } else if let Some(images) = self.images(&pod) {
            self.unclaimed.remove(&uid);
            self.start(uid, pod, images);
        } else {
            self.unclaimed.insert(uid, pod);
        }
    }

    /// The images of all containers, if all have been added to the stand-in.
    fn images(&self, pod: &Pod) -> Option<Vec<Image>> {
        let spec = pod.spec.as_ref()?;
        let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
        containers.map(|container| self.kubelet.image(container.image.as_deref()?)).collect()
    }

    fn start(&mut self, uid: String, pod: Pod, images: Vec<Image>) {
        let launch = images.into_iter().find_map(|image| image.launch);
        // Without a folder there is nothing that can be done for it: it stays pending.
        let Ok(worker) = Worker::new(self.kubelet.clone(), pod, launch) else { return };
        let worker = Arc::new(worker);
        self.workers.insert(uid.clone(), worker.clone());
        let workers = self.workers.clone();
        tokio::spawn(async move {
            worker.live().await;
            workers.remove(&uid);
        });
    }

    fn lose(&mut self, uid: &str) {
        self.unclaimed.remove(uid);
        if let Some(worker) = self.workers.get(uid) {
            worker.see(None);
        }
    }

    /// Those that are not listed have gone while nobody watched.
    fn forget_all_but(&mut self, listed: &HashSet<String>) {
        let known: Vec<String> = self.workers.uids().into_iter().chain(self.unclaimed.keys().cloned()).collect();
        for uid in known.iter().filter(|uid| !listed.contains(*uid)) {
            self.lose(uid);
        }
    }
}

/// Whether the pod is to run, and no other node has it.
fn is_open(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending");
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    phase == "Pending" && pod.metadata.deletion_timestamp.is_none() && node.is_none_or(|node| node == node::NAME)
}
