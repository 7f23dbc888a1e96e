//! The controller's HTTP server: `/metrics` for Prometheus, `/healthz` and `/readyz` for the kubelet.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::metrics::{self, Metrics};
use lagoon_task::Backoff;

/// Connections at the same time; more wait to be accepted.
const CONNECTIONS: usize = 64;

/// For the head of a request.
const HEAD_DEADLINE: Duration = Duration::from_secs(2);

/// For a connection from beginning to end: it serves one request.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(10);

/// After a connection could not be accepted, for example because no file descriptor is left.
const ACCEPTS: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(100));

/// What the server answers with.
pub struct Status {
    /// Whether the client is made and the replica takes part in the election. A standby replica is ready too.
    pub ready: AtomicBool,
    /// The metrics.
    pub metrics: Arc<Metrics>,
}

/// Serves until the runtime ends.
pub async fn serve(listener: TcpListener, status: Arc<Status>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut pauses = ACCEPTS.start();
    // The semaphore is never closed.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            pauses.pause().await;
            continue;
        };
        let status = Arc::clone(&status);
        tokio::spawn(async move {
            // A client that breaks off or is too slow is its own problem.
            let _ = tokio::time::timeout(CONNECTION_DEADLINE, connection(stream, &status)).await;
            drop(place);
        });
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
        "/readyz" if status.ready.load(Ordering::Relaxed) => text(StatusCode::OK, "ok\n"),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready yet\n"),
        "/metrics" => match status.metrics.text() {
            Ok(metrics) => with_type(StatusCode::OK, metrics, metrics::CONTENT_TYPE),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written\n"),
        },
        _ => text(StatusCode::NOT_FOUND, "not found\n"),
    }
}

fn text(code: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
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
