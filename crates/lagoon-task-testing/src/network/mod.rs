//! What may stand between a task and the API server, or pretend to be it.

mod fault;
mod faults;
pub(crate) mod host_guard;
mod ingress_cache;
mod overlap;
mod plans;
pub(crate) mod port;
mod proxy;
mod recorder;

use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tower::BoxError;

pub use fault::{Fault, Passing};
pub use faults::FaultProxy;
pub use host_guard::HostGuard;
pub use plans::{every, first, once};
pub use port::ReservedPort;
pub use recorder::Recorder;

use crate::control_plane::certificates::Identity;
use crate::error::Error;

/// Accepts TLS with this identity.
pub(crate) fn acceptor(identity: &Identity) -> Result<TlsAcceptor, Error> {
    let (certificate, key) = parsed(identity)?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    Ok(TlsAcceptor::from(Arc::new(config.map_err(damaged)?)))
}

/// The certificate and key of an identity.
pub(crate) fn parsed(identity: &Identity) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), Error> {
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).map_err(damaged)?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(damaged)?;
    Ok((certificate, key))
}

pub(crate) fn damaged(error: impl Into<BoxError>) -> Error {
    Error::manifest("a certificate is damaged")(error)
}
