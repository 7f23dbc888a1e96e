//! A policy of the cluster that changes routes when they are created: what would make a switch lose sight of a route is told
//! before the first write, and what does not matter to it makes no duplicates.

use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, PostParams};
use lagoon_task_testing::{Finished, ingress, until_so};
use serde_json::{Value, json};

use crate::evidence::writes;
use switch_testing::{INGRESSES, Shop, control_plane};

const ADDED: &str = "policy.example.com/team";
/// Tells which routes move.
const MIGRATE: &str = "activestandby.lagoon.sh/migrate";
/// Tells the same in older sites.
const LEGACY_MIGRATE: &str = "dioscuri.amazee.io/migrate";
/// Tells which routes a switch has made.
const SWITCH: &str = "activestandby.lagoon.sh/switch";
const RELIED_ON: [&str; 2] = [MIGRATE, SWITCH];

/// Has each route that is created or updated in the namespace changed by the JSON patch that this CEL expression makes. It is
/// in force once a dry create answers with a route that `is_changed`.
async fn change_routes(shop: &Shop<'_>, namespace: &str, patch: &str, is_changed: fn(&Value) -> bool) {
    let ingresses = ("networking.k8s.io", "ingresses");
    shop.add_mutating_policy(namespace, ingresses, &["CREATE", "UPDATE"], patch).await;
    let routes: Api<Ingress> = Api::namespaced(shop.site.client(), namespace);
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let mut probe = ingress("probe", "probe.example.com", "web", None);
    probe["metadata"]["labels"] = json!({ MIGRATE: "true", SWITCH: "probe" });
    let probe: Ingress = serde_json::from_value(probe).unwrap();
    until_so(async || is_changed(&json!(routes.create(&dry_run, &probe).await.unwrap()))).await;
}

/// The patch that adds this label.
fn adds(label: &str, value: &str) -> String {
    format!("[JSONPatch{{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('{label}'), value: '{value}'}}]")
}

/// The run ended with this problem of the standby environment's route, and nothing has been written.
async fn assert_refused(shop: &Shop<'_>, finished: &Finished, field: &str) {
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["preview", "standby"], "{}", finished.log);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, ["shop", "www"], "{}", finished.log);
    let problem = format!("a mutating webhook or policy) changes its {field} when it is created in");
    assert!(finished.log.contains(&problem), "{}", finished.log);
    assert!(writes(finished).is_empty(), "{:#?}", writes(finished));
}

/// A switch of which the standby environment's routes come to be without `label`.
async fn refuse_without(project: &str, label: &'static str) {
    let shop = Shop::with_routes(control_plane().await, project).await;
    let before = shop.content().await;
    let patch = format!(
        "has(object.metadata.labels) && '{label}' in object.metadata.labels \
         ? [JSONPatch{{op: 'remove', path: '/metadata/labels/' + jsonpatch.escapeKey('{label}')}}] : []"
    );
    let is_changed = |route: &Value| {
        let labels = &route["metadata"]["labels"];
        RELIED_ON.iter().any(|label| labels.get(label).is_none())
    };
    change_routes(&shop, &shop.active, &patch, is_changed).await;
    let finished = shop.switch().await;
    assert_refused(&shop, &finished, &format!("metadata.labels.\"{label}\"")).await;
    assert_eq!(shop.content().await, before, "{}", finished.log);
}

#[tokio::test]
async fn policy_that_removes_the_label_of_routes_that_move_is_a_problem_before_the_first_write() {
    refuse_without("removed-migrate", MIGRATE).await;
}

#[tokio::test]
async fn policy_that_removes_the_label_of_the_switch_is_a_problem_before_the_first_write() {
    refuse_without("removed-switch", SWITCH).await;
}

#[tokio::test]
async fn policy_that_adds_a_label_which_the_switch_reads_is_a_problem_before_the_first_write() {
    let shop = Shop::with_routes(control_plane().await, "added-legacy").await;
    let before = shop.content().await;
    let patch = adds(LEGACY_MIGRATE, "false");
    change_routes(&shop, &shop.active, &patch, |route| route["metadata"]["labels"][LEGACY_MIGRATE] == "false").await;
    let finished = shop.switch().await;
    assert_refused(&shop, &finished, &format!("metadata.labels.\"{LEGACY_MIGRATE}\"")).await;
    assert_eq!(shop.content().await, before, "{}", finished.log);
}

#[tokio::test]
async fn policy_that_adds_a_label_makes_no_duplicates_there_and_back() {
    let shop = Shop::with_routes(control_plane().await, "added-label").await;
    let patch = adds(ADDED, "shop");
    let is_changed = |route: &Value| route["metadata"]["labels"][ADDED] == "shop";
    for namespace in [&shop.standby, &shop.active] {
        change_routes(&shop, namespace, &patch, is_changed).await;
    }
    for number in 0..2 {
        let finished = shop.switch().await;
        assert_eq!(finished.exit_code, Some(0), "{number}: {}", finished.log);
        shop.assert_switched(&finished.log).await;
        for namespace in [&shop.standby, &shop.active] {
            assert!(shop.list(namespace, INGRESSES).await.iter().all(is_changed), "{number}: {}", finished.log);
        }
        let again = shop.switch().await;
        assert_eq!((again.exit_code, &again.result), (Some(0), &finished.result), "{number}: {}", again.log);
        assert!(writes(&again).is_empty(), "{number}: {:#?}", writes(&again));

        let back = shop.switch_back().await;
        assert_eq!(back.exit_code, Some(0), "{number}: {}", back.log);
        assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["preview", "standby"], "{number}: {}", back.log);
        assert_eq!(shop.names(&shop.active, INGRESSES).await, ["shop", "www"], "{number}: {}", back.log);
    }
}

#[tokio::test]
async fn policy_that_changes_the_specification_is_a_problem_that_names_the_field() {
    let shop = Shop::with_routes(control_plane().await, "changed-class").await;
    let before = shop.content().await;
    let patch = "[JSONPatch{op: 'add', path: '/spec/ingressClassName', value: 'internal'}]";
    let is_changed = |route: &Value| route["spec"]["ingressClassName"] == "internal";
    change_routes(&shop, &shop.active, patch, is_changed).await;
    let finished = shop.switch().await;
    assert_refused(&shop, &finished, "spec.ingressClassName").await;
    assert_eq!(shop.content().await, before, "{}", finished.log);
}
