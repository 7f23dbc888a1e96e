//! What may happen to a request on its way.

use http::Method;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing: it is passed on, and so is its answer.
    None,
    /// The connection breaks before the API server has seen the request.
    NeverArrives,
    /// The API server carries it out, and the connection breaks before its answer.
    AnswerLost,
    /// This status comes instead, and the API server never sees the request; with `Retry-After` in seconds if given.
    AnsweredInstead(u16, Option<u32>),
    /// The API server carries it out, and this status comes instead of its answer.
    AnsweredWrongly(u16),
    /// The request is held before the API server has seen it, until [`FaultProxy::release`](crate::FaultProxy::release).
    RequestHeld,
    /// The API server carries it out, and its answer is held until [`FaultProxy::release`](crate::FaultProxy::release): all of it, or of a watch
    /// the head.
    AnswerHeld,
}

/// A request on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Passing {
    /// From 0, in the order of arrival.
    pub number: usize,
    /// Its method.
    pub method: Method,
    /// Path and query.
    pub uri: String,
}

impl Passing {
    /// Whether it is a watch.
    #[must_use]
    pub fn is_watch(&self) -> bool {
        self.uri.contains("watch=true")
    }
}
