//! Creating and deleting so that it is known afterwards whether it was done.
//!
//! An answer can be lost, and a create that is sent again is then refused: whether what is there is what was to be
//! created, the caller can tell.

use std::time::Duration;

use serde_json::Value;

use crate::labels;
use lagoon_task::Backoff;
use lagoon_task::cluster::{Cause, ClusterError, Deleted, Metadata, ObjectName, Objects, PATIENCE};

const PAUSES: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(500));

/// A create or a delete that meets a conflict.
const CONFLICTS: Backoff = PAUSES.attempts(6);

/// A create that meets a fault. A server or a webhook that restarts gets as much time as with any other request, which the
/// client sends again by itself: what is to be created may exist nowhere else by now.
const FAULTS: Backoff = PAUSES.deadline(PATIENCE);

/// A question whose answer is lost or that meets a passing conflict. What the client itself repeats takes its time already.
const QUESTIONS: Backoff = PAUSES.attempts(4).deadline(PATIENCE);

/// A name that is taken by an object that is being deleted.
const NAMES: Backoff = PAUSES.deadline(GOES_WITHIN);

const GOES_WITHIN: Duration = Duration::from_mins(1);

/// Why something could not be brought about.
#[derive(Debug, thiserror::Error)]
pub enum SureError {
    /// A request failed.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// An object that was to be deleted is no longer what it was.
    #[error("{object} was changed by somebody else meanwhile")]
    Changed {
        /// The object.
        object: ObjectName,
    },
    /// An object is being deleted and does not go.
    #[error(
        "{object} is being deleted and has not gone within {} s, because a finalizer keeps it", GOES_WITHIN.as_secs()
    )]
    DoesNotGo {
        /// The object.
        object: ObjectName,
    },
}

/// Whether an object was made by this switch.
pub(crate) fn made_by(switch: &str) -> impl Fn(&Value) -> bool + Sync + use<'_> {
    move |object| object.pointer("/metadata/labels").is_some_and(|labels| labels[labels::SWITCH] == switch)
}

/// Creates an object, or finds out that it has been created already: `ours` tells that of one that is there.
pub(crate) async fn create(
    objects: &Objects<'_>,
    object: &Value,
    ours: &(dyn Fn(&Value) -> bool + Sync),
) -> Result<Metadata, SureError> {
    let name = Metadata::of(object).name;
    let (mut conflicts, mut faults) = (CONFLICTS.start(), FAULTS.start());
    loop {
        let error = match objects.create(object).await {
            Ok(created) => return Ok(Metadata::of(&created)),
            Err(error) => error,
        };
        let taken = *error.cause() == Cause::AlreadyExists;
        if !taken && error.cause().nothing_was_done() && *error.cause() != Cause::Conflict {
            return Err(error.into());
        }
        let existing = objects.get(&name).await?;
        match existing {
            Some(existing) if Metadata::of(&existing).deletion_timestamp.is_some() => {
                until_free(objects, &name).await?;
            }
            Some(existing) if ours(&existing) => return Ok(Metadata::of(&existing)),
            Some(_) if taken => return Err(error.into()),
            _ => {}
        }
        let pauses = if error.cause().may_pass() { &mut faults } else { &mut conflicts };
        if !pauses.pause().await {
            return Err(error.into());
        }
    }
}

/// Deletes an object if it still is what was seen of it. The client itself sends a delete again whose answer was lost.
pub(crate) async fn delete(objects: &Objects<'_>, seen: &Metadata) -> Result<Deleted, SureError> {
    let mut pauses = CONFLICTS.start();
    loop {
        let error = match objects.delete(seen).await {
            Ok(deleted) => return Ok(deleted),
            Err(error) => error,
        };
        if *error.cause() != Cause::Conflict {
            return Err(error.into());
        }
        match objects.get_metadata(&seen.name).await? {
            // A later object of that name is none of this switch's business.
            None => return Ok(Deleted::Gone),
            Some(now) if now.uid != seen.uid => return Ok(Deleted::Gone),
            Some(now) if now.deletion_timestamp.is_some() => return Ok(Deleted::Terminating),
            // Nothing has changed: the conflict was a passing one.
            Some(now) if unchanged(&now, seen) && pauses.pause().await => {}
            Some(_) => return Err(SureError::Changed { object: objects.name(&seen.name) }),
        }
    }
}

fn unchanged(now: &Metadata, seen: &Metadata) -> bool {
    seen.resource_version.is_empty() || now.resource_version == seen.resource_version
}

/// Waits until an object that is being deleted is gone.
pub(crate) async fn until_gone(objects: &Objects<'_>, name: &str) -> Result<(), SureError> {
    let gone = |object: Option<&Value>| object.is_none_or(|object| Metadata::of(object).deletion_timestamp.is_none());
    if objects.until(name, GOES_WITHIN, &gone).await? {
        Ok(())
    } else {
        Err(SureError::DoesNotGo { object: objects.name(name) })
    }
}

/// Waits until a name is free that an object has which is being deleted. Asks for it by its name again and again: to watch
/// Secrets the controller would need the right to read those of all sites.
async fn until_free(objects: &Objects<'_>, name: &str) -> Result<(), SureError> {
    let mut pauses = NAMES.start();
    while objects.get_metadata(name).await?.is_some_and(|object| object.deletion_timestamp.is_some()) {
        if !pauses.pause().await {
            return Err(SureError::DoesNotGo { object: objects.name(name) });
        }
    }
    Ok(())
}

/// Asks a question, and asks it again when the answer is lost or meets a passing conflict. For what changes nothing.
pub(crate) async fn ask<T, Answer>(question: impl Fn() -> Answer) -> Result<T, ClusterError>
where
    Answer: Future<Output = Result<T, ClusterError>>,
{
    let mut pauses = QUESTIONS.start();
    loop {
        match question().await {
            Err(error) if may_be_asked_again(error.cause()) && pauses.pause().await => {}
            answer => return answer,
        }
    }
}

fn may_be_asked_again(cause: &Cause) -> bool {
    !cause.nothing_was_done() || *cause == Cause::Conflict
}
