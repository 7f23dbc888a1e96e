//! What the controller says about itself when it cannot work, and that it answers whoever else asks.

use hostmigration::HostMigration;
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use lagoon_task_testing::until_so;
use serde_json::json;
use switch_testing::Shop;

use crate::controller_bench::{MANIFEST, NAME, Replica, Turn, ask, conditions};
use crate::controller_rights::is_allowed;

/// Waits until the controller is not ready, and says this.
async fn until_it_misses(controller: &Replica<'_>, what: &str) {
    until_so(async || {
        let (status, text) = controller.get("/readyz").await;
        status == 503 && text.contains(what)
    })
    .await;
}

async fn until_ready(controller: &Replica<'_>) {
    until_so(async || controller.get("/readyz").await.0 == 200).await;
}

#[tokio::test]
async fn missing_rights_are_named_until_they_are_given() {
    let turn = Turn::take().await;
    let roles = Api::<ClusterRole>::all(turn.client());
    let mut role = roles.get("lagoon-task-hostmigration-controller").await.unwrap();
    let is_about_secrets = |resources: &Option<Vec<String>>| resources.iter().flatten().any(|one| one == "secrets");
    role.rules.as_mut().unwrap().retain(|rule| !is_about_secrets(&rule.resources));
    roles.replace("lagoon-task-hostmigration-controller", &PostParams::default(), &role).await.unwrap();
    until_so(async || !is_allowed(&turn, "create", "", "secrets").await).await;

    let controller = turn.start().await;
    controller.until_it_serves().await;
    for verb in ["create", "delete", "get"] {
        until_it_misses(&controller, &format!("missing right: {verb} secrets\n")).await;
    }
    assert_eq!(controller.metric("rights_missing").await, "3");
    assert_eq!(controller.get("/healthz").await.0, 200);

    turn.control_plane.apply(MANIFEST).await.unwrap();
    until_ready(&controller).await;
    assert_eq!(controller.metric("rights_missing").await, "0");
    let log = controller.stop().await.log;
    assert_eq!(log.matches("The controller may not: create secrets, delete secrets, get secrets.").count(), 1, "{log}");
}

#[tokio::test]
async fn missing_definition_is_named_until_it_is_installed() {
    let turn = Turn::take().await;
    remove_finalizers(&turn).await;
    let definitions = Api::<CustomResourceDefinition>::all(turn.client());
    let name = "hostmigrations.dioscuri.amazee.io";
    definitions.delete(name, &DeleteParams::default()).await.unwrap();
    until_so(async || definitions.get_opt(name).await.unwrap().is_none()).await;

    let controller = turn.start().await;
    controller.until_it_serves().await;
    until_it_misses(&controller, "missing definition: hostmigrations.dioscuri.amazee.io\n").await;
    until_it_misses(&controller, "watch: broken, last success never: this cluster does not know its kind\n").await;
    assert_eq!(controller.metric("definition_missing").await, "1");
    assert_eq!(controller.metric("watch_synced").await, "0");

    turn.control_plane.apply(&hostmigration::definition_yaml().unwrap()).await.unwrap();
    until_ready(&controller).await;
    assert_eq!(controller.metric("definition_missing").await, "0");
    assert_eq!(controller.metric("watch_synced").await, "1");
    assert_ne!(controller.metric("watch_last_success_timestamp_seconds").await, "0");
    let shop = Shop::with_routes(turn.control_plane, "installed-late").await;
    ask(&shop.site, NAME, &shop.active).await;
    assert_eq!(conditions(&turn.until_ended(&shop, NAME).await), ["started", "completed"]);
    // However often it has tried.
    let log = controller.stop().await.log;
    assert_eq!(log.matches("cannot be watched: this cluster does not know its kind").count(), 1, "{log}");
    assert_eq!(log.matches("are watched again").count(), 1, "{log}");
}

/// Objects of earlier tests would block the definition's deletion.
async fn remove_finalizers(turn: &Turn) {
    let all = Api::<HostMigration>::all(turn.client()).list(&ListParams::default()).await.unwrap();
    for object in all.into_iter().filter(|object| !object.finalizers().is_empty()) {
        let api = Api::<HostMigration>::namespaced(turn.client(), &object.namespace().unwrap());
        let patch = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
        api.patch(&object.name_any(), &PatchParams::default(), &patch).await.unwrap();
    }
}

#[tokio::test]
async fn clients_that_say_nothing_hold_up_no_probe() {
    let turn = Turn::take().await;
    let controller = turn.start().await;
    controller.until_it_serves().await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(controller.connect().await);
    }
    assert_eq!(controller.get("/healthz").await.0, 200);
    assert_eq!(controller.get("/readyz").await.0, 200);
    drop(silent);
    controller.until_it_leads().await;
    controller.stop().await;
}
