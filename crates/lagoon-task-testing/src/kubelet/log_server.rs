//! Serves the containers' logs to the API server: `GET /containerLogs/NAMESPACE/POD/CONTAINER`.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use k8s_openapi::jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::control_plane::certificates::Identity;
use crate::error::Error;
use crate::kubelet::log::Lines;
use crate::kubelet::log_query::LogQuery;
use crate::kubelet::workers::Workers;
use crate::network::{damaged, parsed};

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// Accepts TLS from clients that this authority has certified.
pub(super) fn acceptor(identity: &Identity, authority: &str) -> Result<TlsAcceptor, Error> {
    let (certificate, key) = parsed(identity)?;
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(authority.as_bytes()).map_err(damaged)?;
    roots.add(authority).map_err(damaged)?;
    let clients = WebPkiClientVerifier::builder(Arc::new(roots)).build().map_err(damaged)?;
    let config = ServerConfig::builder().with_client_cert_verifier(clients).with_single_cert(vec![certificate], key);
    Ok(TlsAcceptor::from(Arc::new(config.map_err(damaged)?)))
}

/// Serves until it is dropped; its connections end with it.
pub(super) async fn serve(listener: TcpListener, tls: TlsAcceptor, workers: Arc<Workers>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(connection(stream, tls.clone(), workers.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, workers: Arc<Workers>) {
    // Lines are to arrive as they come.
    let _ = stream.set_nodelay(true);
    let Ok(stream) = tls.accept(stream).await else { return };
    let service = service_fn(|request| {
        let answer = answer(&workers, &request);
        async move { Ok::<_, Infallible>(answer) }
    });
    // It ends when the client closes it.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn answer(workers: &Workers, request: &Request<Incoming>) -> Answer {
    let parts: Vec<&str> = request.uri().path().split('/').skip(1).collect();
    let (&Method::GET, &["containerLogs", namespace, pod, container]) = (request.method(), parts.as_slice()) else {
        return refusal(StatusCode::NOT_FOUND, "the kubelet stand-in serves logs only");
    };
    let query = match LogQuery::parse(request.uri().query().unwrap_or_default(), Timestamp::now()) {
        Ok(query) => query,
        Err(message) => return refusal(StatusCode::BAD_REQUEST, &message),
    };
    let Some(worker) = workers.find(namespace, pod) else {
        return refusal(StatusCode::NOT_FOUND, &format!("pod {namespace}/{pod} does not run here"));
    };
    match worker.log(container) {
        Ok(log) => {
            let body = StreamBody::new(stream::unfold(Following::new(query, log.follow()), Following::next));
            Response::new(body.boxed_unsync())
        }
        Err(message) => refusal(StatusCode::BAD_REQUEST, &message),
    }
}

fn refusal(status: StatusCode, message: &str) -> Answer {
    let mut answer = Response::new(Full::from(message.to_owned()).boxed_unsync());
    *answer.status_mut() = status;
    answer
}

/// A client's place in a log.
struct Following {
    query: LogQuery,
    lines: watch::Receiver<Lines>,
    /// The next line; `None` before the first.
    next: Option<usize>,
    sent: usize,
}

impl Following {
    fn new(query: LogQuery, lines: watch::Receiver<Lines>) -> Self {
        Self { query, lines, next: None, sent: 0 }
    }

    /// The next lines, when there are some; `None` at the end.
    async fn next(mut self) -> Option<(Result<Frame<Bytes>, Infallible>, Self)> {
        loop {
            let (printed, is_end) = self.print();
            let allowed = self.query.allowed(self.sent, printed.len());
            if allowed > 0 {
                self.sent += allowed;
                return Some((Ok(Frame::data(Bytes::from(printed).slice(..allowed))), self));
            }
            // An error: the container's log is gone.
            if is_end || !printed.is_empty() || !self.query.follow || self.lines.changed().await.is_err() {
                return None;
            }
        }
    }

    /// The lines that have come since the last time, and whether there will be no others.
    fn print(&mut self) -> (Vec<u8>, bool) {
        let lines = self.lines.borrow_and_update();
        let first = self.next.unwrap_or_else(|| self.query.first(&lines.lines));
        self.next = Some(lines.lines.len());
        (self.query.print(lines.lines.get(first..).unwrap_or_default()), lines.are_all)
    }
}
