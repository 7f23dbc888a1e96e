//! What the test bench does by itself, shown with the real API server.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests; helpers are not seen as such")]

mod cert_manager;
mod controller_manager;
mod ingress_nginx;
mod kubelet;
mod support;
