//! The controller for `HostMigration` objects, in place of the archived one ("dioscuri").
//!
//! It watches the objects of all namespaces and hands each that asks for a switch to an [`Engine`]. What the object says
//! at any moment is enough to go on from there, so the controller keeps no state of its own.

pub mod arguments;
pub mod decision;
pub mod engine;
pub mod events;
mod lead;
pub mod leader;
pub mod logs;
pub mod metrics;
pub mod objects;
mod orphans;
pub mod patch;
pub mod reconcile;
pub mod server;
pub mod switching;
pub mod unended;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::TcpListener;
use tokio::sync::watch;

pub use arguments::{Arguments, Options};
pub use engine::{Engine, SwitchFailed, SwitchRequest, SwitchedHosts};
pub use switching::RouteEngine;

use crate::task::cluster::{Cluster, ConnectError};
use crate::task::environment::{Environment, EnvironmentError};
use crate::task::mounts::Mounts;
use crate::task::stop::{stop_signal, turned_true};
use events::Events;
use leader::Election;
use metrics::Metrics;
use objects::HostMigrations;
use reconcile::Context;
use server::Status;

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
    Signals(io::Error),
    /// Another replica may act now.
    #[error("The Lease was lost: another replica may act now. It continues the switches that were under way.")]
    LeaseLost,
    /// The watch has ended.
    #[error("The watch of the HostMigrations has ended, which it never should.")]
    WatchEnded,
}

/// Runs the controller until it is asked to stop by SIGTERM or SIGINT, or loses the Lease.
///
/// `name`, as `name/version`, shows in audit logs. When it is asked to stop nothing new is begun, and the switches under
/// way are brought to rest first, with the Lease held: to stop in the middle would leave routes in two places.
pub async fn run<E: Engine>(
    name: &'static str,
    options: Options,
    make_engine: impl FnOnce(&Cluster, &Environment) -> E,
) -> Result<(), ControllerError> {
    let asked_to_stop =
        stop_signal(|| tracing::info!("Asked to stop: nothing new is begun.")).map_err(ControllerError::Signals)?;
    let status = serve(options.listen).await?;
    let environment = Environment::from_process()?;
    let secrets = logs::output();
    let cluster = Cluster::connect(&environment, &Mounts::below(options.root), &secrets, name)?;
    let mut election = Election::new(cluster.clone(), &environment.namespace, &environment.pod_name);
    status.ready.store(true, Ordering::Relaxed);
    tracing::info!("{name} waits for the Lease.");
    let outcome = tokio::select! {
        () = election.win() => {
            tracing::info!("This replica holds the Lease.");
            let (stop, stopping) = watch::channel(false);
            let context = Context {
                engine: make_engine(&cluster, &environment),
                events: Events::new(&cluster, &environment.pod_name),
                objects: HostMigrations::new(cluster),
                metrics: Arc::clone(&status.metrics),
                secrets,
                stopping,
            };
            lead::lead(context, &mut election, &stop, asked_to_stop).await
        }
        () = turned_true(asked_to_stop.clone()) => Ok(()),
    };
    election.release().await;
    tracing::info!("The controller stops.");
    outcome
}

/// Serves HTTP in the background.
async fn serve(address: SocketAddr) -> Result<Arc<Status>, ControllerError> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| ControllerError::Listen { address, source })?;
    let status = Arc::new(Status { ready: AtomicBool::new(false), metrics: Arc::new(Metrics::new()) });
    tokio::spawn(server::serve(listener, Arc::clone(&status)));
    Ok(status)
}
