//! From a `HostMigration` to its switch, and back to what the object says about it.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;

use crate::decision::{self, Decision, decide};
use crate::engine::{Engine, SwitchFailed, SwitchRequest};
use crate::events::Events;
use crate::identity::Identity;
use crate::journals::Journals;
use crate::logs;
use crate::metrics::Metrics;
use crate::objects::{HostMigrations, ReadError};
use crate::patch::{self, Ending};
use crate::watched::Watched;
use hostmigration::{HostMigration, KIND};
use lagoon_task::Backoff;
use lagoon_task::cluster::Cause;
use lagoon_task::output::Output;
use lagoon_task::shutdown::Shutdown;
use route_switch::journal::{Head, JournalError, State};

/// The end of a switch is written again at once when others change the object at the same time.
const ENDS: Backoff = Backoff::new(Duration::ZERO, Duration::ZERO).attempts(5);

/// For a look at the journal after an attempt that has not ended the switch.
const JOURNAL_DEADLINE: Duration = Duration::from_secs(5);

/// Why an object of another controller fails.
const LEFT_BEHIND: &str = "Another controller has begun this HostMigration and has not ended it. The site may have been \
     switched since, so this controller does not carry it out: it has moved nothing. See that every route is in the \
     environment where it should be; to switch, start the switch in Lagoon again.";

/// What the controller works with.
pub struct Context<E> {
    /// The objects.
    pub objects: HostMigrations,
    /// What interrupted switches have left.
    pub journals: Journals,
    /// Carries out the switches.
    pub engine: E,
    /// Tells the cluster's users.
    pub events: Events,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Knows the secrets that no log line may show.
    pub secrets: Output,
    /// Requested when nothing new is to be begun.
    pub stopping: Shutdown,
}

/// Why an object is to be looked at again later.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// It could not be read or changed.
    #[error(transparent)]
    Object(#[from] ReadError),
    /// Others have changed it each time its end was to be written.
    #[error(
        "The end of the switch could not be written: others changed the HostMigration {} times meanwhile", ENDS.attempts
    )]
    AlwaysChanged,
    /// Whether the object's switch is this controller's own is not known.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The switch has not ended.
    #[error("The switch has not ended and will be continued: {0}")]
    NotEnded(String),
}

/// How an attempt ended that need not be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconciled {
    /// There is nothing left to do.
    Done,
    /// The object is gone. Its switch may be left in the middle.
    Gone,
}

/// An attempt that is to be made again.
#[derive(Debug)]
pub struct Unfinished {
    /// Why.
    pub error: ReconcileError,
    /// When.
    pub wait: Duration,
}

/// Does what the object asks for. What the watch has brought may be older than what this controller wrote itself a moment
/// ago, so the object is read again.
pub async fn reconcile<E: Engine>(
    identity: &Identity,
    watched: &Watched,
    context: &Context<E>,
) -> Result<Reconciled, Unfinished> {
    let object = match context.objects.read(identity).await {
        Ok(object) => object,
        Err(ReadError::Malformed(malformed)) => {
            tracing::warn!("{malformed}");
            return Ok(Reconciled::Done);
        }
        Err(error) => {
            context.note_unfinished(identity, watched.decision != Decision::Start);
            let wait = decision::wait_since(watched.begun, Timestamp::now());
            return Err(Unfinished { error: error.into(), wait });
        }
    };
    let Some(object) = object else { return Ok(Reconciled::Gone) };
    let done = match decide(&object) {
        Decision::Start => context.start(object.clone()).await,
        Decision::Resume => context.resume(object.clone()).await,
        Decision::GiveUp => context.give_up(object.clone()).await,
        Decision::RemoveFinalizer => context.remove_finalizer(&object).await,
        Decision::Nothing => Ok(()),
    };
    let Err(error) = done else {
        context.note_ended(&identity.namespace, &identity.name);
        return Ok(Reconciled::Done);
    };
    let may_have_moved = context.may_have_moved(&object).await;
    context.note_unfinished(identity, may_have_moved);
    context.events.not_ended(&object, may_have_moved, &error.to_string()).await;
    Err(Unfinished { error, wait: decision::wait_before_next(&object, Timestamp::now()) })
}

