//! cert-manager's Certificates and the Secrets that they keep supplied.

use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use lagoon_task_testing::{
    CERT_MANAGER, ControlPlane, Fault, FaultProxy, Finished, Passing, Request, ingress, tls_secret,
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::bench::new_control_plane;
use crate::shop::{INGRESSES, SECRETS, Shop};

const CERTIFICATES: &str = "cert-manager.io/v1/certificates";

static CONTROL_PLANE: OnceCell<ControlPlane> = OnceCell::const_new();

/// One of its own: a new kind of object changes what every run on a control plane asks for.
async fn control_plane() -> &'static ControlPlane {
    let start = async || {
        let control_plane = new_control_plane().await;
        control_plane.apply(CERT_MANAGER).await.unwrap();
        control_plane
    };
    CONTROL_PLANE.get_or_init(start).await
}

/// A Secret as cert-manager issues it.
fn issued(name: &str, content: &str) -> Value {
    let mut secret = tls_secret(name, content);
    secret["metadata"]["labels"] = json!({ "controller.cert-manager.io/fao": "true" });
    secret["metadata"]["annotations"] = json!({
        "cert-manager.io/certificate-name": name,
        "cert-manager.io/issuer-name": "letsencrypt",
        "cert-manager.io/common-name": "www.example.com",
    });
    secret
}

fn certificate(name: &str, owners: &Value) -> Value {
    json!({
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": { "name": name, "ownerReferences": owners, "labels": { "example.com/kept": "yes" } },
        "spec": { "secretName": name, "dnsNames": [format!("{name}.example.com")] },
    })
}

/// A route of the active environment with the Secret that was issued for it.
async fn with_issued(project: &str) -> Shop<'static> {
    let shop = Shop::empty(control_plane().await, project).await;
    let route = ingress("www", &format!("www.{project}.example.com"), "web", Some("www-tls"));
    shop.add(&shop.active, vec![issued("www-tls", "www"), route]).await;
    shop
}

