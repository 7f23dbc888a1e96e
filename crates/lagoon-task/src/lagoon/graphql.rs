//! Requests to Lagoon's GraphQL API: the token, the retries that are safe, the answer.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use crate::backoff::Backoff;
use crate::cluster::{certificate_problem, innermost, never_sent, shortened};
use crate::lagoon::error::{ApiCause, LagoonConnectError};
use crate::lagoon::token::Tokens;
use crate::lagoon::upload::Form;
use crate::output::Output;
use crate::redaction::{HIDDEN, SHORTEST};

/// For one call with all its attempts.
const PATIENCE: Duration = Duration::from_mins(1);

/// For one call that uploads files.
pub(super) const UPLOAD_PATIENCE: Duration = Duration::from_hours(1);

/// From the start of an attempt to its whole answer.
const ATTEMPT_DEADLINE: Duration = Duration::from_secs(20);

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// No attempt is begun with less patience left than this: it would not come to an answer.
const SHORTEST_ATTEMPT: Duration = Duration::from_secs(1);

/// Half of each pause by chance, so that many tasks do not come back at once.
const RETRIES: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5)).jitter(0.5);

/// Longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

/// Of an answer's errors this many are shown.
const MOST_ERRORS: usize = 10;

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Whether a request may be sent again when it is not known whether it has been carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It changes nothing, or the same however often it is sent.
    Safe,
    /// Twice is not the same as once.
    Unsafe,
}

/// A call of the API.
pub(super) struct Call<'call> {
    pub(super) body: Outgoing<'call>,
    pub(super) repeat: Repeat,
    pub(super) patience: Duration,
    /// What must not be shown when the API quotes it.
    pub(super) secret: &'call str,
}

pub(super) enum Outgoing<'call> {
    Json(&'call Value),
    Form(&'call Form),
}

/// A client for the API.
pub(super) struct GraphQl {
    client: Client<TimeoutConnector<HttpsConnector<HttpConnector>>, Body>,
    url: Uri,
    user_agent: HeaderValue,
    output: Output,
    pub(super) tokens: Tokens,
    pub(super) patience: Duration,
}

/// An attempt that was not answered as hoped, and how many seconds the server asks to wait.
struct Failed {
    cause: ApiCause,
    retry_after: Option<u64>,
}

impl From<ApiCause> for Failed {
    fn from(cause: ApiCause) -> Self {
        Self { cause, retry_after: None }
    }
}

impl GraphQl {
    pub(super) fn new(
        url: Uri,
        authorities: PathBuf,
        tokens: Tokens,
        output: Output,
        user_agent: &str,
    ) -> Result<Self, LagoonConnectError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let tls = HttpsConnectorBuilder::new()
            .with_tls_config(tls_config(authorities)?)
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        let mut connector = TimeoutConnector::new(tls);
        connector.set_connect_timeout(Some(CONNECT_DEADLINE));
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let user_agent = HeaderValue::from_str(user_agent).map_err(|_| LagoonConnectError::UserAgent)?;
        Ok(Self { client, url, user_agent, output, tokens, patience: PATIENCE })
    }

    /// Sends a request until it is answered, it is not safe to send it again, or `patience` has run out. Answers with
    /// the answer's `data`.
    pub(super) async fn call(&self, call: &Call<'_>) -> Result<Value, ApiCause> {
        let mut failed = None;
        let answered = timeout(call.patience, self.attempts(call, &mut failed)).await;
        answered.unwrap_or_else(|_| Err(out_of_patience(call.repeat, failed, call.patience)))
    }

    /// Leaves in `failed` why the last attempt before the one under way came to nothing.
    async fn attempts(&self, call: &Call<'_>, failed: &mut Option<ApiCause>) -> Result<Value, ApiCause> {
        let started = Instant::now();
        let (mut renewed, mut number) = (false, 0);
        loop {
            let token = self.tokens.get().await?;
            let Failed { cause, retry_after } = match self.attempt(call, &token).await {
                Ok(data) => return Ok(data),
                Err(failed) => failed,
            };
            if cause == ApiCause::Unauthorized && !renewed {
                // It may have been revoked before its time.
                self.tokens.forget(&token).await;
                renewed = true;
                continue;
            }
            let left = call.patience.saturating_sub(started.elapsed());
            let wait = wait_before_next(&cause, call.repeat, retry_after, number, left, fastrand::f64());
            let Some(wait) = wait else { return Err(cause) };
            if number == 0 {
                self.output.say(format!("{}; trying again for up to {} s.", in_words(&cause), left.as_secs()));
            }
            number += 1;
            *failed = Some(cause);
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt(&self, call: &Call<'_>, token: &str) -> Result<Value, Failed> {
        let request = self.request(&call.body, token)?;
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| transport(&error))?;
            read(response, call.secret).await
        };
        match call.body {
            // How long these take is a matter of the files.
            Outgoing::Form(_) => exchange.await,
            Outgoing::Json(_) => timeout(ATTEMPT_DEADLINE, exchange).await.unwrap_or_else(|_| {
                Err(ApiCause::AnswerLost(format!("no answer within {} s", ATTEMPT_DEADLINE.as_secs())).into())
            }),
        }
    }

    fn request(&self, outgoing: &Outgoing<'_>, token: &str) -> Result<Request<Body>, ApiCause> {
        let unsendable = |_| ApiCause::NotUnderstood("the request cannot be written".to_owned());
        let mut authorization =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|error| unsendable(error.into()))?;
        authorization.set_sensitive(true);
        let request =
            Request::post(&self.url).header(AUTHORIZATION, authorization).header(USER_AGENT, self.user_agent.clone());
        let request = match outgoing {
            Outgoing::Json(document) => {
                let body = Full::new(Bytes::from(document.to_string())).map_err(|never| match never {});
                request.header(CONTENT_TYPE, "application/json").body(body.boxed_unsync())
            }
            Outgoing::Form(form) => request
                .header(CONTENT_TYPE, form.content_type())
                .header(CONTENT_LENGTH, form.length())
                .body(form.body()),
        };
        request.map_err(unsendable)
    }
}

