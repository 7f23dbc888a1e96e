//! Lagoon's own API, and commands in its environments, with the private key that Lagoon mounts.
//!
//! The key gets a token over SSH, and the token goes with every request to the GraphQL API. The task's environment is
//! partly the site owner's (see [`task::environment`](crate::environment)), so:
//!
//! - the addresses come from variables that Lagoon sets on the container, which win over the site's;
//! - the token leaves only over TLS, verified with the certificate authorities in the image. No proxy and no other
//!   certificate store is taken from the environment, and a URL that is not `https` is refused;
//! - an SSH host whose key is known must show that key before the task says who it is. A host that is not known is
//!   accepted, and the log tells its fingerprint: a signature of the mounted key is of no use to another server.
//!
//! The formats are Lagoon's: `token` as the command of user `lagoon` for a token; `service=NAME [container=NAME]
//! COMMAND` as the command of a user named like the environment's namespace (Lagoon's `ssh-portal`).

mod answers;
mod api;
mod command;
mod endpoint;
mod environment;
mod error;
mod graphql;
mod known_hosts;
mod settings;
mod ssh;
mod token;
mod upload;

pub use api::{LagoonApi, Scope};
pub use command::{RemoteCommand, RemoteExit, Source};
pub use endpoint::Endpoint;
pub use environment::LagoonEnvironment;
pub use error::{ApiCause, LagoonApiError, LagoonConnectError, SshError, TokenError};
pub use known_hosts::BadKnownHost;

pub use upload::TaskFile;
