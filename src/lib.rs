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
//! It also holds Lagoon's best-known task, the active/standby switch: [`activestandby`].

pub mod activestandby;
#[cfg(feature = "controller")]
pub mod controller;
pub mod crd_way;
pub mod direct_way;
pub mod environments;
mod handover;
pub mod hostmigration;
#[cfg(feature = "lagoon-api")]
pub mod lagoon;
pub mod switch;
pub mod task;

pub use task::arguments::{Argument, ArgumentValue, Definition, Permission, TypedArguments};
pub use task::cluster::{Cause, Cluster, ClusterError, ConnectError, Deleted, Metadata, ObjectName, Objects};
pub use task::context::Context;
pub use task::environment::{Environment, EnvironmentError, Variable};
pub use task::outcome::{Failure, run};
pub use task::output::{self, Output};
pub use task::payload::{self, PayloadError};
pub use task::redaction::Redactor;
pub use task::report::ReportError;
pub use task::service_command::{self, ServiceCommand, ServiceCommandError};
