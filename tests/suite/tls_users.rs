//! Secrets that something else than a route uses, or that are about to go: no key is lost.

use http::Method;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use lagoon_task_testing::{Fault, FaultProxy, Passing, first, held_or_ended, tls_secret};
use serde_json::{Value, json};

use crate::certificates::{certificate, issued, shop};
use crate::evidence::writes;
use switch_testing::{INGRESSES, SECRETS, Shop, pod};

fn gateway(secret: &str) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": { "name": "public" },
        "spec": {
            "gatewayClassName": "any",
            "listeners": [{
                "name": "web", "port": 443, "protocol": "HTTPS", "tls": { "certificateRefs": [{ "name": secret }] },
            }],
        },
    })
}

fn mounting_pod(secret: &str) -> Value {
    pod("varnish-0", &json!({}), &json!([{ "name": "tls", "secret": { "secretName": secret } }]))
}

/// Nothing has been issued for it, and as it is of no route it stays where it is.
fn unissued_certificate(secret: &str) -> Value {
    let mut unissued = certificate("later", "later.example.com");
    unissued["spec"]["secretName"] = json!(secret);
    unissued["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "later", "uid": "00000000-0000-4000-8000-000000000000",
    }]);
    unissued
}

/// Switches a site whose Secret something else of its namespace uses: `user`, in words.
async fn assert_stays_too(project: &str, user: &str, object: Value) {
    let shop = shop(project).await;
    shop.add(&shop.active, vec![object]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["www"], "{}", finished.log);
    for namespace in [&shop.standby, &shop.active] {
        let secrets = shop.list(namespace, SECRETS).await;
        assert_eq!(secrets.len(), 1, "{}", finished.log);
        assert_eq!(secrets[0]["data"], issued("www-tls", "www")["data"], "{}", finished.log);
    }
    let says = format!("Secret \"www-tls\" stays in namespace \"{}\" too: {user} uses it there.", shop.active);
    assert!(finished.log.contains(&says), "{}", finished.log);
}

#[tokio::test]
async fn secret_that_only_a_gateway_serves_from_stays_too() {
    assert_stays_too("gateway-here", "Gateway \"public\"", gateway("www-tls")).await;
}

#[tokio::test]
async fn secret_that_only_a_pod_mounts_stays_too() {
    assert_stays_too("pod-here", "Pod \"varnish-0\"", mounting_pod("www-tls")).await;
}

#[tokio::test]
async fn secret_that_only_an_unissued_certificate_names_stays_too() {
    assert_stays_too("unissued-here", "Certificate \"later\"", unissued_certificate("www-tls")).await;
}

/// There was no Certificate at all when the switch was planned.
#[tokio::test]
async fn secret_that_a_certificate_names_since_the_plan_stays_too() {
    let shop = shop("unissued-meanwhile").await;
    let creates_route = |passing: &Passing| {
        passing.method == Method::POST && passing.uri.contains("/ingresses") && !passing.uri.contains("dryRun")
    };
    let proxy = FaultProxy::start(shop.control_plane, first(1, Fault::RequestHeld, creates_route)).await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    shop.add(&shop.active, vec![unissued_certificate("www-tls")]).await;
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    for namespace in [&shop.standby, &shop.active] {
        assert_eq!(shop.names(namespace, SECRETS).await, ["www-tls"], "{namespace}: {}", finished.log);
    }
}

/// Switches a site whose other namespace has another Secret of that name, which cert-manager has issued and `object` uses.
async fn assert_not_replaced(project: &str, object: Value) {
    let shop = shop(project).await;
    shop.add(&shop.standby, vec![issued("www-tls", "another"), object]).await;
    let before = shop.content().await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("a Secret of that name with other content, which"), "{}", finished.log);
    assert!(writes(&finished).is_empty(), "{:#?}", writes(&finished));
    assert_eq!(shop.content().await, before, "{}", finished.log);
}

#[tokio::test]
async fn secret_that_only_a_gateway_serves_from_is_not_replaced() {
    assert_not_replaced("gateway-there", gateway("www-tls")).await;
}

#[tokio::test]
async fn secret_that_only_a_pod_mounts_is_not_replaced() {
    assert_not_replaced("pod-there", mounting_pod("www-tls")).await;
}

#[tokio::test]
async fn secret_that_only_an_unissued_certificate_names_is_not_replaced() {
    assert_not_replaced("unissued-there", unissued_certificate("www-tls")).await;
}

/// The Secrets of a namespace that are not being deleted.
async fn staying(shop: &Shop<'_>, namespace: &str) -> Vec<Value> {
    let mut secrets = shop.list(namespace, SECRETS).await;
    secrets.retain(|secret| secret["metadata"].get("deletionTimestamp").is_none());
    secrets
}

#[tokio::test]
async fn secret_that_is_being_deleted_does_not_count_as_there() {
    let shop = shop("going-there").await;
    let mut going = tls_secret("www-tls", "www");
    going["metadata"]["finalizers"] = json!(["example.com/keeps-it"]);
    shop.add(&shop.standby, vec![going]).await;
    let secrets: Api<Secret> = Api::namespaced(shop.site.client(), &shop.standby);
    secrets.delete("www-tls", &DeleteParams::default()).await.unwrap();
    let creates_secret = |passing: &Passing| {
        passing.method == Method::POST && passing.uri.contains("/secrets") && !passing.uri.contains("dryRun")
    };
    let proxy = FaultProxy::start(shop.control_plane, first(1, Fault::RequestHeld, creates_secret)).await.unwrap();
    let mut running = shop.task_through(&proxy).launch().await.unwrap();
    held_or_ended(&proxy, &mut running).await.unwrap();
    let none = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    secrets.patch("www-tls", &PatchParams::default(), &none).await.unwrap();
    proxy.release();
    let finished = running.finish().await.unwrap();
    let there = staying(&shop, &shop.standby).await;
    assert_eq!(there.len(), 1, "the key is lost: {}", finished.log);
    assert_eq!(there[0]["data"], issued("www-tls", "www")["data"], "{}", finished.log);
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["www"], "{}", finished.log);
}
