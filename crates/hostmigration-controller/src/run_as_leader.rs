//! What the replica that holds the Lease does: it ends the switches that nobody else would, then watches the
//! `HostMigration` objects and has them carried out.

use std::pin::pin;
use std::sync::Arc;

use futures::{FutureExt, StreamExt};
use kube::runtime::controller::{Config, Error as RuntimeError};
use kube::runtime::{Controller, watcher};

use crate::election::Election;
use crate::engine::Engine;
use crate::error::ControllerError;
use crate::orphans;
use crate::reconcile::{self, Context, ReconcileError};
use lagoon_task::cluster::Cause;
use lagoon_task::shutdown::{Shutdown, Trigger};

/// Switches carried out at the same time.
const CONCURRENCY: u16 = 4;

/// Carries out `HostMigration` objects until it is asked to stop, and brings to rest what runs then; `stop` is how the
/// context hears of it. When the Lease is lost it ends at once, in the middle of switches too: whoever holds the Lease now
/// continues them, and two at one switch could undo each other's work.
pub(super) async fn lead<E: Engine>(
    context: Context<E>,
    election: &mut Election,
    stop: &Trigger,
    asked_to_stop: Shutdown,
) -> Result<(), ControllerError> {
    let metrics = Arc::clone(&context.metrics);
    metrics.leader.set(1);
    let led = lead_on(context, election, stop, asked_to_stop).await;
    metrics.leader.set(0);
    led
}

async fn lead_on<E: Engine>(
    context: Context<E>,
    election: &mut Election,
    stop: &Trigger,
    asked_to_stop: Shutdown,
) -> Result<(), ControllerError> {
    tokio::select! {
        () = orphans::end_all(&context, || asked_to_stop.is_requested()) => {}
        () = election.keep() => return Err(ControllerError::LeaseLost),
    }
    let stopping = context.stopping.clone();
    let controller =
        Controller::new_with(context.objects.all(), watcher::Config::default(), context.objects.resource().clone())
            .with_config(Config::default().concurrency(CONCURRENCY))
            .graceful_shutdown_on(async move { stopping.requested().await });
    let objects = controller.store();
    let context = Arc::new(context);
    let mut running = pin!(
        controller
            .run(
                reconcile::reconcile,
                |object, error, _| reconcile::after_failure(&object, error),
                Arc::clone(&context)
            )
            .for_each(|result| report(&context, result.err()))
    );
    tokio::select! {
        () = &mut running => return Err(ControllerError::WatchEnded),
        () = election.keep() => return Err(ControllerError::LeaseLost),
        () = asked_to_stop.requested() => {}
    }
    stop.request();
    // Before the first list has come in nothing was begun, and the controller would wait for that list.
    if objects.wait_until_ready().now_or_never().is_none() {
        return Ok(());
    }
    tokio::select! {
        () = running => Ok(()),
        () = election.keep() => Err(ControllerError::LeaseLost),
    }
}

/// Says what went wrong with the watch, and hears which objects are gone. What went wrong with an object has been said
/// already.
async fn report<E: Engine>(context: &Context<E>, error: Option<RuntimeError<ReconcileError, watcher::Error>>) {
    match error {
        Some(RuntimeError::QueueError(error)) => {
            tracing::warn!("The HostMigrations cannot be watched: {}. Trying again.", in_words(&error));
        }
        Some(RuntimeError::RunnerError(error)) => tracing::warn!("The controller's queue has stopped: {error}."),
        Some(RuntimeError::ObjectNotFound(gone)) => {
            context.after_disappearance(gone.namespace.as_deref().unwrap_or_default(), &gone.name).await;
        }
        Some(RuntimeError::ReconcilerFailed(..)) | None => {}
    }
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
