//! The result of a switch, to the letter: what Lagoon takes from the pod's annotation and what its user reads in the log.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lagoon_task_testing::{Finished, ingress, tls_secret};
use serde_json::{Value, json};

use crate::evidence::{journals, writes};
use switch_testing::Shop;
use switch_testing::{control_plane, new_control_plane};

/// The annotation's JSON, which stands in the log too.
fn result(finished: &Finished) -> String {
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    let json = STANDARD.decode(finished.annotation.as_ref().unwrap()).unwrap();
    let json = String::from_utf8(json).unwrap();
    assert!(finished.log.contains(&format!("Result: {json}\n")), "{json}\n{}", finished.log);
    json
}

fn rule(host: &str) -> Value {
    let backend = json!({ "service": { "name": "web", "port": { "number": 80 } } });
    json!({ "host": host, "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": backend }] } })
}

#[tokio::test]
async fn fields_names_and_routes_come_in_upstreams_order_and_spelling() {
    let shop = Shop::empty(control_plane().await, "letter").await;
    let mut www = ingress("www", "www.example.com", "web", Some("www-tls"));
    // A host that an Ingress names twice is listed once, its hosts in its own order.
    www["spec"]["rules"] = json!([rule("www.example.com"), rule("example.com"), rule("www.example.com")]);
    shop.add(&shop.active, vec![tls_secret("www-tls", "www")]).await;
    // Not in the order of their names.
    shop.add(&shop.active, vec![www]).await;
    shop.add(&shop.active, vec![ingress("shop", "shop.example.com", "web", None)]).await;
    let mut without_secret = ingress("standby", "standby.example.com", "web", None);
    without_secret["spec"]["tls"] = json!([{ "hosts": ["standby.example.com"] }]);
    shop.add(&shop.standby, vec![without_secret]).await;
    let finished = shop.switch().await;
    assert_eq!(
        result(&finished),
        "{\"status\":\"Completed\",\"productionEnvironment\":\"develop\",\"standbyProductionEnvironment\":\"main\",\
         \"productionRoutes\":\"http://shop.example.com,https://www.example.com,https://example.com\",\
         \"standbyRoutes\":\"https://standby.example.com\",\"sourceNamespace\":\"letter-develop\",\
         \"DestinationNamespace\":\"letter-main\"}"
    );
    assert_eq!(finished.termination_message, "The switch is done. Environment \"develop\" is active now.");
}

#[tokio::test]
async fn variables_of_the_site_that_hold_names_of_it_do_not_change_the_result() {
    let shop = Shop::empty(control_plane().await, "same-words").await;
    shop.add(&shop.active, vec![ingress("www", "s3cret-word.example.com", "web", None)]).await;
    // Nobody should have such a password; but the host's name is what Lagoon records.
    let variable = |name: &str, value: &str| json!({ "name": name, "value": value, "scope": "global" });
    let variables = json!([
        variable("DB_PASSWORD", "s3cret-word"),
        variable("ROUTE_TOKEN", "http://s3cret-word.example.com"),
        variable("BRANCH_KEY", "develop"),
        variable("SECRET_NAMESPACE", "same-words-main"),
    ]);
    let task = shop.task().variable("LAGOON_PROJECT_VARIABLES", variables.to_string());
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(
        finished.result.unwrap(),
        json!({
            "status": "Completed",
            "productionEnvironment": "develop",
            "standbyProductionEnvironment": "main",
            "productionRoutes": "http://s3cret-word.example.com",
            "standbyRoutes": "",
            "sourceNamespace": "same-words-develop",
            "DestinationNamespace": "same-words-main",
        })
    );
    assert!(!finished.log.contains("s3cret-word"), "{}", finished.log);
    assert!(finished.log.contains("http://[hidden].example.com"), "{}", finished.log);
    assert!(finished.log.contains("\"develop\" is to become active"), "{}", finished.log);
}

#[tokio::test]
async fn two_switches_of_the_same_routes_list_them_in_the_same_order() {
    let shop = Shop::with_routes(control_plane().await, "order").await;
    let there = result(&shop.switch().await);
    let back: Value = serde_json::from_str(&result(&shop.switch_back().await)).unwrap();
    let there: Value = serde_json::from_str(&there).unwrap();
    // Of a switch and the switch back: the site's public routes are in the environment that is active.
    for routes in ["productionRoutes", "standbyRoutes"] {
        assert_eq!(there[routes], back[routes], "{routes}");
    }
}

