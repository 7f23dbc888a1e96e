//! What an operator is alerted of: each is broken for real, and the metric has the value that the row of "Worth an alert" in
//! docs/install.md asks for. Other rows are shown by other tests of this suite, which the table names.

use hostmigration::HostMigration;
use http::Method;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use lagoon_task_testing::{Fault, FaultProxy, HostGuard, Passing, every, once, until_so};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use switch_testing::{INGRESSES, Shop, forged};

use crate::controller_bench::{MANIFEST, NAME, Replica, Turn, ask, conditions, give_lease_to, holding_the_first_route};
use crate::controller_rights::is_allowed;

/// Waits until this metric has this value.
async fn until_metric(controller: &Replica<'_>, name: &str, value: &str) {
    until_so(async || controller.metric(name).await == value).await;
}

/// A request for a switch of the namespace's environment.
fn request(name: &str) -> Value {
    json!({
        "apiVersion": "dioscuri.amazee.io/v1",
        "kind": "HostMigration",
        "metadata": { "name": name, "annotations": { "dioscuri.amazee.io/migrate": "true" } },
        "spec": { "destinationNamespace": "elsewhere" },
    })
}

#[tokio::test]
async fn host_that_a_switch_leaves_offline_is_counted_until_it_is_live() {
    let turn = Turn::take().await;
    let shop = Shop::empty(turn.control_plane, "host-offline").await;
    shop.add_routes(&shop.active, "host-offline", &["www"]).await;
    let _guard = HostGuard::install(turn.control_plane, &shop.site.standby).await.unwrap();
    // Once the route is deleted the cluster takes it nowhere, neither there nor back.
    let refuses = Arc::new(AtomicBool::new(true));
    let is_refused = Arc::clone(&refuses);
    let proxy = FaultProxy::start(turn.control_plane, move |passing: &Passing| {
        let is_create = passing.method == Method::POST && !passing.uri.contains("dryRun");
        let is_route = is_create && passing.uri.contains("/ingresses");
        if is_route && is_refused.load(Ordering::SeqCst) { Fault::AnsweredInstead(422, None) } else { Fault::None }
    });
    let proxy = proxy.await.unwrap();
    let controller = turn.start_through(&proxy).await;
    controller.until_it_leads().await;
    ask(&shop.site, NAME, &shop.active).await;
    until_metric(&controller, "hosts_offline", "1").await;
    until_metric(&controller, "switches_unended", "1").await;
    assert_eq!(shop.names(&shop.active, INGRESSES).await, [""; 0]);

    refuses.store(false, Ordering::SeqCst);
    let object = turn.until_ended(&shop, NAME).await;
    assert_eq!(conditions(&object), ["started", "completed"]);
    until_metric(&controller, "hosts_offline", "0").await;
    controller.stop().await;
}

#[tokio::test]
async fn switch_that_takes_long_is_counted_as_under_way() {
    let turn = Turn::take().await;
    let shop = Shop::with_routes(turn.control_plane, "slow").await;
    let proxy = holding_the_first_route(&turn, |_| Fault::None).await;
    let controller = turn.start_through(&proxy).await;
    ask(&shop.site, NAME, &shop.active).await;
    proxy.until_held().await.unwrap();
    assert_eq!(controller.metric("switches_under_way").await, "1");
    proxy.release();
    turn.until_ended(&shop, NAME).await;
    until_metric(&controller, "switches_under_way", "0").await;
    controller.stop().await;
}

#[tokio::test]
async fn object_that_waits_for_its_first_attempt_is_counted() {
    let turn = Turn::take().await;
    let shop = Shop::with_routes(turn.control_plane, "waits").await;
    let proxy = holding_the_first_route(&turn, |_| Fault::None).await;
    let controller = turn.start_through(&proxy).await;
    ask(&shop.site, NAME, &shop.active).await;
    proxy.until_held().await.unwrap();
    // One of a namespace is carried out at a time.
    ask(&shop.site, "host-migration-next", &shop.active).await;
    until_metric(&controller, "queue_waiting", "1").await;
    proxy.release();
    turn.until_ended(&shop, "host-migration-next").await;
    until_metric(&controller, "queue_waiting", "0").await;
    controller.stop().await;
}

#[tokio::test]
async fn objects_that_are_tried_again_are_counted() {
    let turn = Turn::take().await;
    let namespace = json!({ "metadata": { "name": "tried-again" } });
    let namespaces = Api::<Namespace>::all(turn.client());
    namespaces.create(&PostParams::default(), &serde_json::from_value(namespace).unwrap()).await.unwrap();
    let objects = (0..12).map(|number| request(&format!("tried-again-{number}"))).collect();
    turn.control_plane.create_all("tried-again", objects).await.unwrap();
    let is_read =
        |passing: &Passing| passing.method == Method::GET && passing.uri.contains("/hostmigrations/tried-again-");
    let proxy = FaultProxy::start(turn.control_plane, every(Fault::AnsweredInstead(422, None), is_read)).await.unwrap();
    let controller = turn.start_through(&proxy).await;
    controller.until_it_leads().await;
    until_metric(&controller, "queue_trying_again", "12").await;
    assert_eq!(controller.metric("switches_blocked").await, "12");
    controller.kill().await;
    let objects = Api::<HostMigration>::namespaced(turn.client(), "tried-again");
    objects.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
}

