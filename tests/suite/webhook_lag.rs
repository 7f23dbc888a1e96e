//! Behind an admission webhook whose cache is late, as ingress-nginx's is: it still knows a route that was just deleted, and
//! refuses the new one with the same host.

use std::time::Duration;

use lagoon_task_testing::HostGuard;
use switch_testing::{INGRESSES, Shop, control_plane};

/// How far the cache is behind its watch, in milliseconds, and how many switches of how many routes each way run.
const CASES: [(u64, usize, usize); 6] = [(0, 3, 1), (5, 5, 1), (5, 2, 5), (50, 5, 1), (50, 2, 5), (500, 2, 3)];

#[tokio::test]
async fn switch_behind_a_late_webhook_ends_switched() {
    for (lag, switches, routes) in CASES {
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
        for number in 1..=switches {
            let is_back = number % 2 == 0;
            let finished = if is_back { shop.switch_back().await } else { shop.switch().await };
            assert_eq!(finished.exit_code, Some(0), "lag {lag:?}, switch {number}: {}", finished.log);
            let (on_standby, on_active) = if is_back { (&standby, &active) } else { (&active, &standby) };
            assert_eq!(shop.names(&shop.standby, INGRESSES).await.join(" "), borrowed(on_standby));
            assert_eq!(shop.names(&shop.active, INGRESSES).await.join(" "), borrowed(on_active));
        }
        println!(
            "lag {lag:?}: {switches} switches of {routes}+{routes}, {} of {} asked refused",
            guard.refused(),
            guard.asked()
        );
        guard.uninstall().await.unwrap();
    }
}
