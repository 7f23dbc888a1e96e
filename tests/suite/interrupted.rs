//! A switch that is killed anywhere is finished by the next run, and no route or key is lost on the way.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use futures::{StreamExt, stream};
use lagoon_task_testing::{ControlPlane, Fault, FaultProxy, Finished};
use serde_json::{Value, json};

use lagoon_task_testing::{held_or_ended, until};
use switch_testing::control_plane;
use switch_testing::{INGRESSES, SECRETS, Shop, host};

/// Switches that are interrupted at once.
const AT_ONCE: usize = 6;

const RANDOM_KILLS: usize = 200;

/// From a request to the kill after it; the next request comes sooner than that.
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

#[tokio::test]
async fn killed_after_any_request_the_next_run_finishes() {
    let control_plane = control_plane().await;
    let clean = Shop::with_routes(control_plane, "kill-clean").await.switch().await;
    assert_eq!(clean.exit_code, Some(0), "{}", clean.log);
    let requests = clean.requests.len();
    let killed = stream::iter(0..requests).map(|number| kill_after(control_plane, number));
    let killed: usize = killed.buffer_unordered(AT_ONCE).collect::<Vec<usize>>().await.iter().sum();
    assert!(killed >= at_least(&clean), "{killed} of {requests} runs were killed");
}

/// The requests that a run like this one makes at least. The progress label is patched beside the switch, so that one may
/// come or not; and the slower a run is, the more often it looks whether it still holds the lock.
pub fn at_least(clean: &Finished) -> usize {
    let looks = clean.requests.iter().filter(|request| request.short() == "get leases").count();
    clean.requests.len() - looks - 2
}

/// Kills a run when the API server has carried out its request of this number; answers 1, or 0 if it never sent it.
async fn kill_after(control_plane: &ControlPlane, number: usize) -> usize {
    let shop = Shop::with_routes(control_plane, &format!("kill-{number}")).await;
    let plan = move |passing: &lagoon_task_testing::Passing| {
        if passing.number == number { Fault::AnswerHeld } else { Fault::None }
    };
    let proxy = FaultProxy::start(control_plane, plan).await.unwrap();
    let mut running = shop.task_through(&proxy).launch().await.unwrap();
    let held = held_or_ended(&proxy, &mut running).await.unwrap();
    if held.is_some() {
        running.signal("KILL").await.unwrap();
        running.exit().await.unwrap();
        until(|| proxy.held() == 0).await;
    }
    let finished = running.finish().await.unwrap();
    let why = format!("killed after request {number} ({held:?}):\n{}", finished.log);
    drop(proxy);
    nothing_is_lost(&shop, &why).await;
    the_next_run_finishes(&shop, &why).await;
    usize::from(held.is_some())
}

#[tokio::test]
async fn killed_at_any_moment_the_next_run_finishes() {
    let control_plane = control_plane().await;
    let clean = Shop::with_routes(control_plane, "random-clean").await.switch().await;
    assert_eq!(clean.exit_code, Some(0), "{}", clean.log);
    let requests = clean.requests.len();
    let killed = stream::iter(0..RANDOM_KILLS).map(|number| kill_at_random(control_plane, number, requests));
    let killed: Vec<bool> = killed.buffer_unordered(AT_ONCE).collect().await;
    // A run that has ended before its moment came was not killed; most are.
    let killed = killed.into_iter().filter(|killed| *killed).count();
    assert!(killed > RANDOM_KILLS / 4, "only {killed} runs were killed");
}

