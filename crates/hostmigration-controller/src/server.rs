//! The controller's HTTP server: `/metrics` for Prometheus, `/healthz` and `/readyz` for the kubelet.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use k8s_openapi::jiff::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::exposition::Format;
use crate::health::Health;
use crate::metrics::Metrics;
use lagoon_task::Backoff;

/// Connections at the same time. With one more the oldest is closed: an answer is ready at once, so the oldest is one
/// whose client has not asked yet.
const CONNECTIONS: usize = 64;

/// For the head of a request.
const HEAD_DEADLINE: Duration = Duration::from_secs(2);

/// For a connection from beginning to end: it serves one request.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(10);

/// After a connection could not be accepted, for example because no file descriptor is left.
const ACCEPTS: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(100));

/// What the server answers with.
pub struct Status {
    /// Whether the controller can do its work.
    pub health: Health,
    /// The metrics.
    pub metrics: Arc<Metrics>,
}

impl Status {
    /// That of a controller that has just started.
    #[must_use]
    pub fn new() -> Self {
        let metrics = Arc::new(Metrics::new());
        Self { health: Health::new(Arc::clone(&metrics)), metrics }
    }
}

impl Default for Status {
    fn default() -> Self {
        Self::new()
    }
}

/// Serves until the runtime ends.
pub async fn serve(listener: TcpListener, status: Arc<Status>) {
    let mut connections: VecDeque<AbortHandle> = VecDeque::new();
    let mut pauses = ACCEPTS.start();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            pauses.pause().await;
            continue;
        };
        connections.retain(|connection| !connection.is_finished());
        if connections.len() >= CONNECTIONS
            && let Some(oldest) = connections.pop_front()
        {
            oldest.abort();
        }
        let status = Arc::clone(&status);
        let connection = tokio::spawn(async move {
            // A client that breaks off or is too slow is its own problem.
            let _ = tokio::time::timeout(CONNECTION_DEADLINE, connection(stream, &status)).await;
        });
        connections.push_back(connection.abort_handle());
        // A client that has asked already is answered before others can take its place.
        tokio::task::yield_now().await;
    }
}

async fn connection(stream: TcpStream, status: &Status) -> hyper::Result<()> {
    let answer = service_fn(async |request| Ok::<_, Infallible>(answer(&request, status)));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer)
        .await
}

fn answer<B>(request: &Request<B>, status: &Status) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" => {
            let (is_ready, report) = status.health.report(Timestamp::now());
            text(if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, report)
        }
        "/metrics" => {
            let format = Format::accepted(&accepted(request.headers()));
            match status.metrics.text(format) {
                Ok(metrics) => with_type(StatusCode::OK, metrics, format.content_type()),
                Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written\n"),
            }
        }
        _ => text(StatusCode::NOT_FOUND, "not found\n"),
    }
}

/// All `Accept` headers as one.
fn accepted(headers: &HeaderMap) -> String {
    let all: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    all.join(",")
}

fn text(code: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    with_type(code, body, "text/plain; charset=utf-8")
}

fn with_type(code: StatusCode, body: impl Into<Bytes>, content_type: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests;
