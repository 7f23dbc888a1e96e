//! The bench as a whole: the servers, and the kubelet stand-in that runs the pods of their cluster.

use std::path::Path;

use kube::Client;
use tokio::sync::OnceCell;

use crate::audit::Request;
use crate::control_plane::Servers;
use crate::error::Error;
use crate::kubelet::{self, Kubelet};

/// A real Kubernetes API server with its etcd, on private ports of 127.0.0.1 with a private folder, and a stand-in for a
/// kubelet. All of it stops when this is dropped, when the test panics, and when the process is killed.
///
/// Rights are enforced (RBAC), every request is in the audit log, and the `ClusterRoles` `view`, `edit` and `admin` have
/// the rules that the controller-manager would aggregate into them.
pub struct ControlPlane {
    // First: its containers end before the servers do.
    kubelet: OnceCell<kubelet::Started>,
    servers: Servers,
}

impl ControlPlane {
    /// Starts a control plane and waits until it is ready. The first time on a machine this gets or builds its binaries
    /// (see the README).
    pub async fn start() -> Result<Self, Error> {
        Ok(Self { kubelet: OnceCell::new(), servers: Servers::start().await? })
    }

    pub(crate) fn servers(&self) -> &Servers {
        &self.servers
    }

    /// The stand-in for a kubelet, which runs pods as processes of this machine; one a control plane, started when it is
    /// first asked for.
    pub async fn kubelet(&self) -> Result<Kubelet, Error> {
        Ok(self.kubelet.get_or_try_init(|| kubelet::Started::new(&self.servers)).await?.kubelet())
    }

    /// A client with all rights. It belongs to the tokio runtime that it is made on.
    pub fn client(&self) -> Result<Client, Error> {
        self.servers.client()
    }

    /// The port of the API server on 127.0.0.1. It stays the same when the server is restarted.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.servers.port()
    }

    /// The certificate authority of the API server, in PEM.
    #[must_use]
    pub fn certificate_authority(&self) -> &str {
        self.servers.certificate_authority()
    }

    /// A kubeconfig with all rights, for `kubectl --kubeconfig`.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        self.servers.kubeconfig()
    }

    /// Applies manifests in YAML, several separated by `---`; waits until `CustomResourceDefinitions` are served, and
    /// gives `ClusterRoles` to `view`, `edit` and `admin` as their labels say.
    pub async fn apply(&self, manifests: &str) -> Result<(), Error> {
        self.servers.apply(manifests).await
    }

    /// Every request so far, in the order of their arrival, that `wanted` accepts; waits until all of those have been
    /// answered.
    pub async fn requests(&self, wanted: impl Fn(&Request) -> bool) -> Result<Vec<Request>, Error> {
        self.servers.requests_since(0, wanted).await
    }

    /// Kills the API server, as a crash would. etcd keeps running.
    pub fn kill_api_server(&self) {
        self.servers.kill_api_server();
    }

    /// Starts the API server again after [`kill_api_server`](Self::kill_api_server), on the same port with the same
    /// data, and waits until it is ready.
    pub async fn start_api_server(&self) -> Result<(), Error> {
        self.servers.start_api_server().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KUBERNETES_VERSION;

    /// An unstamped server reports `v0.0.0-master+$Format:%H$`, which ingress-nginx refuses.
    #[tokio::test]
    async fn api_server_reports_its_version() {
        let control_plane = ControlPlane::start().await.unwrap();
        let version = control_plane.client().unwrap().apiserver_version().await.unwrap();
        let parts: Vec<Option<u32>> =
            version.git_version.trim_start_matches('v').split('.').map(|part| part.parse().ok()).collect();
        assert!(parts.len() == 3 && parts.iter().all(Option::is_some), "{version:?}");
        assert_eq!(Some(&version.major.parse().ok()), parts.first());
        assert_eq!(Some(&version.minor.parse().ok()), parts.get(1));
        // It was built here: from the modules that lie beside it.
        if control_plane.servers().api_server_binary().with_file_name("go.mod").is_file() {
            assert_eq!(version.git_version, KUBERNETES_VERSION);
        }
    }
}
