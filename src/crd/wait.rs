//! Creating the object and following it to its end, whatever the connection does meanwhile.

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams, PostParams, WatchEvent, WatchParams};
use kube::core::Request;
use tokio::time::Instant;

use crate::crd::conditions::{Observed, Phase, Seen, Shown};
use crate::crd::existing::{Existing, Refusal, is_asked_for, is_being_deleted};
use crate::crd::request::Requested;
use hostmigration::{HostMigration, KIND};
use lagoon_task::Backoff;
use lagoon_task::cluster::{Cause, Cluster, ClusterError, ConnectError, ObjectName, PATIENCE};
use lagoon_task::context::Context;

/// The server ends a watch after this long; below the 295 s that kube allows.
const WATCH_SECONDS: u32 = 290;

/// The server sends a bookmark about once a minute; a watch that brings nothing for longer is taken for broken.
const WATCH_SILENCE: Duration = Duration::from_secs(100);

/// A create whose answer was lost, or that met an object which was gone a moment later.
const CREATES: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5)).attempts(5);

/// A watch that breaks off is followed by another until the switch has ended.
const WATCHES: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// How the waiting ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// The controller has said how the switch ended.
    Finished(Phase),
    /// The object is gone, or is to go before a controller has started its switch.
    Deleted,
    /// The time is up.
    TimedOut,
    /// The task was asked to stop.
    Stopped,
}

/// Why there is no object to wait for.
#[derive(Debug, thiserror::Error)]
pub(super) enum CreateError {
    /// A request failed.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The name is taken by an object that the task does not wait for.
    #[error("{source}. {refusal}")]
    Taken {
        /// The create that was refused.
        source: ClusterError,
        /// Whose object it is.
        refusal: Refusal,
    },
}

