//! Routes and Secrets of one name that move each way at once, so that they change places.

use std::collections::BTreeMap;

use http::Method;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, Patch, PatchParams};
use lagoon_task_testing::{ControlPlane, Fault, FaultProxy, Finished, HostGuard, Passing, ingress, tls_secret};
use serde_json::{Value, json};

use crate::history::Recording;
use lagoon_task_testing::{held_or_ended, until};
use switch_testing::control_plane;
use switch_testing::{SECRETS, Shop, host};

/// What is in each environment before the switch.
#[derive(Clone, Default)]
struct Stock {
    standby: Vec<Value>,
    active: Vec<Value>,
}

impl Stock {
    /// A route in each environment, by these names, with a Secret of this name in each.
    fn pair(routes: [&str; 2], secrets: [&str; 2]) -> Self {
        Self { standby: served("standby", routes[0], secrets[0]), active: served("active", routes[1], secrets[1]) }
    }

    fn and(mut self, other: Self) -> Self {
        self.standby.extend(other.standby);
        self.active.extend(other.active);
        self
    }

    async fn stocked<'bench>(&self, bench: &'bench ControlPlane, project: &str) -> Shop<'bench> {
        let shop = Shop::empty(bench, project).await;
        shop.add(&shop.standby, self.standby.clone()).await;
        shop.add(&shop.active, self.active.clone()).await;
        shop
    }
}

/// A route with a host of its own, and the Secret that it names.
fn served(side: &str, route: &str, secret: &str) -> Vec<Value> {
    vec![tls_secret(secret, side), routed(side, route, secret)]
}

fn routed(side: &str, route: &str, secret: &str) -> Value {
    ingress(route, &host(side, route), "web", Some(secret))
}

/// A Secret and route as above, of a Secret of another type.
fn opaque(mut served: Vec<Value>) -> Vec<Value> {
    served[0]["type"] = "Opaque".into();
    served
}

fn immutable(mut served: Vec<Value>) -> Vec<Value> {
    served[0]["immutable"] = true.into();
    served
}

/// What each namespace holds once all of it has changed places.
fn crossed(shop: &Shop<'_>, content: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let other = |key: &String| match key.strip_prefix(&shop.standby) {
        Some(rest) => format!("{}{rest}", shop.active),
        None => key.replacen(&shop.active, &shop.standby, 1),
    };
    content.iter().map(|(key, object)| (other(key), object.clone())).collect()
}

/// Everything is on the other side as it was, and nothing else is left but the journal.
async fn assert_crossed(shop: &Shop<'_>, before: &BTreeMap<String, Value>, finished: &Finished, why: &str) {
    assert_eq!(finished.exit_code, Some(0), "{why}: {}", finished.log);
    assert_eq!(finished.result.as_ref().unwrap()["status"], "Completed", "{why}");
    assert_eq!(shop.content().await, crossed(shop, before), "{why}: {}", finished.log);
    assert_eq!(shop.names(&shop.standby, "v1/configmaps").await, ["activestandby-journal"], "{why}");
    assert!(shop.names(&shop.active, "v1/configmaps").await.is_empty(), "{why}");
}

/// Switches where hosts may overlap, and where they may not.
async fn assert_exchanged(project: &str, stock: &Stock) {
    let shop = stock.stocked(control_plane().await, project).await;
    let before = shop.content().await;
    let recording = Recording::start(&shop).await;
    let finished = shop.switch().await;
    recording.end().await.assert_always_live(project);
    assert_crossed(&shop, &before, &finished, project).await;

    let project = format!("{project}-guarded");
    let shop = stock.stocked(control_plane().await, &project).await;
    let before = shop.content().await;
    let guard = HostGuard::install(control_plane().await, &shop.site.standby).await.unwrap();
    let recording = Recording::start(&shop).await;
    let finished = shop.switch().await;
    let history = recording.end().await;
    history.assert_never_the_wrong_certificate(&project);
    history.assert_no_key_is_ever_lost(&project);
    assert_crossed(&shop, &before, &finished, &project).await;
    guard.uninstall().await.unwrap();
}

#[tokio::test]
async fn routes_of_one_name_change_places() {
    assert_exchanged("one-name", &Stock::pair(["www", "www"], ["standby-tls", "active-tls"])).await;
}

