//! Where the API server's and etcd's binaries come from.
//!
//! In this order: the folder that `KUBEBUILDER_ASSETS` names; the newest version in the store of `setup-envtest`; the
//! cache of this crate, filled once by building both from the pinned Go modules in `testing/control-plane/go.mod`.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::error::Error;

/// The version that is built when none is installed.
pub const KUBERNETES_VERSION: &str = "v1.37.2";

const GO_MOD: &str = include_str!("../../control-plane/go.mod");
const GO_SUM: &str = include_str!("../../control-plane/go.sum");

/// Packages of a build between two lines of progress; the API server has about 1,400.
const PACKAGES_PER_LINE: usize = 200;

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
        build(&cache_folder()?)
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

fn build(folder: &Path) -> Result<Binaries, Error> {
    fs::create_dir_all(folder).map_err(Error::file(folder))?;
    // Test binaries start at the same time; the first builds, the others wait.
    let lock_path = folder.join("lock");
    let lock = File::create(&lock_path).map_err(Error::file(&lock_path))?;
    lock.lock().map_err(Error::file(&lock_path))?;
    if let Some(found) = Binaries::in_folder(folder) {
        return Ok(found);
    }
    for (name, text) in [("go.mod", GO_MOD), ("go.sum", GO_SUM)] {
        let path = folder.join(name);
        fs::write(&path, text).map_err(Error::file(&path))?;
    }
    say(&format!(
        "Building the Kubernetes API server {KUBERNETES_VERSION} and etcd from Go modules, once: about 5 minutes on \
         2 cores, kept in {}.",
        folder.display()
    ));
    go_build(folder, "go.etcd.io/etcd/server/v3", "etcd")?;
    go_build(folder, "k8s.io/kubernetes/cmd/kube-apiserver", "kube-apiserver")?;
    Binaries::in_folder(folder).ok_or_else(|| Error::Binaries("the Go build left no binaries behind.".to_owned()))
}

/// Builds one binary next to its final name and renames it, so that a build that was cut off leaves nothing to find.
fn go_build(folder: &Path, package: &str, name: &str) -> Result<(), Error> {
    let started = Instant::now();
    let unfinished = folder.join(format!("{name}.unfinished"));
    let mut go = Command::new("go")
        .args(["build", "-v", "-trimpath", "-ldflags", "-s -w", "-o"])
        .arg(&unfinished)
        .arg(package)
        .current_dir(folder)
        .env("CGO_ENABLED", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            Error::Binaries(format!("\"go\" could not be started ({error}); install Go 1.26 or newer."))
        })?;
    let mut last_lines = Vec::new();
    let mut packages = 0;
    // `go build -v` names each package that it compiles.
    for line in go.stderr.take().map(BufReader::new).into_iter().flat_map(BufReader::lines).map_while(Result::ok) {
        if line.starts_with("go: ") || line.contains(' ') {
            last_lines.push(line);
        } else {
            packages += 1;
        }
        if packages % PACKAGES_PER_LINE == PACKAGES_PER_LINE - 1 {
            packages += 1;
            say(&format!("  {name}: {packages} packages, {} s", started.elapsed().as_secs()));
        }
    }
    let status = go.wait().map_err(Error::process(format!("Building {name}")))?;
    if !status.success() {
        let end = last_lines.len().saturating_sub(20);
        return Err(Error::Binaries(format!("building {name} failed ({status}):\n{}", last_lines[end..].join("\n"))));
    }
    let built = folder.join(name);
    fs::rename(&unfinished, &built).map_err(Error::file(&built))?;
    say(&format!("  {name}: built in {} s", started.elapsed().as_secs()));
    Ok(())
}

/// Written past the test harness, which would hold progress back until the test has ended.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn data_home() -> Option<PathBuf> {
    home("XDG_DATA_HOME", ".local/share")
}

/// The folder for this very set of modules.
fn cache_folder() -> Result<PathBuf, Error> {
    let cache = home("XDG_CACHE_HOME", ".cache")
        .ok_or_else(|| Error::Binaries("neither HOME nor XDG_CACHE_HOME is set, so there is no cache.".to_owned()))?;
    Ok(cache.join("lagoon-task-testing").join(KUBERNETES_VERSION))
}

fn home(variable: &str, below_home: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    named.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(below_home)))
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
