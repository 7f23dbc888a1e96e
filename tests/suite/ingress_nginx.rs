//! Behind the real admission webhook of ingress-nginx, which knows a deleted Ingress some milliseconds longer than the API
//! server does.

use std::time::{Duration, Instant};

use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, DeleteParams, PostParams};
use lagoon_task_testing::{ControlPlane, IngressNginx, ingress, until_so};
use switch_testing::{INGRESSES, Shop};

use crate::evidence::{gaps, median_and_longest, writes};

/// How many switches of how many routes each way run.
const CASES: [(usize, usize); 2] = [(100, 1), (50, 5)];

#[tokio::test]
async fn switches_behind_ingress_nginx_all_end_switched() {
    // Its own: the webhook is asked about every Ingress.
    let control_plane = ControlPlane::start().await.unwrap();
    let _ingress_nginx = IngressNginx::start(&control_plane).await.unwrap();
    for (switches, routes) in CASES {
        let project = format!("nginx-{routes}");
        let shop = Shop::empty(&control_plane, &project).await;
        let names = |side: &str| (1..=routes).map(|number| format!("{side}-{number}")).collect::<Vec<_>>();
        let (standby, active) = (names("standby"), names("www"));
        for (namespace, names) in [(&shop.standby, &standby), (&shop.active, &active)] {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            shop.add_routes(namespace, &project, &names).await;
        }
        let mut tries = 0;
        let mut offline = Vec::new();
        for number in 1..=switches {
            let is_back = number % 2 == 0;
            let finished = if is_back { shop.switch_back().await } else { shop.switch().await };
            assert_eq!(finished.exit_code, Some(0), "switch {number}: {}", finished.log);
            let (on_standby, on_active) = if is_back { (&standby, &active) } else { (&active, &standby) };
            assert_eq!(&shop.names(&shop.standby, INGRESSES).await, on_standby, "switch {number}");
            assert_eq!(&shop.names(&shop.active, INGRESSES).await, on_active, "switch {number}");
            for namespace in [&shop.standby, &shop.active] {
                for route in shop.list(namespace, INGRESSES).await {
                    let label = &route["metadata"]["labels"]["activestandby.lagoon.sh/migrating"];
                    assert_eq!(label, "false", "switch {number}: {}", finished.log);
                }
            }
            let creates =
                |request: &&&lagoon_task_testing::Request| request.verb == "create" && request.resource == "ingresses";
            offline.extend(gaps(&finished));
            tries += writes(&finished).iter().filter(creates).count();
        }
        println!(
            "{switches} switches of {routes}+{routes}: {tries} creates for {} routes, hosts offline for {}; the webhook's own lag: {}",
            2 * routes * switches,
            median_and_longest(offline),
            median_and_longest(lags(&shop).await)
        );
    }
}

/// How long after a delete the webhook lets the host be used again by somebody who asks without a pause.
async fn lags(shop: &Shop<'_>) -> Vec<Duration> {
    let routes: Api<Ingress> = Api::namespaced(shop.site.client(), &shop.standby);
    let mut lags = Vec::new();
    for number in 0..20 {
        let host = format!("lag-{number}.example.com");
        let [old, new] = ["old", "new"].map(|name| ingress(name, &host, "web", None));
        let create = async |object: &serde_json::Value, parameters: &PostParams| {
            routes.create(parameters, &serde_json::from_value(object.clone()).unwrap()).await
        };
        create(&old, &PostParams::default()).await.unwrap();
        // It hears of the first one some time after the API server has accepted it.
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        until_so(async || create(&new, &dry_run).await.is_err()).await;
        routes.delete("old", &DeleteParams::default()).await.unwrap();
        let deleted = Instant::now();
        while create(&new, &PostParams::default()).await.is_err() {}
        lags.push(deleted.elapsed());
        routes.delete("new", &DeleteParams::default()).await.unwrap();
    }
    lags
}
