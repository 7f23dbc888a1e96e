//! The active/standby switch as Lagoon runs it, on a real Kubernetes API server of your own machine: there in the CRD
//! way, with the controller, and back in the direct way.
//!
//! ```text
//! cargo run --example demo [-- [--keep] [--container NAME]]
//! ```
//!
//! `--keep` leaves the control plane up until Enter or Ctrl-C and prints a kubeconfig for it. `--container` runs the
//! task in a container made with `buildah from IMAGE` instead of as a process.

mod programs;
mod show;
mod site;

use std::error::Error;
use std::process::ExitCode;

use lagoon_task_testing::{ControlPlane, Finished, LagoonEnvironment, Launcher, Program, built};
use serde_json::{Value, json};

use show::headline;
use site::Site;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match Box::pin(demo()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("The task did not hand Lagoon a completed switch.");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the demo; answers whether Lagoon would have recorded both switches.
async fn demo() -> Result<bool, Box<dyn Error>> {
    let arguments = Arguments::parse()?;
    let task = match arguments.container {
        Some(container) => Program::Container(container),
        None => Program::Binary(built("activestandby")?),
    };

    headline("A Kubernetes API server of its own");
    let control_plane = ControlPlane::start().await?;
    control_plane.apply(&hostmigration::definition_yaml()?).await?;
    control_plane.apply(include_str!("../../deploy/hostmigration-deployer.yaml")).await?;
    println!("kube-apiserver and etcd are up; the HostMigration resource and the deployer's rights are installed.");

    headline("The site");
    let launcher = Launcher::new(&control_plane);
    let site = Site::create(&control_plane, &launcher).await?;
    println!("Project shop: environment main is active, environment develop is standby.");
    site.show().await?;

    headline("The CRD way: somebody presses \"switch\"");
    let controller = programs::start_controller(&control_plane, &built("hostmigration-controller")?).await?;
    println!("The controller runs as pod {} in namespace lagoon.", controller.pod_name());
    let crd = crd_payload(&site.active);
    let there = switch(&launcher, &site.standby, &site.active, &task, &crd).await?;
    controller.signal("TERM").await?;
    let controller = Box::pin(controller.finish()).await?;
    show::requests("the controller", &controller);
    site.show().await?;

    headline("The direct way: and back again");
    println!("In Lagoon's record develop is active now, and main is standby. No controller runs any more.");
    let direct = direct_payload(&site.active, &site.standby);
    let back = switch(&launcher, &site.active, &site.standby, &task, &direct).await?;
    site.show().await?;

    if arguments.keep {
        headline("The control plane stays up");
        println!("kubectl --kubeconfig {} get ingresses -A", control_plane.kubeconfig().display());
        println!("Press Enter to end it.");
        tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    }
    Ok(is_recorded(&there) && is_recorded(&back) && controller.exit_code == Some(0))
}

/// Runs the task in the standby environment, with the rights that Lagoon gives it for a switch.
async fn switch(
    launcher: &Launcher<'_>,
    standby: &LagoonEnvironment,
    active: &LagoonEnvironment,
    program: &Program,
    payload: &Value,
) -> Result<Finished, Box<dyn Error>> {
    launcher.allow_switch(standby, active).await?;
    let task = launcher.task(standby, program.clone()).payload(payload).launch().await?;
    println!("Lagoon starts pod {} in namespace {}.", task.pod_name(), standby.namespace);
    let finished = Box::pin(task.finish()).await?;
    launcher.forbid_switch(standby, active).await?;
    show::finished(&finished)?;
    Ok(finished)
}

fn is_recorded(finished: &Finished) -> bool {
    let completed = finished.result.as_ref().is_some_and(|result| result["status"] == "Completed");
    finished.exit_code == Some(0) && completed
}

/// What Lagoon 2.16 sends for a switch.
fn crd_payload(active: &LagoonEnvironment) -> Value {
    json!({
        "productionEnvironment": "main",
        "standbyEnvironment": "develop",
        "crd": {
            "apiVersion": hostmigration::API_VERSION,
            "kind": hostmigration::KIND,
            "metadata": {
                "name": "host-migration-demo01",
                "annotations": { "dioscuri.amazee.io/migrate": "true" },
            },
            "spec": { "destinationNamespace": active.namespace, "activeEnvironment": "main" },
        },
    })
}

/// What Lagoon 2.17 sends for a switch.
fn direct_payload(standby: &LagoonEnvironment, active: &LagoonEnvironment) -> Value {
    json!({
        "productionEnvironment": active.name,
        "standbyEnvironment": standby.name,
        "sourceNamespace": standby.namespace,
        "destinationNamespace": active.namespace,
    })
}

#[derive(Default)]
struct Arguments {
    keep: bool,
    container: Option<String>,
}

impl Arguments {
    fn parse() -> Result<Self, Box<dyn Error>> {
        let mut parsed = Self::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--keep" => parsed.keep = true,
                "--container" => parsed.container = Some(arguments.next().ok_or("--container needs a name after it.")?),
                other => return Err(format!("Unknown argument {other}; there are --keep and --container NAME.").into()),
            }
        }
        Ok(parsed)
    }
}
