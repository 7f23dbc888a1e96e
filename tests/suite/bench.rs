//! What the tests of this suite share: one control plane, and the part of the cluster's controller.

use std::path::PathBuf;
use std::pin::pin;
use std::process::Command;
use std::time::Duration;

use futures::StreamExt;
use kube::api::{Api, Patch, PatchParams, WatchEvent, WatchParams};
use lagoon_task::hostmigration::{self, HostMigration};
use lagoon_task_testing::{ControlPlane, FaultProxy, Finished, LagoonEnvironment, Launcher, Passing, Running, Task};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// The binary under test.
pub const ACTIVESTANDBY: &str = env!("CARGO_BIN_EXE_activestandby");

static CONTROL_PLANE: OnceCell<ControlPlane> = OnceCell::const_new();

/// The control plane that all tests share, with the custom resource and its rights installed.
pub async fn control_plane() -> &'static ControlPlane {
    CONTROL_PLANE.get_or_init(new_control_plane).await
}

/// A control plane for one test, which may break it.
pub async fn new_control_plane() -> ControlPlane {
    let control_plane = ControlPlane::start().await.unwrap();
    control_plane.apply(&hostmigration::definition_yaml().unwrap()).await.unwrap();
    control_plane.apply(include_str!("../../deploy/hostmigration-deployer.yaml")).await.unwrap();
    control_plane
}

/// A site with its two environments, as Lagoon has them before a switch.
pub struct Site<'bench> {
    pub launcher: Launcher<'bench>,
    pub standby: LagoonEnvironment,
    pub active: LagoonEnvironment,
    control_plane: &'bench ControlPlane,
}

impl<'bench> Site<'bench> {
    pub async fn new(control_plane: &'bench ControlPlane, project: &str) -> Self {
        let launcher = Launcher::new(control_plane);
        let standby = launcher.environment(project, "develop").await.unwrap();
        let active = launcher.environment(project, "main").await.unwrap();
        launcher.allow_switch(&standby, &active).await.unwrap();
        Self { launcher, standby, active, control_plane }
    }

    /// The payload of a switch, as Lagoon 2.16 sends it.
    pub fn payload(&self, name: &str) -> Value {
        json!({
            "productionEnvironment": "main",
            "standbyEnvironment": "develop",
            "crd": {
                "apiVersion": "dioscuri.amazee.io/v1",
                "kind": "HostMigration",
                "metadata": { "name": name, "annotations": { "dioscuri.amazee.io/migrate": "true" } },
                "spec": { "destinationNamespace": self.active.namespace, "activeEnvironment": "main" },
            },
        })
    }

    pub fn task(&self, payload: &Value) -> Task<'bench> {
        self.launcher.task(&self.standby, ACTIVESTANDBY).payload(payload)
    }

    pub fn client(&self) -> kube::Client {
        self.control_plane.client().unwrap()
    }

    pub fn migrations(&self) -> Api<HostMigration> {
        Api::namespaced(self.client(), &self.standby.namespace)
    }

    /// Waits until the object is there, as the controller would.
    pub async fn until_created(&self, name: &str) -> HostMigration {
        let parameters = WatchParams::default().fields(&format!("metadata.name={name}"));
        let api = self.migrations();
        let mut events = pin!(api.watch(&parameters, "0").await.unwrap());
        while let Some(event) = events.next().await {
            if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event.unwrap() {
                return object;
            }
        }
        panic!("the watch for {name} ended");
    }

    /// Patches the object as the controller does: conditions and hosts in one request.
    pub async fn patch(&self, name: &str, patch: Value) {
        self.migrations().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// Ends the switch well, as soon as the object is there, and waits for the task. One that ends by itself before
    /// is not waited for.
    pub async fn complete_and_finish(&self, name: &str, running: Running<'_>) -> Finished {
        let mut finish = pin!(running.finish());
        tokio::select! {
            finished = &mut finish => return finished.unwrap(),
            () = self.complete(name) => {}
        }
        finish.await.unwrap()
    }

    /// Ends the switch well, as soon as the object is there.
    pub async fn complete(&self, name: &str) {
        self.until_created(name).await;
        self.patch(name, completed()).await;
    }
}

pub fn condition(kind: &str, text: &str) -> Value {
    json!({ "type": kind, "status": "True", "condition": text, "lastTransitionTime": "2026-11-23T12:00:00Z" })
}

/// What the controller writes at the end of a switch that went well.
pub fn completed() -> Value {
    json!({
        "spec": { "hosts": {
            "activeHosts": "https://www.example.com,https://shop.example.com",
            "standbyHosts": "https://standby.example.com",
        }},
        "status": { "conditions": [condition("started", "began"), condition("completed", "all routes moved")] },
    })
}

/// Builds an example with this test's own cargo, features, profile and flags; answers with the path of the binary.
pub fn example(name: &str) -> PathBuf {
    let features: &[&str] = if cfg!(feature = "lagoon-api") { &["--all-features"] } else { &[] };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--example", name, "--message-format=json"]).args(features);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    // What cargo sets for this test would have it build ring, and all that stands on it, once more now and once more later.
    let of_this_package = |name: &String| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for name in std::env::vars().map(|(name, _)| name).filter(of_this_package) {
        cargo.env_remove(name);
    }
    let built = cargo.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let messages = String::from_utf8(built.stdout).unwrap();
    let artifact = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|message| message["target"]["name"] == name)
        .unwrap();
    artifact["executable"].as_str().unwrap().into()
}

/// What a test waits for and has not come by then will not come.
const PATIENCE: Duration = Duration::from_mins(3);

/// Waits until `condition` holds.
pub async fn until(condition: impl Fn() -> bool) {
    until_so(async || condition()).await;
}

/// The same of a condition that is asked for.
pub async fn until_so(condition: impl AsyncFn() -> bool) {
    let mut look = tokio::time::interval(Duration::from_millis(5));
    let looks = async {
        while !condition().await {
            look.tick().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, looks).await.is_ok(), "what was waited for has not come");
}

/// Waits until the proxy holds a request of the task, or the task has ended without one: then there is none.
pub async fn held_or_ended(proxy: &FaultProxy, running: &mut Running<'_>) -> Option<Passing> {
    tokio::select! {
        biased;
        held = proxy.until_held() => Some(held.unwrap()),
        _ = running.exit() => None,
    }
}
