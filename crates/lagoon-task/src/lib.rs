//! Images for [Lagoon](https://lagoon.sh) advanced tasks.
//!
//! Lagoon starts such an image as a pod in an environment's namespace, with a deployer token and a few variables. It
//! prints what the user may see, exits 0 or 1, and can hand Lagoon a result. This crate is the kit to write one:
//!
//! ```no_run
//! use std::process::ExitCode;
//! use lagoon_task::{Argument, Context, Definition, arguments};
//!
//! arguments! {
//!     struct Chosen {
//!         name: String = Argument::string("Who is greeted").pattern("[A-Z].{0,30}", "a name with a capital"),
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     let definition = Definition::new("Greet", "Greets someone, and hands Lagoon the greeting.");
//!     definition.run("greeter/1.0", async |task: Context, Chosen { name }| {
//!         task.step(format!("Greeting {name}"));
//!         task.report(&serde_json::json!({ "greeting": format!("Hello, {name}!") })).await?;
//!         Ok("Lagoon has the greeting.".to_owned())
//!     })
//! }
//! ```
//!
//! `IMAGE --definition` prints what makes it known to Lagoon. A task that Lagoon starts itself, with a payload of its
//! own, has no definition: it begins with [`run`].
//!
//! What a signature of this crate names of other crates is re-exported: [`kube`], [`k8s_openapi`], [`serde`], [`serde_json`].

pub mod arguments;
mod backoff;
pub mod cluster;
pub mod context;
pub mod environment;
mod failure;
#[cfg(feature = "lagoon-api")]
pub mod lagoon;
pub mod mounts;
pub mod output;
pub mod payload;
pub mod redaction;
pub mod report;
mod run;
pub mod service_command;
pub mod shutdown;

pub use arguments::{Argument, ArgumentValue, Definition, Permission, TypedArguments};
pub use backoff::{Backoff, Pauses};
pub use cluster::{Cause, Cluster, ClusterError, ConnectError, Deleted, Listed, Metadata, ObjectName, Objects};
pub use context::Context;
pub use environment::{Environment, EnvironmentError, Variable};
pub use failure::{Failure, FailureContext};
pub use output::Output;
pub use payload::PayloadError;
pub use redaction::Redactor;
pub use report::ReportError;
pub use run::run;
pub use service_command::{ServiceCommand, ServiceCommandError};
pub use {k8s_openapi, kube, serde, serde_json};
