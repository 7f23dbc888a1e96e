//! Secrets that something else than a route uses, or that are about to go: no key is lost.

use http::Method;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use lagoon_task_testing::{Fault, FaultProxy, Passing, first, held_or_ended, tls_secret};
use serde_json::{Value, json};

use crate::certificates::{certificate, issued, shop};
use crate::evidence::writes;
use crate::others_at_work::pod;
use switch_testing::{INGRESSES, SECRETS, Shop};

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

/// Uses a Secret without a route: `Kind "name"` in words, and the object.
fn users(secret: &str) -> [(&'static str, Value); 3] {
    let volumes = json!([{ "name": "tls", "secret": { "secretName": secret } }]);
    let mut unissued = certificate("later", "later.example.com");
    unissued["spec"]["secretName"] = json!(secret);
    // Of no route: it stays where it is.
    unissued["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "later", "uid": "00000000-0000-4000-8000-000000000000",
    }]);
    [
        ("Gateway \"public\"", gateway(secret)),
        ("Pod \"varnish-0\"", pod("varnish-0", &json!({}), &volumes)),
        ("Certificate \"later\"", unissued),
    ]
}

#[tokio::test]
async fn secret_that_something_else_uses_stays_where_it_is_too() {
    for (number, (user, object)) in users("www-tls").into_iter().enumerate() {
        let shop = shop(&format!("used-here-{number}")).await;
        shop.add(&shop.active, vec![object]).await;
        let finished = shop.switch().await;
        assert_eq!(finished.exit_code, Some(0), "{user}: {}", finished.log);
        assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["www"], "{user}: {}", finished.log);
        for namespace in [&shop.standby, &shop.active] {
            let secrets = shop.list(namespace, SECRETS).await;
            assert_eq!(secrets.len(), 1, "{user}: {}", finished.log);
            assert_eq!(secrets[0]["data"], issued("www-tls", "www")["data"], "{user}: {}", finished.log);
        }
        let says = format!("Secret \"www-tls\" stays in namespace \"{}\" too: {user} uses it there.", shop.active);
        assert!(finished.log.contains(&says), "{}", finished.log);
    }
}

#[tokio::test]
async fn secret_that_something_else_uses_is_not_replaced() {
    for (number, (user, object)) in users("www-tls").into_iter().enumerate() {
        let shop = shop(&format!("used-there-{number}")).await;
        shop.add(&shop.standby, vec![issued("www-tls", "another"), object]).await;
        let before = shop.content().await;
        let finished = shop.switch().await;
        assert_eq!(shop.content().await, before, "{user}: {}", finished.log);
        assert_eq!(finished.exit_code, Some(1), "{user}: {}", finished.log);
        assert!(finished.log.contains("a Secret of that name with other content, which"), "{}", finished.log);
        assert!(writes(&finished).is_empty(), "{user}: {:#?}", writes(&finished));
    }
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