async fn owned_by_route(shop: &Shop<'_>) -> Value {
    let route = shop.list(&shop.active, INGRESSES).await.remove(0);
    json!([{
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "www",
        "uid": route["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    }])
}

async fn switched(shop: &Shop<'_>) -> Finished {
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    finished
}

async fn only_secret(shop: &Shop<'_>, namespace: &str) -> Value {
    let mut secrets = shop.list(namespace, SECRETS).await;
    assert_eq!(secrets.len(), 1, "{secrets:?}");
    secrets.remove(0)
}

fn deletes(finished: &Finished) -> Vec<String> {
    let is_delete = |request: &&Request| request.verb == "delete" && request.resource != "configmaps";
    finished.requests.iter().filter(is_delete).map(|request| request.resource.clone()).collect()
}

#[tokio::test]
async fn an_independent_certificate_goes_along_with_its_secret() {
    let shop = with_issued("independent").await;
    shop.add(&shop.active, vec![certificate("www-tls", &json!([]))]).await;
    let finished = switched(&shop).await;
    assert!(shop.names(&shop.active, CERTIFICATES).await.is_empty());
    assert!(shop.names(&shop.active, SECRETS).await.is_empty());
    let moved = shop.list(&shop.standby, CERTIFICATES).await;
    assert_eq!(moved.len(), 1);
    assert_eq!(moved[0]["metadata"].get("ownerReferences"), None);
    assert_eq!(moved[0]["metadata"]["labels"]["example.com/kept"], "yes");
    assert_eq!(moved[0]["spec"], certificate("www-tls", &json!([]))["spec"]);
    let secret = only_secret(&shop, &shop.standby).await;
    let wanted = issued("www-tls", "www");
    assert_eq!(secret["data"], wanted["data"]);
    assert_eq!(secret["metadata"]["annotations"], wanted["metadata"]["annotations"]);
    assert_eq!(secret["metadata"]["labels"]["controller.cert-manager.io/fao"], "true");
    // With the Certificate still there cert-manager would issue the Secret anew.
    assert_eq!(deletes(&finished), ["ingresses", "certificates", "secrets"]);
}

#[tokio::test]
async fn a_certificate_that_a_route_owns_is_left_to_cert_manager() {
    let shop = with_issued("owned").await;
    shop.add(&shop.active, vec![certificate("www-tls", &owned_by_route(&shop).await)]).await;
    let finished = switched(&shop).await;
    for namespace in [&shop.standby, &shop.active] {
        assert!(shop.names(namespace, CERTIFICATES).await.is_empty(), "{}", finished.log);
    }
    // What the new Certificate will adopt.
    assert_eq!(only_secret(&shop, &shop.standby).await["data"], issued("www-tls", "www")["data"]);
    assert!(shop.names(&shop.active, SECRETS).await.is_empty());
    assert_eq!(deletes(&finished), ["ingresses", "certificates", "secrets"]);
}

#[tokio::test]
async fn a_secret_stays_with_a_route_that_is_left_behind() {
    let shop = with_issued("shared").await;
    let mut stays = ingress("stays", "stays.shared.example.com", "web", Some("www-tls"));
    stays["metadata"]["labels"] = json!({});
    shop.add(&shop.active, vec![stays, certificate("www-tls", &json!([]))]).await;
    switched(&shop).await;
    for namespace in [&shop.standby, &shop.active] {
        assert_eq!(only_secret(&shop, namespace).await["data"], issued("www-tls", "www")["data"]);
        assert_eq!(shop.names(namespace, CERTIFICATES).await, ["www-tls"]);
    }
    assert_eq!(shop.names(&shop.active, INGRESSES).await, ["stays"]);
}

#[tokio::test]
async fn what_an_earlier_issue_has_left_makes_way() {
    let shop = with_issued("leftover").await;
    shop.add(&shop.standby, vec![issued("www-tls", "long ago")]).await;
    switched(&shop).await;
    assert_eq!(only_secret(&shop, &shop.standby).await["data"], issued("www-tls", "www")["data"]);
    assert!(shop.names(&shop.active, SECRETS).await.is_empty());
}

#[tokio::test]
async fn what_has_made_way_is_put_back_when_the_switch_is_undone() {
    let shop = with_issued("put-back").await;
    shop.add(&shop.standby, vec![issued("www-tls", "long ago")]).await;
    let before = shop.content().await;
    let plan = |passing: &Passing| {
        let creates = passing.method == http::Method::POST && passing.uri.contains("/ingresses");
        if creates && !passing.uri.contains("dryRun") { Fault::AnsweredInstead(403, None) } else { Fault::None }
    };
    let proxy = FaultProxy::start(shop.control_plane, plan).await.unwrap();
    let finished = shop.task_through(&proxy).launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("The switch was undone"), "{}", finished.log);
    assert_eq!(shop.content().await, before);
}

#[tokio::test]
async fn a_leftover_that_cert_manager_did_not_issue_or_still_supplies_is_a_problem() {
    for (project, there) in [
        ("foreign", vec![tls_secret("www-tls", "somebody's")]),
        ("supplied", vec![issued("www-tls", "another"), certificate("www-tls", &json!([]))]),
    ] {
        let shop = with_issued(project).await;
        shop.add(&shop.standby, there).await;
        let before = shop.content().await;
        let finished = shop.switch().await;
        assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
        assert!(finished.log.contains("a Secret of that name with other content"), "{}", finished.log);
        assert_eq!(shop.content().await, before);
    }
}

/// Certificates of one name, for Secrets of one name, both ways.
#[tokio::test]
async fn certificates_of_one_name_change_places() {
    let shop = with_issued("crossing").await;
    let other = ingress("www", "standby.crossing.example.com", "web", Some("www-tls"));
    let mut own = certificate("www-tls", &json!([]));
    own["spec"]["dnsNames"] = json!(["standby.crossing.example.com"]);
    shop.add(&shop.standby, vec![issued("www-tls", "standby"), other, own.clone()]).await;
    shop.add(&shop.active, vec![certificate("www-tls", &json!([]))]).await;
    let finished = switched(&shop).await;
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("cert-manager.io", "v1", "Certificate"));
    for (namespace, wanted, content) in
        [(&shop.active, own, "standby"), (&shop.standby, certificate("www-tls", &json!([])), "www")]
    {
        let api: Api<DynamicObject> = Api::namespaced_with(shop.site.client(), namespace, &resource);
        assert_eq!(api.get("www-tls").await.unwrap().data["spec"], wanted["spec"], "{}", finished.log);
        assert_eq!(only_secret(&shop, namespace).await["data"], issued("www-tls", content)["data"]);
    }
}
