//! The API server and its etcd, private to the process that starts them.

pub(crate) mod binaries;
pub(crate) mod certificates;
mod client;
mod manifests;
mod prebuilt;
mod server;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::audit::{self, Request};
use crate::error::Error;
use crate::network::port::ReservedPort;
use crate::sync::lock;
use binaries::Binaries;
pub(crate) use certificates::{Certificates, Identity, new_authority};
pub(crate) use client::HttpsConnector;
pub(crate) use server::Server;

/// An API server is ready after some three seconds; a busy machine gets this long.
const READY_WITHIN: Duration = Duration::from_mins(2);

/// How often a server that comes up is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Somebody who asks for one of the ports by its number may be quicker.
const START_ATTEMPTS: usize = 3;

/// Every request is recorded when it arrives and when it has been answered, without bodies, which hold secrets.
const AUDIT_POLICY: &str = r#"{
  "apiVersion": "audit.k8s.io/v1",
  "kind": "Policy",
  "rules": [{ "level": "Metadata" }]
}"#;

/// etcd and kube-apiserver, stopped when this is dropped, when the test panics, and when the process is killed.
pub(crate) struct Servers {
    kubelet_identity: Identity,
    api_server: Mutex<Server>,
    etcd: Mutex<Server>,
    binaries: Binaries,
    api_server_arguments: Vec<String>,
    port: ReservedPort,
    _etcd_ports: [ReservedPort; 2],
    authority: String,
    admin: Identity,
    server: Identity,
    kubeconfig: PathBuf,
    lost_until: AtomicUsize,
    applying: tokio::sync::Mutex<()>,
    // Last: the folder goes when the servers have ended.
    folder: TempDir,
}

impl Servers {
    /// Starts both and waits until they are ready. The first time on a machine this gets or builds their binaries.
    pub(crate) async fn start() -> Result<Self, Error> {
        let binaries =
            tokio::task::spawn_blocking(Binaries::get).await.map_err(|error| Error::Binaries(error.into()))??;
        let mut attempt = 1;
        loop {
            match Self::start_once(&binaries).await {
                Err(Error::NotReady { .. }) if attempt < START_ATTEMPTS => attempt += 1,
                other => return other,
            }
        }
    }

