//! Routes and Secrets that somebody changes while a switch is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use lagoon_task_testing::{Fault, FaultProxy, Finished, HostGuard, Passing, Running, ingress, tls_secret};
use serde_json::{Value, json};

use crate::interrupted::journal;
use lagoon_task_testing::{first, until};
use switch_testing::control_plane;
use switch_testing::{INGRESSES, SECRETS, Shop, host};

/// A plan that holds the journal, and not what is added to it later: by then the task has seen the routes, and none has
/// moved.
fn hold_the_journal() -> impl FnMut(&Passing) -> Fault + Send + 'static {
    first(1, Fault::RequestHeld, creates_journal_part)
}

fn creates_journal_part(passing: &Passing) -> bool {
    passing.method == Method::POST && passing.uri.contains("/configmaps") && !passing.uri.contains("dryRun")
}

/// Switches a site with one route, which `change` changes after the task has seen it.
async fn switch_and_change(shop: &Shop<'_>, subresource: &str, change: &Value) -> Finished {
    shop.add(&shop.standby, vec![ingress("www", "www.example.com", "web", None)]).await;
    let proxy = FaultProxy::start(control_plane().await, hold_the_journal()).await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    let routes: Api<Ingress> = Api::namespaced(shop.site.client(), &shop.standby);
    let (parameters, patch) = (PatchParams::default(), Patch::Merge(change));
    if subresource == "status" {
        routes.patch_status("www", &parameters, &patch).await.unwrap();
    } else {
        routes.patch("www", &parameters, &patch).await.unwrap();
    }
    proxy.release();
    running.finish().await.unwrap()
}

