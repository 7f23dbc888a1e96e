//! Waits until an object is as it should be.

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use kube::api::{ListParams, WatchEvent, WatchParams};
use serde::Deserialize;
use serde_json::Value;

use crate::backoff::Backoff;
use crate::cluster::{Cause, ClusterError, Objects};

/// A watch that ends early is followed by another until the caller's time is up.
const WATCHES: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(100));

#[derive(Deserialize)]
struct WholeList {
    metadata: ListVersion,
    #[serde(default)]
    items: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListVersion {
    #[serde(default)]
    resource_version: String,
}

impl Objects<'_> {
    /// Waits for at most `within` until `done` is true of the object of this name; `None` is what it gets while there
    /// is none. Answers whether that came about.
    ///
    /// ```no_run
    /// # use lagoon_task::{ClusterError, Objects};
    /// # async fn example(ingresses: &Objects<'_>) -> Result<(), ClusterError> {
    /// let within = std::time::Duration::from_secs(30);
    /// let is_gone = ingresses.until("www", within, &|ingress| ingress.is_none()).await?;
    /// # Ok(()) }
    /// ```
    pub async fn until(
        &self,
        name: &str,
        within: Duration,
        done: &(dyn Fn(Option<&Value>) -> bool + Sync),
    ) -> Result<bool, ClusterError> {
        match tokio::time::timeout(within, self.watch_until(name, done)).await {
            Ok(watched) => watched.map(|()| true),
            Err(_) => Ok(false),
        }
    }

    /// A look and a watch from there, again when the watch ends early.
    async fn watch_until(
        &self,
        name: &str,
        done: &(dyn Fn(Option<&Value>) -> bool + Sync),
    ) -> Result<(), ClusterError> {
        let error = |cause| ClusterError::Watch { object: self.name(name), cause };
        let only_this = format!("metadata.name={name}");
        let mut pauses = WATCHES.start();
        loop {
            let request = self.path().list(&ListParams::default().fields(&only_this));
            let list: WholeList = self.send(request).await.map_err(error)?;
            if done(list.items.iter().flatten().next()) {
                return Ok(());
            }
            let parameters = WatchParams::default().fields(&only_this);
            let request = self.path().watch(&parameters, &list.metadata.resource_version);
            let request = request.map_err(|_| error(Cause::NotUnderstood))?;
            let events = self.cluster.ask(self.cluster.client.request_events::<Value>(request)).await.map_err(error)?;
            let mut events = pin!(events);
            while let Some(Ok(event)) = events.next().await {
                let is_done = match &event {
                    WatchEvent::Added(object) | WatchEvent::Modified(object) => done(Some(object)),
                    WatchEvent::Deleted(_) => done(None),
                    WatchEvent::Bookmark(_) => false,
                    WatchEvent::Error(_) => break,
                };
                if is_done {
                    return Ok(());
                }
            }
            pauses.pause().await;
        }
    }
}
