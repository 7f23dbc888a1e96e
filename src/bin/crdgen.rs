//! Writes `crds/` from the Rust types. `tests/` fails when that has been forgotten.

use std::process::ExitCode;

use lagoon_task::{Failure, Output, hostmigration};

/// Where the definition lies, from the repository's root.
const PATH: &str = "crds/hostmigrations.yaml";

fn main() -> ExitCode {
    let output = Output::stdout();
    match write() {
        Ok(()) => {
            output.say(format!("Wrote {PATH}."));
            ExitCode::SUCCESS
        }
        Err(failure) => {
            output.say_failure(failure.sentence());
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<(), Failure> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(PATH);
    std::fs::write(path, hostmigration::definition_yaml()?)?;
    Ok(())
}