#[tokio::test]
async fn routes_of_the_active_environment_alone_move_and_the_others_are_none() {
    let shop = Shop::empty(control_plane().await, "one-way").await;
    shop.add_routes(&shop.active, "one-way", &["www"]).await;
    let finished = shop.switch().await;
    assert_eq!(
        result(&finished),
        "{\"status\":\"Completed\",\"productionEnvironment\":\"develop\",\"standbyProductionEnvironment\":\"main\",\
         \"productionRoutes\":\"https://www.one-way.example.com\",\"standbyRoutes\":\"\",\
         \"sourceNamespace\":\"one-way-develop\",\"DestinationNamespace\":\"one-way-main\"}"
    );
    assert!(finished.log.contains("(namespace one-way-main) now: none.\n"), "{}", finished.log);
}

#[tokio::test]
async fn site_without_routes_to_move_is_told_so_and_not_switched() {
    let shop = Shop::empty(control_plane().await, "no-routes").await;
    let mut unlabelled = ingress("stays", "stays.example.com", "web", None);
    unlabelled["metadata"].as_object_mut().unwrap().remove("labels");
    shop.add(&shop.active, vec![unlabelled]).await;
    let before = shop.content().await;
    let finished = shop.switch().await;
    // Lagoon would exchange the environments, and every host would stay.
    assert_eq!((finished.exit_code, &finished.annotation), (Some(1), &None), "{}", finished.log);
    assert!(finished.log.contains("so nothing would move"), "{}", finished.log);
    assert_eq!(writes(&finished), Vec::<&lagoon_task_testing::Request>::new());
    assert_eq!(journals(&shop).await, Vec::<String>::new());
    assert_eq!(shop.content().await, before);
}

#[tokio::test]
async fn site_without_any_route_completes_and_says_so() {
    // One that knows no kind of routes that the deployer may not see.
    let control_plane = new_control_plane().await;
    let shop = Shop::empty(&control_plane, "bare").await;
    let finished = shop.switch().await;
    assert_eq!(
        result(&finished),
        "{\"status\":\"Completed\",\"productionEnvironment\":\"develop\",\"standbyProductionEnvironment\":\"main\",\
         \"productionRoutes\":\"\",\"standbyRoutes\":\"\",\"sourceNamespace\":\"bare-develop\",\
         \"DestinationNamespace\":\"bare-main\"}"
    );
    assert!(finished.log.contains("Neither environment has a route, so none moves.\n"), "{}", finished.log);
    assert_eq!(writes(&finished), Vec::<&lagoon_task_testing::Request>::new());
    assert_eq!(journals(&shop).await, Vec::<String>::new());
}

#[tokio::test]
async fn result_that_lagoon_could_not_keep_stops_the_switch_before_it_begins() {
    let shop = Shop::empty(control_plane().await, "long-result").await;
    let routes = (0..1200).map(|number| {
        let host = format!("{number:04}-{}.long-result.example.com", "a".repeat(50));
        ingress(&format!("r{number}"), &host, "web", None)
    });
    shop.add(&shop.active, routes.collect()).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    let problem = "- The 1200 hosts of the active environment: their names are 104399 bytes long together, and Lagoon keeps no \
                   more than 65535. Take the label activestandby.lagoon.sh/migrate from some routes.\n";
    assert!(finished.log.contains(problem), "{}", finished.log);
    assert_eq!(writes(&finished), Vec::<&lagoon_task_testing::Request>::new());
}

#[tokio::test]
async fn names_of_environments_go_back_as_lagoon_keeps_them() {
    let shop = Shop::with_routes(control_plane().await, "branches").await;
    let mut payload = shop.payload();
    payload["productionEnvironment"] = "release/1.x".into();
    payload["standbyEnvironment"] = "Feature/New_Shop".into();
    let finished = shop.site.task(&payload).launch().await.unwrap().finish().await.unwrap();
    let result = result(&finished);
    assert!(result.contains("\"productionEnvironment\":\"feature-new-shop\""), "{result}");
    assert!(result.contains("\"standbyProductionEnvironment\":\"release-1-x\""), "{result}");
}
