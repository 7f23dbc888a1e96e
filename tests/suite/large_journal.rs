//! A journal that does not fit into one object, and what it holds.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, ListParams, Patch, PatchParams};
use lagoon_task_testing::{Fault, FaultProxy, Passing, ingress, tls_secret};
use route_switch::journal::unpack;
use serde_json::{Value, json};

use lagoon_task_testing::{first, until};
use switch_testing::control_plane;
use switch_testing::{CONFIG_MAPS, INGRESSES, Shop, host};

const ROUTES: usize = 12;
const JOURNAL: &str = "activestandby-journal";
const NOTE: &str = "example.com/note";

/// Text that does not get smaller by packing: as much as an object's annotations may hold.
fn long_note(random: &mut fastrand::Rng) -> String {
    std::iter::repeat_with(|| random.alphanumeric()).take(200_000).collect()
}

/// A site whose routes of the standby environment have long annotations, and these.
async fn large(project: &str) -> (Shop<'static>, Vec<String>) {
    let shop = Shop::empty(control_plane().await, project).await;
    let mut random = fastrand::Rng::with_seed(1);
    let notes: Vec<String> = (0..ROUTES).map(|_| long_note(&mut random)).collect();
    for (number, note) in notes.iter().enumerate() {
        let (name, secret) = (name(number), format!("{}-tls", name(number)));
        let mut route = ingress(&name, &host(project, &name), "web", Some(&secret));
        route["metadata"]["annotations"] = json!({ NOTE: note });
        shop.add(&shop.standby, vec![tls_secret(&secret, &name), route]).await;
    }
    (shop, notes)
}

fn name(number: usize) -> String {
    format!("route-{number:02}")
}

fn creates_route(passing: &Passing) -> bool {
    passing.method == Method::POST && passing.uri.contains("/ingresses") && !passing.uri.contains("dryRun")
}

fn creates_part(passing: &Passing) -> bool {
    passing.method == Method::POST && passing.uri.contains("/configmaps") && !passing.uri.contains("dryRun")
}

fn writes_journal(passing: &Passing) -> bool {
    passing.method == Method::PUT && passing.uri.contains(JOURNAL)
}

async fn assert_moved(shop: &Shop<'_>, notes: &[String]) {
    assert!(shop.names(&shop.standby, INGRESSES).await.is_empty());
    let moved = shop.list(&shop.active, INGRESSES).await;
    let moved: Vec<&Value> = moved.iter().map(|route| &route["metadata"]["annotations"][NOTE]).collect();
    assert_eq!(moved.len(), ROUTES);
    assert!(moved == notes.iter().collect::<Vec<_>>(), "a route has another note than it should");
    assert_eq!(shop.names(&shop.standby, CONFIG_MAPS).await, [JOURNAL]);
}

#[tokio::test]
async fn a_large_journal_is_split_and_read_again_by_the_next_run() {
    let (shop, notes) = large("large").await;
    let mut left = ROUTES;
    let plan = move |passing: &Passing| {
        if left == 0 || !creates_route(passing) {
            return Fault::None;
        }
        left -= 1;
        Fault::RequestHeld
    };
    let proxy = FaultProxy::start(shop.control_plane, plan).await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    for _ in 0..ROUTES {
        proxy.until_held().await.unwrap();
    }
    running.signal("KILL").await.unwrap();
    running.finish().await.unwrap();
    until(|| proxy.held() == 0).await;
    assert!(shop.names(&shop.standby, CONFIG_MAPS).await.len() > 1);
    assert_no_secret_in_the_journal(&shop).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_moved(&shop, &notes).await;
}

/// Neither as it is nor as it is in the Secret, in base64.
async fn assert_no_secret_in_the_journal(shop: &Shop<'_>) {
    let api: Api<ConfigMap> = Api::namespaced(shop.site.client(), &shop.standby);
    // The names of the parts are in their order.
    let all = api.list(&ListParams::default()).await.unwrap().items;
    let parts: Vec<Vec<u8>> =
        all.iter().flat_map(|part| part.binary_data.clone().unwrap().into_values()).map(|data| data.0).collect();
    let book = serde_json::to_string(&unpack(&parts).unwrap()).unwrap();
    let heads =
        serde_json::to_string(&all.iter().map(|part| (&part.metadata, &part.data)).collect::<Vec<_>>()).unwrap();
    assert!(book.contains("route-00-tls"));
    for number in 0..ROUTES {
        let secret = tls_secret("tls", &name(number));
        for entry in ["tls.crt", "tls.key"] {
            let encoded = secret["data"][entry].as_str().unwrap();
            let plain = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
            for text in [encoded, plain.as_str()] {
                assert!(!book.contains(text) && !heads.contains(text), "{text} is in the journal");
            }
        }
    }
}

