//! Which requests are sent again, and when.

use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use kube::client::Body;
use kube::client::retry::RetryPolicy;
use tokio::time::{Instant, Sleep};
use tower::BoxError;
use tower::retry::Policy;

use crate::cluster::error::{certificate_problem, never_sent};
use crate::output::Output;

/// How long a request is tried again before the task gives up on it.
///
/// ```
/// assert_eq!(lagoon_task::cluster::PATIENCE.as_secs(), 60);
/// ```
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A refusal is given less time: only the moment in which the kubelet replaces the token. A server that has just come
/// up also refuses what it will soon accept: it listens before it has read rights and custom resources.
const PATIENCE_WITH_REFUSAL: Duration = Duration::from_secs(10);

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

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

    fn patience(&self) -> Duration {
        if self.is_refusal() { PATIENCE_WITH_REFUSAL } else { PATIENCE }
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

/// How long to wait before the next attempt; `None` to give up. `random` is from 0 to 1.
pub(super) fn wait_before_next(
    ended: &Ended,
    method: &Method,
    attempt: u32,
    elapsed: Duration,
    random: f64,
) -> Option<Duration> {
    if !ended.is_safe_to_repeat(method) {
        return None;
    }
    let left = ended.patience().checked_sub(elapsed).filter(|left| !left.is_zero())?;
    let wait = if let Ended::Answered(_, Some(seconds)) = ended {
        Duration::from_secs(*seconds).max(FIRST_WAIT)
    } else {
        let longest = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(attempt)).min(LONGEST_WAIT);
        // Half of it fixed, half by chance, so that many tasks do not come back at once.
        longest.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0).min(left)
    };
    // A server that asks to wait longer than there is patience will not be asked again.
    (wait <= left).then_some(wait)
}

/// The retry policy of one client; each request works on a clone of its own.
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
        let patience = ended.patience().as_secs();
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
        // The clone is made before the first attempt, so the patience counts from there.
        self.started.get_or_insert_with(Instant::now);
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
        Err(error) if certificate_problem(error.as_ref()).is_some() => None,
        Err(error) if never_sent(error.as_ref()) => Some(Ended::NeverSent),
        Err(_) => Some(Ended::Lost),
    }
}

#[cfg(test)]
mod tests;
