//! When the active environment is closed to a run: Lagoon gives a deployer its rights there for the time of a switch, and takes
//! them away when one ends.

use crate::SwitchError;
use crate::cluster::kinds::Groups;
use crate::cluster::observe::Looking;
use crate::journal::{self, Moved, Shelf, State};
use crate::lock::LockError;
use crate::plan::observed::{Missing, Observed};
use crate::plan::{already_done, no_namespace};
use crate::side::Side;
use lagoon_task::cluster::{Cause, ClusterError};

/// Whether the active environment could not be looked at because there are no rights.
pub(super) fn is_closed(observed: &Result<(Observed, Groups), ClusterError>) -> bool {
    match observed {
        Ok((observed, _)) => observed.sides.active.missing == Some(Missing::Hidden),
        Err(error) => matches!(error.cause(), Cause::Forbidden(_)),
    }
}

/// What has moved, if the lock could not be taken because the switch has been done; or why it could not. A namespace that is
/// not there has no lock either.
pub(super) async fn done_or(
    looking: Looking<'_>,
    shelf: Option<&Shelf>,
    error: LockError,
) -> Result<Moved, SwitchError> {
    let is_refused = |error: &ClusterError| matches!(error.cause(), Cause::Forbidden(_) | Cause::NotFound(_));
    if !matches!(&error, LockError::Cluster(refused) if is_refused(refused)) {
        return Err(error.into());
    }
    let Ok(Some(missing)) = looking.missing().await else { return Err(error.into()) };
    let done = if missing == Missing::Hidden { done_here(looking, shelf).await } else { None };
    done.ok_or_else(|| SwitchError::Problems(vec![no_namespace(looking.names.of(Side::Active), missing)]))
}

/// What has moved, if a deployer's journal says that the switch is done and the routes on the own side show that no later one
/// has moved them again. This is all that can be seen then; who could forge both can write the task's result as well.
pub(super) async fn done_here(looking: Looking<'_>, shelf: Option<&Shelf>) -> Option<Moved> {
    let head = journal::find(looking.cluster, shelf?).await.ok()??.head;
    let is_done = matches!(head.state, State::Switched | State::Reported) && head.is_of(looking.names);
    let observed = looking.own_side().await.ok()?;
    head.routes.clone().filter(|_| is_done && already_done::is_in_place(&observed, &head))
}
