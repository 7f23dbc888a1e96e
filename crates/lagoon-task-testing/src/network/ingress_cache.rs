//! Ingresses as a controller's informer knows them: late.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::TryStreamExt;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use kube::{Client, ResourceExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::error::Error;
use crate::sync::lock;

type Known = Arc<Mutex<BTreeMap<(String, String), Ingress>>>;

/// All Ingresses of the cluster, each change of which is known only when the lag has passed since its watch event.
pub(super) struct IngressCache {
    known: Known,
    tasks: [JoinHandle<()>; 2],
}

impl IngressCache {
    /// Lists what is there, and follows it from then on.
    pub(super) async fn start(client: Client, lag: Duration) -> Result<Self, Error> {
        let api = Api::<Ingress>::all(client);
        let listed = api.list(&ListParams::default()).await.map_err(Error::request("Listing Ingresses"))?;
        let version = listed.metadata.resource_version.unwrap_or_default();
        let known: Known =
            Arc::new(Mutex::new(listed.items.into_iter().map(|ingress| (key(&ingress), ingress)).collect()));
        let (sender, receiver) = mpsc::unbounded_channel();
        let follow = tokio::spawn(follow(api, version, lag, sender));
        let apply = tokio::spawn(apply(receiver, known.clone()));
        Ok(Self { known, tasks: [follow, apply] })
    }

    /// What is known by now in these namespaces.
    pub(super) fn in_namespaces(&self, namespaces: &[String]) -> Vec<Ingress> {
        let known = lock(&self.known);
        known
            .values()
            .filter(|ingress| ingress.namespace().is_some_and(|own| namespaces.contains(&own)))
            .cloned()
            .collect()
    }
}

impl Drop for IngressCache {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn key(ingress: &Ingress) -> (String, String) {
    (ingress.namespace().unwrap_or_default(), ingress.name_any())
}

/// Passes on each change with the moment at which it becomes known. A watch that ends is continued where it was.
async fn follow(
    api: Api<Ingress>,
    mut version: String,
    lag: Duration,
    changes: mpsc::UnboundedSender<(Instant, WatchEvent<Ingress>)>,
) {
    loop {
        let Ok(events) = api.watch(&WatchParams::default(), &version).await else { return };
        let mut events = pin!(events);
        while let Ok(Some(event)) = events.try_next().await {
            if let WatchEvent::Added(ingress) | WatchEvent::Modified(ingress) | WatchEvent::Deleted(ingress) = &event {
                version = ingress.resource_version().unwrap_or_default();
            }
            if changes.send((Instant::now() + lag, event)).is_err() {
                return;
            }
        }
    }
}

/// Makes each change known in its time, in their order.
async fn apply(mut changes: mpsc::UnboundedReceiver<(Instant, WatchEvent<Ingress>)>, known: Known) {
    while let Some((due, event)) = changes.recv().await {
        tokio::time::sleep_until(due).await;
        match event {
            WatchEvent::Added(ingress) | WatchEvent::Modified(ingress) => {
                lock(&known).insert(key(&ingress), ingress);
            }
            WatchEvent::Deleted(ingress) => {
                lock(&known).remove(&key(&ingress));
            }
            WatchEvent::Bookmark(_) | WatchEvent::Error(_) => {}
        }
    }
}
