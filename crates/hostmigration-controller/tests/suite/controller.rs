//! The controller, from the object's creation to the routes' new places.

use std::collections::BTreeMap;

use hostmigration::HostMigration;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use lagoon_task_testing::{Fault, FaultProxy, Passing, first, ingress, service};
use serde_json::{Value, json};

use crate::controller_bench::{NAME, Turn, ask, ask_again, conditions, create, delete, last_words};
use switch_testing::{CONFIG_MAPS, INGRESSES, Shop, forged, host, pod};

fn url(project: &str, names: [&str; 2]) -> String {
    names.map(|name| format!("https://{}", host(project, name))).join(",")
}

#[tokio::test]
async fn the_crd_way_needs_nothing_but_the_task_and_the_controller() {
    let turn = Turn::take().await;
    let shop = Shop::with_routes(turn.control_plane, "whole").await;
    let controller = turn.start().await;
    let finished = shop.site.task(&shop.site.payload(NAME)).launch().await.unwrap().finish().await.unwrap();

    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    let (active, standby) = (url("whole", ["shop", "www"]), url("whole", ["preview", "standby"]));
    // In this way Lagoon swaps the environments' names itself.
    let result = json!({
        "status": "Completed",
        "productionEnvironment": "main",
        "standbyProductionEnvironment": "develop",
        "productionRoutes": active,
        "standbyRoutes": standby,
    });
    assert_eq!(finished.result, Some(result));
    shop.assert_switched(&finished.log).await;

    let object = turn.until_ended(&shop, NAME).await;
    assert_eq!(conditions(&object), ["started", "completed"]);
    assert_eq!(last_words(&object), "moved 2 routes to whole-develop, 2 routes to whole-main");
    let hosts = object.spec.hosts.unwrap();
    assert_eq!((hosts.active_hosts, hosts.standby_hosts), (active, standby));
    assert_eq!(object.metadata.annotations.unwrap()["dioscuri.amazee.io/migrate"], "false");

    turn.until_journal(&shop.standby, "reported").await;
    assert_eq!(events(&shop).await, ["Completed", "Started"]);
    assert_eq!(controller.get("/healthz").await.0, 200);
    assert_eq!(controller.get("/readyz").await.0, 200);
    assert_eq!(controller.get("/elsewhere").await.0, 404);
    for (metric, value) in [
        ("switches_started_total", "1"),
        ("switches_completed_total", "1"),
        ("switches_failed_total", "0"),
        ("switches_under_way", "0"),
        ("switch_duration_seconds_count", "1"),
        ("leader", "1"),
    ] {
        assert_eq!(controller.metric(metric).await, value, "{metric}");
    }
    let stopped = controller.stop().await;
    let lines: Vec<Value> = stopped.log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let about: Vec<&Value> = lines.iter().filter(|line| line["hostmigration"] == NAME).collect();
    assert!(about.len() >= 4 && about.iter().all(|line| line["namespace"] == "whole-develop"), "{}", stopped.log);
}

/// The reasons of the Events on the object, in the order of the alphabet.
async fn events(shop: &Shop<'_>) -> Vec<String> {
    let events: Api<Event> = Api::namespaced(shop.site.client(), &shop.standby);
    let events = events.list(&ListParams::default()).await.unwrap();
    let about = |event: &Event| event.regarding.clone().unwrap().name.unwrap();
    let of_the_object = events.into_iter().filter(|event| about(event) == NAME);
    let mut reasons: Vec<String> = of_the_object.filter_map(|event| event.reason).collect();
    reasons.sort();
    reasons
}

