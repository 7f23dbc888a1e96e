//! The way to the cluster's API server, with the deployer token that Lagoon mounts.
//!
//! The environment of a task is partly the site owner's, so nothing of it is trusted to lead the token anywhere: no
//! proxy, no certificate store, no kubeconfig. Address and port do come from there, and whoever answers must prove
//! with the mounted certificate authority to be this cluster's API server before it sees the token.

mod error;
mod guard;
mod lists;
mod logs;
mod objects;
mod pages;
mod retry;
mod watch;

use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{AUTHORIZATION, USER_AGENT};
use http::{HeaderValue, Request};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::client::{Body, ConfigExt};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use tokio::sync::Semaphore;
use tower::{BoxError, ServiceBuilder};

pub use error::{Cause, ClusterError, ObjectName};
#[cfg(feature = "lagoon-api")]
pub(crate) use error::{certificate_problem, innermost, never_sent, shortened};
pub use guard::WriteGuard;
pub use lists::Listed;
pub(crate) use logs::LogPiece;
pub use objects::{Deleted, Metadata, Objects};
pub use retry::PATIENCE;

use crate::environment::Environment;
use crate::mounts::{Credentials, CredentialsError, Mounts};
use crate::output::Output;

/// From the start of an attempt to the head of its answer.
const ATTEMPT_DEADLINE: Duration = Duration::from_secs(15);

/// For one call with all its attempts and the whole answer.
const CALL_DEADLINE: Duration = Duration::from_mins(2);

/// Large pages of lists that are in memory at the same time.
const LARGE_PAGES: usize = 2;

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// A watch may be silent for long; the kernel asks this often whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Why no client could be made. No request has been sent by then.
///
/// ```
/// use lagoon_task::{ConnectError, Context, Failure};
///
/// fn need_cluster(task: &Context) -> Result<(), Failure> {
///     match task.cluster() {
///         Ok(_) => Ok(()),
///         Err(ConnectError::Credentials(_)) => Err(Failure::new("Switch on deployTokenInjection for this task.")),
///         Err(other) => Err(other.into()),
///     }
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is no token.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The file with the certificate authorities is not there or not readable.
    #[error(
        "The API server cannot be verified: {} beside the deployer token could not be read ({source}). \
         Without it the token is not sent anywhere.", path.display()
    )]
    NoCertificateAuthority {
        /// The file.
        path: PathBuf,
        /// Why it could not be read.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// It holds no certificate that can be used.
    #[error(
        "The API server cannot be verified: {} beside the deployer token holds no usable certificate. \
         Without it the token is not sent anywhere.", path.display()
    )]
    BadCertificateAuthority {
        /// The file.
        path: PathBuf,
    },
    /// The token has characters that no token has.
    #[error("The deployer token in {} is damaged: it has characters that no token has.", path.display())]
    NotAToken {
        /// The file.
        path: PathBuf,
    },
    /// The address makes no URL.
    #[error("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT do not make an address.")]
    Address,
}

/// A client for the API server of the cluster that the task runs in.
///
/// ```
/// use lagoon_task::{Cluster, Context, Failure};
///
/// fn cluster(task: &Context) -> Result<&Cluster, Failure> {
///     Ok(task.cluster()?)
/// }
/// ```
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    /// For answers that may begin late, such as the log of a container that prints nothing yet: neither deadline nor
    /// retry. Both clients share their connections.
    patient: Client,
    guards: Vec<Arc<dyn WriteGuard>>,
    /// Places for the large pages of lists.
    large_pages: Arc<Semaphore>,
}

