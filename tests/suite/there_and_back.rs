//! Switches there and back, again and again: what returns is what went.

use lagoon_task_testing::{CERT_MANAGER, ControlPlane, Finished, ingress, tls_secret};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::bench::new_control_plane;
use crate::shop::{CONFIG_MAPS, Shop, essence};

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

/// A site with something of each kind.
async fn full(project: &str) -> Shop<'static> {
    let shop = Shop::with_routes(control_plane().await, project).await;
    for (side, namespace) in [("standby", &shop.standby), ("active", &shop.active)] {
        let named = |name: &str| format!("{name}.{side}.{project}.example.com");
        let annotated = |mut object: Value| {
            object["metadata"]["annotations"] = json!({ "example.com/side": side });
            object
        };
        let certificate = json!({
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "metadata": { "name": format!("{side}-certificate") },
            "spec": { "secretName": format!("{side}-issued"), "dnsNames": [named("issued")] },
        });
        shop.add(
            namespace,
            vec![
                annotated(ingress("same-route", &named("same-route"), "web", Some(&format!("{side}-own")))),
                tls_secret(&format!("{side}-own"), &named("same-route")),
                annotated(ingress(&format!("{side}-route"), &named("route"), "web", Some("same-secret"))),
                annotated(tls_secret("same-secret", &named("route"))),
                ingress(&format!("{side}-plain"), &named("plain"), "web", None),
                ingress(&format!("{side}-issued"), &named("issued"), "web", Some(&format!("{side}-issued"))),
                tls_secret(&format!("{side}-issued"), &named("issued")),
                certificate,
            ],
        )
        .await;
    }
    shop
}

async fn certificates(shop: &Shop<'_>, namespace: &str) -> Vec<Value> {
    shop.list(namespace, CERTIFICATES).await.into_iter().map(essence).collect()
}

fn routes(finished: &Finished, list: &str) -> Vec<String> {
    let result = finished.result.as_ref().unwrap();
    let mut routes: Vec<String> = result[list].as_str().unwrap().split(',').map(str::to_owned).collect();
    routes.sort();
    routes
}

#[tokio::test]
async fn ten_switches_there_and_back_leave_everything_as_it_was() {
    let shop = full("ten-times").await;
    let before = shop.content().await;
    let issued = (certificates(&shop, &shop.standby).await, certificates(&shop, &shop.active).await);
    let mut first: Option<(Vec<String>, Vec<String>)> = None;
    for round in 1..=10 {
        let there = shop.switch().await;
        assert_eq!(there.exit_code, Some(0), "{round}: {}", there.log);
        let names = (&there.result.as_ref().unwrap()["productionEnvironment"], "develop");
        assert_eq!(names.0, names.1, "{round}");
        assert_ne!(shop.content().await, before, "{round}");
        let lists = (routes(&there, "productionRoutes"), routes(&there, "standbyRoutes"));
        assert_eq!((lists.0.len(), lists.1.len()), (6, 6), "{round}: {lists:?}");

        let back = shop.switch_back().await;
        assert_eq!(back.exit_code, Some(0), "{round}: {}", back.log);
        assert_eq!(back.result.as_ref().unwrap()["productionEnvironment"], "main", "{round}");
        // The site's public routes are production's again.
        let returned = (routes(&back, "productionRoutes"), routes(&back, "standbyRoutes"));
        assert_eq!(returned, lists, "{round}");
        assert_eq!(first.get_or_insert(lists.clone()), &lists, "{round}");
        assert_eq!(shop.content().await, before, "{round}: {}", back.log);
        let now = (certificates(&shop, &shop.standby).await, certificates(&shop, &shop.active).await);
        assert_eq!(now, issued, "{round}");
    }
    for namespace in [&shop.standby, &shop.active] {
        assert_eq!(shop.names(namespace, CONFIG_MAPS).await, ["activestandby-journal"]);
    }
}

#[tokio::test]
async fn the_older_label_comes_back_as_the_newer_one_and_stays_that() {
    let shop = Shop::with_routes(control_plane().await, "older-label").await;
    let before = shop.content().await;
    let mut route = ingress("old", "old.example.com", "web", None);
    route["metadata"]["labels"] = json!({ "dioscuri.amazee.io/migrate": "true", "example.com/kept": "yes" });
    shop.add(&shop.standby, vec![route]).await;
    let mut wanted = before;
    let mut route = ingress("old", "old.example.com", "web", None);
    route["metadata"]["labels"] = json!({ "activestandby.lagoon.sh/migrate": "true", "example.com/kept": "yes" });
    let key = format!("{} networking.k8s.io/v1/ingresses old", shop.standby);
    for round in 1..=2 {
        assert_eq!(shop.switch().await.exit_code, Some(0), "{round}");
        assert_eq!(shop.switch_back().await.exit_code, Some(0), "{round}");
        let mut content = shop.content().await;
        let old = content.remove(&key).unwrap();
        assert_eq!(old["metadata"]["labels"], route["metadata"]["labels"], "{round}");
        assert_eq!(old["spec"], route["spec"], "{round}");
        assert_eq!(content, std::mem::take(&mut wanted), "{round}");
        wanted = content;
    }
}
