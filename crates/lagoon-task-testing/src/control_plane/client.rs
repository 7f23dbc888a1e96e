//! The bench's own client.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Request, header};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::Client;
use kube::client::retry::RetryPolicy;
use kube::client::{Body, ConfigExt};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tower::{BoxError, ServiceBuilder};

use crate::control_plane::certificates::Identity;
use crate::error::Error;

/// How the bench names itself in the audit log.
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("lagoon-task-testing/", env!("CARGO_PKG_VERSION")));

/// The connector of the bench's clients.
pub(crate) type HttpsConnector = hyper_rustls::HttpsConnector<HttpConnector>;

/// A client with all rights for the API server on `port`.
pub(super) fn admin(port: u16, authority: &str, admin: &Identity) -> Result<Client, Error> {
    let config = config(port, authority, Some(admin))?;
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        // A definition that has just been applied answers 429 until its watch cache is filled.
        .retry(RetryPolicy::default())
        .filter(|mut request: Request<Body>| {
            request.headers_mut().insert(header::USER_AGENT, USER_AGENT);
            Ok::<_, BoxError>(request)
        })
        .service(hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector(&config)?));
    Ok(Client::new(service, "default"))
}

/// A connector that trusts this control plane only and shows no identity.
pub(super) fn anonymous(port: u16, authority: &str) -> Result<HttpsConnector, Error> {
    connector(&config(port, authority, None)?)
}

fn connector(config: &kube::Config) -> Result<HttpsConnector, Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    // Benchmarks start their clock with a request of this client, so it must not wait for an acknowledgement.
    tcp.set_nodelay(true);
    config.rustls_https_connector_with_connector(tcp).map_err(Error::request("Making the bench's client"))
}

fn config(port: u16, authority: &str, identity: Option<&Identity>) -> Result<kube::Config, Error> {
    let url = format!("https://127.0.0.1:{port}");
    let url = url.parse::<http::Uri>().map_err(Error::manifest(format!("{url} is not a URL")))?;
    let authority = CertificateDer::from_pem_slice(authority.as_bytes())
        .map_err(Error::manifest("the certificate authority is damaged"))?;
    let mut config = kube::Config::new(url);
    config.root_cert = Some(vec![authority.to_vec()]);
    if let Some(identity) = identity {
        config.auth_info.client_certificate_data = Some(STANDARD.encode(&identity.certificate));
        config.auth_info.client_key_data = Some(STANDARD.encode(&identity.key).into());
    }
    Ok(config)
}
