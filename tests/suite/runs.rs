//! Several runs of one switch: at once, one after another's end, and what they leave in the journal for each other.

use std::time::Duration;

use http::Method;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use lagoon_task_testing::{Fault, FaultProxy, Finished, Passing, Request, Running, ingress};
use serde_json::{Value, json};

use crate::evidence::writes;
use lagoon_task_testing::first;
use lagoon_task_testing::until;
use switch_testing::control_plane;
use switch_testing::{CONFIG_MAPS, INGRESSES, Shop};

const JOURNAL: &str = "activestandby-journal";

/// Starts a switch of which `fault` holds the first request that is `wanted`; answers when it is held.
async fn held<'bench>(
    shop: &Shop<'bench>,
    fault: Fault,
    wanted: fn(&Passing) -> bool,
) -> (FaultProxy, Running<'bench>) {
    all_held(shop, 1, fault, wanted).await
}

/// The same with so many requests: while only one is held, other routes move on.
async fn all_held<'bench>(
    shop: &Shop<'bench>,
    times: usize,
    fault: Fault,
    wanted: fn(&Passing) -> bool,
) -> (FaultProxy, Running<'bench>) {
    let proxy = FaultProxy::start(shop.control_plane, first(times, fault, wanted)).await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    for _ in 0..times {
        proxy.until_held().await.unwrap();
    }
    (proxy, running)
}

async fn kill(proxy: &FaultProxy, running: Running<'_>) -> Finished {
    running.signal("KILL").await.unwrap();
    let finished = running.finish().await.unwrap();
    until(|| proxy.held() == 0).await;
    finished
}

fn creates_route(passing: &Passing) -> bool {
    passing.method == Method::POST && passing.uri.contains("/ingresses") && !passing.uri.contains("dryRun")
}

fn deletes_route(passing: &Passing) -> bool {
    passing.method == Method::DELETE && passing.uri.contains("/ingresses/") && !passing.uri.contains("dryRun")
}

fn creates_secret(passing: &Passing) -> bool {
    passing.method == Method::POST && passing.uri.contains("/secrets") && !passing.uri.contains("dryRun")
}

