//! kube-controller-manager with its garbage collector, for tests of what is owned by an object that goes.

use std::path::PathBuf;

use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::ResourceExt;
use kube::api::Api;
use serde_json::json;

use crate::bench::ControlPlane;
use crate::cache::{CacheFolder, fingerprint, say};
use crate::control_plane::Server;
use crate::control_plane::binaries::{KUBERNETES_VERSION, version_flags};
use crate::error::Error;
use crate::go_build::GoProgram;
use crate::objects::create;

// Its own module: another one in the control plane's would have the API server built again.
const GO_MOD: &str = include_str!("../controller-manager/go.mod");
const GO_SUM: &str = include_str!("../controller-manager/go.sum");

const NAME: &str = "kube-controller-manager";

const FLAGS: [&str; 3] = [
    "--controllers=garbage-collector-controller",
    "--leader-elect=false",
    // It serves nothing.
    "--secure-port=0",
];

/// The real kube-controller-manager, with the garbage collector as its only controller: it deletes objects whose owners
/// are all gone, and carries out foreground and orphaning deletion. It stops when this is dropped.
///
/// As on a cluster it deletes what names an owner of another namespace, and it learns of definitions that are applied
/// after its start within half a minute: apply them before. It has all rights.
///
/// ```no_run
/// use lagoon_task_testing::{ControlPlane, ControllerManager};
///
/// # async fn example() -> Result<(), lagoon_task_testing::Error> {
/// let control_plane = ControlPlane::start().await?;
/// let _controller_manager = ControllerManager::start(&control_plane).await?;
/// // From here on, what a deleted object owns is deleted too.
/// # Ok(()) }
/// ```
pub struct ControllerManager {
    _server: Server,
}

impl ControllerManager {
    /// Starts it and waits until it collects, which takes less than a second. The first time on a machine this builds it
    /// from its Go modules, which takes about three minutes on two cores where the API server has been built, and longer
    /// where that has been downloaded. [`Error::Build`]: it could not be built.
    pub async fn start(control_plane: &ControlPlane) -> Result<Self, Error> {
        let binary = tokio::task::spawn_blocking(find_or_build).await.map_err(Error::build_panicked(NAME))??;
        let mut arguments = vec![format!("--kubeconfig={}", control_plane.kubeconfig().display())];
        arguments.extend(FLAGS.map(ToOwned::to_owned));
        let log = control_plane.servers().folder().join(NAME).with_extension("log");
        let mut server = Server::start(NAME, &binary, &arguments, &log, None)?;

        // It starts to delete once it knows the objects of all kinds.
        let roles = Api::<ClusterRole>::all(control_plane.client()?);
        let trial = trial(&roles).await?.name_any();
        server.until_ready(async || matches!(roles.get_opt(&trial).await, Ok(None))).await?;
        Ok(Self { _server: server })
    }
}

/// Creates an object whose owner has never been. It is of the whole cluster, and so needs no namespace.
async fn trial(roles: &Api<ClusterRole>) -> Result<ClusterRole, Error> {
    let owner = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "name": "gone",
        "uid": "00000000-0000-0000-0000-000000000000",
    });
    create(roles, json!({ "metadata": { "generateName": "garbage-", "ownerReferences": [owner] }, "rules": [] })).await
}

fn find_or_build() -> Result<PathBuf, Error> {
    let fingerprint = fingerprint(&[GO_MOD, GO_SUM, &version_flags()]);
    let folder = CacheFolder::open(&format!("{NAME}-{KUBERNETES_VERSION}-{fingerprint}"))?;
    let binary = folder.path().join(NAME);
    if binary.is_file() {
        return Ok(binary);
    }
    say(&format!("Building {NAME} {KUBERNETES_VERSION} from Go modules, once, kept in {}.", folder.path().display()));
    folder.write("go.mod", GO_MOD)?;
    folder.write("go.sum", GO_SUM)?;
    let program = GoProgram {
        name: NAME,
        package: "k8s.io/kubernetes/cmd/kube-controller-manager",
        // Without those that are compiled for the API server.
        packages: 360,
        linker_flags: version_flags(),
    };
    program.build(&folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTROL_PLANE: &str = include_str!("../control-plane/go.mod");

    #[test]
    fn modules_have_the_versions_of_the_control_plane() {
        assert!(GO_MOD.contains(&format!("k8s.io/kubernetes {KUBERNETES_VERSION} ")));
        let versions = |text: &'static str| {
            let lines = text.lines().map(|line| line.trim().trim_end_matches(" // indirect"));
            lines.filter_map(|line| line.split_once(' ')).filter(|(_, version)| version.starts_with('v'))
        };
        for (module, version) in versions(GO_MOD) {
            let other = versions(CONTROL_PLANE).find(|(name, _)| *name == module);
            assert!(other.is_none_or(|(_, other)| other == version), "{module}: {version} here, {other:?} there");
        }
    }
}
