//! Where the API server's and etcd's binaries come from.
//!
//! In this order: the folder that `KUBEBUILDER_ASSETS` names; the newest version in the store of `setup-envtest`; the
//! cache of this crate, filled once by building both from the pinned Go modules in `testing/control-plane/go.mod`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::go_build::{BuildFolder, home, say};

/// The version that is built when none is installed.
pub const KUBERNETES_VERSION: &str = "v1.37.2";

const GO_MOD: &str = include_str!("../../control-plane/go.mod");
const GO_SUM: &str = include_str!("../../control-plane/go.sum");

/// The two servers' binaries.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    pub etcd: PathBuf,
    pub kube_apiserver: PathBuf,
}

impl Binaries {
    /// Finds them, or builds them, which takes about five minutes on two cores and says so.
    pub(super) fn find_or_build() -> Result<Self, Error> {
        if let Some(folder) = std::env::var_os("KUBEBUILDER_ASSETS") {
            let folder = PathBuf::from(folder);
            return Self::in_folder(&folder).ok_or_else(|| {
                Error::Binaries(format!("KUBEBUILDER_ASSETS names {}, which does not hold both.", folder.display()))
            });
        }
        if let Some(found) = data_home().and_then(|home| newest_in_store(&home.join("kubebuilder-envtest/k8s"))) {
            return Ok(found);
        }
        build()
    }

    fn in_folder(folder: &Path) -> Option<Self> {
        let found = Self { etcd: folder.join("etcd"), kube_apiserver: folder.join("kube-apiserver") };
        (found.etcd.is_file() && found.kube_apiserver.is_file()).then_some(found)
    }
}

/// The newest version in the store of `setup-envtest`, whose folders are named like `1.33.0-linux-amd64`.
fn newest_in_store(store: &Path) -> Option<Binaries> {
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

fn build() -> Result<Binaries, Error> {
    let folder = BuildFolder::open(KUBERNETES_VERSION)?;
    if let Some(found) = Binaries::in_folder(folder.path()) {
        return Ok(found);
    }
    folder.write("go.mod", GO_MOD)?;
    folder.write("go.sum", GO_SUM)?;
    say(&format!(
        "Building the Kubernetes API server {KUBERNETES_VERSION} and etcd from Go modules, once: about 5 minutes on \
         2 cores, kept in {}.",
        folder.path().display()
    ));
    folder.build("go.etcd.io/etcd/server/v3", "etcd")?;
    folder.build("k8s.io/kubernetes/cmd/kube-apiserver", "kube-apiserver")?;
    Binaries::in_folder(folder.path())
        .ok_or_else(|| Error::Binaries("the Go build left no binaries behind.".to_owned()))
}

fn data_home() -> Option<PathBuf> {
    home("XDG_DATA_HOME", ".local/share")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_in_the_store_wins_by_number() {
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
    fn the_version_is_the_one_that_is_pinned() {
        assert!(GO_MOD.contains(&format!("k8s.io/kubernetes {KUBERNETES_VERSION} ")));
    }
}
