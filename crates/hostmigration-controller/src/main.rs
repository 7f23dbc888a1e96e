//! The controller for `HostMigration` objects.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use std::process::ExitCode;

use hostmigration_controller::arguments::HELP;
use hostmigration_controller::{Arguments, Options, RouteEngine, logs};
use lagoon_task::Output;

/// How the controller names itself to the API server and to the operator who asks for `--version`.
const NAME: &str = concat!("hostmigration-controller/", env!("CARGO_PKG_VERSION"));

fn main() -> ExitCode {
    let output = Output::stdout();
    match Arguments::parse(std::env::args_os().skip(1)) {
        Ok(Arguments::Run(options)) => run(options),
        Ok(Arguments::Help) => {
            output.say(HELP);
            ExitCode::SUCCESS
        }
        Ok(Arguments::Version) => {
            output.say(NAME);
            ExitCode::SUCCESS
        }
        Err(error) => {
            output.say_failure(error);
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> ExitCode {
    logs::start();
    let any_type = options.any_environment_type;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map(|runtime| {
        runtime.block_on(hostmigration_controller::run(NAME, options, |cluster, environment| {
            RouteEngine::new(cluster, &environment.namespace, any_type)
        }))
    }) {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(error)) => logs::failure(error),
        Err(error) => logs::failure(error),
    }
    ExitCode::FAILURE
}