async fn patch_route(shop: &Shop<'_>, namespace: &str, name: &str, patch: Value) {
    let api: Api<Ingress> = Api::namespaced(shop.site.client(), namespace);
    api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

fn journals(shop: &Shop<'_>) -> Api<ConfigMap> {
    Api::namespaced(shop.site.client(), &shop.standby)
}

/// Replaces the head of the journal.
async fn rewrite_journal(shop: &Shop<'_>, head: &str) {
    let patch = Patch::Merge(json!({ "data": { "journal.json": head } }));
    journals(shop).patch(JOURNAL, &PatchParams::default(), &patch).await.unwrap();
}

async fn journal_head(shop: &Shop<'_>) -> Value {
    let journal = journals(shop).get(JOURNAL).await.unwrap();
    serde_json::from_str(&journal.data.unwrap()["journal.json"]).unwrap()
}

#[tokio::test]
async fn of_two_runs_at_once_the_second_changes_nothing_and_a_third_finishes() {
    let shop = Shop::with_routes(control_plane().await, "two-runs").await;
    // Prepared before: nothing is held for longer than the first would wait for an answer.
    let second = shop.task().prepare().await.unwrap();
    let (proxy, first) = all_held(&shop, 4, Fault::AnswerHeld, creates_route).await;
    let before = shop.content().await;
    let second = second.start().unwrap().finish().await.unwrap();
    assert_eq!(second.exit_code, Some(1), "{}", second.log);
    assert!(second.log.contains("Another run of this switch is under way"), "{}", second.log);
    assert!(second.log.contains(&first.pod_name()), "{}", second.log);
    assert_eq!(shop.content().await, before);
    kill(&proxy, first).await;
    shop.assert_all_live("after the first was killed").await;
    let third = shop.switch().await;
    assert_eq!(third.exit_code, Some(0), "{}", third.log);
    assert_eq!(third.result, Some(shop.result()));
    shop.assert_switched("after three runs").await;
}

/// The pod of such a run stays in its phase `Running` for ever.
#[tokio::test]
async fn a_run_whose_sidecar_goes_on_has_ended() {
    let shop = Shop::with_routes(control_plane().await, "sidecar").await;
    let (proxy, first) = held(&shop, Fault::AnswerHeld, creates_route).await;
    let pod = first.pod_name();
    kill(&proxy, first).await;
    let pods: Api<Pod> = Api::namespaced(shop.site.client(), &shop.standby);
    let mut statuses = json!(pods.get(&pod).await.unwrap().status.unwrap().container_statuses.unwrap());
    assert!(statuses[0]["state"]["terminated"].is_object(), "{statuses:#}");
    let sidecar = json!({
        "name": "proxy", "image": "proxy", "imageID": "proxy", "ready": true, "restartCount": 0,
        "state": { "running": {} },
    });
    statuses.as_array_mut().unwrap().push(sidecar);
    let goes_on = Patch::Merge(json!({ "status": { "phase": "Running", "containerStatuses": statuses } }));
    pods.patch_status(&pod, &PatchParams::default(), &goes_on).await.unwrap();
    let next = shop.switch().await;
    assert_eq!(next.exit_code, Some(0), "{}", next.log);
    shop.assert_switched("by the next run").await;
}

#[tokio::test]
async fn of_two_that_take_over_at_once_one_moves_the_routes() {
    let shop = Shop::with_routes(control_plane().await, "takeover").await;
    let (proxy, first) = held(&shop, Fault::AnswerHeld, creates_route).await;
    kill(&proxy, first).await;
    // The slower one has read the Lease of the killed one before the faster one takes it over.
    let takes_over = |passing: &Passing| passing.method == Method::PUT && passing.uri.contains("/leases/");
    let faster = shop.task().prepare().await.unwrap();
    let (slow, slower) = held(&shop, Fault::RequestHeld, takes_over).await;
    let faster = faster.start().unwrap().finish().await.unwrap();
    assert_eq!(faster.exit_code, Some(0), "{}", faster.log);
    slow.release();
    let slower = slower.finish().await.unwrap();
    assert_eq!((slower.exit_code, &slower.result), (Some(0), &faster.result), "{}", slower.log);
    assert_eq!(writes(&slower), Vec::<&Request>::new(), "{}", slower.log);
    shop.assert_switched("after two takeovers").await;
}

#[tokio::test]
async fn a_run_that_resumes_keeps_others_out() {
    let shop = Shop::with_routes(control_plane().await, "resumes-alone").await;
    let (proxy, first) = held(&shop, Fault::AnswerHeld, creates_route).await;
    kill(&proxy, first).await;
    let resumes = |passing: &Passing| passing.method == Method::PUT && passing.uri.contains(JOURNAL);
    let other = shop.task().prepare().await.unwrap();
    let (proxy, resuming) = held(&shop, Fault::RequestHeld, resumes).await;
    for refused in [other.start().unwrap().finish().await.unwrap(), shop.switch_back().await] {
        assert_eq!(refused.exit_code, Some(1), "{}", refused.log);
        assert!(refused.log.contains("Another run of this switch is under way"), "{}", refused.log);
        assert!(refused.log.contains(&resuming.pod_name()), "{}", refused.log);
        assert_eq!(writes(&refused), Vec::<&Request>::new(), "{}", refused.log);
    }
    proxy.release();
    let ended = resuming.finish().await.unwrap();
    assert_eq!(ended.exit_code, Some(0), "{}", ended.log);
    shop.assert_switched("by the run that ended").await;
}

#[tokio::test]
async fn a_run_that_was_stopped_and_replaced_writes_nothing_more() {
    let shop = Shop::with_routes(control_plane().await, "fenced").await;
    let (proxy, fenced) = all_held(&shop, 4, Fault::AnswerHeld, creates_route).await;
    // As if its node had come back after its pod was taken for dead: somebody has given its lock to another run.
    for namespace in [&shop.standby, &shop.active] {
        let leases: Api<Lease> = Api::namespaced(shop.site.client(), namespace);
        leases.delete("activestandby-switch", &DeleteParams::default()).await.unwrap();
    }
    let before = shop.content().await;
    // Longer than what the run knows of its lock is good for.
    tokio::time::sleep(Duration::from_millis(600)).await;
    proxy.release();
    let fenced = fenced.finish().await.unwrap();
    assert_eq!(fenced.exit_code, Some(1), "{}", fenced.log);
    assert_eq!(shop.content().await, before, "{}", fenced.log);
    assert!(fenced.log.contains("This run has lost the lock on the two environments"), "{}", fenced.log);
    shop.assert_all_live("after the lock was lost").await;
    assert_eq!(shop.switch().await.exit_code, Some(0));
    shop.assert_switched("by the next run").await;
}

#[tokio::test]
async fn a_resumed_switch_moves_added_routes_and_leaves_deleted_ones_deleted() {
    let shop = Shop::with_routes(control_plane().await, "planned-anew").await;
    let (proxy, first) = held(&shop, Fault::RequestHeld, creates_secret).await;
    kill(&proxy, first).await;
    let routes: Api<Ingress> = Api::namespaced(shop.site.client(), &shop.standby);
    routes.delete("preview", &DeleteParams::default()).await.unwrap();
    shop.add(&shop.active, vec![ingress("added", "added.example.com", "web", None)]).await;
    let next = shop.switch().await;
    assert_eq!(next.exit_code, Some(0), "{}", next.log);
    let deleted =
        "Ingress \"preview\" (preview.planned-anew.example.com) was deleted since the switch began; it stays deleted.";
    assert!(next.log.contains(deleted), "{}", next.log);
    let added = "Ingress \"added\" in namespace \"planned-anew-main\" was added since the switch began; it moves too.";
    assert!(next.log.contains(added), "{}", next.log);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["added", "shop", "www"], "{}", next.log);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, ["standby"], "{}", next.log);
    let again = shop.switch().await;
    assert_eq!((again.exit_code, &again.result), (Some(0), &next.result), "{}", again.log);
    assert_eq!(writes(&again), Vec::<&Request>::new(), "{}", again.log);
}

