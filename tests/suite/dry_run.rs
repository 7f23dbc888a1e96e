//! A dry run shows what a switch would do, and does nothing.

use lagoon_task_testing::{Finished, HostGuard, Request, ingress};
use serde_json::{Value, json};

use crate::bench::control_plane;
use crate::evidence::{journals, writes};
use crate::shop::{INGRESSES, Shop};

async fn run(shop: &Shop<'_>, dry_run: Value) -> Finished {
    let mut payload = shop.payload();
    payload["dryRun"] = dry_run;
    shop.site.task(&payload).launch().await.unwrap().finish().await.unwrap()
}

/// A dry run that must end well and change nothing.
async fn show(shop: &Shop<'_>, dry_run: Value) -> Finished {
    let (before, journals_before) = (shop.content().await, journals(shop).await);
    let finished = run(shop, dry_run).await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(writes(&finished), Vec::<&Request>::new());
    assert_eq!(finished.annotation, None);
    assert_eq!(shop.content().await, before);
    assert_eq!(journals(shop).await, journals_before);
    assert!(finished.log.ends_with(" Nothing has changed.\n"), "{}", finished.log);
    finished
}

#[tokio::test]
async fn a_dry_run_shows_each_route_and_changes_nothing() {
    let shop = Shop::with_routes(control_plane().await, "dry").await;
    shop.add(&shop.active, vec![ingress("plain", "plain.dry.example.com", "web", None)]).await;
    for flag in [json!(true), json!("true")] {
        let finished = show(&shop, flag).await;
        assert_eq!(
            finished.log,
            "Switching: environment \"develop\" is to become active, \"main\" standby.\n\
             ROUTE            HOSTS                    FROM         TO           GAP     SECRETS THAT GO ALONG\n\
             Ingress plain    plain.dry.example.com    dry-main     dry-develop  no gap  -\n\
             Ingress preview  preview.dry.example.com  dry-develop  dry-main     no gap  preview-tls\n\
             Ingress shop     shop.dry.example.com     dry-main     dry-develop  no gap  shop-tls\n\
             Ingress standby  standby.dry.example.com  dry-develop  dry-main     no gap  standby-tls\n\
             Ingress www      www.dry.example.com      dry-main     dry-develop  no gap  www-tls\n\
             Dry run: the switch can be carried out. Nothing has changed.\n"
        );
        // The cluster is asked about each route.
        assert_eq!(finished.requests.iter().filter(|request| request.dry_run).count(), 5, "{:#?}", finished.requests);
    }
}

#[tokio::test]
async fn a_dry_run_tells_which_routes_are_offline_for_a_moment() {
    let shop = Shop::with_routes(control_plane().await, "dry-gap").await;
    let guard = HostGuard::install(control_plane().await, &shop.site.standby).await.unwrap();
    let finished = show(&shop, json!(true)).await;
    assert_eq!(finished.log.matches("  gap  ").count(), 4, "{}", finished.log);
    assert_eq!(finished.log.matches("  no gap").count(), 0, "{}", finished.log);
    assert_eq!((guard.asked(), guard.refused()), (4, 4));
}

#[tokio::test]
async fn a_dry_run_without_routes_says_so() {
    let shop = Shop::empty(control_plane().await, "dry-none").await;
    let finished = show(&shop, json!(true)).await;
    assert_eq!(
        finished.log,
        "Switching: environment \"develop\" is to become active, \"main\" standby.\n\
         Dry run: no route has the label activestandby.lagoon.sh/migrate=true, so none would move. Nothing has changed.\n"
    );
}

#[tokio::test]
async fn a_dry_run_after_the_switch_says_that_it_is_done() {
    let shop = Shop::with_routes(control_plane().await, "dry-done").await;
    assert_eq!(shop.switch().await.exit_code, Some(0));
    let finished = show(&shop, json!(true)).await;
    assert_eq!(
        finished.log,
        "Switching: environment \"develop\" is to become active, \"main\" standby.\n\
         Dry run: the switch is done already; a run would move nothing and report the result again. Nothing has changed.\n"
    );
}

#[tokio::test]
async fn a_dry_run_tells_what_is_in_the_way() {
    let shop = Shop::empty(control_plane().await, "dry-problem").await;
    shop.add(&shop.standby, vec![ingress("www", "www.example.com", "nginx", None)]).await;
    let before = shop.content().await;
    let finished = run(&shop, json!(true)).await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("it sends requests to Service \"nginx\""), "{}", finished.log);
    assert_eq!(writes(&finished), Vec::<&Request>::new());
    assert_eq!(shop.content().await, before);
}

#[tokio::test]
async fn a_flag_that_says_no_switches() {
    for (number, flag) in [json!(false), json!("false"), json!(""), json!(null)].into_iter().enumerate() {
        let shop = Shop::empty(control_plane().await, &format!("dry-not-{number}")).await;
        shop.add(&shop.standby, vec![ingress("www", "www.example.com", "web", None)]).await;
        let finished = run(&shop, flag.clone()).await;
        assert_eq!(finished.exit_code, Some(0), "{flag}: {}", finished.log);
        assert_eq!(shop.names(&shop.active, INGRESSES).await, ["www"], "{flag}");
        assert!(finished.annotation.is_some(), "{flag}");
    }
}