#[tokio::test]
async fn a_status_that_a_controller_writes_meanwhile_is_no_change_of_the_route() {
    let shop = Shop::empty(control_plane().await, "status-written").await;
    let status = json!({ "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } } });
    let finished = switch_and_change(&shop, "status", &status).await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert!(!finished.log.contains("was changed by somebody"), "{}", finished.log);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, ["www"]);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_route_that_is_changed_meanwhile_arrives_as_it_is_then() {
    let shop = Shop::empty(control_plane().await, "changed-meanwhile").await;
    let change = json!({ "metadata": { "annotations": { "example.com/changed": "yes" } } });
    let finished = switch_and_change(&shop, "", &change).await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    let says = "Ingress \"www\" (www.example.com) was changed by somebody during the switch; it moves as it is now.\n";
    assert_eq!(finished.log.matches(says).count(), 1, "{}", finished.log);
    let moved = shop.list(&shop.active, INGRESSES).await;
    assert_eq!(moved[0]["metadata"]["annotations"]["example.com/changed"], "yes");
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_secret_that_a_changed_route_names_only_now_goes_along_and_its_new_host_is_reported() {
    let shop = Shop::empty(control_plane().await, "renamed-meanwhile").await;
    shop.add(&shop.standby, vec![tls_secret("new-tls", "new.example.com")]).await;
    let changed = ingress("www", "new.example.com", "web", Some("new-tls"));
    let finished = switch_and_change(&shop, "", &json!({ "spec": changed["spec"] })).await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, ["www"]);
    assert_eq!(shop.names(&shop.active, SECRETS).await, ["new-tls"], "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, SECRETS).await, Vec::<String>::new());
    assert_eq!(finished.result.unwrap()["standbyRoutes"], "https://new.example.com", "{}", finished.log);
}

#[tokio::test]
async fn a_changed_route_whose_new_secret_is_another_one_on_the_other_side_stays_where_it_is() {
    let shop = Shop::empty(control_plane().await, "taken-meanwhile").await;
    shop.add(&shop.standby, vec![tls_secret("new-tls", "new.example.com")]).await;
    shop.add(&shop.active, vec![tls_secret("new-tls", "another.example.com")]).await;
    let changed = ingress("www", "new.example.com", "web", Some("new-tls"));
    let finished = switch_and_change(&shop, "", &json!({ "spec": changed["spec"] })).await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("Secret \"new-tls\" in namespace \"taken-meanwhile-main\""), "{}", finished.log);
    let routes = shop.list(&shop.standby, INGRESSES).await;
    assert_eq!(routes[0]["spec"], changed["spec"]);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, Vec::<String>::new());
    for (namespace, host) in [(&shop.standby, "new.example.com"), (&shop.active, "another.example.com")] {
        assert_eq!(shop.list(namespace, SECRETS).await[0]["data"], tls_secret("new-tls", host)["data"]);
    }
}

#[tokio::test]
async fn a_journal_that_meets_a_passing_conflict_is_written_again_before_the_route_goes() {
    let shop = Shop::empty(control_plane().await, "conflict-meanwhile").await;
    let mut parts = 0;
    let plan = move |passing: &Passing| {
        if creates_journal_part(passing) {
            parts += 1;
            return match parts {
                1 => Fault::RequestHeld,
                // The change of the route.
                2 => Fault::AnsweredInstead(409, None),
                _ => Fault::None,
            };
        }
        let deletes = passing.method == Method::DELETE && passing.uri.contains("/ingresses/");
        // An earlier delete is refused, as the route is not what was seen of it.
        let is_held = deletes && !passing.uri.contains("dryRun") && parts > 1;
        if is_held { Fault::RequestHeld } else { Fault::None }
    };
    shop.add(&shop.standby, vec![ingress("www", "www.example.com", "web", None)]).await;
    let proxy = FaultProxy::start(control_plane().await, plan).await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    let routes: Api<Ingress> = Api::namespaced(shop.site.client(), &shop.standby);
    let change = Patch::Merge(json!({ "metadata": { "annotations": { "example.com/changed": "yes" } } }));
    routes.patch("www", &PatchParams::default(), &change).await.unwrap();
    proxy.release();
    proxy.until_held().await.unwrap();
    let journal = journal(&shop).await.to_string();
    assert!(journal.contains("example.com/changed"), "{journal}");
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
}

/// The journal has its only copy then.
#[tokio::test]
async fn changed_route_whose_run_is_killed_while_it_is_offline_arrives_changed() {
    let shop = Shop::empty(control_plane().await, "changed-offline").await;
    shop.add(&shop.standby, vec![ingress("www", "www.changed-offline.example.com", "web", None)]).await;
    let guard = HostGuard::install(control_plane().await, &shop.site.standby).await.unwrap();
    let mut hold_the_journal = hold_the_journal();
    let plan = move |passing: &Passing| {
        let creates = passing.method == Method::POST && passing.uri.contains("/ingresses");
        if creates && !passing.uri.contains("dryRun") { Fault::RequestHeld } else { hold_the_journal(passing) }
    };
    let proxy = FaultProxy::start(control_plane().await, plan).await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    let routes: Api<Ingress> = Api::namespaced(shop.site.client(), &shop.standby);
    let change = Patch::Merge(json!({ "metadata": { "annotations": { "example.com/changed": "yes" } } }));
    routes.patch("www", &PatchParams::default(), &change).await.unwrap();
    proxy.release();
    proxy.until_held().await.unwrap();
    assert_eq!(shop.hosts().await.len(), 0, "it is offline");
    running.signal("KILL").await.unwrap();
    running.finish().await.unwrap();
    until(|| proxy.held() == 0).await;
    let next = shop.switch().await;
    assert_eq!(next.exit_code, Some(0), "{}", next.log);
    let moved = shop.list(&shop.active, INGRESSES).await;
    assert_eq!(moved[0]["metadata"]["annotations"]["example.com/changed"], "yes", "{}", next.log);
    guard.uninstall().await.unwrap();
}

/// A Secret whose create was given up on its way could still come into being, with nobody to take it away again.
#[tokio::test]
async fn a_refused_secret_has_the_others_that_are_on_their_way_end_before_they_are_undone() {
    let shop = Shop::with_routes(control_plane().await, "secret-on-its-way").await;
    let is_released = Arc::new(AtomicBool::new(false));
    let began_early = Arc::new(AtomicBool::new(false));
    let (released, early) = (is_released.clone(), began_early.clone());
    let mut creates = 0;
    let plan = move |passing: &Passing| {
        let is_question = passing.uri.contains("dryRun");
        let is_create = passing.method == Method::POST && passing.uri.contains("/secrets") && !is_question;
        creates += usize::from(is_create);
        let undoes = passing.method == Method::DELETE && !passing.uri.contains("/pods/") && !is_question;
        if undoes && !released.load(Ordering::SeqCst) {
            early.store(true, Ordering::SeqCst);
        }
        match (is_create, creates) {
            (true, 1) => Fault::RequestHeld,
            (true, 2..) => Fault::AnsweredInstead(422, None),
            _ => Fault::None,
        }
    };
    let proxy = FaultProxy::start(shop.control_plane, plan).await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    until(|| creates_refused(&proxy) >= 2).await;
    is_released.store(true, Ordering::SeqCst);
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(!began_early.load(Ordering::SeqCst), "{}", finished.log);
    for namespace in [&shop.standby, &shop.active] {
        assert_eq!(shop.names(namespace, SECRETS).await.len(), 2, "{}", finished.log);
    }
}

fn creates_refused(proxy: &FaultProxy) -> usize {
    proxy.injected().iter().filter(|(_, fault)| matches!(fault, Fault::AnsweredInstead(..))).count()
}

fn deletes_route(passing: &Passing) -> bool {
    passing.method == Method::DELETE && passing.uri.contains("/ingresses/") && !passing.uri.contains("dryRun")
}

fn lists_routes(passing: &Passing) -> bool {
    passing.method == Method::GET && passing.uri.contains("/ingresses") && !passing.is_watch()
}

/// A switch of the active environment's `www`, which has a Secret, that goes on as `plan` says; answers when that holds.
async fn held<'bench>(
    project: &str,
    plan: impl FnMut(&Passing) -> Fault + Send + 'static,
) -> (Shop<'bench>, FaultProxy, Running<'bench>) {
    let shop = Shop::empty(control_plane().await, project).await;
    shop.add_routes(&shop.active, project, &["www"]).await;
    let proxy = FaultProxy::start(shop.control_plane, plan).await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    (shop, proxy, running)
}

