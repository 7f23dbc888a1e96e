//! The controller, as an operator installs it.

use std::error::Error;
use std::net::TcpListener;
use std::path::Path;

use lagoon_task_testing::{ControlPlane, LagoonEnvironment, Launcher, Running};

/// Where the controller runs, as its manifest says.
const NAMESPACE: &str = "lagoon";

/// Installs the controller as an operator does, and starts it with the rights that it gets by that.
pub async fn start_controller<'bench>(
    control_plane: &'bench ControlPlane,
    binary: &Path,
) -> Result<Running<'bench>, Box<dyn Error>> {
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {NAMESPACE}\n");
    control_plane.apply(&namespace).await?;
    control_plane.apply(include_str!("../../deploy/hostmigration-controller.yaml")).await?;
    // Free when it is given back; that somebody else takes it before the controller does is rare.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    // The launcher starts any pod: this one is no task, and its environment no site's.
    let lagoon = LagoonEnvironment { project: String::new(), name: String::new(), namespace: NAMESPACE.to_owned() };
    let pod = Launcher::new(control_plane).task(&lagoon, binary).service_account("hostmigration-controller");
    let controller = pod.argument("--listen").argument(address).launch().await?;
    controller.wait_for_line("This replica holds the Lease.").await?;
    Ok(controller)
}
