//! Which requests are sent again, and when.

use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use kube::client::Body;
use kube::client::retry::RetryPolicy;
use tokio::time::{Instant, Sleep};
use tower::BoxError;
use tower::retry::Policy;

use crate::backoff::Backoff;
use crate::cluster::error::{certificate_problem, never_sent, withheld};
use crate::output::Output;

/// How long a request is tried again before the task gives up on it.
///
/// ```
/// assert_eq!(lagoon_task::cluster::PATIENCE.as_secs(), 60);
/// ```
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A refusal is given less time: only the moment in which the kubelet replaces the token. A server that has just come
/// up also refuses what it will soon accept: it listens before it has read rights and custom resources.
const REFUSED: Backoff = RETRIES.deadline(Duration::from_secs(10));

/// Half of each pause by chance, so that many tasks do not come back at once.
const RETRIES: Backoff =
    Backoff::new(Duration::from_millis(100), Duration::from_secs(5)).deadline(PATIENCE).jitter(0.5);

/// The log repeats that the task is still trying after this long.
const SAY_AGAIN: Duration = Duration::from_secs(15);

/// Marks a request that is not worth a retry, nor a line in the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnlyOnce;

/// How an attempt ended that is not an answer the task can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// No connection came about.
    NeverSent,
    /// No answer came.
    Lost,
    /// An answer that may be another one later, with the seconds of its `Retry-After`.
    Answered(u16, Option<u64>),
}

impl Ended {
    /// Whether the request may be sent again. A create whose answer was lost may have been carried out: sending it
    /// again is left to the caller, who can tell whether the object that is there now is its own.
    fn is_safe_to_repeat(&self, method: &Method) -> bool {
        let repeatable = method != Method::POST;
        match self {
            Self::NeverSent | Self::Answered(401 | 403 | 404 | 429, _) => true,
            Self::Lost | Self::Answered(500..=599, _) => repeatable,
            Self::Answered(..) => false,
        }
    }

    fn backoff(&self) -> Backoff {
        if self.is_refusal() { REFUSED } else { RETRIES }
    }

    /// How long the server asks to wait.
    fn asked(&self) -> Option<Duration> {
        match self {
            Self::Answered(_, seconds) => seconds.map(Duration::from_secs),
            Self::NeverSent | Self::Lost => None,
        }
    }

    fn is_refusal(&self) -> bool {
        matches!(self, Self::Answered(401 | 403 | 404, _))
    }

    fn in_words(&self) -> String {
        match self {
            Self::NeverSent => "cannot be reached".to_owned(),
            Self::Lost => "did not answer".to_owned(),
            Self::Answered(401, _) => "does not accept the deployer token yet".to_owned(),
            Self::Answered(403 | 404, _) => "has just come up and does not know everything yet".to_owned(),
            Self::Answered(429, _) => "is busy and asks to wait".to_owned(),
            Self::Answered(code, _) => format!("answered with an error of its own ({code})"),
        }
    }
}

/// How long to wait before the next attempt; `None` to give up. `chance` is from 0 to 1.
fn wait_before_next(ended: &Ended, method: &Method, made: u32, elapsed: Duration, chance: f64) -> Option<Duration> {
    let pause = ended.backoff().pause(made, elapsed, chance, ended.asked());
    pause.filter(|_| ended.is_safe_to_repeat(method))
}

/// The retry policy of one client; each request works on a clone of its own, made when it is first sent.
#[derive(Clone)]
pub(super) struct Retries {
    output: Output,
    /// kube's own policy is asked for one thing only: how to copy a request.
    copier: RetryPolicy,
    attempt: u32,
    started: Option<Instant>,
    /// Since when the server, which could not be reached before, can be.
    came_up: Option<Instant>,
    was_down: bool,
    said: Option<(Instant, String)>,
}

impl Retries {
    pub(super) fn new(output: Output) -> Self {
        Self {
            output,
            copier: RetryPolicy::default(),
            attempt: 0,
            started: None,
            came_up: None,
            was_down: false,
            said: None,
        }
    }

    /// From when on the patience with `ended` counts.
    fn since(&mut self, ended: &Ended, now: Instant) -> Instant {
        let started = *self.started.get_or_insert(now);
        if *ended == Ended::NeverSent {
            self.was_down = true;
            self.came_up = None;
        } else if self.was_down && ended.is_refusal() {
            return *self.came_up.get_or_insert(now);
        }
        started
    }

    fn say(&mut self, ended: &Ended, now: Instant) {
        let words = ended.in_words();
        let recent = |(at, last): &(Instant, String)| *last == words && now.duration_since(*at) < SAY_AGAIN;
        if self.said.as_ref().is_some_and(recent) {
            return;
        }
        let patience = ended.backoff().deadline.as_secs();
        self.output.say(format!("The Kubernetes API server {words}; trying again for up to {patience} s."));
        self.said = Some((now, words));
    }
}

impl<B> Policy<Request<Body>, Response<B>, BoxError> for Retries {
    type Future = Sleep;

    fn retry(&mut self, request: &mut Request<Body>, result: &mut Result<Response<B>, BoxError>) -> Option<Sleep> {
        if request.extensions().get::<OnlyOnce>().is_some() {
            return None;
        }
        let now = Instant::now();
        let ended = ended(result, self.was_down)?;
        let elapsed = now.duration_since(self.since(&ended, now));
        let wait = wait_before_next(&ended, request.method(), self.attempt, elapsed, fastrand::f64())?;
        self.attempt += 1;
        self.say(&ended, now);
        Some(tokio::time::sleep(wait))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        // The clone is made before each attempt, and before the first one of each request by the policy that all requests of
        // a client share: the patience with a request counts from there.
        if self.attempt == 0 {
            self.started = Some(Instant::now());
        }
        Policy::<Request<Body>, Response<B>, BoxError>::clone_request(&mut self.copier, request)
    }
}

/// What is wrong with a result; `None` for an answer to be passed on. A missing right or object is an answer, unless the
/// server `was_down` just before.
fn ended<B>(result: &Result<Response<B>, BoxError>, was_down: bool) -> Option<Ended> {
    match result {
        Ok(response) => {
            let status = response.status();
            let later = status == StatusCode::UNAUTHORIZED
                || status == StatusCode::TOO_MANY_REQUESTS
                || status.is_server_error()
                || (was_down && matches!(status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND));
            let retry_after = response.headers().get(http::header::RETRY_AFTER);
            let seconds = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
            later.then_some(Ended::Answered(status.as_u16(), seconds))
        }
        Err(error) if certificate_problem(error.as_ref()).is_some() || withheld(error.as_ref()).is_some() => None,
        Err(error) if never_sent(error.as_ref()) => Some(Ended::NeverSent),
        Err(_) => Some(Ended::Lost),
    }
}

#[cfg(test)]
mod tests;
