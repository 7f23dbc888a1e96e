//! Lagoon's own servers, as far as a task meets them: the SSH that hands out tokens and runs commands, and the API.

mod api;
mod form;
mod openssh;
mod ssh;

pub use api::{ApiFault, Asked, LagoonApiServer, Upload};
pub use ssh::{KeyKind, LagoonSsh};
