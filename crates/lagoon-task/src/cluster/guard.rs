//! What is asked before each attempt to change something.

use std::pin::Pin;
use std::sync::Arc;

use http::Request;
use kube::client::Body;
use tower::BoxError;

use crate::cluster::error::Cause;

/// Is asked before each attempt of a request that changes something: a program that may write only while it holds a lock
/// answers here whether it still does.
///
/// ```
/// use std::pin::Pin;
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use lagoon_task::cluster::WriteGuard;
/// use lagoon_task::Cause;
///
/// struct UntilStopped(AtomicBool);
///
/// impl WriteGuard for UntilStopped {
///     fn may_write<'a>(&'a self, _namespace: &'a str) -> Pin<Box<dyn Future<Output = Result<(), Cause>> + Send + 'a>> {
///         let is_stopped = self.0.load(Ordering::Relaxed);
///         Box::pin(async move {
///             if is_stopped { Err(Cause::Withheld("the task is stopping".to_owned())) } else { Ok(()) }
///         })
///     }
/// }
/// ```
pub trait WriteGuard: Send + Sync {
    /// Whether the request, which changes something in `namespace`, may be sent. If not it is not sent, nor tried again, and
    /// fails with the cause.
    fn may_write<'a>(&'a self, namespace: &'a str) -> Pin<Box<dyn Future<Output = Result<(), Cause>> + Send + 'a>>;

    /// Hears that a request met the doing of somebody else. Does nothing unless a guard says otherwise.
    fn has_met_conflict(&self) {}
}

/// Marks a request that guards are asked about, and the namespace that it changes.
#[derive(Clone)]
pub(super) struct Guarded {
    pub(super) guards: Vec<Arc<dyn WriteGuard>>,
    pub(super) namespace: String,
}

pub(super) fn hear(guards: &[Arc<dyn WriteGuard>], cause: &Cause) {
    if matches!(cause, Cause::Conflict | Cause::AlreadyExists) {
        for guard in guards {
            guard.has_met_conflict();
        }
    }
}

/// Asks the request's guards, if it has any.
pub(super) async fn allowed(request: Request<Body>) -> Result<Request<Body>, BoxError> {
    if let Some(Guarded { guards, namespace }) = request.extensions().get::<Guarded>().cloned() {
        for guard in guards {
            guard.may_write(&namespace).await?;
        }
    }
    Ok(request)
}
