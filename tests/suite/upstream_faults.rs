//! The ten known faults of upstream's image, each by its number in the contract: none of them is repeated.

use std::collections::BTreeMap;

use http::Method;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, DeleteParams};
use lagoon_task_testing::{Fault, FaultProxy, Finished, HostGuard, Passing, Recorder, Request, ingress, tls_secret};
use serde_json::{Value, json};

use crate::evidence::{journals, writes};
use switch_testing::control_plane;
use switch_testing::{INGRESSES, SECRETS, Shop};

/// Switches with requests that meet faults.
async fn switch_with(shop: &Shop<'_>, plan: impl FnMut(&Passing) -> Fault + Send + 'static) -> Finished {
    let proxy = FaultProxy::start(control_plane().await, plan).await.unwrap();
    let finished = shop.task_through(&proxy).launch().await.unwrap().finish().await.unwrap();
    assert!(!proxy.injected().is_empty(), "{:#?}", proxy.passed());
    finished
}

/// A plan that has `fault` meet every request of this method whose URI contains `part`, but for dry runs.
fn every(method: Method, part: &str, fault: Fault) -> impl FnMut(&Passing) -> Fault + Send + 'static {
    let part = part.to_owned();
    move |passing| {
        let is_question = passing.uri.contains("dryRun");
        let is_met = passing.method == method && passing.uri.contains(&part) && !is_question;
        if is_met { fault } else { Fault::None }
    }
}

fn two_paths(name: &str, host: &str) -> Value {
    let mut route = ingress(name, host, "web", None);
    let rules = route["spec"]["rules"].as_array_mut().unwrap();
    let mut second = rules[0]["http"]["paths"][0].clone();
    second["path"] = json!("/second");
    rules[0]["http"]["paths"].as_array_mut().unwrap().push(second);
    let mut alternative = rules[0].clone();
    alternative["host"] = json!(format!("alternative.{host}"));
    rules.push(alternative);
    route
}

#[tokio::test]
async fn fault_1_an_ingress_with_several_rules_and_paths_moves_once() {
    let shop = Shop::empty(control_plane().await, "fault-1").await;
    shop.add(&shop.standby, vec![two_paths("standby", "standby.example.com")]).await;
    shop.add(&shop.active, vec![two_paths("www", "www.example.com")]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    let mut moves: Vec<String> = writes(&finished)
        .iter()
        .filter(|write| write.resource == "ingresses")
        .map(|write| format!("{} {}", write.verb, write.namespace))
        .collect();
    moves.sort();
    assert_eq!(
        moves,
        [
            "create fault-1-develop",
            "create fault-1-main",
            "delete fault-1-develop",
            "delete fault-1-main",
            "patch fault-1-develop",
            "patch fault-1-main",
        ]
    );
    assert_eq!(shop.names(&shop.active, INGRESSES).await, ["standby"]);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["www"]);
}

#[tokio::test]
async fn fault_2_a_secret_that_could_not_be_copied_is_not_deleted() {
    for (number, fault) in
        [Fault::AnsweredInstead(403, None), Fault::AnsweredInstead(422, None), Fault::AnsweredInstead(500, None)]
            .into_iter()
            .enumerate()
    {
        let shop = Shop::with_routes(control_plane().await, &format!("fault-2-{number}")).await;
        let before = shop.content().await;
        let finished = switch_with(&shop, every(Method::POST, "/secrets", fault)).await;
        assert_eq!(finished.exit_code, Some(1), "{fault:?}: {}", finished.log);
        let last = finished.log.lines().last().unwrap();
        assert!(last.contains("could not be created"), "{last}");
        assert!(last.contains("All routes are back where they were: nothing has changed."), "{last}");
        assert_eq!(shop.content().await, before, "{fault:?}");
        assert_eq!(journals(&shop).await, Vec::<String>::new(), "{fault:?}");
        assert_eq!(finished.annotation, None);
    }
}

#[tokio::test]
async fn fault_3_what_could_not_be_read_does_not_count_as_missing() {
    let cases = [
        ("services", "/services", "The list of Service objects in namespace "),
        ("routes", "/ingresses", "The list of Ingress objects in namespace "),
        ("secrets", "/secrets/", "Secret \""),
        ("journal", "/configmaps/activestandby-journal", "ConfigMap \"activestandby-journal\" in namespace "),
    ];
    for (name, part, says) in cases {
        let shop = Shop::with_routes(control_plane().await, &format!("fault-3-{name}")).await;
        let before = shop.content().await;
        let finished = switch_with(&shop, every(Method::GET, part, Fault::AnsweredInstead(403, None))).await;
        assert_eq!(finished.exit_code, Some(1), "{name}: {}", finished.log);
        let last = finished.log.lines().last().unwrap();
        assert!(last.contains(says) && last.contains("could not be read: the deployer is not allowed to"), "{last}");
        assert!(last.contains("Nothing has changed."), "{last}");
        assert_eq!(writes(&finished), Vec::<&Request>::new(), "{name}");
        assert_eq!(shop.content().await, before, "{name}");
        assert_eq!(journals(&shop).await, Vec::<String>::new(), "{name}");
    }
}

