//! With the real cert-manager and the real garbage collector: routes that own their Certificates take their keys along, and
//! nothing is issued anew.

use std::collections::BTreeMap;

use lagoon_task_testing::{CertManager, ControlPlane, ControllerManager, ingress, until_so};
use serde_json::{Value, json};

use switch_testing::{INGRESSES, SECRETS, Shop, host};

const CERTIFICATES: &str = "cert-manager.io/v1/certificates";
const REQUESTS: &str = "cert-manager.io/v1/certificaterequests";

/// The TLS certificates and keys of these namespaces, by the Secrets' names.
async fn keys(shop: &Shop<'_>, namespaces: &[&String]) -> BTreeMap<String, Value> {
    let mut keys = BTreeMap::new();
    for namespace in namespaces {
        for secret in shop.list(namespace, SECRETS).await {
            if secret["type"] == "kubernetes.io/tls" {
                keys.insert(secret["metadata"]["name"].as_str().unwrap().to_owned(), secret["data"].clone());
            }
        }
    }
    keys
}

async fn names(shop: &Shop<'_>, resource: &str) -> Vec<String> {
    let mut names = shop.names(&shop.standby, resource).await;
    names.extend(shop.names(&shop.active, resource).await);
    names.sort();
    names
}

/// Whether each Certificate of these routes is there, and ready.
async fn all_ready(shop: &Shop<'_>, namespace: &str, routes: &[&str]) -> bool {
    let is_ready = |certificate: &Value| {
        let conditions = certificate["status"]["conditions"].as_array();
        conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
    };
    let certificates = shop.list(namespace, CERTIFICATES).await;
    certificates.len() == routes.len() && certificates.iter().all(is_ready)
}

/// A site of which each route has a Certificate of its own, issued and ready.
async fn certified<'bench>(control_plane: &'bench ControlPlane, project: &str) -> Shop<'bench> {
    let shop = Shop::empty(control_plane, project).await;
    for (namespace, routes) in [(&shop.standby, ["preview", "standby"]), (&shop.active, ["shop", "www"])] {
        for name in routes {
            let mut route = ingress(name, &host(project, name), "web", Some(&format!("{name}-tls")));
            route["metadata"]["annotations"] = json!({ "cert-manager.io/cluster-issuer": CertManager::ISSUER });
            shop.add(namespace, vec![route]).await;
        }
        until_so(async || all_ready(&shop, namespace, &routes).await).await;
    }
    shop
}

async fn undo_with(control_plane: &ControlPlane, project: &str) {
    let shop = certified(control_plane, project).await;
    let at_home = async || [keys(&shop, &[&shop.standby]).await, keys(&shop, &[&shop.active]).await];
    let issued = at_home().await;
    shop.refuse_route(&shop.standby, "www").await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("The switch was undone because"), "{}", finished.log);
    for (namespace, routes) in [(&shop.standby, ["preview", "standby"]), (&shop.active, ["shop", "www"])] {
        assert_eq!(shop.names(namespace, INGRESSES).await, routes, "{}", finished.log);
        until_so(async || all_ready(&shop, namespace, &routes).await).await;
    }
    assert_eq!(at_home().await, issued, "{}", finished.log);
}

async fn switch_with(control_plane: &ControlPlane, project: &str) {
    let shop = certified(control_plane, project).await;
    let both = [&shop.standby, &shop.active];
    let (issued, requests) = (keys(&shop, &both).await, names(&shop, REQUESTS).await);
    assert_eq!(issued.len(), 4);
    for number in 0..2 {
        let finished = if number == 0 { shop.switch().await } else { shop.switch_back().await };
        assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
        let (on_standby, on_active) = if number == 0 {
            (["shop", "www"], ["preview", "standby"])
        } else {
            (["preview", "standby"], ["shop", "www"])
        };
        for (namespace, routes) in [(&shop.standby, on_standby), (&shop.active, on_active)] {
            assert_eq!(shop.names(namespace, INGRESSES).await, routes, "{}", finished.log);
            until_so(async || all_ready(&shop, namespace, &routes).await).await;
        }
        assert_eq!(keys(&shop, &both).await, issued, "{}", finished.log);
        let new: Vec<String> = names(&shop, REQUESTS).await.into_iter().filter(|one| !requests.contains(one)).collect();
        assert_eq!(new, [""; 0], "{}", finished.log);
    }
}

#[tokio::test]
async fn keys_go_along_and_nothing_is_issued_anew() {
    // Its own: cert-manager acts on all namespaces.
    let control_plane = ControlPlane::start().await.unwrap();
    let _cert_manager = CertManager::start(&control_plane).await.unwrap();
    // The kinds that it is to collect have to be there.
    let _controller_manager = ControllerManager::start(&control_plane).await.unwrap();
    switch_with(&control_plane, "kept-keys").await;
    undo_with(&control_plane, "kept-undone").await;
}

#[tokio::test]
async fn keys_that_certificates_own_go_along_and_nothing_is_issued_anew() {
    let control_plane = ControlPlane::start().await.unwrap();
    let _cert_manager = CertManager::start_with_certificate_owner_ref(&control_plane).await.unwrap();
    let _controller_manager = ControllerManager::start(&control_plane).await.unwrap();
    switch_with(&control_plane, "owned-keys").await;
}

#[tokio::test]
async fn keys_that_certificates_own_outlive_an_undone_switch() {
    let control_plane = ControlPlane::start().await.unwrap();
    let _cert_manager = CertManager::start_with_certificate_owner_ref(&control_plane).await.unwrap();
    let _controller_manager = ControllerManager::start(&control_plane).await.unwrap();
    undo_with(&control_plane, "owned-undone").await;
}