/// Kills a run somewhere after it has sent so many requests as chance says. How fast a run is does not matter: a time
/// that was measured before says little on a machine that has become busier or idler since.
async fn kill_at_random(control_plane: &ControlPlane, number: usize, requests: usize) -> bool {
    let shop = Shop::with_routes(control_plane, &format!("random-{number}")).await;
    let proxy = FaultProxy::start(control_plane, |_| Fault::None).await.unwrap();
    let mut running = shop.task_through(&proxy).launch().await.unwrap();
    let (after, pause) = (fastrand::usize(0..=requests), LONGEST_PAUSE.mul_f64(fastrand::f64()));
    let moment = async {
        until(|| proxy.passed().len() >= after).await;
        // Not a wait for something: the moment itself is what is chosen at random.
        tokio::time::sleep(pause).await;
    };
    let killed = tokio::select! {
        () = moment => true,
        _ = running.exit() => false,
    };
    running.signal("KILL").await.unwrap();
    let finished = running.finish().await.unwrap();
    let why = format!("killed {pause:?} after request {after}:\n{}", finished.log);
    nothing_is_lost(&shop, &why).await;
    the_next_run_finishes(&shop, &why).await;
    killed && finished.signal.is_some()
}

/// Runs the task until it rests: everything is in its new place, and one more run writes nothing but to its own pod.
pub async fn the_next_run_finishes(shop: &Shop<'_>, why: &str) {
    let next = shop.switch().await;
    let why = format!("{why}\nthe next run:\n{}", next.log);
    assert_eq!(next.exit_code, Some(0), "{why}");
    assert_eq!(next.result, Some(shop.result()), "{why}");
    shop.assert_switched(&why).await;
    let once_more = shop.switch().await;
    assert_eq!((once_more.exit_code, &once_more.result), (Some(0), &next.result), "{why}\n{}", once_more.log);
    assert_eq!(writes(&once_more), [""; 0], "{why}\n{}", once_more.log);
}

/// What a run has written, but for its own pod and questions that are asked by way of a create.
pub fn writes(finished: &Finished) -> Vec<String> {
    let is_write = |request: &&lagoon_task_testing::Request| {
        !matches!(request.verb.as_str(), "get" | "list" | "watch")
            && !request.dry_run
            && request.resource != "selfsubjectrulesreviews"
            && request.resource != "leases"
            && request.name != request.pod
    };
    let writes = finished.requests.iter().filter(is_write);
    writes.map(|request| format!("{} {}/{}", request.short(), request.namespace, request.name)).collect()
}

/// Every host has a live route or a complete one in the journal, and every key is in a namespace.
pub async fn nothing_is_lost(shop: &Shop<'_>, why: &str) {
    let project = &shop.site.standby.project;
    let journal = journal(shop).await.to_string();
    let (mut hosts, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for namespace in [&shop.standby, &shop.active] {
        for route in shop.list(namespace, INGRESSES).await {
            hosts.insert(route["spec"]["rules"][0]["host"].as_str().unwrap().to_owned());
        }
        for secret in shop.list(namespace, SECRETS).await {
            keys.insert(secret["data"]["tls.key"].as_str().unwrap().to_owned());
        }
    }
    for name in ["standby", "preview", "www", "shop"] {
        let host = host(project, name);
        assert!(hosts.contains(&host) || journal.contains(&format!("\"host\":\"{host}\"")), "{why}\n{host} is lost");
        assert!(keys.contains(&STANDARD.encode(format!("the key of {host}"))), "{why}\nthe key of {host} is lost");
    }
}

/// The book of the journal and the changes beside it, or null.
pub async fn journal(shop: &Shop<'_>) -> Value {
    let maps = shop.list(&shop.standby, "v1/configmaps").await;
    let Some(map) = maps.iter().find(|map| map["metadata"]["name"] == "activestandby-journal") else {
        return Value::Null;
    };
    let Some(packed) = map["binaryData"]["book.json.gz"].as_str() else { return Value::Null };
    let book: Value = serde_json::from_reader(GzDecoder::new(STANDARD.decode(packed).unwrap().as_slice())).unwrap();
    let changes = maps.iter().filter_map(|map| map["data"]["change.json"].as_str());
    let changes: Vec<Value> = changes.map(|change| serde_json::from_str(change).unwrap()).collect();
    json!({ "book": book, "changes": changes })
}
