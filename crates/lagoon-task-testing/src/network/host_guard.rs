//! The part of ingress-nginx that refuses an Ingress whose host and path another Ingress has.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::future::try_join_all;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tower::BoxError;

use crate::PATIENCE;
use crate::bench::ControlPlane;
use crate::control_plane::certificates::Certificates;
use crate::error::Error;
use crate::network::ingress_cache::IngressCache;
use crate::network::{acceptor, overlap};
use crate::objects::{create, object};
use crate::sync::lock;
use crate::task_pod::{LagoonEnvironment, PROJECT_LABEL};

/// How ingress-nginx names its webhook; the API server puts it before the reason of a refusal.
pub(crate) const WEBHOOK: &str = "validate.nginx.ingress.kubernetes.io";

/// How often the API server is tried until it has noticed that the guard has come or gone; it takes milliseconds.
const TRY_EVERY: Duration = Duration::from_millis(10);

/// Plays the admission webhook of ingress-nginx in the namespaces of one project: an Ingress with a host and path that
/// another Ingress there has is refused, also in a dry run, in ingress-nginx's words.
///
/// Unlike ingress-nginx it looks at Ingresses of every class, and canary annotations mean nothing to it. When it is
/// dropped and has not been uninstalled, the API server refuses every Ingress of that project from then on.
pub struct HostGuard {
    client: Client,
    configuration: String,
    /// The namespace in which the guard is tried.
    namespace: String,
    guard: Arc<Guard>,
    listening: JoinHandle<()>,
}

impl HostGuard {
    /// Guards all namespaces of the environment's project, those that come later too; waits until it is in force. It
    /// looks at the Ingresses as they are at the moment of each request.
    pub async fn install(control_plane: &ControlPlane, environment: &LagoonEnvironment) -> Result<Self, Error> {
        Self::install_with(control_plane, environment, None).await
    }

    /// The same, but it looks at the Ingresses as a cache knows them that is `lag` behind its watch, as ingress-nginx does:
    /// for so long a deleted Ingress still claims its hosts, and a new one does not yet.
    pub async fn install_lagging(
        control_plane: &ControlPlane,
        environment: &LagoonEnvironment,
        lag: Duration,
    ) -> Result<Self, Error> {
        let cache = IngressCache::start(control_plane.client()?, lag).await?;
        Self::install_with(control_plane, environment, Some(cache)).await
    }

    async fn install_with(
        control_plane: &ControlPlane,
        environment: &LagoonEnvironment,
        cache: Option<IngressCache>,
    ) -> Result<Self, Error> {
        let client = control_plane.client()?;
        let certificates = Certificates::generate()?;
        let tls = acceptor(&certificates.server)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::process("Listening"))?;
        let port = listener.local_addr().map_err(Error::process("Listening"))?.port();
        let guard = Arc::new(Guard {
            client: client.clone(),
            selector: format!("{PROJECT_LABEL}={}", environment.project),
            asked: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            refusing: Mutex::default(),
            accepting: AtomicBool::default(),
            cache,
        });
        let listening = tokio::spawn(listen(listener, tls, guard.clone()));
        let configuration = format!("host-guard-{}", environment.project);
        let installed = Self {
            client: client.clone(),
            configuration: configuration.clone(),
            namespace: environment.namespace.clone(),
            guard,
            listening,
        };
        let mut webhook = webhook(&format!("https://127.0.0.1:{port}/"), &certificates.authority);
        webhook["namespaceSelector"] = json!({ "matchLabels": { PROJECT_LABEL: environment.project } });
        let configurations = Api::<ValidatingWebhookConfiguration>::all(client);
        create(&configurations, json!({ "metadata": { "name": configuration }, "webhooks": [webhook] })).await?;
        installed.until_in_force(true).await?;
        // From now on it counts what the test does.
        installed.guard.asked.store(0, Ordering::SeqCst);
        Ok(installed)
    }

    /// Takes the guard away again; waits until the API server has noticed.
    pub async fn uninstall(self) -> Result<(), Error> {
        let configurations = Api::<ValidatingWebhookConfiguration>::all(self.client.clone());
        let deleted = configurations.delete(&self.configuration, &DeleteParams::default()).await;
        deleted.map_err(Error::request(format!("Deleting {}", self.configuration)))?;
        self.until_in_force(false).await
    }

    /// How many times the API server has asked, dry runs among them.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.guard.asked.load(Ordering::SeqCst)
    }

    /// How many of those the guard has refused.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.guard.refused.load(Ordering::SeqCst)
    }

    /// Refuses every create that is no dry run with this message, whatever its host, until it is called with `None`.
    pub fn refuse_everything(&self, message: Option<&str>) {
        *lock(&self.guard.refusing) = message.map(ToOwned::to_owned);
    }

    /// Accepts every Ingress from now on, as if it were not there, until it is called with `false`.
    pub fn accept_everything(&self, accepts: bool) {
        self.guard.accepting.store(accepts, Ordering::SeqCst);
    }

    /// Tries to create an Ingress until the API server asks the guard, or no longer does. It is a dry run, and nobody
    /// else has its host.
    async fn until_in_force(&self, in_force: bool) -> Result<(), Error> {
        let ingresses = Api::<Ingress>::namespaced(self.client.clone(), &self.namespace);
        let trial: Ingress = object(json!({
            "metadata": { "name": self.configuration },
            "spec": { "rules": [{ "host": format!("{}.invalid", self.configuration), "http": { "paths": [{
                "path": "/", "pathType": "Prefix",
                "backend": { "service": { "name": "none", "port": { "number": 80 } } },
            }]}}]},
        }))?;
        let parameters = PostParams { dry_run: true, ..PostParams::default() };
        let attempts = async {
            let mut attempt = tokio::time::interval(TRY_EVERY);
            loop {
                attempt.tick().await;
                let asked = self.asked();
                let created = ingresses.create(&parameters, &trial).await;
                created.map_err(Error::request("Trying the host guard"))?;
                if (self.asked() > asked) == in_force {
                    return Ok(());
                }
            }
        };
        tokio::time::timeout(PATIENCE, attempts).await.unwrap_or_else(|_| {
            let what = format!("the API server to notice {}", self.configuration);
            Err(Error::Waited { what, log: String::new() })
        })
    }
}

