//! A command in a pod of its own.

use std::time::Duration;

use crate::cluster::{Metadata, Objects};
use crate::context::Context;

/// A command's pod, while it is there.
pub(super) struct CommandPod<'a> {
    pub(super) task: &'a Context,
    pub(super) pods: Objects<'a>,
    pub(super) pod: Metadata,
    /// The container that runs the command.
    pub(super) container: String,
    /// How long the command may take.
    pub(super) limit: Duration,
}
