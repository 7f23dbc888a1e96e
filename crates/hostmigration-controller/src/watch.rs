//! The watch of all `HostMigration` objects: a list, page by page, and what changes from then on. An object is dropped before
//! the next is read, since tenants can make each as large as the API server takes it.

use std::pin::Pin;
use std::time::Duration;

use futures::future::ready;
use futures::{FutureExt, Stream, StreamExt, TryFutureExt, stream};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{DynamicObject, WatchEvent, WatchParams};
use tokio::time::Instant;

use crate::health::Health;
use crate::identity::Identity;
use crate::objects::{HostMigrations, dynamic};
use crate::watched::Watched;
use lagoon_task::cluster::Cause;
use lagoon_task::{Backoff, Pauses};

/// Between two starts of the watch.
const STARTS: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30)).jitter(0.5);

type Seeing = Pin<Box<dyn Stream<Item = Result<Seen, Cause>> + Send>>;
type Events = Pin<Box<dyn Stream<Item = kube::Result<WatchEvent<DynamicObject>>> + Send>>;

/// What the watch sees.
#[derive(Debug)]
pub(crate) enum Seen {
    /// All objects that there are.
    All(Vec<(Identity, Watched)>),
    /// An object is new or has changed.
    Changed(Identity, Watched),
    /// An object is gone.
    Gone(Identity),
}

/// The watch. After an error the list is read again: only then is it known that the watch works.
pub(crate) struct Watch {
    objects: HostMigrations,
    seeing: Seeing,
    pauses: Pauses,
    /// When to start again after an error.
    starts: Option<Instant>,
}

impl Watch {
    /// Sends nothing yet.
    pub(crate) fn new(objects: HostMigrations) -> Self {
        Self { seeing: seeing(objects.clone()), objects, pauses: STARTS.start(), starts: None }
    }

    /// What happens next. May be dropped and called again at any time.
    pub(crate) async fn next(&mut self, health: &Health) -> Seen {
        loop {
            if let Some(starts) = self.starts {
                tokio::time::sleep_until(starts).await;
                self.starts = None;
                self.seeing = seeing(self.objects.clone());
            }
            let cause = match self.seeing.next().await {
                Some(Ok(seen)) => {
                    self.pauses = STARTS.start();
                    health.watch_works(Timestamp::now());
                    return seen;
                }
                Some(Err(cause)) => cause.to_string(),
                None => "it has ended".to_owned(),
            };
            health.watch_failed(&cause);
            self.starts = Some(Instant::now() + self.pauses.next().unwrap_or(STARTS.cap));
        }
    }
}

/// The list, and then each change.
fn seeing(objects: HostMigrations) -> Seeing {
    let first = async move {
        let take = |object| dynamic(object).as_ref().and_then(understood);
        let listed = objects.everywhere().list_with_version(take).await;
        let (all, version) = listed.map_err(|error| error.cause().clone())?;
        let all = Seen::All(all.into_iter().flatten().collect());
        Ok(stream::once(ready(Ok(all))).chain(changes(objects, version)))
    };
    Box::pin(first.try_flatten_stream())
}

/// Where a watch is.
struct Place {
    objects: HostMigrations,
    version: String,
    events: Option<Events>,
    /// Whether the watch that is open has brought anything.
    has_heard: bool,
}

fn changes(objects: HostMigrations, version: String) -> impl Stream<Item = Result<Seen, Cause>> {
    stream::try_unfold(Place { objects, version, events: None, has_heard: false }, |mut place| async move {
        Ok(place.next().await?.map(|seen| (seen, place)))
    })
}

impl Place {
    /// The next change; `None` when the API server keeps no watch open.
    async fn next(&mut self) -> Result<Option<Seen>, Cause> {
        loop {
            let Some(event) = self.events().await?.next().await else {
                // It ends one every few minutes, and the next goes on from there.
                self.events = None;
                if !self.has_heard {
                    return Ok(None);
                }
                continue;
            };
            let event = event.map_err(|error| Cause::from(&error))?;
            self.has_heard = true;
            if let Some(seen) = self.see(&event)? {
                return Ok(Some(seen));
            }
        }
    }

    async fn events(&mut self) -> Result<&mut Events, Cause> {
        if self.events.is_none() {
            self.has_heard = false;
            let api = self.objects.all();
            let watched = api.watch(&WatchParams::default(), &self.version).map_ok(StreamExt::boxed).boxed().await;
            self.events = Some(watched.map_err(|error| Cause::from(&error))?);
        }
        self.events.as_mut().ok_or(Cause::NotUnderstood)
    }

    fn see(&mut self, event: &WatchEvent<DynamicObject>) -> Result<Option<Seen>, Cause> {
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                self.version = object.resource_version().unwrap_or_default();
                Ok(understood(object).map(|(identity, watched)| Seen::Changed(identity, watched)))
            }
            WatchEvent::Deleted(object) => {
                self.version = object.resource_version().unwrap_or_default();
                Ok(Some(Seen::Gone(Identity::of(object))))
            }
            WatchEvent::Bookmark(bookmark) => {
                self.version.clone_from(&bookmark.metadata.resource_version);
                Ok(None)
            }
            WatchEvent::Error(status) => Err(Cause::from(&**status)),
        }
    }
}

/// What is kept of an object, if it can be read.
fn understood(object: &DynamicObject) -> Option<(Identity, Watched)> {
    Watched::of(object).inspect_err(|malformed| tracing::warn!("{malformed}")).ok()
}