#[tokio::test]
async fn a_switch_that_cannot_be_done_fails_with_its_reason_and_is_tried_again_only_when_it_is_asked_for() {
    let turn = Turn::take().await;
    let shop = Shop::with_routes(turn.control_plane, "retried").await;
    shop.add(&shop.standby, vec![ingress("api", "api.example.com", "api", None)]).await;
    let before = shop.content().await;
    let controller = turn.start().await;
    let finished = shop.site.task(&shop.site.payload(NAME)).launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    let last = finished.log.lines().last().unwrap();
    assert!(last.starts_with("The switch failed; the cluster's controller says: "), "{last}");
    assert!(last.contains("Service \\\"api\\\"") || last.contains("Service \"api\""), "{last}");

    let failed = turn.until_ended(&shop, NAME).await;
    assert_eq!(conditions(&failed), ["started", "failed"]);
    assert!(last_words(&failed).contains("namespace \"retried-main\" has none"), "{}", last_words(&failed));
    assert!(last_words(&failed).ends_with("Nothing has changed."), "{}", last_words(&failed));
    assert_eq!(failed.spec.hosts, None);
    assert_eq!(shop.content().await, before);

    // The cause is gone, and the object is looked at once more, but nobody asks.
    shop.add(&shop.active, vec![service("api")]).await;
    shop.site.patch(NAME, json!({ "metadata": { "labels": { "touched": "true" } } })).await;
    let next = Shop::with_routes(turn.control_plane, "retried-next").await;
    ask(&next.site, NAME, &next.active).await;
    turn.until_ended(&next, NAME).await;
    assert_eq!(conditions(&shop.site.migrations().get(NAME).await.unwrap()), ["started", "failed"]);
    assert_eq!(shop.content().await, before);

    ask_again(&shop.site, NAME).await;
    let completed = turn.until_ended(&shop, NAME).await;
    let words = last_words(&completed);
    assert_eq!(conditions(&completed), ["started", "failed", "started", "completed"], "{words}");
    assert_eq!(shop.names(&shop.active, INGRESSES).await, ["api", "preview", "standby"]);
    assert_eq!(controller.metric("switches_failed_total").await, "1");
    controller.stop().await;
}

