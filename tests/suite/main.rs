//! The task as a real process against a real API server, with the rights that Lagoon really gives.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests; helpers are not seen as such")]

mod bench;
mod bench_itself;
mod certificates;
mod crd_way;
mod custom_resource;
mod direct_way;
mod exchanges;
mod faults;
mod hello_task;
mod history;
mod http_routes;
mod large_journal;
mod malformed;
mod runs;
mod shop;
mod there_and_back;
mod trust;