#[tokio::test]
async fn secrets_of_one_name_change_places() {
    assert_exchanged("one-secret", &Stock::pair(["standby", "www"], ["tls", "tls"])).await;
}

#[tokio::test]
async fn routes_and_secrets_of_one_name_change_places() {
    assert_exchanged("both", &Stock::pair(["www", "www"], ["tls", "tls"])).await;
}

#[tokio::test]
async fn a_secret_that_several_routes_name_changes_places_once() {
    let mut stock = Stock::pair(["www", "www"], ["tls", "tls"]);
    stock.standby.push(routed("standby", "blog", "tls"));
    stock.standby.push(routed("standby", "preview", "tls"));
    stock.active.push(routed("active", "shop", "tls"));
    assert_exchanged("several", &stock).await;
}

#[tokio::test]
async fn chains_of_names_change_places_together() {
    let stock = Stock::pair(["one", "two"], ["a", "b"]).and(Stock::pair(["two", "three"], ["b", "c"]));
    assert_exchanged("chain", &stock.and(Stock::pair(["three", "one"], ["c", "a"]))).await;
}

#[tokio::test]
async fn secrets_of_different_type_change_places() {
    let Stock { standby, active } = Stock::pair(["www", "www"], ["tls", "tls"]);
    assert_exchanged("opaque-standby", &Stock { standby: opaque(standby.clone()), active: active.clone() }).await;
    assert_exchanged("opaque-active", &Stock { standby, active: opaque(active) }).await;
}

#[tokio::test]
async fn immutable_secrets_change_places_and_stay_immutable() {
    let Stock { standby, active } = Stock::pair(["www", "www"], ["tls", "tls"]);
    let (frozen_standby, frozen_active) = (immutable(standby.clone()), immutable(active.clone()));
    assert_exchanged("frozen-standby", &Stock { standby: frozen_standby.clone(), active: active.clone() }).await;
    assert_exchanged("frozen-active", &Stock { standby, active: frozen_active.clone() }).await;
    assert_exchanged("frozen", &Stock { standby: frozen_standby, active: frozen_active }).await;
}

#[tokio::test]
async fn many_pairs_change_places_at_once() {
    let mut stock = Stock::default();
    for number in 0..20 {
        let (route, secret) = (format!("route-{number}"), format!("tls-{number}"));
        let other = format!("other-{number}");
        stock = stock.and(match number % 3 {
            0 => Stock::pair([&route, &route], [&secret, &secret]),
            1 => Stock::pair([&route, &route], [&secret, &other]),
            _ => Stock::pair([&route, &other], [&secret, &secret]),
        });
    }
    assert_exchanged("twenty", &stock).await;
}

/// Labels and annotations of both are kept apart too.
#[tokio::test]
async fn each_secret_keeps_its_own_labels_and_annotations() {
    let mut stock = Stock::pair(["www", "www"], ["tls", "tls"]);
    for (side, objects) in [("standby", &mut stock.standby), ("active", &mut stock.active)] {
        objects[0]["metadata"]["labels"] = json!({ "example.com/side": side });
        objects[0]["metadata"]["annotations"] = json!({ "cert-manager.io/certificate-name": side });
        objects[1]["metadata"]["annotations"] = json!({ "example.com/side": side });
    }
    assert_exchanged("own-labels", &stock).await;
}

fn is_write(passing: &Passing) -> bool {
    passing.method != Method::GET && !passing.uri.contains("dryRun") && !passing.uri.contains("/pods/")
}

/// Kills the task at request `number` and runs it again. Answers whether it got that far.
async fn killed_at(stock: &Stock, project: &str, number: usize, guarded: bool) -> bool {
    let shop = stock.stocked(control_plane().await, &format!("{project}-{number}")).await;
    let before = shop.content().await;
    let guard =
        if guarded { Some(HostGuard::install(shop.control_plane, &shop.site.standby).await.unwrap()) } else { None };
    let recording = Recording::start(&shop).await;
    let plan = move |passing: &Passing| if passing.number == number { Fault::AnswerHeld } else { Fault::None };
    let proxy = FaultProxy::start(shop.control_plane, plan).await.unwrap();
    let mut running = shop.task_through(&proxy).launch().await.unwrap();
    let held = held_or_ended(&proxy, &mut running).await.unwrap();
    running.signal("KILL").await.unwrap();
    running.finish().await.unwrap();
    until(|| proxy.held() == 0).await;
    let why = format!("{project}, killed at {held:?}");
    let finished = shop.switch().await;
    let history = recording.end().await;
    if guarded {
        history.assert_never_the_wrong_certificate(&why);
        history.assert_no_key_is_ever_lost(&why);
    } else {
        history.assert_always_live(&why);
    }
    assert_crossed(&shop, &before, &finished, &why).await;
    if let Some(guard) = guard {
        guard.uninstall().await.unwrap();
    }
    held.is_some()
}

