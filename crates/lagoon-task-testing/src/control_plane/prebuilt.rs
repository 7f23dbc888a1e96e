//! Downloads the servers' binaries with `setup-envtest`, which is quicker than building them.
//!
//! `setup-envtest` is built from its Go module, whose sum is in `setup-envtest/go.sum`. It downloads what Kubernetes'
//! controller-tools project has published, and refuses an archive whose SHA-512 is not the one in the project's index.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tower::BoxError;

use crate::cache::{CacheFolder, fingerprint};
use crate::error::Error;
use crate::go_build::GoProgram;

const NAME: &str = "setup-envtest";

const GO_MOD: &str = include_str!("../../setup-envtest/go.mod");
const GO_SUM: &str = include_str!("../../setup-envtest/go.sum");

/// How long a download may go without progress. Networks that block it often let it hang.
const SILENCE: Duration = Duration::from_secs(20);

/// How many bytes within [`SILENCE`] are progress. A slower download takes about as long as a build, or longer.
const PROGRESS: u64 = 5 * 1024 * 1024;

/// A refusal is remembered this long, so that only the first run of a day waits for it.
const REMEMBERED: Duration = Duration::from_hours(24);

/// The file that remembers a refusal: it holds the reason, and its age is the refusal's.
const REFUSAL: &str = "prebuilt-refused";

/// Where the downloaded versions are in the folder, laid out like the store of `setup-envtest`.
const STORE: &str = "k8s";

/// How often the download is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// One download: of what, where from, where to.
pub(super) struct Prebuilt<'a> {
    /// Where the binaries and the memory of a refusal are kept.
    pub folder: &'a CacheFolder,
    /// Which versions will do, like `1.37.x`.
    pub versions: String,
    /// Another index than the project's.
    pub index: Option<String>,
    /// How long the download may go without progress.
    pub silence: Duration,
    /// How many bytes are progress.
    pub progress: u64,
}

impl<'a> Prebuilt<'a> {
    /// The newest patch of the minor version that `version`, like `v1.37.2`, belongs to: it serves the same APIs.
    pub(super) fn like(version: &str, folder: &'a CacheFolder) -> Self {
        let minor = version.trim_start_matches('v').rsplit_once('.').map_or(version, |(minor, _)| minor);
        Self { folder, versions: format!("{minor}.x"), index: None, silence: SILENCE, progress: PROGRESS }
    }

    /// The folder with the versions that have been downloaded.
    pub(super) fn store(&self) -> PathBuf {
        self.folder.path().join(STORE)
    }

    /// Downloads into the [store](Self::store). An error says why not. It is remembered for a day, unless the tool itself
    /// could not be built: that is repaired on this machine, by installing Go for example.
    pub(super) fn download(&self, is_complete: impl Fn(&Path) -> bool) -> Result<(), BoxError> {
        let refusal = self.folder.path().join(REFUSAL);
        if let Some(reason) = remembered(&refusal) {
            return Err(format!("it was refused less than a day ago: {reason}").into());
        }
        let tool = setup_envtest()?;
        self.try_download(&tool, &is_complete).inspect_err(|reason| {
            // If it cannot be written, the next run waits again.
            let _ = fs::write(&refusal, reason.to_string());
        })
    }

    fn try_download(&self, tool: &Path, is_complete: &dyn Fn(&Path) -> bool) -> Result<(), BoxError> {
        let unfinished = self.folder.unfinished()?;
        let mut command = Command::new(tool);
        command.args(["use", &self.versions, "--print", "path", "--bin-dir"]).arg(unfinished.path());
        command.args(self.index.iter().flat_map(|index| ["--index", index]));
        // The archive goes here before it is unpacked.
        command.env("TMPDIR", unfinished.path());
        let output = self.run(&mut command, unfinished.path())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().into());
        }
        let downloaded = unfinished.path().join(STORE);
        if !is_complete(&downloaded) {
            return Err("the archive lacks kube-apiserver or etcd".into());
        }
        Ok(fs::rename(&downloaded, self.store()).map_err(Error::file(self.store()))?)
    }

    /// Runs the command until it ends, or until too little has come into the folder for too long.
    fn run(&self, command: &mut Command, folder: &Path) -> Result<Output, BoxError> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(Error::process(NAME))?;
        let (mut mark, mut marked) = (0, Instant::now());
        while child.try_wait().map_err(Error::process(NAME))?.is_none() {
            let size = bytes_in(folder);
            // The archive is removed when it is unpacked.
            mark = size.min(mark);
            if size - mark >= self.progress {
                (mark, marked) = (size, Instant::now());
            }
            if marked.elapsed() > self.silence {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("only {} bytes came in {} s", size - mark, self.silence.as_secs_f32()).into());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(child.wait_with_output().map_err(Error::process(NAME))?)
    }
}

/// The tool, which is built once: some 20 s on two cores.
fn setup_envtest() -> Result<PathBuf, Error> {
    let folder = CacheFolder::open(&format!("setup-envtest-{}", fingerprint(&[GO_MOD, GO_SUM])))?;
    let built = folder.path().join(NAME);
    if built.is_file() {
        return Ok(built);
    }
    folder.write("go.mod", GO_MOD)?;
    folder.write("go.sum", GO_SUM)?;
    let program = GoProgram {
        name: NAME,
        package: "sigs.k8s.io/controller-runtime/tools/setup-envtest",
        packages: 225,
        linker_flags: String::new(),
    };
    program.build(&folder)
}

/// The reason in this file, if the file is young enough.
fn remembered(refusal: &Path) -> Option<String> {
    let written = fs::metadata(refusal).ok()?.modified().ok()?;
    // A time in the future is that of a clock that has been set back.
    if written.elapsed().ok()? > REMEMBERED {
        return None;
    }
    fs::read_to_string(refusal).ok()
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests;
