//! A way to the API server on which requests and answers get lost, or are answered wrongly, when the test says so.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tower::BoxError;

use super::acceptor;
use crate::control_plane::{ControlPlane, HttpsConnector};
use crate::error::Error;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

/// A request on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
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

type Plan = dyn FnMut(&Passing) -> Fault + Send;
type Answer = Response<UnsyncBoxBody<Bytes, hyper::Error>>;

/// Stands before the API server with the API server's own certificate and passes on what comes, except for the faults
/// that the test plans. Point a task at it with the variable `KUBERNETES_SERVICE_PORT`.
pub struct FaultProxy {
    port: u16,
    injected: Arc<Mutex<Vec<(Passing, Fault)>>>,
    connections: watch::Sender<u64>,
    listening: JoinHandle<()>,
}

impl FaultProxy {
    /// Listens on a port of 127.0.0.1; `plan` says for each request what happens to it.
    pub async fn start(
        control_plane: &ControlPlane,
        plan: impl FnMut(&Passing) -> Fault + Send + 'static,
    ) -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::process("Listening"))?;
        let port = listener.local_addr().map_err(Error::process("Listening"))?.port();
        let injected = Arc::new(Mutex::new(Vec::new()));
        let (connections, generation) = watch::channel(0);
        let proxy = Arc::new(Proxy {
            client: Client::builder(TokioExecutor::new()).build(control_plane.connector()?),
            authority: format!("127.0.0.1:{}", control_plane.port()),
            state: Mutex::new((0, Box::new(plan))),
            injected: injected.clone(),
        });
        let tls = acceptor(control_plane.server_identity())?;
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, tls.clone(), proxy.clone(), generation.clone()));
            }
        });
        Ok(Self { port, injected, connections, listening })
    }

    /// The port of 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Breaks every connection that is open now, watches among them.
    pub fn cut(&self) {
        self.connections.send_modify(|generation| *generation += 1);
    }

    /// The faults so far, in order; requests that passed are not among them.
    #[must_use]
    pub fn injected(&self) -> Vec<(Passing, Fault)> {
        self.injected.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut();
    }
}

struct Proxy {
    client: Client<HttpsConnector, Incoming>,
    authority: String,
    state: Mutex<(usize, Box<Plan>)>,
    injected: Arc<Mutex<Vec<(Passing, Fault)>>>,
}

/// One connection, until it ends or is cut.
async fn serve(stream: TcpStream, tls: TlsAcceptor, proxy: Arc<Proxy>, mut generation: watch::Receiver<u64>) {
    generation.mark_unchanged();
    // Like the API server's own, this side must not hold answers back.
    let _ = stream.set_nodelay(true);
    let Ok(stream) = tls.accept(stream).await else { return };
    let service = service_fn(|request| proxy.clone().pass(request));
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = connection => {}
        _ = generation.changed() => {}
    }
}

impl Proxy {
    /// Passes a request on, or does what the plan says. An error breaks the connection.
    async fn pass(self: Arc<Self>, request: Request<Incoming>) -> Result<Answer, BoxError> {
        let fault = self.decide(&request);
        match fault {
            Fault::None => Ok(self.forward(request).await?.map(BodyExt::boxed_unsync)),
            Fault::NeverArrives => Err("the request is lost".into()),
            Fault::AnswerLost => {
                self.forward(request).await?.into_body().collect().await?;
                Err("the answer is lost".into())
            }
            Fault::AnsweredInstead(status, retry_after) => Ok(answer(status, retry_after)?),
            Fault::AnsweredWrongly(status) => {
                self.forward(request).await?.into_body().collect().await?;
                Ok(answer(status, None)?)
            }
        }
    }

    fn decide(&self, request: &Request<Incoming>) -> Fault {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (number, plan) = &mut *state;
        let passing = Passing { number: *number, method: request.method().clone(), uri: request.uri().to_string() };
        *number += 1;
        let fault = plan(&passing);
        if fault != Fault::None {
            self.injected.lock().unwrap_or_else(PoisonError::into_inner).push((passing, fault));
        }
        fault
    }

    async fn forward(&self, mut request: Request<Incoming>) -> Result<Response<Incoming>, BoxError> {
        let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        *request.uri_mut() = format!("https://{}{path}", self.authority).parse()?;
        Ok(self.client.request(request).await?)
    }
}

/// An answer in the form that the API server gives its errors.
fn answer(status: u16, retry_after: Option<u32>) -> Result<Answer, http::Error> {
    let status = StatusCode::from_u16(status)?;
    let body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": "injected by the test bench",
        "reason": if status == StatusCode::CONFLICT { "Conflict" } else { "" },
        "code": status.as_u16(),
    });
    let mut response = Response::builder().status(status).header(http::header::CONTENT_TYPE, "application/json");
    if let Some(seconds) = retry_after {
        response = response.header(http::header::RETRY_AFTER, seconds);
    }
    let body = Full::new(Bytes::from(body.to_string())).map_err(|never| match never {});
    response.body(body.boxed_unsync())
}
