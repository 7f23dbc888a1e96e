//! Routes that do not go at once when they are deleted, since a controller has a finalizer on them.

use http::Method;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use lagoon_task_testing::{Fault, FaultProxy, Passing, Running, ingress, tls_secret};
use serde_json::{Value, json};

use crate::evidence::journals;
use lagoon_task_testing::until;
use switch_testing::control_plane;
use switch_testing::{INGRESSES, SECRETS, Shop};

/// A site whose active environment has `www`, which goes only when the test lets it.
async fn shop(project: &str) -> Shop<'static> {
    let shop = Shop::empty(control_plane().await, project).await;
    let mut www = ingress("www", &format!("www.{project}.example.com"), "web", Some("www-tls"));
    www["metadata"]["finalizers"] = json!(["networking.gke.io/ingress-finalizer"]);
    shop.add(&shop.active, vec![tls_secret("www-tls", "www"), www]).await;
    shop
}

fn api(shop: &Shop<'_>, namespace: &str) -> Api<Ingress> {
    Api::namespaced(shop.site.client(), namespace)
}

async fn let_go(shop: &Shop<'_>, namespace: &str) {
    let none = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    api(shop, namespace).patch("www", &PatchParams::default(), &none).await.unwrap();
}

/// The routes of a namespace that are not being deleted.
async fn live(shop: &Shop<'_>, namespace: &str) -> Vec<Value> {
    let mut routes = shop.list(namespace, INGRESSES).await;
    routes.retain(|route| route["metadata"].get("deletionTimestamp").is_none());
    routes.into_iter().map(|route| route["metadata"]["name"].clone()).collect()
}

fn creates_in(passing: &Passing, namespace: &str) -> bool {
    let path = format!("/namespaces/{namespace}/ingresses");
    passing.method == Method::POST && passing.uri.contains(&path) && !passing.uri.contains("dryRun")
}

/// Begins a switch of which the standby environment's route is refused.
async fn refused<'bench>(shop: &Shop<'bench>) -> (FaultProxy, Running<'bench>) {
    let host = format!("standby.{}.example.com", shop.site.standby.project);
    shop.add(&shop.standby, vec![ingress("standby", &host, "web", None)]).await;
    let active = shop.active.clone();
    let mut is_over = false;
    let plan = move |passing: &Passing| {
        // A later one puts back what is at home there.
        let is_refused = !is_over && creates_in(passing, &active);
        is_over |= is_refused;
        if is_refused { Fault::AnsweredInstead(422, None) } else { Fault::None }
    };
    let proxy = FaultProxy::start(shop.control_plane, plan).await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    (proxy, running)
}

#[tokio::test]
async fn a_route_that_is_still_going_when_the_switch_is_undone_is_put_back_before_its_copy_goes() {
    let shop = shop("going-undone").await;
    let (_proxy, running) = refused(&shop).await;
    running.wait_for_line("Moving back what has moved").await.unwrap();
    let_go(&shop, &shop.active).await;
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert_eq!(live(&shop, &shop.active).await, ["www"], "{}", finished.log);
    assert_eq!(live(&shop, &shop.standby).await, ["standby"], "{}", finished.log);
    assert!(finished.log.contains("nothing has changed"), "{}", finished.log);
    assert_eq!(journals(&shop).await, [""; 0]);
}

#[tokio::test]
async fn a_route_that_does_not_go_keeps_its_copy_and_the_next_run_goes_on() {
    let shop = shop("never-going").await;
    let (_proxy, running) = refused(&shop).await;
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    let says =
        "Moving back: Ingress \"www\" in namespace \"never-going-main\" is being deleted and has not gone within 60 s";
    assert!(finished.log.contains(says), "{}", finished.log);
    assert!(finished.log.contains("The switch is not finished"), "{}", finished.log);
    assert_eq!(live(&shop, &shop.standby).await, ["standby", "www"], "{}", finished.log);
    assert_eq!(journals(&shop).await, ["activestandby-journal"]);

    let_go(&shop, &shop.active).await;
    let next = shop.switch().await;
    assert_eq!(next.exit_code, Some(0), "{}", next.log);
    assert_eq!(live(&shop, &shop.standby).await, ["www"], "{}", next.log);
    assert_eq!(live(&shop, &shop.active).await, ["standby"], "{}", next.log);
}

#[tokio::test]
async fn a_copy_that_is_being_deleted_is_made_anew_before_the_route_goes() {
    let shop = shop("copy-going").await;
    let plan = |passing: &Passing| {
        let deletes = passing.method == Method::DELETE && passing.uri.contains("/ingresses/");
        // Whether the route could be deleted is asked before its copy is made.
        if deletes && !passing.uri.contains("dryRun") { Fault::RequestHeld } else { Fault::None }
    };
    let proxy = FaultProxy::start(shop.control_plane, plan).await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    running.signal("KILL").await.unwrap();
    running.finish().await.unwrap();
    until(|| proxy.held() == 0).await;
    // As an undo does that is killed then.
    api(&shop, &shop.standby).delete("www", &DeleteParams::default()).await.unwrap();

    let next = shop.launch().await;
    next.wait_for_line("Going on where it stopped").await.unwrap();
    let_go(&shop, &shop.standby).await;
    let next = next.finish().await.unwrap();
    assert_eq!(next.exit_code, Some(0), "{}", next.log);
    assert_eq!(live(&shop, &shop.standby).await, ["www"], "{}", next.log);
    assert_eq!(live(&shop, &shop.active).await, [""; 0], "{}", next.log);
}

#[tokio::test]
async fn a_route_that_is_still_going_does_not_keep_its_secret() {
    let shop = shop("going-secret").await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, ["www"], "it is still going");
    assert_eq!(shop.names(&shop.active, SECRETS).await, [""; 0], "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, SECRETS).await, ["www-tls"], "{}", finished.log);
}
