//! Two runs at one pair of namespaces: one writes, the other has changed nothing. A run that was stopped and has been taken
//! over writes nothing more.

use futures::{StreamExt, stream};
use http::Method;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use lagoon_task_testing::{ControlPlane, Fault, FaultProxy, Finished, Passing, Running, first, held_or_ended, ingress};
use route_switch::journal::{Book, Head, Holder, Rewrites, RouteEntry, State, pack};
use route_switch::side::Side;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::evidence::writes;
use switch_testing::{INGRESSES, Shop, control_plane, host};

/// Sites that are switched at once.
const AT_ONCE: usize = 4;

const LEASES: &str = "coordination.k8s.io/v1/leases";

fn creates_route(passing: &Passing) -> bool {
    passing.method == Method::POST && passing.uri.contains("/ingresses") && !passing.uri.contains("dryRun")
}

/// Starts a switch of which the first request that is `wanted` is held before it is sent; answers when it is held.
async fn held<'bench>(shop: &Shop<'bench>, wanted: fn(&Passing) -> bool) -> (FaultProxy, Running<'bench>) {
    let proxy = FaultProxy::start(shop.control_plane, first(1, Fault::RequestHeld, wanted)).await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    (proxy, running)
}

async fn no_lease_is_left(shop: &Shop<'_>) {
    for namespace in [&shop.standby, &shop.active] {
        assert_eq!(shop.names(namespace, LEASES).await, [""; 0]);
    }
}

#[tokio::test]
async fn opposite_runs_at_once_do_not_tangle_a_site() {
    let shop = Shop::with_routes(control_plane().await, "opposite").await;
    let (proxy, first) = held(&shop, creates_route).await;
    let opposite = shop.switch_back().await;
    assert_eq!(opposite.exit_code, Some(1), "{}", opposite.log);
    let says = format!(
        "Another run of this switch is under way: Pod \"{}\" in namespace \"{}\" has held the lock since ",
        first.pod_name(),
        shop.standby
    );
    assert!(opposite.log.contains(&says), "{}", opposite.log);
    assert!(writes(&opposite).is_empty(), "{:#?}", writes(&opposite));
    proxy.release();
    let finished = first.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    shop.assert_switched("after both").await;
    no_lease_is_left(&shop).await;
}

#[tokio::test]
async fn opposite_run_at_each_point_of_another_does_not_tangle_a_site() {
    let control_plane = control_plane().await;
    let clean = Shop::with_routes(control_plane, "points-clean").await.switch().await;
    assert_eq!(clean.exit_code, Some(0), "{}", clean.log);
    let points = stream::iter(0..clean.requests.len()).map(|number| opposite_at(control_plane, number));
    let pairs: Vec<Pair> = points.buffer_unordered(AT_ONCE).collect().await;
    let tangled: Vec<&str> = pairs.iter().filter(|pair| pair.is_tangled).map(|pair| pair.why.as_str()).collect();
    assert!(tangled.is_empty(), "{} of {} sites: {}", tangled.len(), pairs.len(), tangled.join("\n\n"));
    for Pair { one, opposite, why, .. } in &pairs {
        assert!(one.exit_code == Some(0) || opposite.exit_code == Some(0), "{why}");
        for lost in [one, opposite].into_iter().filter(|finished| finished.exit_code != Some(0)) {
            assert!(lost.log.contains("Another run of this switch is under way"), "{why}");
            assert!(writes(lost).is_empty(), "{:#?} {why}", writes(lost));
        }
    }
}

/// Two opposite runs of one site that have ended.
struct Pair {
    one: Finished,
    opposite: Finished,
    /// Whether the site is neither as it was nor switched.
    is_tangled: bool,
    why: String,
}

/// Holds the request of this number of one run while an opposite one runs to its end.
async fn opposite_at(control_plane: &ControlPlane, number: usize) -> Pair {
    let shop = Shop::with_routes(control_plane, &format!("points-{number}")).await;
    shop.site.launcher.allow_switch(&shop.site.active, &shop.site.standby).await.unwrap();
    let opposite = shop.task_back().prepare().await.unwrap();
    let plan = move |passing: &Passing| if passing.number == number { Fault::RequestHeld } else { Fault::None };
    let proxy = FaultProxy::start(control_plane, plan).await.unwrap();
    let mut one = shop.task_through(&proxy).launch().await.unwrap();
    let held = held_or_ended(&proxy, &mut one).await.unwrap();
    let opposite = opposite.start().unwrap().finish().await.unwrap();
    proxy.release();
    let one = one.finish().await.unwrap();
    let why = format!("at request {number} ({held:?}):\n{}\nthe opposite one:\n{}", one.log, opposite.log);
    let [first, second] = [["preview", "standby"], ["shop", "www"]];
    let there = [shop.names(&shop.standby, INGRESSES).await, shop.names(&shop.active, INGRESSES).await];
    let is_tangled = there != [first, second] && there != [second, first];
    let why = format!("{there:?} {why}");
    Pair { one, opposite, is_tangled, why }
}