    async fn start_once(binaries: &Binaries) -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix("lagoon-task-testing-")
            .tempdir()
            .map_err(Error::file(std::env::temp_dir()))?;
        let certificates = Certificates::generate()?;
        let at = |name: &str| folder.path().join(name);
        for (name, text) in [
            ("ca.crt", &certificates.authority),
            ("server.crt", &certificates.server.certificate),
            ("server.key", &certificates.server.key),
            ("kubelet-client.crt", &certificates.kubelet_client.certificate),
            ("kubelet-client.key", &certificates.kubelet_client.key),
            ("service-account.key", &certificates.service_account_key),
            ("service-account.pub", &certificates.service_account_public_key),
            ("audit-policy.json", &AUDIT_POLICY.to_owned()),
        ] {
            std::fs::write(at(name), text).map_err(Error::file(at(name)))?;
        }
        let (port, etcd_ports) = (ReservedPort::new()?, [ReservedPort::new()?, ReservedPort::new()?]);
        let [etcd_port, peer_port] = etcd_ports.each_ref().map(ReservedPort::number);
        let etcd = Server::start(
            "etcd",
            &binaries.etcd,
            &etcd_arguments(folder.path(), etcd_port, peer_port),
            &at("etcd.log"),
            Some(folder.path()),
        )?;
        let api_server_arguments = api_server_arguments(folder.path(), etcd_port, port.number());
        let api_server = Server::start(
            "kube-apiserver",
            &binaries.kube_apiserver,
            &api_server_arguments,
            &at("kube-apiserver.log"),
            None,
        )?;
        let servers = Self {
            kubelet_identity: certificates.kubelet,
            api_server: Mutex::new(api_server),
            etcd: Mutex::new(etcd),
            binaries: binaries.clone(),
            api_server_arguments,
            port,
            _etcd_ports: etcd_ports,
            authority: certificates.authority,
            admin: certificates.admin,
            server: certificates.server,
            kubeconfig: at("kubeconfig"),
            lost_until: AtomicUsize::new(0),
            applying: tokio::sync::Mutex::default(),
            folder,
        };
        servers.until_ready().await?;
        servers.write_kubeconfig()?;
        manifests::aggregate(&servers.client()?).await?;
        Ok(servers)
    }

    /// A client with all rights. It belongs to the tokio runtime that it is made on.
    pub(crate) fn client(&self) -> Result<Client, Error> {
        client::admin(self.port(), &self.authority, &self.admin)
    }

    /// A connector to the API server that shows no identity, for a proxy that passes its client's on.
    pub(crate) fn connector(&self) -> Result<HttpsConnector, Error> {
        client::anonymous(self.port(), &self.authority)
    }

    /// What the API server shows its clients.
    pub(crate) fn server_identity(&self) -> &Identity {
        &self.server
    }

    /// What the kubelet stand-in shows its clients.
    pub(crate) fn kubelet_identity(&self) -> &Identity {
        &self.kubelet_identity
    }

    /// Where everything of these servers lies, as long as they live.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The port of the API server on 127.0.0.1. It stays the same when the server is restarted.
    pub(crate) fn port(&self) -> u16 {
        self.port.number()
    }

    /// The certificate authority of the API server, in PEM.
    pub(crate) fn certificate_authority(&self) -> &str {
        &self.authority
    }

    /// A kubeconfig with all rights, for `kubectl --kubeconfig`.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Applies manifests in YAML, several separated by `---`; waits until `CustomResourceDefinitions` are served, and
    /// gives `ClusterRoles` to `view`, `edit` and `admin` as their labels say.
    pub(crate) async fn apply(&self, manifests: &str) -> Result<(), Error> {
        let client = self.client()?;
        // One after the other: of two that fill the aggregated roles at once, the last to write has not seen the other's.
        let _applying = self.applying.lock().await;
        manifests::apply(&client, manifests).await?;
        manifests::aggregate(&client).await
    }

    /// Every request from a [position](Self::position) of the record on that `wanted` accepts, in the order of their
    /// arrival; waits until all of those have been answered.
    pub(crate) async fn requests_since(
        &self,
        position: usize,
        wanted: impl Fn(&Request) -> bool,
    ) -> Result<Vec<Request>, Error> {
        audit::requests(&self.audit_log(), position, self.lost_until.load(Ordering::SeqCst), wanted).await
    }

    /// How long the record of requests is by now.
    pub(crate) fn position(&self) -> usize {
        let length = std::fs::metadata(self.audit_log()).map_or(0, |log| log.len());
        usize::try_from(length).unwrap_or_default()
    }

    /// Kills the API server, as a crash would. etcd goes on.
    pub(crate) fn kill_api_server(&self) {
        lock(&self.api_server).kill();
        // What it has not answered by now it will not answer.
        self.lost_until.store(self.position(), Ordering::SeqCst);
    }

    #[cfg(test)]
    pub(crate) fn api_server_binary(&self) -> &Path {
        &self.binaries.kube_apiserver
    }

    fn audit_log(&self) -> PathBuf {
        self.folder.path().join("audit.log")
    }

    /// Starts the API server again after [`kill_api_server`](Self::kill_api_server), on the same port with the same
    /// data, and waits until it is ready.
    pub(crate) async fn start_api_server(&self) -> Result<(), Error> {
        let log = self.folder.path().join("kube-apiserver.log");
        let started =
            Server::start("kube-apiserver", &self.binaries.kube_apiserver, &self.api_server_arguments, &log, None)?;
        *lock(&self.api_server) = started;
        self.until_ready().await
    }

    async fn until_ready(&self) -> Result<(), Error> {
        let client = self.client()?;
        let until = Instant::now() + READY_WITHIN;
        let mut ask = tokio::time::interval(ASK_EVERY);
        loop {
            ask.tick().await;
            let request =
                http::Request::get("/readyz").body(Vec::new()).map_err(|error| Error::Binaries(error.into()))?;
            let ready = client.request_text(request).await;
            // Without its own etcd the API server may have found somebody else's.
            for server in [&self.etcd, &self.api_server] {
                let mut server = lock(server);
                if let Some(status) = server.ended() {
                    return Err(server.not_ready(format!("it ended with {status}")));
                }
            }
            if ready.is_ok() {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(lock(&self.api_server).not_ready(format!("not within {} s", READY_WITHIN.as_secs())));
            }
        }
    }

    fn write_kubeconfig(&self) -> Result<(), Error> {
        let admin = json!({
            "client-certificate-data": STANDARD.encode(&self.admin.certificate),
            "client-key-data": STANDARD.encode(&self.admin.key),
        });
        std::fs::write(&self.kubeconfig, self.kubeconfig_of(&admin)).map_err(Error::file(&self.kubeconfig))
    }

    /// The text of a kubeconfig for a user, who is given as it has users.
    pub(crate) fn kubeconfig_of(&self, user: &Value) -> String {
        let name = "lagoon-task-testing";
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "contexts": [{ "name": name, "context": { "cluster": name, "user": name } }],
            "clusters": [{ "name": name, "cluster": {
                "server": format!("https://127.0.0.1:{}", self.port()),
                "certificate-authority-data": STANDARD.encode(&self.authority),
            }}],
            "users": [{ "name": name, "user": user }],
        });
        kubeconfig.to_string()
    }
}

fn etcd_arguments(folder: &Path, port: u16, peer_port: u16) -> Vec<String> {
    let (client, peer) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peer_port}"));
    vec![
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        // The data lives as long as the test does.
        "--unsafe-no-fsync".to_owned(),
    ]
}

fn api_server_arguments(folder: &Path, etcd_port: u16, port: u16) -> Vec<String> {
    let at = |name: &str| folder.join(name).display().to_string();
    vec![
        format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--secure-port={port}"),
        format!("--cert-dir={}", folder.display()),
        format!("--tls-cert-file={}", at("server.crt")),
        format!("--tls-private-key-file={}", at("server.key")),
        format!("--client-ca-file={}", at("ca.crt")),
        format!("--kubelet-certificate-authority={}", at("ca.crt")),
        format!("--kubelet-client-certificate={}", at("kubelet-client.crt")),
        format!("--kubelet-client-key={}", at("kubelet-client.key")),
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", at("service-account.pub")),
        format!("--service-account-signing-key-file={}", at("service-account.key")),
        "--service-cluster-ip-range=10.0.0.0/16".to_owned(),
        format!("--audit-policy-file={}", at("audit-policy.json")),
        format!("--audit-log-path={}", at("audit.log")),
        "--audit-log-mode=blocking-strict".to_owned(),
        // In megabytes: the record is never rotated.
        "--audit-log-maxsize=100000".to_owned(),
    ]
}
