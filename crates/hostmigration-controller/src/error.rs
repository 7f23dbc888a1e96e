//! Why the controller ends.

use std::io;
use std::net::SocketAddr;

use lagoon_task::cluster::ConnectError;
use lagoon_task::environment::EnvironmentError;

/// Why the controller ends otherwise than because it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// A variable is missing or wrong.
    #[error(
        "The controller cannot start: {}. deploy/hostmigration-controller.yaml sets NAMESPACE and PODNAME.",
        .0.problems.join("; ")
    )]
    Environment(#[from] EnvironmentError),
    /// No client could be made.
    #[error("The controller cannot start. {0}")]
    Connect(#[from] ConnectError),
    /// The address to serve HTTP on cannot be had.
    #[error("The controller cannot start: {address} cannot be listened on ({source}).")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Signals cannot be received.
    #[error("The controller cannot start: it cannot receive signals ({0}).")]
    Signals(#[source] io::Error),
    /// Another replica may act now.
    #[error("The Lease was lost: another replica may act now. It continues the switches that were under way.")]
    LeaseLost,
}