async fn killed_everywhere(project: &str, guarded: bool) {
    let mut stock = Stock::pair(["www", "www"], ["tls", "tls"]);
    stock.standby.push(routed("standby", "blog", "tls"));
    let mut number = 0;
    while killed_at(&stock, project, number, guarded).await {
        number += 1;
    }
    assert!(number > 40, "{number} requests are too few for an exchange");
}

#[tokio::test]
async fn an_exchange_killed_at_any_request_is_finished_by_the_next_run() {
    killed_everywhere("killed", false).await;
}

#[tokio::test]
async fn an_exchange_with_gaps_killed_at_any_request_is_finished_by_the_next_run() {
    killed_everywhere("gap-killed", true).await;
}

/// A plan that lets the write of this number meet `fault`.
fn at_write(number: usize, fault: Fault) -> impl FnMut(&Passing) -> Fault + Send + 'static {
    let mut writes = 0;
    move |passing| {
        writes += usize::from(is_write(passing));
        if is_write(passing) && writes == number { fault } else { Fault::None }
    }
}

#[tokio::test]
async fn an_exchange_of_which_one_write_is_refused_is_undone_or_finished_later() {
    let stock = Stock::pair(["www", "www"], ["tls", "tls"]);
    let mut undone = 0;
    for number in 1.. {
        let why = format!("refused-{number}");
        let shop = stock.stocked(control_plane().await, &why).await;
        let before = shop.content().await;
        let recording = Recording::start(&shop).await;
        let plan = at_write(number, Fault::AnsweredInstead(403, None));
        let proxy = FaultProxy::start(shop.control_plane, plan).await.unwrap();
        let first = shop.task_through(&proxy).launch().await.unwrap().finish().await.unwrap();
        if proxy.injected().is_empty() {
            assert!(undone > 5, "only {undone} of {number} were undone");
            return;
        }
        if first.log.contains("nothing has changed") || first.log.contains("Nothing has changed") {
            assert_eq!(first.exit_code, Some(1), "{why}: {}", first.log);
            assert_eq!(shop.content().await, before, "{why}: {}", first.log);
            assert!(shop.names(&shop.standby, "v1/configmaps").await.is_empty(), "{why}");
            undone += 1;
        }
        let finished = shop.switch().await;
        recording.end().await.assert_always_live(&why);
        assert_crossed(&shop, &before, &finished, &format!("{why} {:?} {}", proxy.injected(), first.log)).await;
    }
}

/// Takes the rights away at the write of this number, and gives them back once the run has ended. Answers whether it got
/// that far.
async fn without_rights_at(stock: &Stock, project: &str, number: usize, guarded: bool) -> bool {
    let shop = stock.stocked(control_plane().await, &format!("{project}-{number}")).await;
    let before = shop.content().await;
    let hosts = shop.hosts().await;
    let guard =
        if guarded { Some(HostGuard::install(shop.control_plane, &shop.site.standby).await.unwrap()) } else { None };
    let recording = Recording::start(&shop).await;
    let proxy = FaultProxy::start(shop.control_plane, at_write(number, Fault::RequestHeld)).await.unwrap();
    let mut running = shop.task_through(&proxy).launch().await.unwrap();
    let held = held_or_ended(&proxy, &mut running).await.unwrap();
    shop.site.launcher.forbid_switch(&shop.site.standby, &shop.site.active).await.unwrap();
    proxy.release();
    let first = running.finish().await.unwrap();
    let why = format!("{project}, no rights at {held:?}: {}", first.log);
    assert_eq!(shop.hosts().await, hosts, "{why}");
    shop.site.launcher.allow_switch(&shop.site.standby, &shop.site.active).await.unwrap();
    let finished = shop.switch().await;
    let history = recording.end().await;
    history.assert_never_the_wrong_certificate(&why);
    history.assert_no_key_is_ever_lost(&why);
    if let Some(guard) = guard {
        guard.uninstall().await.unwrap();
    } else {
        history.assert_always_live(&why);
    }
    assert_crossed(&shop, &before, &finished, &why).await;
    held.is_some()
}