impl<E: Engine> Context<E> {
    async fn start(&self, object: HostMigration) -> Result<(), ReconcileError> {
        let object = self.objects.patch(&object, patch::start(&object, Timestamp::now())).await?;
        self.metrics.started.inc();
        say(&object, "The switch is begun.");
        // What is no name of a namespace may be any text.
        let note = format!("Switching with namespace {}", decision::destination(&object).unwrap_or("(none)"));
        // At the same time: an event is not worth a delay.
        let (carried_out, ()) = tokio::join!(self.attempt(object.clone(), false), self.events.started(&object, &note));
        carried_out
    }

    async fn resume(&self, object: HostMigration) -> Result<(), ReconcileError> {
        self.metrics.resumed.inc();
        say(&object, "The switch was begun earlier and is continued.");
        let is_begun = self.is_in_the_journal(&object).await?;
        self.attempt(object, is_begun).await
    }

    /// Ends an object that another controller has begun and left behind: nothing moves. Unless this controller's journal
    /// says that it is its own after all.
    async fn give_up(&self, object: HostMigration) -> Result<(), ReconcileError> {
        if self.is_in_the_journal(&object).await? {
            self.resume(object).await
        } else if object.metadata.deletion_timestamp.is_none() {
            self.finish(object, &Ending::Failed(LEFT_BEHIND.to_owned())).await.map(drop)
        } else if decision::has_finalizer(&object) {
            self.remove_finalizer(&object).await
        } else {
            Ok(())
        }
    }

