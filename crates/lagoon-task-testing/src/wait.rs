//! Waiting for what a test expects.

use std::time::Duration;

use crate::PATIENCE;
use crate::error::Error;
use crate::network::{FaultProxy, Passing};
use crate::task::Running;

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until `condition` holds.
///
/// # Panics
///
/// When it does not hold within three minutes.
pub async fn until(condition: impl Fn() -> bool) {
    until_so(async || condition()).await;
}

/// Waits until an asynchronous `condition` holds.
///
/// # Panics
///
/// When it does not hold within three minutes.
pub async fn until_so(condition: impl AsyncFn() -> bool) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    let looks = async {
        while !condition().await {
            look.tick().await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, looks).await;
    assert!(waited.is_ok(), "the condition does not hold within {} s", PATIENCE.as_secs());
}

/// Waits until `proxy` holds a request of the task, or the task has ended without one: then the answer is `None`.
pub async fn held_or_ended(proxy: &FaultProxy, running: &mut Running<'_>) -> Result<Option<Passing>, Error> {
    tokio::select! {
        biased;
        held = proxy.until_held() => held.map(Some),
        _ = running.exit() => Ok(None),
    }
}
