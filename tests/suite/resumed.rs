//! A switch that was interrupted is planned again from what is seen: what was added moves too, what was deleted on purpose
//! stays deleted, and what no longer fits is not carried out.

use http::Method;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use lagoon_task_testing::{Fault, FaultProxy, Passing, every, until};
use serde_json::json;

use crate::evidence::writes;
use switch_testing::{INGRESSES, SECRETS, Shop, control_plane, host};

fn creates_route(passing: &Passing) -> bool {
    passing.method == Method::POST && passing.uri.contains("/ingresses") && !passing.uri.contains("dryRun")
}

/// A switch of which no create of a route was answered: its run was killed, and every route is still where it was.
async fn interrupted<'bench>(project: &str) -> Shop<'bench> {
    let shop = Shop::with_routes(control_plane().await, project).await;
    let proxy = FaultProxy::start(shop.control_plane, every(Fault::AnswerHeld, creates_route)).await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    running.signal("KILL").await.unwrap();
    running.finish().await.unwrap();
    until(|| proxy.held() == 0).await;
    shop
}

async fn delete_route(shop: &Shop<'_>, namespace: &str, name: &str) {
    let api: Api<Ingress> = Api::namespaced(shop.site.client(), namespace);
    api.delete(name, &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
async fn route_that_was_added_moves_and_one_that_was_deleted_stays_deleted() {
    let shop = interrupted("resumed").await;
    shop.add_routes(&shop.active, "resumed", &["added"]).await;
    // Wherever it is by now, it is deleted.
    for namespace in [&shop.standby, &shop.active] {
        if shop.names(namespace, INGRESSES).await.contains(&"shop".to_owned()) {
            delete_route(&shop, namespace, "shop").await;
        }
    }
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["added", "www"], "{}", finished.log);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, ["preview", "standby"], "{}", finished.log);
    let result = finished.result.unwrap();
    let urls = format!("https://{},https://{}", host("resumed", "added"), host("resumed", "www"));
    assert_eq!(result["productionRoutes"], urls.as_str(), "{}", finished.log);
    assert!(finished.log.contains("\"added\" in namespace \"resumed-main\" was added since"), "{}", finished.log);
    assert!(finished.log.contains("was deleted since the switch began; it stays deleted"), "{}", finished.log);
}

#[tokio::test]
async fn route_that_was_changed_after_its_copy_arrives_as_it_is_now() {
    let shop = interrupted("changed-after-copy").await;
    let mut changed = Vec::new();
    for (home, there) in [(&shop.standby, &shop.active), (&shop.active, &shop.standby)] {
        let copies = shop.names(there, INGRESSES).await;
        for name in shop.names(home, INGRESSES).await.into_iter().filter(|name| copies.contains(name)) {
            let api: Api<Ingress> = Api::namespaced(shop.site.client(), home);
            let is_copy = api.get(&name).await.unwrap().metadata.labels.unwrap_or_default();
            if !is_copy.contains_key("activestandby.lagoon.sh/migrated-from") {
                let note = Patch::Merge(json!({ "metadata": { "annotations": { "example.com/note": "new" } } }));
                api.patch(&name, &PatchParams::default(), &note).await.unwrap();
                changed.push((there, name));
            }
        }
    }
    assert!(!changed.is_empty());
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    shop.assert_switched(&finished.log).await;
    for (there, name) in changed {
        let routes = shop.list(there, INGRESSES).await;
        let route = routes.iter().find(|route| route["metadata"]["name"] == name.as_str()).unwrap();
        assert_eq!(route["metadata"]["annotations"]["example.com/note"], "new", "{name}: {}", finished.log);
    }
}

#[tokio::test]
async fn switch_whose_service_has_gone_meanwhile_is_undone() {
    let shop = interrupted("no-service-left").await;
    let services: Api<Service> = Api::namespaced(shop.site.client(), &shop.standby);
    services.delete("web", &DeleteParams::default()).await.unwrap();
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(
        finished.log.contains("Service \"web\", and namespace \"no-service-left-develop\" has none"),
        "{}",
        finished.log
    );
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["preview", "standby"], "{}", finished.log);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, ["shop", "www"], "{}", finished.log);
    assert_eq!(shop.names(&shop.active, SECRETS).await, ["shop-tls", "www-tls"], "{}", finished.log);
}

#[tokio::test]
async fn route_that_was_added_after_the_end_moves_with_the_repeated_switch() {
    let shop = Shop::with_routes(control_plane().await, "added-after").await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    // Lagoon has not heard of the switch, so a deployment still creates the active environment's routes there.
    shop.add_routes(&shop.active, "added-after", &["added"]).await;
    let again = shop.switch().await;
    assert_eq!(again.exit_code, Some(0), "{}", again.log);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["added", "shop", "www"], "{}", again.log);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, ["preview", "standby"], "{}", again.log);
    let once_more = shop.switch().await;
    assert_eq!((once_more.exit_code, &once_more.result), (Some(0), &again.result), "{}", once_more.log);
    assert!(writes(&once_more).is_empty(), "{:#?}", writes(&once_more));
}
