//! The controller as a real process against a real API server, with the rights of `deploy/`.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests; helpers are not seen as such")]

mod controller;
mod controller_alerts;
mod controller_bench;
mod controller_health;
mod controller_interrupted;
mod controller_lease;
mod controller_memory;
mod controller_queue;
mod controller_rights;
mod controller_sizes;
mod deploy_policies;
mod deploy_roles;
mod hostile;
mod hostile_worlds;