/// Has the Secret of [`held`]'s route hold something else in this namespace.
async fn renew(shop: &Shop<'_>, namespace: &str, content: &str) {
    let secrets: Api<Secret> = Api::namespaced(shop.site.client(), namespace);
    let renewed = Patch::Merge(json!({ "data": tls_secret("www-tls", content)["data"] }));
    secrets.patch("www-tls", &PatchParams::default(), &renewed).await.unwrap();
}

/// What the only Secret of a namespace holds.
async fn assert_holds(shop: &Shop<'_>, namespace: &str, content: &str, why: &str) {
    let secrets = shop.list(namespace, SECRETS).await;
    let held: Vec<&Value> = secrets.iter().map(|secret| &secret["data"]).collect();
    assert_eq!(held, [&tls_secret("www-tls", content)["data"]], "{namespace}: {why}");
}

#[tokio::test]
async fn secret_whose_copy_was_overwritten_stays_at_home() {
    let project = "copy-overwritten";
    let (shop, proxy, running) = held(project, first(1, Fault::RequestHeld, deletes_route)).await;
    renew(&shop, &shop.standby, "overwritten").await;
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["www"], "{}", finished.log);
    assert_holds(&shop, &shop.active, &host(project, "www"), &finished.log).await;
    assert_holds(&shop, &shop.standby, "overwritten", &finished.log).await;
}