#[tokio::test]
async fn run_that_was_stopped_and_taken_over_writes_nothing_more() {
    let shop = Shop::with_routes(control_plane().await, "taken-over").await;
    let proxy = FaultProxy::start(shop.control_plane, first(1, Fault::AnswerHeld, creates_route)).await.unwrap();
    let stopped = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    stopped.signal("STOP").await.unwrap();
    // As when its node is lost and its pod is said to have failed.
    let pods: Api<Pod> = Api::namespaced(shop.site.client(), &shop.standby);
    let failed = Patch::Merge(json!({ "status": { "phase": "Failed" } }));
    pods.patch_status(&stopped.pod_name(), &PatchParams::default(), &failed).await.unwrap();
    let second = shop.switch().await;
    assert_eq!(second.exit_code, Some(0), "{}", second.log);
    let third = shop.switch_back().await;
    assert_eq!(third.exit_code, Some(0), "{}", third.log);
    let content = shop.content().await;
    stopped.signal("CONT").await.unwrap();
    proxy.release();
    let finished = stopped.finish().await.unwrap();
    assert_eq!(shop.content().await, content, "{}", finished.log);
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("This run has lost the lock on the two environments"), "{}", finished.log);
}

#[tokio::test]
async fn lock_of_who_cannot_be_looked_up_is_told_with_what_to_do() {
    let shop = Shop::with_routes(control_plane().await, "forged").await;
    let leases: Api<Lease> = Api::namespaced(shop.site.client(), &shop.active);
    let cases = [
        ("kubectl", Some("delete Lease \"activestandby-switch\" in namespace \"forged-main\"")),
        ("Pod/elsewhere/task-1/uid/run", Some("delete Lease \"activestandby-switch\" in namespace \"forged-main\"")),
        // It is not there.
        ("Pod/forged-develop/task-1/uid/run", None),
    ];
    for (holder, advice) in cases {
        let lease = json!({ "metadata": { "name": "activestandby-switch" }, "spec": { "holderIdentity": holder } });
        leases.create(&PostParams::default(), &serde_json::from_value(lease).unwrap()).await.unwrap();
        let finished = shop.switch().await;
        match advice {
            Some(advice) => {
                assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
                assert!(finished.log.contains(advice), "{}", finished.log);
                assert!(writes(&finished).is_empty(), "{:#?}", writes(&finished));
                leases.delete("activestandby-switch", &DeleteParams::default()).await.unwrap();
            }
            None => assert_eq!(finished.exit_code, Some(0), "{}", finished.log),
        }
    }
    shop.assert_switched("the holder has ended").await;
}

/// A `HostMigration` in the standby environment's namespace that a controller took and has not ended.
async fn add_started_migration(shop: &Shop<'_>) {
    let migration = json!({
        "apiVersion": "dioscuri.amazee.io/v1",
        "kind": "HostMigration",
        "metadata": { "name": "host-migration-1" },
        "spec": { "destinationNamespace": shop.active },
        "status": { "conditions": [
            { "type": "started", "status": "True", "condition": "", "lastTransitionTime": "2026-01-01T00:00:00Z" },
        ] },
    });
    shop.add(&shop.standby, vec![migration]).await;
}

#[tokio::test]
async fn started_hostmigration_without_a_controller_blocks_with_advice() {
    let shop = Shop::with_routes(control_plane().await, "orphan").await;
    let leases: Api<Lease> = Api::namespaced(shop.site.client(), &shop.standby);
    add_started_migration(&shop).await;
    let holder = format!("HostMigration/{}/host-migration-1//run", shop.standby);
    let lease = json!({ "metadata": { "name": "activestandby-switch" }, "spec": { "holderIdentity": holder } });
    leases.create(&PostParams::default(), &serde_json::from_value(lease).unwrap()).await.unwrap();
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("because no controller carries it out"), "{}", finished.log);
}

/// A controller of an older version leaves a journal and no lock.
#[tokio::test]
async fn journal_of_a_started_hostmigration_without_a_controller_blocks_with_advice() {
    let shop = Shop::with_routes(control_plane().await, "orphan-journal").await;
    add_started_migration(&shop).await;
    let route = shop.list(&shop.active, INGRESSES).await.remove(0);
    let holder = Holder { kind: "HostMigration".to_owned(), name: "host-migration-1".to_owned(), uid: String::new() };
    leave_unfinished(&shop, [&shop.standby, &shop.active], holder, &route, Side::Active).await;
    let before = shop.content().await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("HostMigration \"host-migration-1\""), "{}", finished.log);
    assert!(finished.log.contains("because no controller carries it out"), "{}", finished.log);
    assert_eq!(shop.content().await, before, "{}", finished.log);
}

