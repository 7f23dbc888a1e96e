//! Where the API server's and etcd's binaries come from.
//!
//! In this order: the folder that `KUBEBUILDER_ASSETS` names; the newest version in the store of `setup-envtest`; the
//! cache of this crate. The cache is filled once: by downloading both, and where that is refused, by building both from
//! the pinned Go modules in `control-plane/go.mod`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cache::{CacheFolder, fingerprint, home, say};
use crate::control_plane::prebuilt::Prebuilt;
use crate::error::Error;
use crate::go_build::GoProgram;

/// The version that is built where none is installed and none can be downloaded. A downloaded one is the newest patch of
/// the same minor version; an installed one may be any, as `KUBEBUILDER_ASSETS` or the store of `setup-envtest` has it.
pub const KUBERNETES_VERSION: &str = "v1.37.2";

const GO_MOD: &str = include_str!("../../control-plane/go.mod");
const GO_SUM: &str = include_str!("../../control-plane/go.sum");

/// The two servers' binaries.
#[derive(Debug, Clone)]
pub(crate) struct Binaries {
    pub etcd: PathBuf,
    pub kube_apiserver: PathBuf,
}

impl Binaries {
    /// Finds them, or downloads them, or builds them, which takes about five minutes on two cores and says so.
    pub(crate) fn get() -> Result<Self, Error> {
        if let Some(folder) = std::env::var_os("KUBEBUILDER_ASSETS") {
            let folder = PathBuf::from(folder);
            return Self::in_folder(&folder).ok_or_else(|| {
                let folder = folder.display();
                Error::Binaries(format!("KUBEBUILDER_ASSETS names {folder}, which does not hold both.").into())
            });
        }
        if let Some(found) = data_home().and_then(|home| newest_in_store(&home.join("kubebuilder-envtest/k8s"))) {
            return Ok(found);
        }
        let folder = CacheFolder::open(&cache_name())?;
        let prebuilt = Prebuilt::like(KUBERNETES_VERSION, &folder);
        let find = || Self::in_folder(folder.path()).or_else(|| newest_in_store(&prebuilt.store()));
        if let Some(found) = find() {
            return Ok(found);
        }
        say(&format!(
            "Getting the Kubernetes API server {} and etcd, once, kept in {}.",
            prebuilt.versions,
            folder.path().display()
        ));
        match prebuilt.download(|store| newest_in_store(store).is_some()) {
            Ok(()) => find().ok_or_else(|| Error::Binaries("what was downloaded has been removed.".into())),
            Err(reason) => {
                say(&format!("They are not downloaded: {reason}."));
                build(&folder)
            }
        }
    }

    fn in_folder(folder: &Path) -> Option<Self> {
        let found = Self { etcd: folder.join("etcd"), kube_apiserver: folder.join("kube-apiserver") };
        (found.etcd.is_file() && found.kube_apiserver.is_file()).then_some(found)
    }
}

/// The newest version in the store of `setup-envtest`, whose folders are named like `1.33.0-linux-amd64`.
pub(super) fn newest_in_store(store: &Path) -> Option<Binaries> {
    let mut versions: Vec<(Vec<u64>, PathBuf)> = fs::read_dir(store)
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.split('-').next()?.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
            Some((version, entry.path()))
        })
        .collect();
    versions.sort();
    versions.iter().rev().find_map(|(_, folder)| Binaries::in_folder(folder))
}

/// The name of the cache's folder for these modules, built like this.
fn cache_name() -> String {
    format!("kubernetes-{KUBERNETES_VERSION}-{}", fingerprint(&[GO_MOD, GO_SUM, &version_flags()]))
}

fn build(folder: &CacheFolder) -> Result<Binaries, Error> {
    folder.write("go.mod", GO_MOD)?;
    folder.write("go.sum", GO_SUM)?;
    say(&format!(
        "Building the Kubernetes API server {KUBERNETES_VERSION} and etcd from Go modules: about 5 minutes on 2 cores."
    ));
    let etcd =
        GoProgram { name: "etcd", package: "go.etcd.io/etcd/server/v3", packages: 560, linker_flags: String::new() };
    let kube_apiserver = GoProgram {
        name: "kube-apiserver",
        package: "k8s.io/kubernetes/cmd/kube-apiserver",
        // Without those that are compiled for the two before.
        packages: 1610,
        linker_flags: version_flags(),
    };
    Ok(Binaries { etcd: etcd.build(folder)?, kube_apiserver: kube_apiserver.build(folder)? })
}

/// The version that a program of Kubernetes reports. Without these flags it is a placeholder, which clients of the API
/// server such as ingress-nginx refuse. Kubernetes' own build sets the same variables.
pub(crate) fn version_flags() -> String {
    let mut numbers = KUBERNETES_VERSION.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let variables =
        [("gitVersion", KUBERNETES_VERSION), ("gitMajor", major), ("gitMinor", minor), ("gitTreeState", "archive")];
    let flags = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"]
        .into_iter()
        .flat_map(|package| variables.map(|(name, value)| format!("-X {package}.{name}={value}")));
    flags.collect::<Vec<_>>().join(" ")
}

fn data_home() -> Option<PathBuf> {
    home("XDG_DATA_HOME", ".local/share")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_complete_version_in_the_store_wins_by_number() {
        let store = tempfile::tempdir().unwrap();
        for version in ["1.9.0", "1.33.0", "1.34.1"] {
            let folder = store.path().join(format!("{version}-linux-amd64"));
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("etcd"), "").unwrap();
            // The newest one is not complete.
            if version != "1.34.1" {
                fs::write(folder.join("kube-apiserver"), "").unwrap();
            }
        }
        let found = newest_in_store(store.path()).unwrap();
        assert!(found.etcd.ends_with("1.33.0-linux-amd64/etcd"), "{found:?}");
    }

    #[test]
    fn built_version_is_the_pinned_one() {
        assert!(GO_MOD.contains(&format!("k8s.io/kubernetes {KUBERNETES_VERSION} ")));
        let flags = version_flags();
        for package in ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"] {
            assert!(flags.contains(&format!("-X {package}.gitVersion={KUBERNETES_VERSION} ")), "{flags}");
            assert!(flags.contains(&format!("-X {package}.gitMinor=37 ")), "{flags}");
        }
    }
}
