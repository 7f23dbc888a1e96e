//! How the proxy passes a request on, or does not.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tower::BoxError;

use crate::control_plane::{HttpsConnector, Servers};
use crate::error::Error;
use crate::network::fault::{Fault, Passing};
use crate::sync::lock;

type Plan = dyn FnMut(&Passing) -> Fault + Send;
type Answer = Response<UnsyncBoxBody<Bytes, hyper::Error>>;

pub(super) struct Proxy {
    client: Client<HttpsConnector, Full<Bytes>>,
    authority: String,
    plan: Mutex<Box<Plan>>,
    record: Mutex<Record>,
    holding: mpsc::UnboundedSender<Passing>,
    /// Each held request or answer has its own receiver.
    released: watch::Sender<()>,
}

#[derive(Default)]
struct Record {
    passed: Vec<Passing>,
    injected: Vec<(Passing, Fault)>,
}

impl Proxy {
    /// Tells `holding` of each that is held.
    pub(super) fn new(
        servers: &Servers,
        plan: impl FnMut(&Passing) -> Fault + Send + 'static,
        holding: mpsc::UnboundedSender<Passing>,
    ) -> Result<Self, Error> {
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(servers.connector()?),
            authority: format!("127.0.0.1:{}", servers.port()),
            plan: Mutex::new(Box::new(plan)),
            record: Mutex::default(),
            holding,
            released: watch::Sender::default(),
        })
    }

    pub(super) fn passed(&self) -> Vec<Passing> {
        lock(&self.record).passed.clone()
    }

    pub(super) fn injected(&self) -> Vec<(Passing, Fault)> {
        lock(&self.record).injected.clone()
    }

    pub(super) fn held(&self) -> usize {
        self.released.receiver_count()
    }

    pub(super) fn release(&self) {
        self.released.send_replace(());
    }

    /// One connection, until it ends or is cut.
    pub(super) async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        tls: TlsAcceptor,
        mut generation: watch::Receiver<u64>,
    ) {
        generation.mark_unchanged();
        // Like the API server's own, this side must not hold answers back.
        let _ = stream.set_nodelay(true);
        let Ok(stream) = tls.accept(stream).await else { return };
        let service = service_fn(|request| self.clone().pass(request));
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::select! {
            // First: what is held and cut is not released any more.
            biased;
            _ = generation.changed() => {}
            _ = connection => {}
        }
    }

    /// Passes a request on, or does what the plan says. An error breaks the connection.
    async fn pass(self: Arc<Self>, request: Request<Incoming>) -> Result<Answer, BoxError> {
        let (passing, fault) = self.decide(&request);
        // To its end: while a part of the body is still to be read, nobody notices that the client has gone away.
        let (head, body) = request.into_parts();
        let request = Request::from_parts(head, Full::new(body.collect().await?.to_bytes()));
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
            Fault::RequestHeld => {
                self.hold(passing).await;
                Ok(self.forward(request).await?.map(BodyExt::boxed_unsync))
            }
            Fault::AnswerHeld => {
                let (head, body) = self.forward(request).await?.into_parts();
                // The answer to a watch has no end to wait for.
                let body =
                    if passing.is_watch() { body.boxed_unsync() } else { complete(body.collect().await?.to_bytes()) };
                self.hold(passing).await;
                Ok(Response::from_parts(head, body))
            }
        }
    }

    fn decide(&self, request: &Request<Incoming>) -> (Passing, Fault) {
        // Locked all the while, so that requests are recorded in the order in which the plan sees them.
        let mut plan = lock(&self.plan);
        let number = lock(&self.record).passed.len();
        let passing = Passing { number, method: request.method().clone(), uri: request.uri().to_string() };
        lock(&self.record).passed.push(passing.clone());
        let fault = plan(&passing);
        if fault != Fault::None {
            lock(&self.record).injected.push((passing.clone(), fault));
        }
        (passing, fault)
    }

    /// Waits until the test releases this one. It waits no longer when its connection breaks: then this is dropped.
    async fn hold(&self, passing: Passing) {
        // Before it is reported, so that no release is missed.
        let mut released = self.released.subscribe();
        // Nobody listens when the proxy has gone; nor does anybody release then.
        let _ = self.holding.send(passing);
        let _ = released.changed().await;
    }

    async fn forward(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Incoming>, BoxError> {
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
    response.body(complete(body.to_string().into()))
}

fn complete(body: Bytes) -> UnsyncBoxBody<Bytes, hyper::Error> {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}