#[tokio::test]
async fn secret_that_was_renewed_after_its_copy_stays_at_home() {
    let project = "original-renewed";
    let (shop, proxy, running) = held(project, first(1, Fault::RequestHeld, deletes_route)).await;
    renew(&shop, &shop.active, "renewed").await;
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["www"], "{}", finished.log);
    assert_holds(&shop, &shop.active, "renewed", &finished.log).await;
    assert_holds(&shop, &shop.standby, &host(project, "www"), &finished.log).await;
}

#[tokio::test]
async fn secret_whose_copy_is_being_deleted_stays_at_home() {
    let project = "copy-deleted";
    let (shop, proxy, running) = held(project, first(1, Fault::RequestHeld, deletes_route)).await;
    let secrets: Api<Secret> = Api::namespaced(shop.site.client(), &shop.standby);
    let kept = Patch::Merge(json!({ "metadata": { "finalizers": ["example.com/kept"] } }));
    secrets.patch("www-tls", &PatchParams::default(), &kept).await.unwrap();
    secrets.delete("www-tls", &DeleteParams::default()).await.unwrap();
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_holds(&shop, &shop.active, &host(project, "www"), &finished.log).await;
}

#[tokio::test]
async fn route_that_was_deleted_right_after_its_move_is_recreated() {
    let (shop, proxy, running) = held("move-deleted", first(1, Fault::AnswerHeld, deletes_route)).await;
    let routes: Api<Ingress> = Api::namespaced(shop.site.client(), &shop.standby);
    routes.delete("www", &DeleteParams::default()).await.unwrap();
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["www"], "{}", finished.log);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, [""; 0], "{}", finished.log);
}

#[tokio::test]
async fn secrets_stay_at_home_until_their_routes_are_seen_moved() {
    let project = "put-back-meanwhile";
    let (mut has_moved, mut is_over) = (false, false);
    let second_look = move |passing: &Passing| {
        has_moved |= deletes_route(passing);
        let is_held = has_moved && !is_over && lists_routes(passing) && passing.uri.contains("-main/");
        is_over |= is_held;
        if is_held { Fault::RequestHeld } else { Fault::None }
    };
    let (shop, proxy, running) = held(project, second_look).await;
    // As a deployment does, which does not know of the switch.
    shop.add(&shop.active, vec![ingress("www", &host(project, "www"), "web", Some("www-tls"))]).await;
    assert_holds(&shop, &shop.active, &host(project, "www"), "before the second look").await;
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["www"], "{}", finished.log);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, [""; 0], "{}", finished.log);
    assert_holds(&shop, &shop.standby, &host(project, "www"), &finished.log).await;
    assert_eq!(shop.names(&shop.active, SECRETS).await, [""; 0], "{}", finished.log);
}

/// As cert-manager does, which issues a Secret anew that it misses.
#[tokio::test]
async fn copy_whose_original_was_replaced_stays_when_the_switch_is_undone() {
    let project = "original-replaced";
    let (mut is_refused, mut is_over) = (false, false);
    let look_of_the_undoing = move |passing: &Passing| {
        let creates = passing.method == Method::POST && passing.uri.contains("/ingresses");
        if creates && !passing.uri.contains("dryRun") {
            is_refused = true;
            return Fault::AnsweredInstead(422, None);
        }
        let is_held = is_refused && !is_over && lists_routes(passing);
        is_over |= is_held;
        if is_held { Fault::RequestHeld } else { Fault::None }
    };
    let (shop, proxy, running) = held(project, look_of_the_undoing).await;
    renew(&shop, &shop.active, "issued anew").await;
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("The switch was undone"), "{}", finished.log);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, ["www"], "{}", finished.log);
    assert_holds(&shop, &shop.active, "issued anew", &finished.log).await;
    assert_holds(&shop, &shop.standby, &host(project, "www"), &finished.log).await;
}