/// TLS verified with the certificate authorities in `path`, and nothing else.
fn tls_config(path: PathBuf) -> Result<rustls::ClientConfig, LagoonConnectError> {
    let mut roots = rustls::RootCertStore::empty();
    let read = CertificateDer::pem_file_iter(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = match read {
        Ok(certificates) => certificates,
        Err(source) => return Err(LagoonConnectError::NoCertificateAuthorities { path, source: Some(source.into()) }),
    };
    roots.add_parsable_certificates(certificates);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    match builder {
        Ok(builder) if !roots.is_empty() => Ok(builder.with_root_certificates(roots).with_no_client_auth()),
        _ => Err(LagoonConnectError::NoCertificateAuthorities { path, source: None }),
    }
}

/// How long to wait before the next attempt; `None` to give up. `chance` is from 0 to 1.
fn wait_before_next(
    cause: &ApiCause,
    repeat: Repeat,
    retry_after: Option<u64>,
    made: u32,
    left: Duration,
    chance: f64,
) -> Option<Duration> {
    let may_pass = matches!(
        cause,
        ApiCause::Unreachable(_) | ApiCause::AnswerLost(_) | ApiCause::Status { code: 429 | 500..=599, .. }
    );
    if !may_pass || !(repeat == Repeat::Safe || cause.nothing_was_done()) {
        return None;
    }
    let retries = RETRIES.deadline(left.saturating_sub(SHORTEST_ATTEMPT));
    retries.pause(made, Duration::ZERO, chance, retry_after.map(Duration::from_secs))
}

/// The answer when patience runs out in the middle of an attempt, and the one before it `failed` for this reason.
fn out_of_patience(repeat: Repeat, failed: Option<ApiCause>, patience: Duration) -> ApiCause {
    match failed {
        Some(cause) if repeat == Repeat::Safe => cause,
        // What was known of an earlier attempt does not say what became of this one.
        _ => ApiCause::Deadline(patience),
    }
}

fn in_words(cause: &ApiCause) -> String {
    match cause {
        ApiCause::Unreachable(_) => "Lagoon's API cannot be reached".to_owned(),
        ApiCause::Status { code: 429, .. } => "Lagoon's API is busy and asks to wait".to_owned(),
        ApiCause::Status { code, .. } => format!("Lagoon's API answered with an error of its own ({code})"),
        _ => "Lagoon's API did not answer".to_owned(),
    }
}

fn transport(error: &(dyn std::error::Error + 'static)) -> Failed {
    let cause = if let Some(problem) = certificate_problem(error) {
        ApiCause::NotOurServer(problem)
    } else if never_sent(error) {
        ApiCause::Unreachable(shortened(&innermost(error)))
    } else {
        ApiCause::AnswerLost(shortened(&innermost(error)))
    };
    cause.into()
}

async fn read(response: Response<Incoming>, secret: &str) -> Result<Value, Failed> {
    let (head, body) = response.into_parts();
    let seconds = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let bytes = Limited::new(body, LONGEST_ANSWER)
        .collect()
        .await
        .map_err(|error| Failed::from(ApiCause::AnswerLost(shortened(&innermost(error.as_ref())))))?;
    answer(head.status, &bytes.to_bytes(), secret).map_err(|cause| Failed { cause, retry_after: seconds })
}

/// What an answer says: its `data`, or why there is none (GraphQL specification, "Response Format").
fn answer(status: StatusCode, body: &[u8], secret: &str) -> Result<Value, ApiCause> {
    if status == StatusCode::UNAUTHORIZED {
        return Err(ApiCause::Unauthorized);
    }
    let parsed = serde_json::from_slice::<Value>(body);
    let messages = parsed.as_ref().map(|answer| messages(answer, secret)).unwrap_or_default();
    let code = status.as_u16();
    if status.is_success() || (status.is_client_error() && code != 429) {
        if !messages.is_empty() {
            return Err(ApiCause::Refused(messages));
        }
        if status.is_success() {
            let mut parsed = parsed.map_err(|_| ApiCause::NotUnderstood("it is not JSON".to_owned()))?;
            return match parsed.get_mut("data").map(Value::take) {
                Some(data @ Value::Object(_)) => Ok(data),
                _ => Err(ApiCause::NotUnderstood("it has no data".to_owned())),
            };
        }
    }
    let words = || status.canonical_reason().unwrap_or("no words for it").to_owned();
    Err(ApiCause::Status { code, message: if messages.is_empty() { words() } else { messages.join("; ") } })
}

/// The messages of an answer's `errors`, each on one line.
fn messages(answer: &Value, secret: &str) -> Vec<String> {
    let errors = answer.get("errors").and_then(Value::as_array);
    let message = |error: &Value| {
        let text = error.get("message").and_then(Value::as_str).unwrap_or("no message");
        // Before it is cut off, so that no part of it is left.
        shortened(&hidden(text, secret))
    };
    errors.into_iter().flatten().take(MOST_ERRORS).map(message).collect()
}

/// `text` without `secret`, quoted as it is or as JSON writes it.
fn hidden(text: &str, secret: &str) -> String {
    let json = Value::from(secret).to_string();
    let json = json.get(1..json.len() - 1).unwrap_or_default();
    let forms = [secret, json].into_iter().filter(|form| form.len() >= SHORTEST);
    forms.fold(text.to_owned(), |text, form| text.replace(form, HIDDEN))
}

#[cfg(test)]
mod tests;