/// A journal in `namespace` of an unfinished switch of `route`, as the first version of this program left it.
async fn leave_unfinished(shop: &Shop<'_>, [namespace, other]: [&str; 2], holder: Holder, route: &Value, home: Side) {
    let head = Head {
        version: 1,
        switch_id: "0mvd0c9f1-abcde".to_owned(),
        state: State::Moving,
        holder,
        standby_namespace: namespace.to_owned(),
        active_namespace: other.to_owned(),
        parts: Vec::new(),
        routes: None,
        gaps: std::collections::BTreeSet::new(),
        ended: None,
    };
    let entry = RouteEntry {
        kind: "Ingress".to_owned(),
        home,
        name: route["metadata"]["name"].as_str().unwrap().to_owned(),
        may_overlap: false,
        urls: vec![format!("http://{}", route["spec"]["rules"][0]["host"].as_str().unwrap())],
        secrets: std::collections::BTreeSet::new(),
        acceptances: Vec::new(),
        uid: "gone".to_owned(),
        resource_version: "1".to_owned(),
        rewrites: Rewrites::default(),
        is_unproven: false,
        manifest: RawValue::from_string(route.to_string()).unwrap(),
    };
    let book = Book { routes: vec![entry], ..Book::default() };
    let packed = pack(&book, 900_000).unwrap().concat();
    let map = ConfigMap {
        metadata: serde_json::from_value(json!({ "name": "activestandby-journal" })).unwrap(),
        data: Some([("journal.json".to_owned(), serde_json::to_string(&head).unwrap())].into()),
        binary_data: Some([("book.json.gz".to_owned(), k8s_openapi::ByteString(packed))].into()),
        ..ConfigMap::default()
    };
    let maps: Api<ConfigMap> = Api::namespaced(shop.site.client(), namespace);
    maps.create(&PostParams::default(), &map).await.unwrap();
}

#[tokio::test]
async fn two_unfinished_journals_with_every_host_offline_are_no_deadlock() {
    let shop = Shop::empty(control_plane().await, "deadlock").await;
    let route = |name: &str| ingress(name, &host("deadlock", name), "web", None);
    // Each switch had deleted the other's route.
    let gone = || Holder { kind: "Pod".to_owned(), name: "long-gone".to_owned(), uid: String::new() };
    leave_unfinished(&shop, [&shop.standby, &shop.active], gone(), &route("www"), Side::Active).await;
    leave_unfinished(&shop, [&shop.active, &shop.standby], gone(), &route("standby"), Side::Active).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["www"], "{}", finished.log);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, ["standby"], "{}", finished.log);
    let back = shop.switch_back().await;
    assert_eq!(back.exit_code, Some(0), "{}", back.log);
}

#[tokio::test]
async fn routes_that_only_a_journal_knows_are_put_back_where_it_lies_before_they_move() {
    let shop = Shop::empty(control_plane().await, "put-back-first").await;
    let route = |name: &str| ingress(name, &host("put-back-first", name), "web", None);
    let gone = || Holder { kind: "Pod".to_owned(), name: "long-gone".to_owned(), uid: String::new() };
    leave_unfinished(&shop, [&shop.standby, &shop.active], gone(), &route("standby"), Side::Standby).await;
    leave_unfinished(&shop, [&shop.active, &shop.standby], gone(), &route("www"), Side::Standby).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("they are back where they were"), "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["standby"], "{}", finished.log);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, ["www"], "{}", finished.log);
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["www"], "{}", finished.log);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, ["standby"], "{}", finished.log);
}

#[tokio::test]
async fn many_pairs_of_opposite_runs_end_whole() {
    let shop = Shop::with_routes(control_plane().await, "pairs").await;
    let before = shop.content().await.len();
    shop.site.launcher.allow_switch(&shop.site.active, &shop.site.standby).await.unwrap();
    for number in 0..6 {
        let forth = shop.launch().await;
        let back = shop.task_back().launch().await.unwrap();
        let (forth, back) = (forth.finish().await.unwrap(), back.finish().await.unwrap());
        let logs = format!("pair {number}\n{}\n{}", forth.log, back.log);
        assert!(forth.exit_code == Some(0) || back.exit_code == Some(0), "{logs}");
        for lost in [&forth, &back].into_iter().filter(|finished| finished.exit_code != Some(0)) {
            assert!(lost.log.contains("Another run of this switch is under way"), "{logs}");
        }
        shop.assert_all_live(&logs).await;
        assert_eq!(shop.content().await.len(), before, "{logs}");
    }
}
