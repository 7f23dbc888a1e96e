//! Builds servers from their Go modules, once, in a cache outside the repository.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::error::Error;

/// Packages of a build between two lines of progress; the API server has about 1,400.
const PACKAGES_PER_LINE: usize = 200;

/// A folder of the cache. As long as this lives other processes wait for it: the first builds, the others find.
pub(crate) struct BuildFolder {
    path: PathBuf,
    _lock: File,
}

impl BuildFolder {
    /// Opens or makes the folder for this very set of modules.
    pub(crate) fn open(name: &str) -> Result<Self, Error> {
        let cache = home("XDG_CACHE_HOME", ".cache")
            .ok_or_else(|| Error::build("A server", "neither HOME nor XDG_CACHE_HOME is set, so there is no cache."))?;
        let path = cache.join("lagoon-task-testing").join(name);
        fs::create_dir_all(&path).map_err(Error::file(&path))?;
        let lock_path = path.join("lock");
        let lock = File::create(&lock_path).map_err(Error::file(&lock_path))?;
        lock.lock().map_err(Error::file(&lock_path))?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file, whose folders are made.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.path.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all).map_err(Error::file(&path))?;
        fs::write(&path, text).map_err(Error::file(&path))
    }

    /// Builds one binary next to its final name and renames it, so that a build that was cut off leaves nothing to find.
    pub(crate) fn build(&self, package: &str, name: &str) -> Result<(), Error> {
        let started = Instant::now();
        let unfinished = self.path.join(format!("{name}.unfinished"));
        let mut go = go(&self.path)
            .args(["build", "-v", "-trimpath", "-ldflags", "-s -w", "-o"])
            .arg(&unfinished)
            .arg(package)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| no_go(name, &error))?;
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
            return Err(Error::build(name, format!("{status}:\n{}", last_lines[end..].join("\n"))));
        }
        let built = self.path.join(name);
        fs::rename(&unfinished, &built).map_err(Error::file(&built))?;
        say(&format!("  {name}: built in {} s", started.elapsed().as_secs()));
        Ok(())
    }
}

/// The Go tool in a folder.
pub(crate) fn go(folder: &Path) -> Command {
    let mut go = Command::new("go");
    go.current_dir(folder).env("CGO_ENABLED", "0").stdin(Stdio::null());
    go
}

pub(crate) fn no_go(program: &str, error: &std::io::Error) -> Error {
    Error::build(program, format!("\"go\" could not be started ({error}); install Go 1.26 or newer."))
}

/// Written past the test harness, which would hold progress back until the test has ended.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A folder of the user's, named by a variable or below the home folder.
pub(crate) fn home(variable: &str, below_home: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    named.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(below_home)))
}