    async fn is_in_the_journal(&self, object: &HostMigration) -> Result<bool, ReconcileError> {
        let namespace = object.namespace().unwrap_or_default();
        match self.journals.of(&namespace).await {
            Ok(heads) => Ok(heads.iter().any(|Head { holder, state, .. }| {
                *state != State::Reported && holder.kind == KIND && Some(&holder.uid) == object.uid().as_ref()
            })),
            // The engine moves nothing with such a journal, and says what is wrong with it.
            Err(JournalError::TooNew { .. } | JournalError::Damaged { .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    async fn remove_finalizer(&self, object: &HostMigration) -> Result<(), ReconcileError> {
        match self.objects.patch(object, patch::remove_finalizer(object)).await {
            Err(error) if !matches!(error.cause(), Some(Cause::NotFound(_))) => Err(error.into()),
            _ => {
                say(object, "The deleted object's finalizer is removed.");
                Ok(())
            }
        }
    }

    /// Whether a switch that has not ended may have moved a route: the journal is written before the first one moves.
    async fn may_have_moved(&self, object: &HostMigration) -> bool {
        let known = tokio::time::timeout(JOURNAL_DEADLINE, self.is_in_the_journal(object)).await;
        // What is not known counts as the worse.
        !matches!(known, Ok(Ok(false)))
    }

    fn note_unfinished(&self, identity: &Identity, may_have_moved: bool) {
        let Identity { namespace, name, .. } = identity;
        if may_have_moved {
            self.metrics.blocked.ended(namespace, name);
            self.metrics.unended.left(namespace, name);
        } else if !self.metrics.unended.has(namespace, name) {
            self.metrics.blocked.left(namespace, name);
        }
    }

    /// What a failed attempt says beside its sentence.
    pub(super) fn note_failed(&self, namespace: &str, name: &str, failed: &SwitchFailed) {
        if let Some(journal) = &failed.unreadable {
            self.metrics.unreadable.met(journal);
        }
        if let Some(hosts) = failed.hosts_offline.filter(|_| failed.try_again) {
            self.metrics.unended.left_offline(namespace, name, hosts);
        }
    }

    /// The object's switch has ended, or there is none.
    pub(super) fn note_ended(&self, namespace: &str, name: &str) {
        self.metrics.blocked.ended(namespace, name);
        self.metrics.unended.ended(namespace, name);
    }

    /// The object's attempt has crashed: nothing is known of its switch.
    pub(super) fn note_panic(&self, identity: &Identity) {
        self.metrics.panicked.inc();
        self.note_unfinished(identity, true);
    }

    /// Has the engine carry out the switch and writes on the object how it ended.
    async fn attempt(&self, object: HostMigration, is_begun: bool) -> Result<(), ReconcileError> {
        let request = match self.request(&object, is_begun) {
            Ok(request) => request,
            Err(error) => return self.finish(object, &Ending::Failed(error.to_string())).await.map(drop),
        };
        let begun = Instant::now();
        let under_way = UnderWay::new(&self.metrics.under_way);
        let switched = self.engine.switch(request.clone()).await;
        drop(under_way);
        if let Err(failed) = &switched {
            self.note_failed(&request.standby_namespace, &request.object_name, failed);
        }
        let ending = match switched {
            Ok(switched) => Ending::Completed(switched),
            Err(failed) if failed.try_again => return Err(ReconcileError::NotEnded(failed.sentence)),
            Err(failed) => Ending::Failed(failed.sentence),
        };
        self.metrics.duration.observe(begun.elapsed().as_secs_f64());
        if matches!(ending, Ending::Completed(_)) {
            self.metrics.unended.completed(&request.standby_namespace);
        }
        if self.finish(object, &ending).await? {
            self.engine.after_recorded(&request).await;
        }
        Ok(())
    }

    fn request(&self, object: &HostMigration, is_begun: bool) -> Result<SwitchRequest, decision::DestinationError> {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        Ok(SwitchRequest {
            active_namespace: decision::destination(object)?.to_owned(),
            output: logs::switch_output(&namespace, &name, self.secrets.clone()),
            standby_namespace: namespace,
            object_name: name,
            object_uid: object.uid().unwrap_or_default(),
            is_begun,
        })
    }

    /// Writes how the switch ended and tells everybody. Answers whether the object still was there to be written on.
    async fn finish(&self, object: HostMigration, ending: &Ending) -> Result<bool, ReconcileError> {
        let written = self.record(object.clone(), ending).await?;
        let line = format!("The switch has {}: {}", ending.progress().name(), ending.text());
        match ending {
            Ending::Completed(_) => {
                say(&object, &line);
                self.metrics.completed.inc();
            }
            Ending::Failed(_) => {
                tracing::warn!(namespace = object.namespace(), hostmigration = object.name_any(), "{line}");
                self.metrics.failed.inc();
            }
        }
        if written {
            self.events.ended(&object, ending).await;
        } else {
            say(&object, "The object was deleted meanwhile, so its end is written nowhere but here.");
        }
        Ok(written)
    }

    /// Writes how the switch ended; false when the object is gone.
    async fn record(&self, mut object: HostMigration, ending: &Ending) -> Result<bool, ReconcileError> {
        let mut pauses = ENDS.start();
        loop {
            let Err(error) = self.objects.patch(&object, patch::end(&object, ending, Timestamp::now())).await else {
                return Ok(true);
            };
            match error.cause() {
                Some(Cause::NotFound(_)) => return Ok(false),
                Some(Cause::Conflict) => match self.objects.read(&Identity::of(&object)).await? {
                    None => return Ok(false),
                    // The write was carried out, only its answer was lost.
                    Some(current) if ending.is_recorded_on(&current) => return Ok(true),
                    Some(current) => object = current,
                },
                _ => return Err(error.into()),
            }
            if pauses.next().is_none() {
                return Err(ReconcileError::AlwaysChanged);
            }
        }
    }
}

/// Counts a switch as under way until it is dropped, also by a panic.
struct UnderWay(Gauge);

impl UnderWay {
    fn new(count: &Gauge) -> Self {
        count.inc();
        Self(count.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A line of the log about an object.
fn say(object: &HostMigration, line: &str) {
    tracing::info!(namespace = object.namespace(), hostmigration = object.name_any(), "{line}");
}
