//! Builds programs from their Go modules.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cache::CacheFolder;
use crate::error::Error;
use crate::progress::Progress;

/// Lines of Go's output that go into an error.
const LAST_LINES: usize = 20;

/// A program that is built from a Go package.
pub(crate) struct GoProgram {
    /// The binary's name.
    pub name: &'static str,
    /// The package, which the folder's `go.mod` requires.
    pub package: &'static str,
    /// About how many packages are compiled for it, for the estimate of the time that is left.
    pub packages: usize,
    /// Further linker flags, such as `-X importpath.name=value`; may be empty.
    pub linker_flags: String,
}

impl GoProgram {
    /// Builds the binary next to its final name and renames it, so that an interrupted build leaves nothing to find.
    pub(crate) fn build(&self, folder: &CacheFolder) -> Result<PathBuf, Error> {
        let unfinished = folder.path().join(format!("{}.unfinished", self.name));
        let mut go = go(folder.path())
            .args(["build", "-v", "-trimpath", "-ldflags"])
            .arg(format!("-s -w {}", self.linker_flags))
            .arg("-o")
            .arg(&unfinished)
            .arg(self.package)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(no_go(self.name))?;
        let mut progress = Progress::new(self.name, self.packages);
        let mut messages = Vec::new();
        // `go build -v` names each package that it compiles.
        for line in go.stderr.take().map(BufReader::new).into_iter().flat_map(BufReader::lines).map_while(Result::ok) {
            if line.starts_with("go: ") || line.contains(' ') {
                messages.push(line);
            } else {
                progress.advance();
            }
        }
        let status = go.wait().map_err(Error::process(format!("Building {}", self.name)))?;
        progress.end(status.success());
        if !status.success() {
            let last = messages.split_off(messages.len().saturating_sub(LAST_LINES));
            return Err(Error::build(self.name, format!("{status}:\n{}", last.join("\n"))));
        }
        let built = folder.path().join(self.name);
        fs::rename(&unfinished, &built).map_err(Error::file(&built))?;
        Ok(built)
    }
}

/// Downloads a module and says where it lies. `module` is its path, in the version that the folder's `go.mod` requires, or
/// `path@version`.
pub(crate) fn module_folder(folder: &Path, program: &str, module: &str) -> Result<PathBuf, Error> {
    let downloaded = go(folder).args(["mod", "download", "-json", module]).output().map_err(no_go(program))?;
    let answer: Value = serde_json::from_slice(&downloaded.stdout).unwrap_or_default();
    answer["Dir"].as_str().map(PathBuf::from).ok_or_else(|| {
        let said = answer["Error"].as_str().map_or_else(|| String::from_utf8_lossy(&downloaded.stderr), Into::into);
        Error::build(program, said)
    })
}

/// The Go tool in a folder.
fn go(folder: &Path) -> Command {
    let mut go = Command::new("go");
    go.current_dir(folder).env("CGO_ENABLED", "0").stdin(Stdio::null());
    go
}

fn no_go(program: &str) -> impl FnOnce(std::io::Error) -> Error {
    move |error| {
        let reason = format!("\"go\" could not be started ({error}); install Go 1.26 or newer.");
        Error::Build { program: program.into(), reason, source: Some(error.into()) }
    }
}
