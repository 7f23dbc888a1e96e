//! Creating and deleting so that it is known afterwards whether it was done.
//!
//! An answer can be lost, and a create that is sent again is then refused: whether what is there is what was to be
//! created, the caller can tell.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::labels;
use lagoon_task::cluster::{Cause, ClusterError, Deleted, Metadata, ObjectName, Objects, PATIENCE};

/// How often a create or a delete is sent in all that meets a conflict.
const ATTEMPTS: u32 = 6;

/// The longest time between two attempts of a create, and between two looks at what is in its way.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How often a question is asked in all whose answer is lost or that meets a passing conflict.
const QUESTIONS: u32 = 4;

/// How long a name may stay taken by an object that is being deleted.
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
    let started = Instant::now();
    let mut attempt = 1;
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
        // A server or a webhook that restarts gets as much time as with any other request, which the client sends again
        // by itself: what is to be created may exist nowhere else by now.
        let is_over = if error.cause().may_pass() { started.elapsed() >= PATIENCE } else { attempt >= ATTEMPTS };
        if is_over {
            return Err(error.into());
        }
        tokio::time::sleep(pause(attempt).min(LONGEST_PAUSE)).await;
        attempt += 1;
    }
}

/// Deletes an object if it still is what was seen of it. The client itself sends a delete again whose answer was lost.
pub(crate) async fn delete(objects: &Objects<'_>, seen: &Metadata) -> Result<Deleted, SureError> {
    let mut attempt = 1;
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
            Some(now) if unchanged(&now, seen) && attempt < ATTEMPTS => {}
            Some(_) => return Err(SureError::Changed { object: objects.name(&seen.name) }),
        }
        tokio::time::sleep(pause(attempt)).await;
        attempt += 1;
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
    let end = Instant::now() + GOES_WITHIN;
    let mut attempt = 1;
    while objects.get_metadata(name).await?.is_some_and(|object| object.deletion_timestamp.is_some()) {
        if Instant::now() >= end {
            return Err(SureError::DoesNotGo { object: objects.name(name) });
        }
        tokio::time::sleep(pause(attempt).min(LONGEST_PAUSE)).await;
        attempt += 1;
    }
    Ok(())
}

/// Asks a question, and asks it again when the answer is lost or meets a passing conflict. For what changes nothing.
pub(crate) async fn ask<T, Answer>(question: impl Fn() -> Answer) -> Result<T, ClusterError>
where
    Answer: Future<Output = Result<T, ClusterError>>,
{
    let mut attempt = 1;
    loop {
        match question().await {
            Err(error) if attempt < QUESTIONS && may_be_asked_again(error.cause()) => {}
            answer => return answer,
        }
        tokio::time::sleep(pause(attempt)).await;
        attempt += 1;
    }
}

fn may_be_asked_again(cause: &Cause) -> bool {
    !cause.nothing_was_done() || *cause == Cause::Conflict
}

/// The time before another attempt: 20 ms at first, twice as long each time.
pub(crate) fn pause(attempt: u32) -> Duration {
    Duration::from_millis(10).saturating_mul(2_u32.saturating_pow(attempt))
}
