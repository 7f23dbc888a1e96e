//! What every task image needs.

pub mod arguments;
pub mod cluster;
pub mod context;
pub mod environment;
pub mod mounts;
pub mod outcome;
pub mod output;
pub mod payload;
pub mod redaction;
pub mod report;
mod safe_lines;
pub(crate) mod secrets;
pub mod service_command;
pub mod service_pod;
pub(crate) mod stop;
mod terminal;