#[tokio::test]
async fn fault_4_killed_between_delete_and_create_the_next_run_brings_the_route() {
    let shop = Shop::with_routes(control_plane().await, "fault-4").await;
    let _guard = HostGuard::install(control_plane().await, &shop.site.standby).await.unwrap();
    let held = every(Method::DELETE, "/ingresses/www", Fault::AnswerHeld);
    let proxy = FaultProxy::start(control_plane().await, held).await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    running.signal("KILL").await.unwrap();
    let killed = running.finish().await.unwrap();
    assert_eq!(killed.signal, Some(9), "{}", killed.log);
    for namespace in [&shop.standby, &shop.active] {
        let routes = shop.names(namespace, INGRESSES).await;
        assert!(!routes.contains(&"www".to_owned()), "it is offline: {routes:?} in {namespace}");
    }

    let next = shop.switch().await;
    assert_eq!(next.exit_code, Some(0), "{}", next.log);
    let says = "An earlier run of this switch was interrupted. Going on where it stopped.\n";
    assert!(next.log.contains(says), "{}", next.log);
    assert_eq!(next.result, Some(shop.result()));
    shop.assert_switched("after the next run").await;
}

#[tokio::test]
async fn fault_5_a_route_whose_name_is_taken_is_not_lost() {
    let shop = Shop::empty(control_plane().await, "fault-5").await;
    let mut stays = ingress("www", "old.example.com", "web", None);
    stays["metadata"].as_object_mut().unwrap().remove("labels");
    shop.add(&shop.active, vec![stays]).await;
    shop.add(&shop.standby, vec![ingress("www", "www.example.com", "web", None)]).await;
    let before = shop.content().await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("has a route of the same name, Ingress \"www\""), "{}", finished.log);
    assert_eq!(shop.content().await, before);
}

#[tokio::test]
async fn fault_6_no_moved_object_names_an_owner_that_is_not_in_its_namespace() {
    let shop = Shop::empty(control_plane().await, "fault-6").await;
    let owned = |mut object: Value| {
        object["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "00000000-0000-4000-8000-000000000000",
        }]);
        object
    };
    shop.add(&shop.active, vec![owned(tls_secret("www-tls", "www"))]).await;
    shop.add(&shop.active, vec![owned(ingress("www", "www.example.com", "web", Some("www-tls")))]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    for (resource, name) in [(INGRESSES, "www"), (SECRETS, "www-tls")] {
        let moved = shop.list(&shop.standby, resource).await;
        assert_eq!(moved.len(), 1, "{moved:#?}");
        assert_eq!(moved[0]["metadata"]["name"], name);
        assert_eq!(moved[0]["metadata"].get("ownerReferences"), None, "{moved:#?}");
    }
}

#[tokio::test]
async fn fault_7_odd_routes_and_payloads_crash_nothing() {
    let shop = Shop::empty(control_plane().await, "fault-7").await;
    let mut no_http = ingress("no-http", "none.example.com", "web", None);
    no_http["spec"] = json!({ "rules": [{ "host": "none.example.com" }] });
    let mut bucket = ingress("bucket", "none.example.com", "web", None);
    bucket["spec"] = json!({ "defaultBackend": { "resource": { "kind": "Bucket", "name": "pictures" } } });
    shop.add(&shop.standby, vec![no_http, bucket]).await;
    let mut payload = shop.payload();
    payload.as_object_mut().unwrap().remove("standbyEnvironment");
    let finished = shop.site.task(&payload).launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1));
    assert!(finished.log.contains("the field `standbyEnvironment` is missing"), "{}", finished.log);

    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, ["bucket", "no-http"]);
}

#[tokio::test]
async fn fault_8_run_again_after_a_success_that_lagoon_lost_it_reports_the_same_and_moves_nothing() {
    let shop = Shop::with_routes(control_plane().await, "fault-8").await;
    let first = shop.switch().await;
    assert_eq!(first.exit_code, Some(0), "{}", first.log);
    let content = shop.content().await;
    for _ in 0..2 {
        let again = shop.switch().await;
        assert_eq!(again.exit_code, Some(0), "{}", again.log);
        assert_eq!(again.annotation, first.annotation);
        assert_eq!(writes(&again), Vec::<&Request>::new());
        let last = again.log.lines().last().unwrap();
        let says = "An earlier run had moved the routes already; this one has only reported the result again.";
        assert!(last.ends_with(says), "{last}");
        assert_eq!(shop.content().await, content);
    }
}

