//! A site with two environments, and the part of the controller in a switch by way of a `HostMigration`.

use std::pin::pin;

use futures::StreamExt;
use hostmigration::HostMigration;
use kube::api::{Api, Patch, PatchParams, WatchEvent, WatchParams};
use lagoon_task_testing::{ControlPlane, Finished, LagoonEnvironment, Launcher, Running, Task, built};
use serde_json::{Value, json};

/// A site with its two environments, as Lagoon has them before a switch.
pub struct Site<'bench> {
    /// Starts its tasks.
    pub launcher: Launcher<'bench>,
    /// The standby environment, `develop`.
    pub standby: LagoonEnvironment,
    /// The active environment, `main`.
    pub active: LagoonEnvironment,
    control_plane: &'bench ControlPlane,
}

impl<'bench> Site<'bench> {
    /// Creates both environments, with the rights that Lagoon gives for a switch.
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

    /// The task that Lagoon starts in the standby environment.
    pub fn task(&self, payload: &Value) -> Task<'bench> {
        self.launcher.task(&self.standby, built("activestandby").unwrap()).payload(payload)
    }

    /// A client with all rights.
    pub fn client(&self) -> kube::Client {
        self.control_plane.client().unwrap()
    }

    /// The `HostMigrations` of the standby environment.
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

/// A condition of a `HostMigration`, as the controller writes it.
#[must_use]
pub fn condition(kind: &str, text: &str) -> Value {
    json!({ "type": kind, "status": "True", "condition": text, "lastTransitionTime": "2026-11-23T12:00:00Z" })
}

/// What the controller writes at the end of a switch that went well.
#[must_use]
pub fn completed() -> Value {
    json!({
        "spec": { "hosts": {
            "activeHosts": "https://www.example.com,https://shop.example.com",
            "standbyHosts": "https://standby.example.com",
        }},
        "status": { "conditions": [condition("started", "began"), condition("completed", "all routes moved")] },
    })
}
