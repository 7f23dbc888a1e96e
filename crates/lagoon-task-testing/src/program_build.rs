//! Programs of the workspace under test, built by its own cargo.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use serde_json::Value;

use crate::error::Error;
use crate::sync::lock;

static PROGRAMS: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());

/// The path of a binary or an example of the workspace that the running test belongs to, built with all features and
/// this test's profile: with the flags of `cargo test --workspace --all-features`, so that nothing is compiled twice.
/// [`Error::Build`]: the workspace does not build, or has no such program.
pub fn built(name: &str) -> Result<PathBuf, Error> {
    let mut programs = lock(&PROGRAMS);
    if programs.is_empty() {
        *programs = build(name)?;
    }
    programs.get(name).cloned().ok_or_else(|| Error::build(name, "the workspace has no program of this name."))
}

/// Builds all programs; answers where they are, by their names.
fn build(wanted: &str) -> Result<BTreeMap<String, PathBuf>, Error> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--workspace", "--all-features", "--bins", "--examples"]);
    command.arg("--message-format=json");
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    // What cargo sets for the running test would have build scripts run again, now and once more afterwards.
    let of_this_package =
        |name: &String| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "OUT_DIR";
    for name in std::env::vars().map(|(name, _)| name).filter(of_this_package) {
        command.env_remove(name);
    }
    let output = command.output().map_err(Error::process("Starting cargo"))?;
    if !output.status.success() {
        return Err(Error::build(wanted, String::from_utf8_lossy(&output.stderr)));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    Ok(messages.lines().filter_map(executable).collect())
}

/// Name and path of the executable that a message of cargo is about.
fn executable(message: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(message).ok()?;
    let name = message.pointer("/target/name")?.as_str()?.to_owned();
    Some((name, PathBuf::from(message.get("executable")?.as_str()?)))
}
