//! A way to the API server on which requests and answers get lost, wait, or are answered wrongly, when the test says so.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;

use crate::PATIENCE;
use crate::bench::ControlPlane;
use crate::error::Error;
use crate::network::acceptor;
use crate::network::fault::{Fault, Passing};
use crate::network::proxy::Proxy;

/// Stands before the API server with the API server's own certificate and passes on what comes, except for the faults
/// that the test plans. Point a task at it with the variable `KUBERNETES_SERVICE_PORT`.
pub struct FaultProxy {
    port: u16,
    proxy: Arc<Proxy>,
    /// Those that have been held, each until it is waited for.
    newly_held: Mutex<mpsc::UnboundedReceiver<Passing>>,
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
        let (connections, generation) = watch::channel(0);
        let (holding, newly_held) = mpsc::unbounded_channel();
        let servers = control_plane.servers();
        let proxy = Arc::new(Proxy::new(servers, plan, holding)?);
        let tls = acceptor(servers.server_identity())?;
        let serving = proxy.clone();
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream, tls.clone(), generation.clone()));
            }
        });
        Ok(Self { port, proxy, newly_held: Mutex::new(newly_held), connections, listening })
    }

    /// The port of 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Breaks every connection that is open now, watches among them. What was held on them is gone.
    pub fn cut(&self) {
        self.connections.send_modify(|generation| *generation += 1);
    }

    /// Every request so far, in the order of arrival, those that met a fault among them.
    #[must_use]
    pub fn passed(&self) -> Vec<Passing> {
        self.proxy.passed()
    }

    /// The faults so far, in order; requests that passed are not among them.
    #[must_use]
    pub fn injected(&self) -> Vec<(Passing, Fault)> {
        self.proxy.injected()
    }

    /// Waits until one more request or answer is held than was waited for before, and says which.
    pub async fn until_held(&self) -> Result<Passing, Error> {
        let next = async { self.newly_held.lock().await.recv().await };
        let held = tokio::time::timeout(PATIENCE, next).await.ok().flatten();
        held.ok_or_else(|| Error::Waited {
            what: "a request or an answer to be held".to_owned(),
            log: format!("{:#?}", self.passed()),
        })
    }

    /// How many are held at this moment. One whose client has gone away is not, as soon as the proxy has noticed.
    #[must_use]
    pub fn held(&self) -> usize {
        self.proxy.held()
    }

    /// Lets all that are held now go on: requests to the API server, answers to their client.
    pub fn release(&self) {
        self.proxy.release();
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut();
    }
}
