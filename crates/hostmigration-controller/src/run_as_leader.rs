//! What the replica that holds the Lease does.

use std::sync::Arc;

use crate::election::Election;
use crate::engine::Engine;
use crate::error::ControllerError;
use crate::reconcile::Context;
use crate::runner::{self, Settings};
use crate::server::Status;

/// Carries out `HostMigration` objects until it is asked to stop, and brings to rest what runs then. When the Lease is lost
/// it ends at once, in the middle of switches too: whoever holds the Lease now continues them, and two at one switch
/// could undo each other's work.
pub(super) async fn lead<E: Engine>(
    context: Context<E>,
    status: &Arc<Status>,
    settings: Settings,
    election: &mut Election,
) -> Result<(), ControllerError> {
    status.health.leads(true);
    let led = tokio::select! {
        () = Box::pin(runner::run(context, Arc::clone(status), settings)) => Ok(()),
        () = election.keep() => Err(ControllerError::LeaseLost),
    };
    status.health.leads(false);
    led
}
