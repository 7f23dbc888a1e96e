//! A listener that records what it is sent and answers nothing.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::control_plane::certificates::Certificates;
use crate::error::Error;
use crate::network::acceptor;
use crate::sync::lock;

/// Listens on a port of 127.0.0.1 and keeps everything that is sent to it: as a proxy would see it, or, as an impostor
/// of the API server with a certificate of another authority, after decryption.
pub struct Recorder {
    port: u16,
    recorded: Arc<Mutex<Recorded>>,
    listening: JoinHandle<()>,
}

#[derive(Default)]
struct Recorded {
    connections: usize,
    bytes: Vec<u8>,
}

impl Recorder {
    /// Records what arrives as it is.
    pub async fn plain() -> Result<Self, Error> {
        Self::listen(None).await
    }

    /// Answers TLS with a certificate for 127.0.0.1 that some other authority signed, and records what it decrypts.
    pub async fn impostor() -> Result<Self, Error> {
        Self::listen(Some(acceptor(&Certificates::generate()?.server)?)).await
    }

    async fn listen(tls: Option<tokio_rustls::TlsAcceptor>) -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::process("Listening"))?;
        let port = listener.local_addr().map_err(Error::process("Listening"))?.port();
        let recorded = Arc::new(Mutex::new(Recorded::default()));
        let kept = recorded.clone();
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = kept.clone();
                let tls = tls.clone();
                tokio::spawn(async move {
                    lock(&kept).connections += 1;
                    match tls {
                        None => keep(stream, &kept).await,
                        Some(tls) => {
                            // A client that refuses the certificate ends here.
                            if let Ok(stream) = tls.accept(stream).await {
                                keep(stream, &kept).await;
                            }
                        }
                    }
                });
            }
        });
        Ok(Self { port, recorded, listening })
    }

    /// The port of 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections came.
    #[must_use]
    pub fn connections(&self) -> usize {
        lock(&self.recorded).connections
    }

    /// Everything that was sent, as text.
    #[must_use]
    pub fn recorded(&self) -> String {
        String::from_utf8_lossy(&lock(&self.recorded).bytes).into_owned()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn keep(mut stream: impl AsyncRead + Unpin, recorded: &Mutex<Recorded>) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        lock(recorded).bytes.extend_from_slice(buffer.get(..length).unwrap_or_default());
    }
}