impl Cluster {
    /// Makes the client; sends nothing yet. Must be called on a tokio runtime.
    ///
    /// Every token that is read is registered as a secret with `output`. The client tries again by itself what may
    /// pass and is safe to repeat, for up to [`PATIENCE`], and says so in the log. `user_agent` shows in audit logs.
    ///
    /// ```no_run
    /// use lagoon_task::mounts::Mounts;
    /// use lagoon_task::{Cluster, Environment, Failure, Output};
    ///
    /// # async fn example() -> Result<(), Failure> {
    /// let environment = Environment::from_process()?;
    /// let cluster = Cluster::connect(&environment, &Mounts::below("/"), &Output::stdout(), "greeter/1.0")?;
    /// # Ok(()) }
    /// ```
    pub fn connect(
        environment: &Environment,
        mounts: &Mounts,
        output: &Output,
        user_agent: &str,
    ) -> Result<Self, ConnectError> {
        let Credentials { token, certificate_authority } = mounts.credentials()?;
        let config = config(environment, certificate_authority.clone())?;

        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        // With Nagle's algorithm every request that has a body waits some 40 ms for an acknowledgement.
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        let tls = config
            .rustls_https_connector_with_connector(tcp)
            .map_err(|_| ConnectError::BadCertificateAuthority { path: certificate_authority })?;

        let mut connector = TimeoutConnector::new(tls);
        // For the handshake too: a server that only accepts the connection is as good as none.
        connector.set_connect_timeout(Some(CONNECT_DEADLINE));

        let token = Token::new(token, output.clone());
        token.header().ok_or_else(|| ConnectError::NotAToken { path: token.path.clone() })?;
        let user_agent = HeaderValue::from_str(user_agent).map_err(|_| ConnectError::Address)?;
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector);
        let authorize = move |request| authorized(request, &token, &user_agent);
        let patient =
            ServiceBuilder::new().layer(config.base_uri_layer()).filter(authorize.clone()).service(http.clone());
        let service = ServiceBuilder::new()
            .layer(config.base_uri_layer())
            .retry(retry::Retries::new(output.clone()))
            .filter_async(guard::allowed)
            .filter(authorize)
            .timeout(ATTEMPT_DEADLINE)
            .service(http);
        let namespace = || environment.namespace.clone();
        Ok(Self {
            client: Client::new(service, namespace()),
            patient: Client::new(patient, namespace()),
            guards: Vec::new(),
            large_pages: Arc::new(Semaphore::new(LARGE_PAGES)),
        })
    }

    /// The kube client, for [`kube::Api`]; use it inside [`Cluster::call`].
    ///
    /// ```no_run
    /// use lagoon_task::k8s_openapi::api::core::v1::Service;
    /// use lagoon_task::kube::Api;
    /// use lagoon_task::{Context, Failure};
    ///
    /// # async fn example(task: &Context) -> Result<(), Failure> {
    /// let services: Api<Service> = Api::namespaced(task.cluster()?.client(), &task.environment.namespace);
    /// for service in services.list(&Default::default()).await? {
    ///     task.say(service.metadata.name.unwrap_or_default());
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The same cluster, with `guard` asked before each attempt to create, replace or delete one of its
    /// [objects](Self::objects), after the guards that it has already.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use lagoon_task::Cluster;
    /// use lagoon_task::cluster::WriteGuard;
    ///
    /// fn behind(cluster: &Cluster, lock: Arc<dyn WriteGuard>) -> Cluster {
    ///     cluster.guarded(lock)
    /// }
    /// ```
    #[must_use]
    pub fn guarded(&self, guard: Arc<dyn WriteGuard>) -> Self {
        let mut guarded = self.clone();
        guarded.guards.push(guard);
        guarded
    }

    /// Awaits `request` for at most two minutes and says in its error what was done to which object.
    ///
    /// ```no_run
    /// use lagoon_task::{Cluster, ClusterError, ObjectName};
    /// use lagoon_task::k8s_openapi::api::core::v1::Pod;
    ///
    /// # async fn example(cluster: &Cluster) -> Result<(), ClusterError> {
    /// let pods: kube::Api<Pod> = kube::Api::namespaced(cluster.client(), "shop-main");
    /// let object = ObjectName::new("Pod", "shop-main", "cli-0");
    /// let pod = cluster.call(|cause| ClusterError::Read { object, cause }, pods.get("cli-0")).await?;
    /// # Ok(()) }
    /// ```
    pub async fn call<T>(
        &self,
        error: impl FnOnce(Cause) -> ClusterError,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ClusterError> {
        self.ask(request).await.map_err(error)
    }

    /// Awaits `request` for at most two minutes.
    pub(crate) async fn ask<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, Cause> {
        match tokio::time::timeout(CALL_DEADLINE, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(failure)) => Err(Cause::from(&failure)),
            Err(_) => Err(Cause::Deadline(CALL_DEADLINE)),
        }
    }

    /// Patches the labels or annotations of a pod once, without a retry and without a word: for progress that is
    /// welcome but never worth a delay. The answer, whatever it is, is dropped.
    pub(super) async fn try_to_patch_pod(&self, namespace: &str, pod: &str, metadata: Value) -> Result<(), Cause> {
        let url = <Pod as kube::Resource>::url_path(&(), Some(namespace));
        let patch = kube::api::Patch::Merge(serde_json::json!({ "metadata": metadata }));
        let mut request = kube::core::Request::new(url)
            .patch_metadata(pod, &kube::api::PatchParams::default(), &patch)
            .map_err(|_| Cause::NotUnderstood)?;
        request.extensions_mut().insert(retry::OnlyOnce);
        let sent = tokio::time::timeout(ATTEMPT_DEADLINE, self.client.request_text(request)).await;
        let answer = sent.map_err(|_| Cause::Deadline(ATTEMPT_DEADLINE))?;
        answer.map(drop).map_err(|failure| Cause::from(&failure))
    }
}

