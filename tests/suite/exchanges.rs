//! Routes and Secrets of equal name in both environments that would both move: found before the first write.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, DeleteParams};
use lagoon_task_testing::{Finished, ingress, tls_secret};
use serde_json::{Value, json};

use crate::evidence::writes;
use crate::history::Recording;
use switch_testing::control_plane;
use switch_testing::{CONFIG_MAPS, INGRESSES, Shop, host};

const LEASES: &str = "coordination.k8s.io/v1/leases";

/// A site with one route in each environment, by these names, each with a Secret of this name.
async fn pair(project: &str, routes: [&str; 2], secrets: [&str; 2]) -> Shop<'static> {
    let shop = Shop::empty(control_plane().await, project).await;
    for (place, namespace) in [&shop.standby, &shop.active].into_iter().enumerate() {
        let host = host(project, &format!("side-{place}"));
        shop.add(namespace, vec![tls_secret(secrets[place], &host)]).await;
        shop.add(namespace, vec![ingress(routes[place], &host, "web", Some(secrets[place]))]).await;
    }
    shop
}

/// The switch gives these reasons and no others, has written nothing, and has given its lock back.
async fn assert_refused(shop: &Shop<'_>, finished: &Finished, before: &BTreeMap<String, Value>, reasons: &[String]) {
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    let listed: Vec<&str> = finished.log.lines().filter(|line| line.starts_with("- ")).collect();
    assert_eq!(listed, reasons, "{}", finished.log);
    assert!(finished.log.trim_end().ends_with("Nothing has changed."), "{}", finished.log);
    assert!(writes(finished).is_empty(), "{:#?}", writes(finished));
    assert_eq!(shop.content().await, *before);
    for namespace in [&shop.standby, &shop.active] {
        assert_eq!(shop.names(namespace, CONFIG_MAPS).await, [""; 0]);
        assert_eq!(shop.names(namespace, LEASES).await, [""; 0]);
    }
}

fn route_reason(name: &str, from: &str, to: &str) -> String {
    format!(
        "- Ingress \"{name}\" in namespace \"{from}\": namespace \"{to}\" has a route of the same name, Ingress \"{name}\". \
         Rename one of the two (routes are best named after their hosts), or delete the one that is not needed."
    )
}

fn secret_reason(name: &str, from: &str, to: &str, user: &str) -> String {
    format!(
        "- Secret \"{name}\" in namespace \"{from}\": it should go along with its routes, but namespace \"{to}\" has a \
         Secret of that name with other content, which Ingress \"{user}\" in namespace \"{to}\" uses. Rename one of the \
         two Secrets, or delete the one that is not needed."
    )
}

#[tokio::test]
async fn routes_of_equal_name_are_refused_and_move_once_one_is_renamed() {
    let shop = pair("one-name", ["www", "www"], ["standby-tls", "active-tls"]).await;
    let before = shop.content().await;
    let refused = shop.switch().await;
    let reasons = [(&shop.standby, &shop.active), (&shop.active, &shop.standby)];
    let mut reasons = reasons.map(|(from, to)| route_reason("www", from, to));
    reasons.sort();
    assert_refused(&shop, &refused, &before, &reasons).await;

    // As it is advised.
    let renamed = ingress("standby", &host("one-name", "side-0"), "web", Some("standby-tls"));
    let routes: Api<Ingress> = Api::namespaced(shop.site.client(), &shop.standby);
    routes.delete("www", &DeleteParams::default()).await.unwrap();
    shop.add(&shop.standby, vec![renamed]).await;
    let recording = Recording::start(&shop).await;
    let finished = shop.switch().await;
    recording.end().await.assert_always_live("renamed");
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["www"]);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, ["standby"]);
}

#[tokio::test]
async fn secrets_of_equal_name_and_other_content_are_refused() {
    let shop = pair("one-secret", ["standby", "www"], ["tls", "tls"]).await;
    let before = shop.content().await;
    let refused = shop.switch().await;
    let mut reasons = [
        secret_reason("tls", &shop.standby, &shop.active, "www"),
        secret_reason("tls", &shop.active, &shop.standby, "standby"),
    ];
    reasons.sort();
    assert_refused(&shop, &refused, &before, &reasons).await;
}

/// The type counts as content, and a Secret that cert-manager issued is in the way too as long as a route uses it.
#[tokio::test]
async fn secrets_of_equal_name_and_other_type_or_issuer_are_refused() {
    for (project, change) in [("other-type", "type"), ("both-issued", "metadata")] {
        let shop = Shop::empty(control_plane().await, project).await;
        for (place, (namespace, name)) in [(&shop.standby, "standby"), (&shop.active, "www")].into_iter().enumerate() {
            let mut secret = tls_secret("tls", if change == "type" { "the same" } else { name });
            match change {
                "type" if place == 0 => secret["type"] = "Opaque".into(),
                "metadata" => {
                    secret["metadata"]["annotations"] = json!({ "cert-manager.io/certificate-name": "tls" });
                }
                _ => {}
            }
            shop.add(namespace, vec![secret, ingress(name, &host(project, name), "web", Some("tls"))]).await;
        }
        let before = shop.content().await;
        let refused = shop.switch().await;
        let mut reasons = [
            secret_reason("tls", &shop.standby, &shop.active, "www"),
            secret_reason("tls", &shop.active, &shop.standby, "standby"),
        ];
        reasons.sort();
        assert_refused(&shop, &refused, &before, &reasons).await;
    }
}

#[tokio::test]
async fn every_pair_of_equal_name_is_listed_at_once() {
    let shop = pair("all-pairs", ["www", "www"], ["tls", "tls"]).await;
    // These two have names of their own, and are no reason.
    shop.add_routes(&shop.standby, "all-pairs", &["preview"]).await;
    shop.add_routes(&shop.active, "all-pairs", &["shop"]).await;
    let before = shop.content().await;
    let refused = shop.switch().await;
    let directions = [(&shop.standby, &shop.active), (&shop.active, &shop.standby)];
    let mut reasons: Vec<String> = directions.map(|(from, to)| route_reason("www", from, to)).into();
    reasons.extend(directions.map(|(from, to)| secret_reason("tls", from, to, "www")));
    reasons.sort();
    assert_refused(&shop, &refused, &before, &reasons).await;
}
