//! The bench's own client.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Request, header};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::Client;
use kube::client::{Body, ConfigExt};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tower::{BoxError, ServiceBuilder};

use super::certificates::Identity;
use crate::error::Error;

/// How the bench names itself in the audit log.
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("lagoon-task-testing/", env!("CARGO_PKG_VERSION")));

/// A client with all rights for the API server on `port`.
pub(super) fn admin(port: u16, authority: &str, admin: &Identity) -> Result<Client, Error> {
    let url = format!("https://127.0.0.1:{port}");
    let url = url.parse().map_err(|_| Error::Manifest(format!("{url} is not a URL")))?;
    let authority = CertificateDer::from_pem_slice(authority.as_bytes())
        .map_err(|error| Error::Manifest(format!("the certificate authority is damaged: {error}")))?;
    let mut config = kube::Config::new(url);
    config.root_cert = Some(vec![authority.to_vec()]);
    config.auth_info.client_certificate_data = Some(STANDARD.encode(&admin.certificate));
    config.auth_info.client_key_data = Some(STANDARD.encode(&admin.key).into());

    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    // Benchmarks start their clock with a request of this client, so it must not wait for an acknowledgement.
    tcp.set_nodelay(true);
    let tls = config.rustls_https_connector_with_connector(tcp).map_err(Error::request("Making the bench's client"))?;
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .filter(|mut request: Request<Body>| {
            request.headers_mut().insert(header::USER_AGENT, USER_AGENT);
            Ok::<_, BoxError>(request)
        })
        .service(hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(tls));
    Ok(Client::new(service, "default"))
}
