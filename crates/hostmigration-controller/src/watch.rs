//! The watch of all `HostMigration` objects.

use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::DynamicObject;
use kube::runtime::watcher::{self, Event, watcher};
use tokio::time::Instant;

use crate::health::Health;
use lagoon_task::cluster::Cause;
use lagoon_task::{Backoff, Pauses};

/// Objects in one answer of the first list: one has 10 KB and takes several times that while it is read.
const PAGE: u32 = 50;

/// Between two starts of the watch.
const STARTS: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30)).jitter(0.5);

type Events = Pin<Box<dyn Stream<Item = watcher::Result<Event<DynamicObject>>> + Send>>;

/// The watch. After an error the list is read again: only then is it known that the watch works.
pub(crate) struct Watch {
    api: Api<DynamicObject>,
    events: Events,
    pauses: Pauses,
    /// When to start again after an error.
    starts: Option<Instant>,
}

impl Watch {
    /// Sends nothing yet.
    pub(crate) fn new(api: Api<DynamicObject>) -> Self {
        Self { events: events(&api), api, pauses: STARTS.start(), starts: None }
    }

    /// What happens next. May be dropped and called again at any time.
    pub(crate) async fn next(&mut self, health: &Health) -> Event<DynamicObject> {
        loop {
            if let Some(starts) = self.starts {
                tokio::time::sleep_until(starts).await;
                self.starts = None;
                self.events = events(&self.api);
            }
            let cause = match self.events.next().await {
                Some(Ok(event)) => {
                    if matches!(event, Event::InitDone | Event::Apply(_) | Event::Delete(_)) {
                        self.pauses = STARTS.start();
                        health.watch_works(Timestamp::now());
                    }
                    return event;
                }
                Some(Err(error)) => in_words(&error),
                None => "it has ended".to_owned(),
            };
            health.watch_failed(&cause);
            self.starts = Some(Instant::now() + self.pauses.next().unwrap_or(STARTS.cap));
        }
    }
}

fn events(api: &Api<DynamicObject>) -> Events {
    Box::pin(watcher(api.clone(), watcher::Config::default().page_size(PAGE)))
}

fn in_words(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => Cause::from(error).to_string(),
        watcher::Error::WatchError(status) => Cause::from(status.as_ref()).to_string(),
        watcher::Error::NoResourceVersion => "the list came without a resourceVersion".to_owned(),
    }
}
