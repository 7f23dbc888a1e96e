//! The controller for `HostMigration` objects, in place of the archived one ("dioscuri").
//!
//! It watches the objects of all namespaces and hands each that asks for a switch to an [`Engine`]. What the object says
//! at any moment is enough to go on from there, so the controller keeps no state of its own.

pub mod arguments;
pub mod decision;
pub mod election;
pub mod engine;
mod error;
pub mod events;
mod interrupted;
pub mod journals;
pub mod logs;
pub mod metrics;
pub mod objects;
mod orphans;
pub mod pair;
mod pair_guard;
pub mod patch;
pub mod reconcile;
pub mod route_engine;
mod run_as_leader;
pub mod server;
mod text;
pub mod unfinished;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::TcpListener;

pub use arguments::{Arguments, Options};
pub use engine::{Engine, SwitchFailed, SwitchRequest, SwitchedHosts};
pub use error::ControllerError;
pub use route_engine::RouteEngine;

use election::Election;
use events::Events;
use journals::Journals;
use lagoon_task::cluster::Cluster;
use lagoon_task::environment::Environment;
use lagoon_task::mounts::Mounts;
use lagoon_task::shutdown::Shutdown;
use metrics::Metrics;
use objects::HostMigrations;
use reconcile::Context;
use server::Status;

/// Runs the controller until it is asked to stop by SIGTERM or SIGINT, or loses the Lease.
///
/// `name`, as `name/version`, shows in audit logs. When it is asked to stop nothing new is begun, and the switches under
/// way are brought to rest first, with the Lease held: to stop in the middle would leave routes in two places.
pub async fn run<E: Engine>(
    name: &'static str,
    options: Options,
    make_engine: impl FnOnce(&Cluster, &Environment) -> E,
) -> Result<(), ControllerError> {
    let asked_to_stop = Shutdown::on_signals(|| tracing::info!("Asked to stop: nothing new is begun."))
        .map_err(ControllerError::Signals)?;
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
            let (stop, stopping) = Shutdown::manual();
            let context = Context {
                engine: make_engine(&cluster, &environment),
                events: Events::new(&cluster, &environment.pod_name),
                journals: Journals::new(&cluster, &environment.namespace),
                objects: HostMigrations::new(cluster),
                metrics: Arc::clone(&status.metrics),
                secrets,
                stopping,
            };
            run_as_leader::lead(context, &mut election, &stop, asked_to_stop).await
        }
        () = asked_to_stop.requested() => Ok(()),
    };
    election.release().await;
    tracing::info!("The controller stops.");
    outcome
}

/// Serves HTTP in the background.
async fn serve(address: SocketAddr) -> Result<Arc<Status>, ControllerError> {
    let listener = match TcpListener::bind(address).await {
        // A node without IPv6.
        Err(_) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        listener => listener,
    };
    let listener = listener.map_err(|source| ControllerError::Listen { address, source })?;
    let status = Arc::new(Status { ready: AtomicBool::new(false), metrics: Arc::new(Metrics::new()) });
    tokio::spawn(server::serve(listener, Arc::clone(&status)));
    Ok(status)
}
