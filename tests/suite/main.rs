//! The task against a real API server, with the rights that Lagoon really gives.

mod bench;
mod crd_way;
