//! The files that a task's pod has mounted.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::Error;

/// Where a pod finds its service account, below the root.
const SERVICE_ACCOUNT: &str = "var/run/secrets/kubernetes.io/serviceaccount";
/// Where a legacy cluster mounts the deployer's secret, below the root.
const LEGACY_DEPLOYER: &str = "var/run/secrets/lagoon/deployer";
/// Where a container leaves its last word, below the root.
const TERMINATION_MESSAGE: &str = "dev/termination-log";

/// The folder that stands for the pod's root, with its mounts.
pub(super) struct Mounts {
    root: TempDir,
    service_account: PathBuf,
}

impl Mounts {
    /// All of a pod's mounts but for the token.
    pub(super) fn new(legacy: bool, certificate_authority: &str, namespace: &str) -> Result<Self, Error> {
        let root = tempfile::tempdir().map_err(Error::process("Making a folder for the mounts"))?;
        let service_account = root.path().join(if legacy { LEGACY_DEPLOYER } else { SERVICE_ACCOUNT });
        write(&service_account.join("ca.crt"), certificate_authority)?;
        write(&service_account.join("namespace"), namespace)?;
        write(&root.path().join(TERMINATION_MESSAGE), "")?;
        Ok(Self { root, service_account })
    }

    pub(super) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(super) fn service_account(&self) -> &Path {
        &self.service_account
    }

    pub(super) fn token(&self) -> Result<String, Error> {
        read(&self.service_account.join("token"))
    }

    pub(super) fn write_token(&self, token: &str) -> Result<(), Error> {
        write(&self.service_account.join("token"), token)
    }

    pub(super) fn termination_message(&self) -> Result<String, Error> {
        read(&self.root.path().join(TERMINATION_MESSAGE))
    }
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(Error::file(path))
}

/// Writes a file by renaming, as the kubelet does: a reader never sees half of it.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let unfinished = path.with_extension("unfinished");
    std::fs::write(&unfinished, text).map_err(Error::file(&unfinished))?;
    std::fs::rename(&unfinished, path).map_err(Error::file(path))
}