#[tokio::test]
async fn a_destination_that_is_none_or_not_of_the_same_project_fails_and_nothing_changes() {
    let turn = Turn::take().await;
    let shop = Shop::with_routes(turn.control_plane, "strict").await;
    let foreign = Shop::with_routes(turn.control_plane, "foreign").await;
    let before = (shop.content().await, foreign.content().await);
    let controller = turn.start().await;
    for (number, (destination, reason)) in [
        ("", "spec.destinationNamespace is missing"),
        ("Not A Namespace", "is not the name of a Kubernetes namespace"),
        ("strict-develop", "is its own namespace"),
        ("strict-nowhere", "there is no namespace of that name"),
        ("foreign-main", "does not belong to the same Lagoon project"),
        ("kube-system", "does not belong to the same Lagoon project"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("host-migration-{number}");
        ask(&shop.site, &name, destination).await;
        let object = turn.until_ended(&shop, &name).await;
        assert_eq!(conditions(&object), ["started", "failed"], "{destination}");
        assert!(last_words(&object).contains(reason), "{destination}: {}", last_words(&object));
        assert!(last_words(&object).contains("Nothing has changed."), "{destination}: {}", last_words(&object));
    }
    assert_eq!((shop.content().await, foreign.content().await), before);
    controller.stop().await;
}

/// A development environment's deployer may create the object too, and took the routes and keys of production.
#[tokio::test]
async fn a_development_environment_is_not_switched_with_production_unless_the_operator_says_so() {
    let turn = Turn::take().await;
    let shop = Shop::with_routes(turn.control_plane, "development").await;
    let namespaces = Api::<Namespace>::all(turn.client());
    let development = json!({ "metadata": { "labels": { "lagoon.sh/environmentType": "development" } } });
    namespaces.patch(&shop.standby, &PatchParams::default(), &Patch::Merge(&development)).await.unwrap();
    let before = shop.content().await;
    let controller = turn.start().await;
    ask(&shop.site, NAME, &shop.active).await;
    let object = turn.until_ended(&shop, NAME).await;
    assert_eq!(conditions(&object), ["started", "failed"]);
    let says = "Namespace \"development-develop\" is not one of the two production environments";
    assert!(last_words(&object).starts_with(says), "{}", last_words(&object));
    assert_eq!(shop.content().await, before);
    controller.stop().await;

    let controller = turn.start_with(&["--any-environment-type"]).await;
    ask_again(&shop.site, NAME).await;
    let object = turn.until_ended(&shop, NAME).await;
    assert_eq!(conditions(&object), ["started", "failed", "started", "completed"], "{}", last_words(&object));
    shop.assert_switched("an operator's flag").await;
    controller.stop().await;
}

#[tokio::test]
async fn two_namespaces_that_belong_to_no_project_are_not_switched() {
    let turn = Turn::take().await;
    let controller = turn.start().await;
    for name in ["platform", "somebody"] {
        let namespace = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
        let namespaces = Api::<Namespace>::all(turn.client());
        namespaces.create(&PostParams::default(), &namespace).await.unwrap();
        let route = ingress(name, &format!("{name}.example.com"), "web", None);
        turn.control_plane.create_all(name, vec![service("web"), route]).await.unwrap();
    }
    let object = json!({
        "apiVersion": "dioscuri.amazee.io/v1",
        "kind": "HostMigration",
        "metadata": { "name": NAME, "annotations": { "dioscuri.amazee.io/migrate": "true" } },
        "spec": { "destinationNamespace": "platform" },
    });
    turn.control_plane.create_all("somebody", vec![object]).await.unwrap();
    let failed = |object: Option<&HostMigration>| {
        object.is_some_and(|object| last_words(object).contains("does not belong to the same Lagoon project"))
    };
    turn.until("somebody", NAME, failed).await;
    let routes = turn.control_plane.list_all("platform", INGRESSES).await.unwrap();
    assert_eq!(routes[0]["metadata"]["name"], "platform");
    controller.stop().await;
}

#[tokio::test]
async fn the_archived_controllers_finalizer_does_not_keep_a_deleted_object() {
    let turn = Turn::take().await;
    let shop = Shop::empty(turn.control_plane, "leftover").await;
    let controller = turn.start().await;
    let metadata = json!({
        "name": NAME,
        "annotations": { "dioscuri.amazee.io/migrate": "false" },
        "finalizers": ["finalizer.dioscuri.amazee.io/v1"],
    });
    let object = json!({
        "apiVersion": "dioscuri.amazee.io/v1",
        "kind": "HostMigration",
        "metadata": metadata,
        "spec": { "destinationNamespace": shop.active },
    });
    create(&shop.site, object).await;
    delete(&shop.site, NAME).await;
    turn.until::<HostMigration>(&shop.standby, NAME, |object| object.is_none()).await;
    controller.stop().await;
}

/// An object as the archived controller leaves it behind when it dies in the middle, or finds no destination.
fn left_behind(shop: &Shop<'_>, name: &str) -> Value {
    json!({
        "apiVersion": "dioscuri.amazee.io/v1",
        "kind": "HostMigration",
        "metadata": {
            "name": name,
            "annotations": { "dioscuri.amazee.io/migrate": "false" },
            "finalizers": ["finalizer.dioscuri.amazee.io/v1"],
        },
        "spec": { "destinationNamespace": shop.active },
        "status": { "conditions": [{
            "type": "started", "status": "True", "condition": "", "lastTransitionTime": "2024-01-01T00:00:00Z",
        }] },
    })
}

#[tokio::test]
async fn what_the_archived_controller_has_begun_and_left_behind_moves_no_route() {
    let turn = Turn::take().await;
    let shop = Shop::with_routes(turn.control_plane, "left-behind").await;
    let before = shop.content().await;
    create(&shop.site, left_behind(&shop, NAME)).await;
    create(&shop.site, left_behind(&shop, "host-migration-deleted")).await;
    delete(&shop.site, "host-migration-deleted").await;
    let controller = turn.start().await;
    let object = turn.until_ended(&shop, NAME).await;
    assert_eq!(conditions(&object), ["started", "failed"]);
    assert!(last_words(&object).starts_with("Another controller has begun this"), "{}", last_words(&object));
    turn.until::<HostMigration>(&shop.standby, "host-migration-deleted", |object| object.is_none()).await;
    assert_eq!(shop.content().await, before);
    assert_eq!(shop.names(&shop.standby, CONFIG_MAPS).await, [""; 0]);

    // It can be asked for again like any other that failed.
    ask_again(&shop.site, NAME).await;
    let object = turn.until_ended(&shop, NAME).await;
    assert_eq!(conditions(&object), ["started", "failed", "started", "completed"]);
    shop.assert_switched("asked for again").await;
    controller.stop().await;
}

#[tokio::test]
async fn a_site_without_routes_is_switched_all_the_same() {
    let turn = Turn::take().await;
    let shop = Shop::empty(turn.control_plane, "bare").await;
    let controller = turn.start().await;
    ask(&shop.site, NAME, &shop.active).await;
    let object = turn.until_ended(&shop, NAME).await;
    assert_eq!(conditions(&object), ["started", "completed"]);
    let hosts = object.spec.hosts.unwrap();
    assert_eq!((hosts.active_hosts.as_str(), hosts.standby_hosts.as_str()), ("", ""));
    controller.stop().await;
}

#[tokio::test]
async fn a_switch_and_the_switch_back_leave_everything_as_it_was() {
    let turn = Turn::take().await;
    let shop = Shop::with_routes(turn.control_plane, "there-and-back").await;
    let before = shop.content().await;
    let controller = turn.start().await;
    ask(&shop.site, NAME, &shop.active).await;
    turn.until_ended(&shop, NAME).await;
    shop.assert_switched("there").await;

    let mut object = shop.site.payload(NAME)["crd"].take();
    object["metadata"]["namespace"] = shop.active.as_str().into();
    object["spec"]["destinationNamespace"] = shop.standby.as_str().into();
    turn.control_plane.create_all(&shop.active, vec![object]).await.unwrap();
    let ended = |object: Option<&HostMigration>| object.is_some_and(|object| conditions(object).len() == 2);
    turn.until(&shop.active, NAME, ended).await;
    let after: BTreeMap<String, Value> = shop.content().await;
    assert_eq!(after, before);
    controller.stop().await;
}

#[tokio::test]
async fn a_switch_that_another_run_is_at_fails_at_once_and_says_who_that_is() {
    let turn = Turn::take().await;
    let shop = Shop::with_routes(turn.control_plane, "contended").await;
    let creates_route =
        |passing: &Passing| passing.method == http::Method::POST && passing.uri.ends_with("/ingresses?");
    let proxy = FaultProxy::start(turn.control_plane, first(1, Fault::AnswerHeld, creates_route)).await.unwrap();
    let direct = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    let controller = turn.start().await;
    ask(&shop.site, NAME, &shop.active).await;
    let object = turn.until_ended(&shop, NAME).await;
    assert_eq!(conditions(&object), ["started", "failed"]);
    let says = format!("Another run of this switch is under way: Pod \"{}\"", direct.pod_name());
    assert!(last_words(&object).starts_with(&says), "{}", last_words(&object));
    proxy.release();
    let finished = direct.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    shop.assert_switched("by the run that was at it").await;
    controller.stop().await;
}

/// A journal that somebody has written by hand, of a switch that this holder has not ended.
async fn forge_holder(shop: &Shop<'_>, kind: &str, name: &str) {
    let mut head = forged::head(&shop.standby, &shop.active, 0);
    head["holder"] = json!({ "kind": kind, "name": name, "uid": "" });
    shop.add(&shop.standby, vec![forged::journal(&head, &forged::book(&[], &json!([])))]).await;
}

#[tokio::test]
async fn journal_that_names_its_own_object_without_uid_does_not_stop_the_switch() {
    let turn = Turn::take().await;
    let shop = Shop::with_routes(turn.control_plane, "named-itself").await;
    let controller = turn.start().await;
    // When one has been served, the search at the start is over: it would end the switch in the name of an object that is gone.
    let first = Shop::empty(turn.control_plane, "named-itself-first").await;
    ask(&first.site, NAME, &first.active).await;
    turn.until_ended(&first, NAME).await;
    forge_holder(&shop, "HostMigration", NAME).await;
    ask(&shop.site, NAME, &shop.active).await;
    let object = turn.until_ended(&shop, NAME).await;
    assert_eq!(conditions(&object), ["started", "completed"], "{}", last_words(&object));
    shop.assert_switched("a forged holder").await;
    controller.stop().await;
}

#[tokio::test]
async fn journal_of_a_pod_that_never_ends_fails_a_switch_at_once() {
    let turn = Turn::take().await;
    let shop = Shop::with_routes(turn.control_plane, "named-a-pod").await;
    shop.add(&shop.standby, vec![pod("cli", &json!({}), &json!([]))]).await;
    forge_holder(&shop, "Pod", "cli").await;
    let controller = turn.start().await;
    ask(&shop.site, NAME, &shop.active).await;
    let object = turn.until_ended(&shop, NAME).await;
    assert_eq!(conditions(&object), ["started", "failed"]);
    let says = "Another run of this switch is under way: Pod \"cli\" in namespace \"named-a-pod-develop\"";
    assert!(last_words(&object).starts_with(says), "{}", last_words(&object));
    controller.stop().await;
}
