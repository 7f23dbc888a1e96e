//! Behind an admission webhook whose cache is late, as ingress-nginx's is: it still knows a route that was just deleted, and
//! refuses the new one with the same host.

use std::time::Duration;

use lagoon_task_testing::HostGuard;
use switch_testing::{INGRESSES, Shop, control_plane};

use crate::evidence;

/// How far the cache is behind its watch, in milliseconds.
const LAGS: [u64; 4] = [0, 5, 50, 500];

/// How many switches of how many routes each way run at each lag, and with `SWITCHES=all`.
const FEW: [(usize, usize); 2] = [(4, 1), (2, 5)];
const ALL: [(usize, usize); 2] = [(100, 1), (50, 5)];

#[tokio::test]
async fn switch_behind_a_late_webhook_ends_switched() {
    let cases = if std::env::var("SWITCHES").is_ok_and(|which| which == "all") { ALL } else { FEW };
    for (lag, (switches, routes)) in LAGS.into_iter().flat_map(|lag| cases.map(|case| (lag, case))) {
        let project = format!("late-{lag}-{routes}");
        let shop = Shop::empty(control_plane().await, &project).await;
        let names = |side: &str| (1..=routes).map(|number| format!("{side}-{number}")).collect::<Vec<_>>();
        let (standby, active) = (names("standby"), names("www"));
        let borrowed = |names: &[String]| names.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        for (namespace, names) in [(&shop.standby, &standby), (&shop.active, &active)] {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            shop.add_routes(namespace, &project, &names).await;
        }
        let lag = Duration::from_millis(lag);
        let guard = HostGuard::install_lagging(control_plane().await, &shop.site.standby, lag).await.unwrap();
        let mut gaps = Vec::new();
        for number in 1..=switches {
            let is_back = number % 2 == 0;
            let finished = if is_back { shop.switch_back().await } else { shop.switch().await };
            assert_eq!(finished.exit_code, Some(0), "lag {lag:?}, switch {number}: {}", finished.log);
            gaps.extend(evidence::gaps(&finished));
            let (on_standby, on_active) = if is_back { (&standby, &active) } else { (&active, &standby) };
            assert_eq!(shop.names(&shop.standby, INGRESSES).await.join(" "), borrowed(on_standby));
            assert_eq!(shop.names(&shop.active, INGRESSES).await.join(" "), borrowed(on_active));
        }
        println!(
            "lag {lag:?}: {switches} switches of {routes}+{routes}, {} of {} asked refused, hosts offline for {}",
            guard.refused(),
            guard.asked(),
            evidence::median_and_longest(gaps)
        );
        guard.uninstall().await.unwrap();
    }
}
