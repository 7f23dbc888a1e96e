//! Routes that somebody changes while a switch is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, Patch, PatchParams};
use lagoon_task_testing::{Fault, FaultProxy, Finished, Passing, ingress, tls_secret};
use serde_json::{Value, json};

use crate::interrupted::journal;
use lagoon_task_testing::{first, until};
use switch_testing::control_plane;
use switch_testing::{INGRESSES, SECRETS, Shop};

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
