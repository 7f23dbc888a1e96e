//! Writes `crds/` from the Rust types. A test fails when that was forgotten.

use std::error::Error;
use std::path::Path;

/// Where the definition lies, from this crate's folder.
const PATH: &str = "../../crds/hostmigrations.yaml";

fn main() -> Result<(), Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PATH);
    std::fs::write(path, hostmigration::definition_yaml()?)?;
    println!("Wrote crds/hostmigrations.yaml.");
    Ok(())
}
