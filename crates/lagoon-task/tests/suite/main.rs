//! Tasks written with the kit, as real processes against a real API server, with the rights that Lagoon really gives.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests; helpers are not seen as such")]

mod hello_task;
#[cfg(feature = "lagoon-api")]
mod lagoon;
mod run_command;
mod run_command_output;
mod run_command_troubles;
mod support;