#[tokio::test]
async fn somebody_who_annotates_the_journal_does_not_stop_the_switch() {
    let shop = Shop::with_routes(control_plane().await, "annotated").await;
    let (proxy, running) = all_held(&shop, 4, Fault::AnswerHeld, creates_route).await;
    let note = json!({ "metadata": { "annotations": { "example.com/seen": "yes" }, "labels": { "seen": "yes" } } });
    journals(&shop).patch(JOURNAL, &PatchParams::default(), &Patch::Merge(note)).await.unwrap();
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    shop.assert_switched("with an annotated journal").await;
}

#[tokio::test]
async fn a_journal_of_a_newer_version_stops_a_run_before_it_changes_anything() {
    let shop = Shop::with_routes(control_plane().await, "newer").await;
    let (proxy, first) = held(&shop, Fault::AnswerHeld, creates_route).await;
    kill(&proxy, first).await;
    let before = shop.content().await;
    let head = journal_head(&shop).await;
    rewrite_journal(&shop, r#"{"version":99,"of":"a form that is yet to come"}"#).await;
    let refused = shop.switch().await;
    assert_eq!(refused.exit_code, Some(1), "{}", refused.log);
    assert!(refused.log.contains("a newer version of this program has written"), "{}", refused.log);
    assert!(refused.log.contains("do not delete the journal"), "{}", refused.log);
    assert_eq!(shop.content().await, before);
    rewrite_journal(&shop, &head.to_string()).await;
    assert_eq!(shop.switch().await.exit_code, Some(0));
    shop.assert_switched("with the right version").await;
}

#[tokio::test]
async fn a_journal_of_a_newer_version_is_recognised_whatever_its_state_is_written_as() {
    let shop = Shop::with_routes(control_plane().await, "newer-state").await;
    let (proxy, first) = held(&shop, Fault::AnswerHeld, creates_route).await;
    kill(&proxy, first).await;
    rewrite_journal(&shop, r#"{"version":99,"state":{"of":"a form that is yet to come"}}"#).await;
    let refused = shop.switch().await;
    assert_eq!(refused.exit_code, Some(1), "{}", refused.log);
    assert!(refused.log.contains("a newer version of this program has written"), "{}", refused.log);
}

#[tokio::test]
async fn a_journal_of_a_newer_version_is_no_obstacle_once_it_is_reported() {
    let shop = Shop::with_routes(control_plane().await, "newer-reported").await;
    assert_eq!(shop.switch().await.exit_code, Some(0));
    assert_eq!(shop.switch_back().await.exit_code, Some(0));
    rewrite_journal(&shop, r#"{"version":99,"state":"reported","switchId":"later","of":["a","later","form"]}"#).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    shop.assert_switched("over a newer journal").await;
}

#[tokio::test]
async fn a_damaged_journal_stops_a_run_before_it_changes_anything() {
    let shop = Shop::with_routes(control_plane().await, "damaged").await;
    let (proxy, first) = held(&shop, Fault::AnswerHeld, creates_route).await;
    kill(&proxy, first).await;
    let before = shop.content().await;
    let head = journal_head(&shop).await.to_string();
    for damaged in ["", "{", r#"{"version":1}"#, &head.replace("moving", "flying")] {
        rewrite_journal(&shop, damaged).await;
        let refused = shop.switch().await;
        assert_eq!(refused.exit_code, Some(1), "{damaged}: {}", refused.log);
        assert!(refused.log.contains("cannot be read"), "{damaged}: {}", refused.log);
        assert!(refused.log.contains("Do not delete it before"), "{damaged}: {}", refused.log);
        assert_eq!(shop.content().await, before, "{damaged}");
    }
    rewrite_journal(&shop, &head).await;
    let patch = Patch::Merge(json!({ "binaryData": { "book.json.gz": "bm90IGEgYm9vaw==" } }));
    journals(&shop).patch(JOURNAL, &PatchParams::default(), &patch).await.unwrap();
    let refused = shop.switch().await;
    assert_eq!(refused.exit_code, Some(1), "{}", refused.log);
    assert!(refused.log.contains("cannot be read: it is damaged"), "{}", refused.log);
    assert_eq!(shop.content().await, before);
}

#[tokio::test]
async fn a_switch_back_is_refused_while_the_switch_is_unfinished() {
    let shop = Shop::with_routes(control_plane().await, "back-refused").await;
    let (proxy, first) = held(&shop, Fault::AnswerHeld, creates_route).await;
    kill(&proxy, first).await;
    let before = shop.content().await;
    let back = shop.switch_back().await;
    assert_eq!(back.exit_code, Some(1), "{}", back.log);
    assert!(back.log.contains("has begun and not ended, and this task asks for another one"), "{}", back.log);
    assert_eq!(shop.content().await, before);
    assert_eq!(shop.switch().await.exit_code, Some(0));
    shop.assert_switched("after a switch back that was refused").await;
}

#[tokio::test]
async fn sigterm_before_the_first_move_leaves_nothing_behind() {
    for (number, wanted) in
        [(|passing: &Passing| passing.uri.contains("dryRun")) as fn(&Passing) -> bool, creates_secret]
            .into_iter()
            .enumerate()
    {
        let shop = Shop::with_routes(control_plane().await, &format!("stopped-{number}")).await;
        let before = shop.content().await;
        let (proxy, running) = held(&shop, Fault::RequestHeld, wanted).await;
        running.signal("TERM").await.unwrap();
        // The signal is handled as soon as it has been sent; the request goes on after that.
        until_term_is_handled(&running).await;
        proxy.release();
        let finished = running.finish().await.unwrap();
        assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
        assert!(finished.log.contains("stopped before it had moved a route"), "{}", finished.log);
        assert_eq!(shop.content().await, before, "{}", finished.log);
        assert!(shop.names(&shop.standby, CONFIG_MAPS).await.is_empty(), "{}", finished.log);
    }
}

/// Until the signal is no longer pending for the process.
async fn until_term_is_handled(running: &Running<'_>) {
    let status = format!("/proc/{}/status", running.process_id().unwrap());
    until(|| {
        let Ok(text) = std::fs::read_to_string(&status) else { return true };
        let pending = text.lines().find_map(|line| line.strip_prefix("ShdPnd:")).unwrap_or_default().trim();
        u64::from_str_radix(pending, 16).unwrap_or_default() == 0
    })
    .await;
}

#[tokio::test]
async fn sigterm_after_the_first_move_lets_the_switch_finish() {
    let shop = Shop::with_routes(control_plane().await, "not-stopped").await;
    let (proxy, running) = held(&shop, Fault::RequestHeld, deletes_route).await;
    running.signal("TERM").await.unwrap();
    until_term_is_handled(&running).await;
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(finished.result, Some(shop.result()));
    shop.assert_switched("in spite of the signal").await;
}

#[tokio::test]
async fn a_route_that_is_changed_before_its_delete_moves_as_it_is_now() {
    let shop = Shop::with_routes(control_plane().await, "changed").await;
    let (proxy, running) = all_held(&shop, 4, Fault::AnswerHeld, creates_route).await;
    let note = json!({ "metadata": { "annotations": { "example.com/note": "changed in the middle" } } });
    for (namespace, name) in [(&shop.standby, "preview"), (&shop.standby, "standby")] {
        patch_route(&shop, namespace, name, note.clone()).await;
    }
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert!(finished.log.contains("it moves as it is now"), "{}", finished.log);
    shop.assert_switched("with a change").await;
    let changed = shop.list(&shop.active, INGRESSES).await;
    assert!(!changed.is_empty());
    for route in changed {
        assert_eq!(route["metadata"]["annotations"]["example.com/note"], "changed in the middle", "{route}");
    }
}

#[tokio::test]
async fn a_status_that_is_written_meanwhile_is_no_change() {
    let shop = Shop::with_routes(control_plane().await, "status").await;
    let (proxy, running) = all_held(&shop, 4, Fault::AnswerHeld, creates_route).await;
    let api: Api<Ingress> = Api::namespaced(shop.site.client(), &shop.standby);
    let status = json!({ "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } } });
    for name in ["preview", "standby"] {
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(status.clone())).await.unwrap();
    }
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert!(!finished.log.contains("was changed by somebody"), "{}", finished.log);
    shop.assert_switched("with a new status").await;
}

#[tokio::test]
async fn a_pod_that_is_deleted_before_the_annotation_fails_and_the_next_run_reports() {
    let shop = Shop::with_routes(control_plane().await, "pod-gone").await;
    let (proxy, running) = held(&shop, Fault::RequestHeld, deletes_route).await;
    running.delete_pod().await.unwrap();
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    let last = finished.log.lines().last().unwrap();
    assert!(last.contains("The switch is done: the routes have moved"), "{last}");
    assert!(last.contains("Run the task again: it is safe"), "{last}");
    let next = shop.switch().await;
    assert_eq!(next.exit_code, Some(0), "{}", next.log);
    assert_eq!(next.result, Some(shop.result()));
    shop.assert_switched("once reported").await;
}