#[tokio::test]
async fn watch_without_rights_is_not_synced_while_the_replica_leads() {
    let turn = Turn::take().await;
    let bindings = Api::<ClusterRoleBinding>::all(turn.client());
    bindings.delete("lagoon-task-hostmigration-controller", &DeleteParams::default()).await.unwrap();
    until_so(async || !is_allowed(&turn, "list", "dioscuri.amazee.io", "hostmigrations").await).await;
    let controller = turn.start().await;
    controller.until_it_leads().await;
    until_metric(&controller, "leader", "1").await;
    controller.running.wait_for_line("cannot be watched").await.unwrap();
    assert_eq!(controller.metric("watch_synced").await, "0");
    until_so(async || controller.get("/readyz").await.0 == 503).await;

    turn.control_plane.apply(MANIFEST).await.unwrap();
    until_metric(&controller, "watch_synced", "1").await;
    until_metric(&controller, "rights_missing", "0").await;
    // It has asked for what it had no right to.
    controller.kill().await;
}

#[tokio::test]
async fn watch_of_which_nothing_is_heard_has_no_last_success() {
    let turn = Turn::take().await;
    let is_list = |passing: &Passing| passing.uri.contains("/v1/hostmigrations?") && !passing.is_watch();
    let proxy = FaultProxy::start(turn.control_plane, once(Fault::AnswerHeld, is_list)).await.unwrap();
    let controller = turn.start_through(&proxy).await;
    proxy.until_held().await.unwrap();
    assert_eq!(controller.metric("leader").await, "1");
    assert_eq!(controller.metric("watch_last_success_timestamp_seconds").await, "0");
    proxy.release();
    until_so(async || controller.metric("watch_last_success_timestamp_seconds").await != "0").await;
    controller.stop().await;
}

#[tokio::test]
async fn journal_that_cannot_be_read_is_counted_and_told_on_it() {
    let turn = Turn::take().await;
    let shop = Shop::with_routes(turn.control_plane, "unreadable").await;
    let mut journal = forged::journal(&json!({}), b"no book");
    journal["data"]["journal.json"] = "no head".into();
    shop.add(&shop.standby, vec![journal]).await;
    let controller = turn.start().await;
    controller.until_it_leads().await;
    until_metric(&controller, "journals_unreadable", "1").await;
    let events: Api<Event> = Api::namespaced(turn.client(), &shop.standby);
    until_so(async || {
        let events = events.list(&ListParams::default()).await.unwrap();
        let is_told = |event: &Event| {
            let about = event.regarding.clone().unwrap_or_default();
            event.reason.as_deref() == Some("Unreadable") && about.name.as_deref() == Some("activestandby-journal")
        };
        events.iter().any(is_told)
    })
    .await;

    // It stops that pair's switches, and no others.
    let other = Shop::with_routes(turn.control_plane, "readable").await;
    ask(&shop.site, NAME, &shop.active).await;
    ask(&other.site, NAME, &other.active).await;
    assert_eq!(conditions(&turn.until_ended(&shop, NAME).await), ["started", "failed"]);
    assert_eq!(conditions(&turn.until_ended(&other, NAME).await), ["started", "completed"]);
    assert_eq!(controller.metric("journals_unreadable").await, "1");
    controller.stop().await;
}

#[tokio::test]
async fn switch_that_panics_is_counted_and_ends_no_other() {
    let turn = Turn::take().await;
    let shop = Shop::with_routes(turn.control_plane, "panics").await;
    let controller = turn.start_with_mutant("switch-panics").await;
    controller.until_it_leads().await;
    ask(&shop.site, NAME, &shop.active).await;
    until_metric(&controller, "attempts_panicked_total", "1").await;
    until_metric(&controller, "switches_unended", "1").await;
    let other = Shop::with_routes(turn.control_plane, "beside-the-panic").await;
    ask(&other.site, NAME, &other.active).await;
    assert_eq!(conditions(&turn.until_ended(&other, NAME).await), ["started", "completed"]);
    let log = controller.stop().await.log;
    let line =
        log.lines().find(|line| line.contains("The attempt crashed because of a bug in the controller.")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["namespace"], &line["hostmigration"]), (&json!("panics-develop"), &json!(NAME)));
    assert!(line["place"].as_str().unwrap().contains("mutants.rs"), "{line}");
    assert!(!log.contains("a test has planted this"), "{log}");

    // It has left its switch as if it had been killed.
    let next = turn.start().await;
    assert_eq!(conditions(&turn.until_ended(&shop, NAME).await), ["started", "completed"]);
    shop.assert_switched("after a panic").await;
    next.stop().await;
}

#[tokio::test]
async fn replica_that_waits_for_the_lease_leads_nothing() {
    let turn = Turn::take().await;
    let first = turn.start().await;
    first.until_it_leads().await;
    give_lease_to(&turn, "a replica that is gone").await;
    first.finish(1).await;
    let waiting = turn.start().await;
    waiting.until_it_serves().await;
    assert_eq!(waiting.metric("leader").await, "0");
    waiting.stop().await;
}