impl Drop for HostGuard {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

struct Guard {
    client: Client,
    selector: String,
    asked: AtomicUsize,
    refused: AtomicUsize,
    refusing: Mutex<Option<String>>,
    accepting: AtomicBool,
    cache: Option<IngressCache>,
}

/// The webhook as ingress-nginx's own manifests have it, at another place.
pub(crate) fn webhook(url: &str, authority: &str) -> Value {
    json!({
        "name": WEBHOOK,
        "clientConfig": { "url": url, "caBundle": STANDARD.encode(authority) },
        "rules": [{
            "apiGroups": ["networking.k8s.io"],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["ingresses"],
        }],
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "timeoutSeconds": 10,
    })
}

/// Serves until it is aborted; its connections end with it.
async fn listen(listener: TcpListener, tls: TlsAcceptor, guard: Arc<Guard>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, tls.clone(), guard.clone()));
    }
}

async fn serve(stream: TcpStream, tls: TlsAcceptor, guard: Arc<Guard>) {
    let _ = stream.set_nodelay(true);
    let Ok(stream) = tls.accept(stream).await else { return };
    let service = service_fn(|request| answer(guard.clone(), request));
    // It ends when the API server closes it.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// A review that cannot be made is an error, and by the failure policy a refusal.
async fn answer(guard: Arc<Guard>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::default();
    match guard.review(request).await {
        Ok(review) => {
            response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
            *response.body_mut() = Full::from(review.to_string());
        }
        Err(error) => {
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            *response.body_mut() = Full::from(error.to_string());
        }
    }
    Ok(response)
}

impl Guard {
    async fn review(&self, request: Request<Incoming>) -> Result<Value, BoxError> {
        let body = request.into_body().collect().await?.to_bytes();
        let review: Value = serde_json::from_slice(&body)?;
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut response = json!({ "uid": review["request"]["uid"], "allowed": true });
        if let Some(message) = self.refusal(&review["request"]).await? {
            self.refused.fetch_add(1, Ordering::SeqCst);
            response["allowed"] = json!(false);
            response["status"] =
                json!({ "status": "Failure", "code": 400, "reason": "BadRequest", "message": message });
        }
        Ok(json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response }))
    }

    async fn refusal(&self, request: &Value) -> Result<Option<String>, BoxError> {
        if self.accepting.load(Ordering::SeqCst) {
            return Ok(None);
        }
        if request["operation"] == "CREATE" && request["dryRun"] != true {
            let refusing = lock(&self.refusing).clone();
            if refusing.is_some() {
                return Ok(refusing);
            }
        }
        let mut ingress: Ingress = serde_json::from_value(request["object"].clone())?;
        ingress.metadata.namespace = request["namespace"].as_str().map(ToOwned::to_owned);
        Ok(overlap::refusal(&ingress, &self.existing().await?))
    }

    /// Every Ingress in the guarded namespaces: as the cache has it, or without one as it is now.
    async fn existing(&self) -> Result<Vec<Ingress>, kube::Error> {
        let selected = ListParams::default().labels(&self.selector);
        let namespaces = Api::<Namespace>::all(self.client.clone()).list(&selected).await?;
        let namespaces: Vec<String> = namespaces.iter().map(ResourceExt::name_any).collect();
        if let Some(cache) = &self.cache {
            return Ok(cache.in_namespaces(&namespaces));
        }
        let lists = namespaces.iter().map(|namespace| {
            let ingresses = Api::<Ingress>::namespaced(self.client.clone(), namespace);
            async move { ingresses.list(&ListParams::default()).await }
        });
        Ok(try_join_all(lists).await?.into_iter().flatten().collect())
    }
}
