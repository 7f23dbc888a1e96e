//! The reference image: Lagoon's active/standby switch.

use std::process::ExitCode;

use lagoon_task::run;

/// How the task names itself to the API server and to the operator who asks for `--version`.
const NAME: &str = concat!("activestandby/", env!("CARGO_PKG_VERSION"));

fn main() -> ExitCode {
    run(NAME, activestandby::switch)
}
