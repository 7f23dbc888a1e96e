//! A switch there and back, again and again, leaves everything as it was, but for the documented labels.

use lagoon_task_testing::{ingress, tls_secret};
use serde_json::json;

use crate::history::Recording;
use switch_testing::control_plane;
use switch_testing::{INGRESSES, Shop, host};

const TIMES: usize = 10;

/// Switches there and back, and compares everything after each time. No host is ever without its route and certificate.
async fn there_and_back(shop: &Shop<'_>) {
    let before = shop.content().await;
    for time in 1..=TIMES {
        let recording = Recording::start(shop).await;
        let there = shop.switch().await;
        assert_eq!(there.exit_code, Some(0), "there, time {time}:\n{}", there.log);
        assert_ne!(shop.content().await, before, "there, time {time}:\n{}", there.log);
        let back = shop.switch_back().await;
        recording.end().await.assert_always_live(&format!("time {time}"));
        assert_eq!(back.exit_code, Some(0), "back, time {time}:\n{}", back.log);
        assert_eq!(shop.content().await, before, "back, time {time}:\n{}", back.log);
        let (there, back) = (there.result.unwrap(), back.result.unwrap());
        // The site's public routes are the same ones, and point to the other environment each time.
        assert_eq!(there["productionRoutes"], back["productionRoutes"], "time {time}");
        assert_eq!(there["productionEnvironment"], back["standbyProductionEnvironment"], "time {time}");
    }
}

#[tokio::test]
async fn routes_with_secrets_of_their_own() {
    there_and_back(&Shop::with_routes(control_plane().await, "ten-times").await).await;
}

#[tokio::test]
async fn routes_that_share_a_secret_which_both_environments_have() {
    let shop = Shop::empty(control_plane().await, "ten-shared").await;
    for (namespace, side) in [(&shop.standby, "standby"), (&shop.active, "active")] {
        shop.add(namespace, vec![tls_secret("wildcard", "everything")]).await;
        let routes = ["one", "two"].map(|name| {
            let name = format!("{side}-{name}");
            ingress(&name, &host(side, &name), "web", Some("wildcard"))
        });
        shop.add(namespace, routes.to_vec()).await;
    }
    there_and_back(&shop).await;
}

/// As documented: a switch replaces the older label, and nothing else of the route.
#[tokio::test]
async fn a_route_with_the_older_label_comes_back_with_the_newer_one() {
    let shop = Shop::with_routes(control_plane().await, "older-label-returns").await;
    let mut route = ingress("old", "old.example.com", "web", None);
    route["metadata"]["labels"] = json!({ "dioscuri.amazee.io/migrate": "true", "example.com/kept": "yes" });
    shop.add(&shop.standby, vec![route]).await;
    let mut wanted = shop.content().await;
    let old = wanted.get_mut(&format!("{} {INGRESSES} old", shop.standby)).unwrap();
    old["metadata"]["labels"] = json!({ "activestandby.lagoon.sh/migrate": "true", "example.com/kept": "yes" });
    for time in 1..=2 {
        for finished in [shop.switch().await, shop.switch_back().await] {
            assert_eq!(finished.exit_code, Some(0), "time {time}: {}", finished.log);
        }
        assert_eq!(shop.content().await, wanted, "time {time}");
    }
}
