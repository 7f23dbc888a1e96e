//! A dry run shows what a switch would do, and does nothing.

use std::collections::BTreeMap;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use lagoon_task_testing::{Finished, HostGuard, Request, ingress};
use serde_json::{Value, json};

use crate::evidence::{journals, writes};
use switch_testing::{INGRESSES, Shop};
use switch_testing::{control_plane, new_control_plane};

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
    // A look takes no lock.
    assert!(finished.requests.iter().all(|request| request.resource != "leases"), "{:#?}", finished.requests);
    assert_eq!(finished.annotation, None);
    assert_eq!(shop.content().await, before);
    assert_eq!(journals(shop).await, journals_before);
    assert!(finished.log.ends_with(" Nothing has changed.\n"), "{}", finished.log);
    finished
}

#[tokio::test]
async fn a_dry_run_shows_each_route_and_what_is_worth_knowing_and_changes_nothing() {
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
             Note: Service \"web\" in namespace \"dry-develop\" has no ready endpoint at the moment; the environment \
             may be idle, and Lagoon wakes it at the first request.\n\
             Note: Service \"web\" in namespace \"dry-main\" has no ready endpoint at the moment; the environment may \
             be idle, and Lagoon wakes it at the first request.\n\
             Dry run: the switch can be carried out. Nothing has changed.\n"
        );
        // The cluster is asked about each route, whether it may be created there and deleted here.
        for verb in ["create", "delete"] {
            let asks = |request: &&Request| request.dry_run && request.verb == verb;
            assert_eq!(finished.requests.iter().filter(asks).count(), 5, "{:#?}", finished.requests);
        }
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
async fn dry_run_without_routes_says_so() {
    // One that knows no kind of routes that the deployer may not see.
    let control_plane = new_control_plane().await;
    let shop = Shop::empty(&control_plane, "dry-none").await;
    let finished = show(&shop, json!(true)).await;
    assert_eq!(
        finished.log,
        "Switching: environment \"develop\" is to become active, \"main\" standby.\n\
         Dry run: neither environment has a route, so none would move. Nothing has changed.\n"
    );
}

#[tokio::test]
async fn dry_run_without_labelled_routes_says_that_nothing_would_move() {
    let shop = Shop::empty(control_plane().await, "dry-unlabelled").await;
    let mut own = ingress("own", "own.example.com", "web", None);
    own["metadata"].as_object_mut().unwrap().remove("labels");
    shop.add(&shop.active, vec![own]).await;
    let finished = run(&shop, json!(true)).await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert_eq!(
        finished.log,
        "Switching: environment \"develop\" is to become active, \"main\" standby.\n\
         The switch cannot be carried out, for one reason:\n\
         - Namespaces \"dry-unlabelled-develop\" and \"dry-unlabelled-main\": no route there has the label \
         activestandby.lagoon.sh/migrate=true, so nothing would move. Name the site's hosts in .lagoon.yml under \
         production_routes, deploy both environments, then switch again.\n\
         Nothing has changed.\n"
    );
    assert_eq!(writes(&finished), Vec::<&Request>::new());
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

/// The manifest that the recipe of docs/install.md applies, for this site.
fn recipe(shop: &Shop<'_>) -> String {
    let (_, section) = include_str!("../../docs/install.md").split_once("### Show what a switch would do").unwrap();
    let (_, recipe) = section.split_once("```console\n").unwrap();
    let (recipe, _) = recipe.split_once("\n```").unwrap();
    let (settings, commands) = recipe.split_once("\n\n").unwrap();
    assert!(settings.lines().all(|line| line.contains('=')), "{settings}");
    // The place of kubectl takes a function that shows what it is to apply.
    let script = format!(
        "set -eu\nSTANDBY={} ACTIVE={} IMAGE=example.com/activestandby:1\n\
         kubectl() {{ if [ \"$1\" = apply ]; then cat; fi; }}\n{commands}\n",
        shop.standby, shop.active
    );
    let shown = Command::new("sh").arg("-c").arg(script).output().unwrap();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    String::from_utf8(shown.stdout).unwrap()
}

#[tokio::test]
async fn the_recipe_for_operators_gives_the_rights_of_a_switch_and_a_payload_that_changes_nothing() {
    let shop = Shop::with_routes(control_plane().await, "dry-recipe").await;
    shop.control_plane.apply(&recipe(&shop)).await.unwrap();
    let client = shop.site.client();
    let bindings = Api::<RoleBinding>::namespaced(client.clone(), &shop.active);
    let (given, by_lagoon) = (bindings.get("activestandby-dry-run"), bindings.get("lagoon-deployer-activestandby"));
    let (given, by_lagoon) = (given.await.unwrap(), by_lagoon.await.unwrap());
    assert_eq!((given.role_ref, given.subjects), (by_lagoon.role_ref, by_lagoon.subjects));

    let pods = Api::<Pod>::namespaced(client, &shop.standby);
    let spec = pods.get("activestandby-dry-run").await.unwrap().spec.unwrap();
    assert_eq!(spec.service_account_name.as_deref(), Some("lagoon-deployer"));
    let variables = spec.containers.into_iter().flat_map(|container| container.env.unwrap_or_default());
    let variables: BTreeMap<String, Option<String>> =
        variables.map(|variable| (variable.name, variable.value)).collect();
    assert_eq!(variables["NAMESPACE"].as_ref(), Some(&shop.standby));
    assert_eq!(variables["PODNAME"].as_deref(), Some("activestandby-dry-run"));
    let payload = STANDARD.decode(variables["JSON_PAYLOAD"].as_ref().unwrap()).unwrap();
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    let before = shop.content().await;
    let finished = shop.site.task(&payload).launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert!(
        finished.log.ends_with("Dry run: the switch can be carried out. Nothing has changed.\n"),
        "{}",
        finished.log
    );
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