fn config(environment: &Environment, certificate_authority: PathBuf) -> Result<kube::Config, ConnectError> {
    let host = &environment.kubernetes_host;
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let url = format!("https://{host}:{}", environment.kubernetes_port);
    let mut config = kube::Config::new(url.parse().map_err(|_| ConnectError::Address)?);
    let path = certificate_authority.clone();
    let certificates = CertificateDer::pem_file_iter(&certificate_authority)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| ConnectError::NoCertificateAuthority { path: path.clone(), source: source.into() })?;
    if certificates.is_empty() {
        return Err(ConnectError::BadCertificateAuthority { path });
    }
    // Both: without the bytes kube first looks for a certificate store, which a scratch image has not; with the file
    // it follows a change of the certificate authority within a minute.
    config.root_cert = Some(certificates.iter().map(|certificate| certificate.to_vec()).collect());
    config.root_cert_file = Some(certificate_authority);
    Ok(config)
}

/// The deployer token. The kubelet replaces the file before the token expires, so it is read for each request:
/// it is a few hundred bytes in memory, and no request is ever sent with yesterday's.
#[derive(Clone)]
struct Token {
    path: PathBuf,
    output: Output,
    last: Arc<Mutex<Option<HeaderValue>>>,
}

impl Token {
    fn new(path: PathBuf, output: Output) -> Self {
        Self { path, output, last: Arc::default() }
    }

    /// The header with the current token; with the one read last while the file cannot be read.
    fn header(&self) -> Option<HeaderValue> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        let token = text.trim();
        if !token.is_empty() {
            self.output.register_secret(token);
            if let Ok(mut header) = HeaderValue::from_str(&format!("Bearer {token}")) {
                header.set_sensitive(true);
                *last = Some(header);
            }
        }
        last.clone()
    }
}

/// Adds what every request carries.
fn authorized(mut request: Request<Body>, token: &Token, user_agent: &HeaderValue) -> Result<Request<Body>, BoxError> {
    let header = token.header().ok_or("the file with the deployer token no longer holds one")?;
    request.headers_mut().insert(AUTHORIZATION, header);
    request.headers_mut().insert(USER_AGENT, user_agent.clone());
    Ok(request)
}

#[cfg(test)]
mod tests;
