//! Behind the real admission webhook of ingress-nginx, which knows a deleted Ingress some milliseconds longer than the API
//! server does.

use lagoon_task_testing::{ControlPlane, IngressNginx};
use switch_testing::{INGRESSES, Shop};

use crate::evidence::writes;

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
            tries += writes(&finished).iter().filter(creates).count();
        }
        println!("{switches} switches of {routes}+{routes}: {tries} creates for {} routes", 2 * routes * switches);
    }
}