#[tokio::test]
async fn fault_8_a_result_that_could_not_be_handed_over_is_handed_over_by_the_next_run() {
    let shop = Shop::with_routes(control_plane().await, "fault-8-pod").await;
    let first = switch_with(&shop, every(Method::PATCH, "/pods/", Fault::AnsweredInstead(403, None))).await;
    assert_eq!(first.exit_code, Some(1), "{}", first.log);
    let last = first.log.lines().last().unwrap();
    assert!(last.starts_with("The switch is done: the routes have moved. But Lagoon does not know it yet"), "{last}");
    assert!(last.ends_with("moves nothing a second time, and reports the result."), "{last}");
    shop.assert_switched("though Lagoon does not know it").await;

    let again = shop.switch().await;
    assert_eq!(again.exit_code, Some(0), "{}", again.log);
    assert_eq!(again.result, Some(shop.result()));
    // Its journal alone, which says from now on that the result has been handed over.
    let written: Vec<String> = writes(&again).iter().map(|write| write.short()).collect();
    assert_eq!(written, ["update configmaps"]);
    shop.assert_switched("after the second run").await;
}

#[tokio::test]
async fn fault_8_a_switch_that_another_program_took_back_is_not_taken_for_one_that_is_done() {
    let shop = Shop::empty(control_plane().await, "fault-8-back").await;
    shop.add(&shop.active, vec![ingress("www", "www.example.com", "web", None)]).await;
    assert_eq!(shop.switch().await.exit_code, Some(0));
    // As upstream's image does it: the labels stay on the route, those of the switch among them.
    let mut route = ingress("www", "www.example.com", "web", None);
    route["metadata"]["labels"] = shop.list(&shop.standby, INGRESSES).await[0]["metadata"]["labels"].clone();
    route["metadata"]["labels"]["activestandby.lagoon.sh/migrated-from"] = json!(shop.standby);
    let routes: Api<Ingress> = Api::namespaced(shop.site.client(), &shop.standby);
    routes.delete("www", &DeleteParams::default()).await.unwrap();
    shop.add(&shop.active, vec![route]).await;

    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["www"], "{}", finished.log);
    assert_eq!(finished.result.unwrap()["productionRoutes"], "http://www.example.com");
}

#[tokio::test]
async fn fault_9_an_impostor_of_the_api_server_gets_nothing() {
    let shop = Shop::empty(control_plane().await, "fault-9").await;
    let (proxy, impostor) = (Recorder::plain().await.unwrap(), Recorder::impostor().await.unwrap());
    let task = shop
        .task()
        .variable("KUBERNETES_SERVICE_PORT", impostor.port().to_string())
        .variable("HTTPS_PROXY", format!("http://127.0.0.1:{}", proxy.port()));
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1));
    assert!(impostor.connections() > 0);
    assert_eq!(impostor.recorded(), "");
    assert_eq!(proxy.connections(), 0);
    assert!(finished.log.contains("could not prove to be this cluster's API server"), "{}", finished.log);
}

/// Upstream waits 20 s in each switch and 1 s for each route. A test cannot see a wait without a clock, and a clock
/// lies on a busy machine: how long a switch takes, the benchmark `direct_way` measures. What shows here is why it need
/// not wait: no route waits for another, and nothing is asked again and again until it has changed.
#[tokio::test]
async fn fault_10_no_route_waits_for_another_and_nothing_is_asked_again_and_again() {
    let shop = Shop::with_routes(control_plane().await, "fault-10").await;
    let held = every(Method::DELETE, "/ingresses/www", Fault::RequestHeld);
    let proxy = FaultProxy::start(control_plane().await, held).await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    for route in ["preview", "shop", "standby"] {
        running.wait_for_line(&format!("Ingress \"{route}\" ({route}.fault-10.example.com) from ")).await.unwrap();
    }
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    let mut asked = BTreeMap::<&str, usize>::new();
    // Whether the lock is still held is asked again before a write once the last answer is half a second old.
    let reads = |request: &&Request| ["get", "list"].contains(&request.verb.as_str()) && request.resource != "leases";
    for request in finished.requests.iter().filter(reads) {
        *asked.entry(&request.uri).or_default() += 1;
    }
    // Before the switch and after it.
    assert!(asked.values().all(|times| *times <= 2), "{asked:#?}");
}