/// Each run writes down beside the book which routes it has found changed, and each next one writes the book anew. What
/// one has written must not be mistaken for what another writes.
#[tokio::test]
async fn a_large_journal_that_two_runs_write_on_is_still_whole_for_a_third() {
    let (shop, _) = large("anew").await;
    let mut left = ROUTES;
    let plan = move |passing: &Passing| {
        if creates_route(passing) && left > 0 {
            left -= 1;
            return Fault::AnswerHeld;
        }
        if left == 0 && creates_part(passing) { Fault::AnswerHeld } else { Fault::None }
    };
    let proxy = FaultProxy::start(shop.control_plane, plan).await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    for _ in 0..ROUTES {
        proxy.until_held().await.unwrap();
    }
    let mut random = fastrand::Rng::with_seed(2);
    let notes: Vec<String> = (0..ROUTES).map(|_| long_note(&mut random)).collect();
    let api: Api<Ingress> = Api::namespaced(shop.site.client(), &shop.standby);
    for (number, note) in notes.iter().enumerate() {
        let patch = Patch::Merge(json!({ "metadata": { "annotations": { NOTE: note } } }));
        api.patch(&name(number), &PatchParams::default(), &patch).await.unwrap();
    }
    proxy.release();
    // It has written down the first route that it has found changed.
    assert!(creates_part(&proxy.until_held().await.unwrap()));
    running.signal("KILL").await.unwrap();
    running.finish().await.unwrap();
    until(|| proxy.held() == 0).await;
    assert_eq!(changes(&shop).await.len(), 1);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await.len(), ROUTES, "none goes before it is written down");

    // The next run has written the book anew, and has not yet removed what that replaces.
    let plan = |passing: &Passing| if writes_journal(passing) { Fault::AnswerHeld } else { Fault::None };
    let proxy = FaultProxy::start(shop.control_plane, plan).await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    running.signal("KILL").await.unwrap();
    running.finish().await.unwrap();
    until(|| proxy.held() == 0).await;
    assert_eq!(changes(&shop).await.len(), 1);

    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_moved(&shop, &notes).await;
}

/// The names of the objects that say which routes were found changed.
async fn changes(shop: &Shop<'_>) -> Vec<String> {
    let mut names = shop.names(&shop.standby, CONFIG_MAPS).await;
    names.retain(|name| name.starts_with(&format!("{JOURNAL}-")) && name.contains("-change-"));
    names
}

/// A route that is changed while it moves costs one small object, however large the book is.
#[tokio::test]
async fn a_changed_route_is_written_down_beside_a_large_journal() {
    let (shop, mut notes) = large("written-beside").await;
    let mut left = ROUTES;
    let plan = move |passing: &Passing| {
        if creates_route(passing) && left > 0 {
            left -= 1;
            return Fault::AnswerHeld;
        }
        Fault::None
    };
    let proxy = FaultProxy::start(shop.control_plane, plan).await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    for _ in 0..ROUTES {
        proxy.until_held().await.unwrap();
    }
    let api: Api<Ingress> = Api::namespaced(shop.site.client(), &shop.standby);
    for (number, note) in notes.iter_mut().enumerate().take(3) {
        *note = format!("changed {number}");
        let patch = Patch::Merge(json!({ "metadata": { "annotations": { NOTE: note } } }));
        api.patch(&name(number), &PatchParams::default(), &patch).await.unwrap();
    }
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(finished.log.matches("was changed by somebody during the switch").count(), 3, "{}", finished.log);
    let parts =
        finished.requests.iter().filter(|one| one.resource == "configmaps" && one.verb == "create" && !one.dry_run);
    let changes = parts.filter(|one| one.name.contains("-change-")).count();
    assert_eq!(changes, 3, "{:#?}", finished.requests);
    // They are gone with the book.
    assert_moved(&shop, &notes).await;
}

/// A run that was stopped at its very end, and comes back while a later switch is under way.
#[tokio::test]
async fn parts_of_a_later_journal_outlive_an_earlier_run_that_comes_back() {
    let (shop, notes) = large("outlive").await;
    let proxy = FaultProxy::start(shop.control_plane, first(1, Fault::AnswerHeld, writes_journal)).await.unwrap();
    let stopped = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    stopped.signal("STOP").await.unwrap();
    // As when its node is lost and its pod is said to have failed.
    let pods: Api<Pod> = Api::namespaced(shop.site.client(), &shop.standby);
    let failed = Patch::Merge(json!({ "status": { "phase": "Failed" } }));
    pods.patch_status(&stopped.pod_name(), &PatchParams::default(), &failed).await.unwrap();
    let back = shop.switch_back().await;
    assert_eq!(back.exit_code, Some(0), "{}", back.log);

    let later = FaultProxy::start(shop.control_plane, first(ROUTES, Fault::RequestHeld, creates_route)).await.unwrap();
    let running = shop.task_through(&later).launch().await.unwrap();
    for _ in 0..ROUTES {
        later.until_held().await.unwrap();
    }
    let parts = shop.names(&shop.standby, CONFIG_MAPS).await;
    proxy.release();
    stopped.signal("CONT").await.unwrap();
    stopped.finish().await.unwrap();
    let now = shop.names(&shop.standby, CONFIG_MAPS).await;
    running.signal("KILL").await.unwrap();
    let killed = running.finish().await.unwrap();
    until(|| later.held() == 0).await;
    assert!(parts.len() > 1 && parts.iter().all(|part| now.contains(part)), "{parts:?} {now:?} {}", killed.log);
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.list(&shop.active, INGRESSES).await.len(), notes.len(), "{}", finished.log);
}
