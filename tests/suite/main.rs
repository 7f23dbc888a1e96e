//! The task as a real process against a real API server, with the rights that Lagoon really gives.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests; helpers are not seen as such")]

mod bench;
mod bench_itself;
mod certificates;
mod controller;
mod controller_bench;
mod controller_interrupted;
mod controller_lease;
mod controller_rights;
mod crd_way;
mod custom_resource;
mod direct_way;
mod dry_run;
mod evidence;
mod exchanges;
mod faults;
mod finalizers;
mod gaps;
mod hello_task;
mod history;
mod http_routes;
mod interrupted;
mod kubelet;
#[cfg(feature = "lagoon-api")]
mod lagoon;
mod large_journal;
mod malformed;
mod meanwhile;
mod payloads;
mod preflight;
mod results;
mod rights;
mod run_command;
mod run_command_output;
mod run_command_troubles;
mod runs;
mod shapes;
mod shop;
mod switch_faults;
mod there_and_back;
mod trust;
mod upstream_faults;
