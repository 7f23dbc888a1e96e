//! From a `HostMigration` to its switch, and back to what the object says about it.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::api::DynamicObject;
use kube::runtime::controller::Action;
use tokio::time::Instant;

use crate::decision::{self, Decision, decide};
use crate::engine::{Engine, SwitchFailed, SwitchRequest, SwitchedHosts};
use crate::events::Events;
use crate::journals::Journals;
use crate::metrics::Metrics;
use crate::objects::{HostMigrations, ReadError, typed};
use crate::patch::{self, Ending};
use crate::{interrupted, logs};
use hostmigration::{HostMigration, KIND};
use lagoon_task::Backoff;
use lagoon_task::cluster::Cause;
use lagoon_task::output::Output;
use lagoon_task::shutdown::Shutdown;
use route_switch::journal::{Head, JournalError, State};

/// The end of a switch is written again at once when others change the object at the same time.
const ENDS: Backoff = Backoff::new(Duration::ZERO, Duration::ZERO).attempts(5);

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

/// Does what the object asks for.
pub async fn reconcile<E: Engine>(
    object: Arc<DynamicObject>,
    context: Arc<Context<E>>,
) -> Result<Action, ReconcileError> {
    let known = match typed(&object) {
        Ok(known) => known,
        Err(malformed) => {
            tracing::warn!("{malformed}");
            return Ok(Action::await_change());
        }
    };
    if context.stopping.is_requested() || decide(&known) == Decision::Nothing {
        return Ok(Action::await_change());
    }
    // What the watch has brought may be older than what this controller wrote itself a moment ago.
    if let Some(current) = context.objects.read(&known).await? {
        match decide(&current) {
            Decision::Start => context.start(current).await?,
            Decision::Resume => context.resume(current).await?,
            Decision::GiveUp => context.give_up(current).await?,
            Decision::RemoveFinalizer => context.remove_finalizer(&current).await?,
            Decision::Nothing => {}
        }
    }
    Ok(Action::await_change())
}

/// When to look at an object again after a failure.
pub fn after_failure(object: &DynamicObject, error: &ReconcileError) -> Action {
    let wait = typed(object).map(|object| decision::wait_before_next(&object, Timestamp::now())).unwrap_or_default();
    tracing::warn!(
        namespace = object.namespace(),
        hostmigration = object.name_any(),
        "{error}. Trying again in {} s.",
        wait.as_secs()
    );
    Action::requeue(wait)
}

impl<E: Engine> Context<E> {
    async fn start(&self, object: HostMigration) -> Result<(), ReconcileError> {
        let object = self.objects.patch(&object, patch::start(&object, Timestamp::now())).await?;
        self.metrics.started.inc();
        say(&object, "The switch is begun.");
        let note =
            format!("Switching with namespace {}", object.spec.destination_namespace.as_deref().unwrap_or("(none)"));
        // At the same time: an event is not worth a delay.
        let (carried_out, ()) =
            tokio::join!(self.carry_out(object.clone(), false), self.events.started(&object, &note));
        carried_out
    }

    async fn resume(&self, object: HostMigration) -> Result<(), ReconcileError> {
        self.metrics.resumed.inc();
        say(&object, "The switch was begun earlier and is continued.");
        let is_begun = self.is_in_the_journal(&object).await?;
        self.carry_out(object, is_begun).await
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

    /// Attempts the switch, and lets people know when that has not ended it.
    async fn carry_out(&self, object: HostMigration, is_begun: bool) -> Result<(), ReconcileError> {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let attempted = self.attempt(object.clone(), is_begun).await;
        match &attempted {
            Ok(()) => self.metrics.unended.ended(&namespace, &name),
            Err(error) => {
                self.metrics.unended.left(&namespace, &name);
                self.events.not_ended(&object, &error.to_string()).await;
            }
        }
        attempted
    }

    /// Has the engine carry out the switch and writes on the object how it ended.
    async fn attempt(&self, object: HostMigration, is_begun: bool) -> Result<(), ReconcileError> {
        let request = match self.request(&object, is_begun) {
            Ok(request) => request,
            Err(error) => return self.finish(object, &Ending::Failed(error.to_string())).await.map(drop),
        };
        let begun = Instant::now();
        self.metrics.under_way.inc();
        let switched = self.switch(&object, &request).await;
        self.metrics.under_way.dec();
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

    /// Has the engine carry out the switch. The queue forgets an object that is gone, so a switch that is in its middle
    /// when its object has been deleted is continued here.
    async fn switch(&self, object: &HostMigration, request: &SwitchRequest) -> Result<SwitchedHosts, SwitchFailed> {
        loop {
            let failed = match self.engine.switch(request.clone()).await {
                Err(failed) if failed.try_again => failed,
                ended => return ended,
            };
            let orphan = interrupted::orphan(self.objects.cluster(), &self.journals, &request.standby_namespace).await;
            if !matches!(orphan, Ok(Some(_))) {
                return Err(failed);
            }
            say(object, &format!("The object is gone and its switch has not ended: {}", failed.sentence));
            self.metrics.unended.left(&request.standby_namespace, &request.object_name);
            tokio::select! {
                () = tokio::time::sleep(decision::wait_before_next(object, Timestamp::now())) => {}
                // The next leader goes on.
                () = self.stopping.requested() => return Err(failed),
            }
        }
    }

    /// Hears that an object that was to be looked at again is gone. Its switch still counts if its journal says so.
    pub(super) async fn after_disappearance(&self, namespace: &str, name: &str) {
        if self.metrics.unended.has(namespace, name)
            && matches!(interrupted::orphan(self.objects.cluster(), &self.journals, namespace).await, Ok(None))
        {
            self.metrics.unended.ended(namespace, name);
        }
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
        say(&object, &format!("The switch has {}: {}", ending.progress().name(), ending.text()));
        match ending {
            Ending::Completed(_) => self.metrics.completed.inc(),
            Ending::Failed(_) => self.metrics.failed.inc(),
        };
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
                Some(Cause::Conflict) => match self.objects.read(&object).await? {
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

/// A line of the log about an object.
fn say(object: &HostMigration, line: &str) {
    tracing::info!(namespace = object.namespace(), hostmigration = object.name_any(), "{line}");
}
