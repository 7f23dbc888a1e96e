//! Owners of routes and Secrets that are put back where they were.

use http::Method;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, Patch, PatchParams};
use lagoon_task_testing::{Fault, FaultProxy, Finished, Passing, ingress, tls_secret, until_so};
use serde_json::{Value, json};

use crate::certificates::{self, CERTIFICATES};
use switch_testing::{INGRESSES, SECRETS, Shop, control_plane, host};

/// Switches with the standby environment's route refused once the active one's has gone from its namespace.
async fn undone_once_gone(shop: &Shop<'_>) -> Finished {
    let creates = format!("/namespaces/{}/ingresses", shop.active);
    let mut is_over = false;
    let plan = move |passing: &Passing| {
        let is_create = passing.method == Method::POST && passing.uri.contains(&creates);
        let is_held = !is_over && is_create && !passing.uri.contains("dryRun");
        is_over |= is_held;
        if is_held { Fault::RequestHeld } else { Fault::None }
    };
    let proxy = FaultProxy::start(shop.control_plane, plan).await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    until_so(async || shop.names(&shop.active, INGRESSES).await.is_empty()).await;
    shop.refuse_route(&shop.active, "standby").await;
    proxy.release();
    running.finish().await.unwrap()
}

#[tokio::test]
async fn route_that_is_put_back_is_owned_by_who_still_exists() {
    let project = "owners";
    let shop = Shop::empty(control_plane().await, project).await;
    let owner = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "release" } });
    shop.add(&shop.active, vec![owner]).await;
    let releases: Api<ConfigMap> = Api::namespaced(shop.site.client(), &shop.active);
    let uid = releases.get("release").await.unwrap().metadata.uid;
    let reference =
        |name: &str, uid: &Value| json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid });
    let living = reference("release", &json!(uid));
    let gone = reference("gone", &json!("00000000-0000-4000-8000-000000000000"));
    let mut www = ingress("www", &host(project, "www"), "web", Some("www-tls"));
    www["metadata"]["ownerReferences"] = json!([living, gone]);
    shop.add(&shop.active, vec![tls_secret("www-tls", "www"), www]).await;
    shop.add(&shop.standby, vec![ingress("standby", &host(project, "standby"), "web", None)]).await;

    let finished = undone_once_gone(&shop).await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["standby"], "{}", finished.log);
    let back = shop.list(&shop.active, INGRESSES).await;
    assert_eq!(back.len(), 1, "{}", finished.log);
    assert_eq!(back[0]["metadata"]["ownerReferences"], json!([living]), "{}", finished.log);
}

fn owned_by(version: &str, kind: &str, name: &str, uid: &Value) -> Value {
    json!([{ "apiVersion": version, "kind": kind, "name": name, "uid": uid }])
}

/// As in cert-manager's mode `--enable-certificate-owner-ref`. The garbage collector, which is not there, would delete the
/// Certificate of the deleted route, then its Secret.
#[tokio::test]
async fn secret_that_is_put_back_does_not_go_with_its_certificate() {
    let shop = certificates::shop("owned-secret").await;
    let host = host("owned-secret", "standby");
    shop.add(&shop.standby, vec![ingress("standby", &host, "web", None)]).await;
    let route = shop.list(&shop.active, INGRESSES).await.remove(0);
    let mut wanted = certificates::certificate("www-tls", "www.example.com");
    wanted["metadata"]["ownerReferences"] =
        owned_by("networking.k8s.io/v1", "Ingress", "www", &route["metadata"]["uid"]);
    shop.add(&shop.active, vec![wanted]).await;
    let certificate = shop.list(&shop.active, CERTIFICATES).await.remove(0);
    let by_certificate = owned_by("cert-manager.io/v1", "Certificate", "www-tls", &certificate["metadata"]["uid"]);
    let secrets: Api<Secret> = Api::namespaced(shop.site.client(), &shop.active);
    let patch = Patch::Merge(json!({ "metadata": { "ownerReferences": by_certificate } }));
    secrets.patch("www-tls", &PatchParams::default(), &patch).await.unwrap();

    let finished = undone_once_gone(&shop).await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, ["www"], "{}", finished.log);
    let back = shop.list(&shop.active, SECRETS).await;
    assert_eq!(back.len(), 1, "{}", finished.log);
    assert_eq!(back[0]["metadata"].get("ownerReferences"), None, "{}", finished.log);
    assert_eq!(back[0]["data"], certificates::issued("www-tls", "www")["data"], "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, SECRETS).await, [""; 0], "{}", finished.log);
}
