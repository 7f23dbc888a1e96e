//! The controller for `HostMigration` objects, in place of the archived one ("dioscuri").
//!
//! It watches the objects of all namespaces and hands each that asks for a switch to an [`Engine`]. What the object says
//! at any moment is enough to go on from there, so the controller keeps no state of its own.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod arguments;
mod attempt;
mod count;
pub mod decision;
pub mod election;
pub mod engine;
mod error;
pub mod events;
pub mod exposition;
mod finished;
pub mod health;
pub mod identity;
mod interrupted;
pub mod journals;
mod line;
pub mod logs;
pub mod metrics;
pub mod objects;
mod orphans;
pub mod pair;
mod pair_guard;
pub mod patch;
mod prune;
pub mod queue;
pub mod reconcile;
pub mod rights;
pub mod route_engine;
mod run_as_leader;
mod runner;
pub mod server;
mod text;
pub mod unfinished;
pub mod unreadable;
mod watch;
pub mod watched;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

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
use objects::HostMigrations;
use queue::Limits;
use reconcile::Context;
use runner::Settings;
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
    let settings = Settings { limits: Limits::of(options.concurrency), keep_finished: options.keep_finished };
    check_needs(&status, &cluster, &environment.namespace, settings.keep_finished.is_some());
    status.health.started();
    tracing::info!("{name} waits for the Lease.");
    let outcome = tokio::select! {
        () = election.win() => {
            tracing::info!("This replica holds the Lease.");
            let context = Context {
                engine: make_engine(&cluster, &environment),
                events: Events::new(&cluster, &environment.pod_name),
                journals: Journals::new(&cluster, &environment.namespace),
                objects: HostMigrations::new(cluster),
                metrics: Arc::clone(&status.metrics),
                secrets,
                stopping: asked_to_stop,
            };
            run_as_leader::lead(context, &status, settings, &mut election).await
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
    let status = Arc::new(Status::new());
    tokio::spawn(server::serve(listener, Arc::clone(&status)));
    Ok(status)
}

/// Checks in the background whether what the controller needs is there.
fn check_needs(status: &Arc<Status>, cluster: &Cluster, namespace: &str, prunes: bool) {
    let (status, cluster, namespace) = (Arc::clone(status), cluster.clone(), namespace.to_owned());
    tokio::spawn(async move { rights::keep_checking(cluster, namespace, prunes, &status.health).await });
}