/// The object that the task waits for.
pub(super) struct Waiting<'a> {
    task: &'a Context,
    requested: &'a Requested,
    cluster: &'a Cluster,
    api: Api<DynamicObject>,
    /// Tells our object from a later one of the same name.
    uid: Option<String>,
    /// Conditions of an earlier attempt, which do not count.
    before: Vec<Seen>,
    /// Where the next watch starts.
    resource_version: String,
    observed: Observed,
    /// It was deleted before a controller took it up.
    never_started: bool,
    shown: Shown,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(task: &'a Context, requested: &'a Requested) -> Result<Self, ConnectError> {
        let cluster = task.cluster()?;
        let resource = ApiResource::erase::<HostMigration>(&());
        let api = Api::namespaced_with(cluster.client(), &requested.namespace, &resource);
        Ok(Self {
            task,
            requested,
            cluster,
            api,
            uid: None,
            before: Vec::new(),
            resource_version: String::new(),
            observed: Observed::default(),
            never_started: false,
            shown: Shown::default(),
        })
    }

    /// What is known of the object.
    pub(super) fn observed(&self) -> &Observed {
        &self.observed
    }

    /// The object, for a sentence.
    pub(super) fn object_name(&self) -> ObjectName {
        ObjectName::new(KIND, &self.requested.namespace, &self.requested.name)
    }

    /// Creates the object, or takes over the one that is there already if it is the task's or that of the same switch.
    pub(super) async fn create(&mut self) -> Result<(), CreateError> {
        let mut pauses = CREATES.start();
        loop {
            let source = match self.try_create().await {
                Ok(object) => {
                    let version = object.metadata.resource_version.clone().unwrap_or_default();
                    self.start_from(&object, version);
                    return Ok(());
                }
                Err(error) if *error.cause() == Cause::AlreadyExists => error,
                Err(error) => return Err(error.into()),
            };
            let (found, version) = self.read().await?;
            if let Some(existing) = found {
                match Existing::of(&existing, self.requested) {
                    Existing::Own => {
                        self.task.say(format!("{} exists already: this task has created it.", self.object_name()));
                    }
                    Existing::Unfinished { before } => {
                        self.before = before;
                        self.task.say(format!(
                            "{} exists already, asks for the same switch and has not ended. The task waits for its end.",
                            self.object_name()
                        ));
                    }
                    Existing::Refused(refusal) => return Err(CreateError::Taken { source, refusal }),
                }
                self.start_from(&existing, version);
                return Ok(());
            }
            // Deleted since: its name is free.
            if !pauses.pause().await {
                return Err(source.into());
            }
        }
    }

    /// Waits for this object from here on.
    fn start_from(&mut self, object: &DynamicObject, version: String) {
        self.uid.clone_from(&object.metadata.uid);
        self.task.step(format!(
            "{} is in place. Waiting for the cluster's controller to move the routes.",
            self.object_name()
        ));
        self.take(object, version);
    }

    /// Sends the create, again when its answer was lost: a second one is refused if the first was carried out.
    async fn try_create(&self) -> Result<DynamicObject, ClusterError> {
        let mut pauses = CREATES.start();
        loop {
            let error = |cause| ClusterError::Create { object: self.object_name(), cause };
            let result = self.cluster.call(error, self.send_create()).await;
            match result {
                Err(error) if error.cause().may_pass() && !error.cause().nothing_was_done() => {
                    let Some(pause) = pauses.next() else { return Err(error) };
                    self.task.say(format!("{error}. Trying again."));
                    tokio::time::sleep(pause).await;
                }
                other => return other,
            }
        }
    }

    /// The request itself, with the object as the payload has it: a typed object would drop fields it does not know.
    async fn send_create(&self) -> kube::Result<DynamicObject> {
        let body = serde_json::to_vec(&self.requested.object).map_err(kube::Error::SerdeError)?;
        let request = Request::new(self.api.resource_url()).create(&PostParams::default(), body);
        self.cluster.client().request(request.map_err(kube::Error::BuildRequest)?).await
    }

    /// The object and the version of the list it came in.
    ///
    /// A list of one and not a get, because a watch can start from the version of a list at any time. The version of
    /// an object that has not changed for long is too old for that once the server has been restarted.
    async fn read(&self) -> Result<(Option<DynamicObject>, String), ClusterError> {
        let error = |cause| ClusterError::Read { object: self.object_name(), cause };
        let parameters = ListParams::default().fields(&self.only_this());
        let list = self.cluster.call(error, self.api.list(&parameters)).await?;
        let version = list.metadata.resource_version.unwrap_or_default();
        Ok((list.items.into_iter().next(), version))
    }

    fn only_this(&self) -> String {
        format!("metadata.name={}", self.requested.name)
    }

    /// Follows the object until the controller has ended the switch or the object is gone. A broken watch is followed
    /// by a look at the object and another watch. An error that will not pass by itself is still given the usual
    /// patience, since a server that has just been restarted may not know its resources and rights yet.
    pub(super) async fn until_it_ends(&mut self) -> Result<Ended, ClusterError> {
        let mut pauses = WATCHES.start();
        let mut trouble_since: Option<Instant> = None;
        while self.ended().is_none() {
            let started = Instant::now();
            let followed = self.follow().await;
            match followed {
                Ok(Some(ended)) => return Ok(ended),
                Ok(None) => trouble_since = None,
                Err(error) => {
                    let since = *trouble_since.get_or_insert(started);
                    if !error.cause().may_pass() && since.elapsed() >= PATIENCE {
                        return Err(error);
                    }
                    self.task.say(format!("{error}. Going on."));
                }
            }
            if started.elapsed() >= WATCHES.cap {
                // It went well for a while.
                pauses = WATCHES.start();
            }
            pauses.pause().await;
        }
        Ok(self.ended().unwrap_or(Ended::Deleted))
    }

    /// One watch and, when it ends early, a look at the object.
    async fn follow(&mut self) -> Result<Option<Ended>, ClusterError> {
        match self.watch().await {
            Ok(Some(ended)) => return Ok(Some(ended)),
            Ok(None) => {}
            Err(error) if *error.cause() == Cause::Expired => {}
            Err(error) => self.task.say(format!("{error}. Looking again.")),
        }
        let gone = self.look().await?;
        Ok(self.ended().or(gone.then_some(Ended::Deleted)))
    }

    fn ended(&self) -> Option<Ended> {
        match self.observed.phase() {
            Phase::Waiting => self.never_started.then_some(Ended::Deleted),
            phase => Some(Ended::Finished(phase)),
        }
    }

    /// One watch, from where the last one stopped until it ends or brings the end of the switch.
    async fn watch(&mut self) -> Result<Option<Ended>, ClusterError> {
        let object = self.object_name();
        let error = |cause| ClusterError::Watch { object: object.clone(), cause };
        let parameters = WatchParams::default().fields(&self.only_this()).timeout(WATCH_SECONDS);
        let version = self.resource_version.clone();
        let api = self.api.clone();
        let events = self.cluster.call(error, api.watch(&parameters, &version)).await?;
        let mut events = pin!(events);
        // Silence ends the watch like its regular end does.
        while let Ok(Some(event)) = tokio::time::timeout(WATCH_SILENCE, events.next()).await {
            match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) if self.is_ours(&object) => {
                    let version = object.metadata.resource_version.clone().unwrap_or_default();
                    self.take(&object, version);
                }
                Ok(WatchEvent::Deleted(object)) if self.is_ours(&object) => {
                    // What the controller wrote last still counts.
                    self.take(&object, String::new());
                    return Ok(Some(self.ended().unwrap_or(Ended::Deleted)));
                }
                Ok(WatchEvent::Added(_) | WatchEvent::Modified(_) | WatchEvent::Deleted(_)) => {}
                Ok(WatchEvent::Bookmark(bookmark)) => self.resource_version = bookmark.metadata.resource_version,
                Ok(WatchEvent::Error(status)) => return Err(error(Cause::from(status.as_ref()))),
                Err(failure) => return Err(error(Cause::from(&failure))),
            }
            if let Some(ended) = self.ended() {
                return Ok(Some(ended));
            }
        }
        Ok(None)
    }

    /// Looks at the object between two watches; answers whether it is gone.
    async fn look(&mut self) -> Result<bool, ClusterError> {
        match self.read().await? {
            (Some(object), version) if self.is_ours(&object) => {
                self.take(&object, version);
                Ok(false)
            }
            _ => Ok(true),
        }
    }

    fn is_ours(&self, object: &DynamicObject) -> bool {
        object.metadata.uid == self.uid
    }

    /// Takes over what `object` says, and tells the user what is new.
    fn take(&mut self, object: &DynamicObject, version: String) {
        self.observed = Observed::from_object(&object.data).since(&self.before);
        // No controller starts it any more; a finalizer may keep it for long. One that was started is carried out.
        self.never_started = is_being_deleted(object) && is_asked_for(object) && self.observed.latest().is_none();
        self.resource_version = version;
        for condition in self.shown.fresh(&self.observed) {
            self.task.step(format!("Controller: {}", condition.in_words()));
        }
    }
}
