//! The task as a real process against a real API server, with the rights that Lagoon really gives.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests; helpers are not seen as such")]

mod bench_itself;
mod cert_manager;
mod certificates;
mod crd_way;
mod custom_resource;
mod direct_way;
mod dry_run;
mod evidence;
mod exchanges;
mod faults;
mod finalizers;
mod forged;
mod gaps;
mod history;
mod http_routes;
mod ingress_nginx;
mod interrupted;
mod large_journal;
mod lock;
mod malformed;
mod meanwhile;
mod mutating_policy;
mod others_at_work;
mod owners;
mod payloads;
mod preflight;
mod results;
mod resumed;
mod rights;
mod runs;
mod shapes;
mod switch_faults;
mod there_and_back;
mod tls_users;
mod trust;
mod upstream_faults;
mod webhook_lag;
mod worlds;