async fn without_rights_everywhere(project: &str, guarded: bool) {
    let mut stock = Stock::pair(["www", "www"], ["tls", "tls"]);
    stock.standby.extend(served("standby", "blog", "blog-tls"));
    let mut number = 1;
    while without_rights_at(&stock, project, number, guarded).await {
        number += 1;
    }
    assert!(number > 10, "{number} writes are too few for an exchange");
}

#[tokio::test]
async fn an_exchange_whose_rights_vanish_at_any_write_is_finished_once_they_are_back() {
    without_rights_everywhere("forbidden", false).await;
}

/// Routes that had left the standby environment for an active one that is closed now are put back, or stood in for.
#[tokio::test]
async fn an_exchange_with_gaps_whose_rights_vanish_leaves_no_host_offline() {
    without_rights_everywhere("gap-forbidden", true).await;
}

/// A switch that is killed when the active environment's Secret has been copied to the standby one's place. Then the
/// active one is renewed.
async fn renewed_meanwhile<'bench>(bench: &'bench ControlPlane, stock: &Stock, project: &str) -> Shop<'bench> {
    let shop = stock.stocked(bench, project).await;
    let takes_place = |passing: &Passing| passing.method == Method::PUT && passing.uri.contains("/secrets/");
    let plan = move |passing: &Passing| if takes_place(passing) { Fault::AnswerHeld } else { Fault::None };
    let proxy = FaultProxy::start(bench, plan).await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    running.signal("KILL").await.unwrap();
    running.finish().await.unwrap();
    until(|| proxy.held() == 0).await;
    let renewed = Patch::Merge(json!({ "data": tls_secret("tls", "renewed")["data"] }));
    let secrets: Api<Secret> = Api::namespaced(shop.site.client(), &shop.active);
    secrets.patch("tls", &PatchParams::default(), &renewed).await.unwrap();
    shop
}

/// The data of the Secret of either namespace.
async fn secrets(shop: &Shop<'_>) -> [Value; 2] {
    let of = async |namespace: &str| {
        let all = shop.list(namespace, SECRETS).await;
        assert_eq!(all.len(), 1, "{all:#?}");
        all[0]["data"].clone()
    };
    [of(&shop.standby).await, of(&shop.active).await]
}

#[tokio::test]
async fn a_secret_that_is_renewed_while_an_exchange_is_interrupted_arrives_renewed() {
    let stock = Stock::pair(["www", "www"], ["tls", "tls"]);
    let shop = renewed_meanwhile(control_plane().await, &stock, "renewed").await;
    let next = shop.switch().await;
    assert_eq!(next.exit_code, Some(0), "{}", next.log);
    let expected = ["renewed", "standby"].map(|content| tls_secret("tls", content)["data"].clone());
    assert_eq!(secrets(&shop).await, expected, "{}", next.log);
}

#[tokio::test]
async fn an_exchange_is_undone_although_a_secret_was_renewed_meanwhile() {
    let stock = Stock::pair(["www", "www"], ["tls", "tls"]);
    let shop = renewed_meanwhile(control_plane().await, &stock, "renewed-undone").await;
    let mut is_over = false;
    let plan = move |passing: &Passing| {
        let is_refused = !is_over && is_write(passing) && passing.uri.contains("/secrets");
        is_over |= is_refused;
        if is_refused { Fault::AnsweredInstead(403, None) } else { Fault::None }
    };
    let proxy = FaultProxy::start(shop.control_plane, plan).await.unwrap();
    let undone = shop.task_through(&proxy).launch().await.unwrap().finish().await.unwrap();
    assert!(undone.log.contains("The switch was undone"), "{}", undone.log);
    let expected = ["standby", "renewed"].map(|content| tls_secret("tls", content)["data"].clone());
    assert_eq!(secrets(&shop).await, expected, "{}", undone.log);
}
