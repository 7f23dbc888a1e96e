//! The active/standby switch as Lagoon runs it, on a real Kubernetes API server of your own machine.
//!
//! ```text
//! cargo run --release --example demo [-- [--keep] [--container NAME]]
//! ```
//!
//! `--keep` leaves the control plane up until Enter or Ctrl-C and prints a kubeconfig for it. `--container` runs the
//! task in a container made with `buildah from IMAGE` instead of as a process.

use std::error::Error;
use std::path::PathBuf;
use std::pin::pin;
use std::process::{Command, ExitCode};

use futures::StreamExt;
use kube::api::{Api, Patch, PatchParams, WatchEvent, WatchParams};
use lagoon_task::hostmigration::{self, HostMigration};
use lagoon_task_testing::{ControlPlane, Finished, LagoonEnvironment, Launcher, Program};
use serde_json::{Value, json};

const MIGRATION: &str = "host-migration-demo01";

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

/// Runs the demo; answers whether Lagoon would have recorded the switch.
async fn demo() -> Result<bool, Box<dyn Error>> {
    let arguments = Arguments::parse()?;
    let program = match arguments.container {
        Some(container) => Program::Container(container),
        None => Program::Binary(build_task()?),
    };

    headline("A Kubernetes API server of its own");
    let control_plane = ControlPlane::start().await?;
    control_plane.apply(&hostmigration::definition_yaml()?).await?;
    control_plane.apply(include_str!("../deploy/hostmigration-deployer.yaml")).await?;
    println!("kube-apiserver and etcd are up, the HostMigration resource and the deployer's rights are installed.");

    headline("The site");
    let launcher = Launcher::new(&control_plane);
    let active = launcher.environment("shop", "main").await?;
    let standby = launcher.environment("shop", "develop").await?;
    launcher.allow_switch(&standby, &active).await?;
    println!("Project shop: environment main is active (namespace {}),", active.namespace);
    println!("environment develop is standby (namespace {}). Somebody presses \"switch\".", standby.namespace);

    let task = launcher.task(&standby, program).payload(&payload(&active)).launch().await?;
    println!("Lagoon starts pod {} with the task's image.", task.pod_name());
    let mut finish = pin!(task.finish());
    let finished = tokio::select! {
        finished = &mut finish => finished?,
        carried_out = carry_out(&control_plane, &standby) => {
            carried_out?;
            finish.await?
        }
    };
    show(&finished)?;
    if arguments.keep {
        headline("The control plane stays up");
        println!("kubectl --kubeconfig {} get hostmigrations -A", control_plane.kubeconfig().display());
        println!("Press Enter to end it.");
        tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    }
    let recorded = finished.result.as_ref().is_some_and(|result| result["status"] == "Completed");
    Ok(finished.exit_code == Some(0) && recorded)
}

/// What Lagoon 2.16 sends for a switch.
fn payload(active: &LagoonEnvironment) -> Value {
    json!({
        "productionEnvironment": active.name,
        "standbyEnvironment": "develop",
        "crd": {
            "apiVersion": hostmigration::API_VERSION,
            "kind": hostmigration::KIND,
            "metadata": { "name": MIGRATION, "annotations": { "dioscuri.amazee.io/migrate": "true" } },
            "spec": { "destinationNamespace": active.namespace, "activeEnvironment": active.name },
        },
    })
}

/// Plays the controller in the cluster: it sees the object, says that it has started, and that it is done. No route is
/// moved here.
async fn carry_out(control_plane: &ControlPlane, standby: &LagoonEnvironment) -> Result<(), Box<dyn Error>> {
    let migrations: Api<HostMigration> = Api::namespaced(control_plane.client()?, &standby.namespace);
    let mut events = pin!(migrations.watch(&WatchParams::default(), "0").await?);
    while let Some(event) = events.next().await {
        if matches!(event?, WatchEvent::Added(_)) {
            break;
        }
    }
    let started = condition("started", "moving the routes");
    let completed = condition("completed", "moved 2 routes to shop-develop, 1 route to shop-main");
    for patch in [
        json!({ "metadata": { "annotations": { "dioscuri.amazee.io/migrate": "false" } },
                "status": { "conditions": [started] } }),
        json!({ "spec": { "hosts": {
                    "activeHosts": "https://www.example.com,https://shop.example.com",
                    "standbyHosts": "https://standby.example.com" } },
                "status": { "conditions": [started, completed] } }),
    ] {
        migrations.patch(MIGRATION, &PatchParams::default(), &Patch::Merge(patch)).await?;
    }
    Ok(())
}

fn condition(kind: &str, text: &str) -> Value {
    json!({ "type": kind, "status": "True", "condition": text, "lastTransitionTime": "2026-11-23T12:00:00Z" })
}

/// What Lagoon's user and Lagoon itself receive.
fn show(finished: &Finished) -> Result<(), Box<dyn Error>> {
    headline("What the user sees: the task's log");
    print!("{}", finished.log);
    headline("What the API server recorded of the task");
    for request in &finished.requests {
        println!("{:<6} {:<15} {}", request.verb, request.resource, request.status.unwrap_or_default());
    }
    headline("What Lagoon receives");
    println!("annotation lagoon.sh/taskData: {}", finished.annotation.as_deref().unwrap_or("(none)"));
    let decoded = finished.result.as_ref().map(serde_json::to_string_pretty).transpose()?;
    println!("decoded: {}", decoded.as_deref().unwrap_or("(nothing)"));
    match finished.exit_code {
        Some(code) => println!("exit code: {code}"),
        None => println!("ended by signal {}", finished.signal.unwrap_or_default()),
    }
    Ok(())
}

fn headline(text: &str) {
    println!("\n== {text} ==");
}

/// Builds the task's binary as this demo was built, and answers where it is: beside the folder of the examples.
fn build_task() -> Result<PathBuf, Box<dyn Error>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--bin", "activestandby"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    if !cargo.status()?.success() {
        return Err("The task could not be built.".into());
    }
    let examples = std::env::current_exe()?;
    let folder = examples.parent().and_then(|folder| folder.parent()).ok_or("The demo runs from a strange place.")?;
    Ok(folder.join("activestandby"))
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
