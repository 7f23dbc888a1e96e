//! Switches of the controller that are interrupted: by its end, by another replica, by the end of their object.

use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams};
use lagoon_task_testing::{Fault, FaultProxy, Passing};
use serde_json::json;

use crate::controller_bench::{
    NAME, Replica, Trap, Turn, ask, conditions, delete, give_lease_to, holding_the_first_route, refusing_the_journal,
};
use lagoon_task_testing::until;
use switch_testing::Shop;

/// A switch of which one request is held: it has been carried out, and its answer is outstanding.
struct Held {
    turn: Turn,
    shop: Shop<'static>,
    proxy: FaultProxy,
    controller: Replica<'static>,
}

impl Held {
    /// The first route has been created on the other side.
    async fn at_the_first_route(project: &str) -> Self {
        Self::and_then(project, |_| Fault::None).await
    }

    /// The same, and what happens to the requests after it.
    async fn and_then(project: &str, then: impl FnMut(&Passing) -> Fault + Send + 'static) -> Self {
        let turn = Turn::take().await;
        let shop = Shop::with_routes(turn.control_plane, project).await;
        let proxy = holding_the_first_route(&turn, then).await;
        let controller = turn.start_through(&proxy).await;
        ask(&shop.site, NAME, &shop.active).await;
        proxy.until_held().await.unwrap();
        Self { turn, shop, proxy, controller }
    }

    /// The switch is done and the object says so.
    async fn assert_completed(&self, why: &str) {
        let object = self.turn.until_ended(&self.shop, NAME).await;
        assert_eq!(conditions(&object), ["started", "completed"], "{why}");
        self.shop.assert_switched(why).await;
    }
}

#[tokio::test]
async fn a_controller_killed_at_any_request_of_a_switch_is_followed_by_one_that_ends_it() {
    let turn = Turn::take().await;
    let trap = Trap::default();
    let proxy = trap.proxy(&turn).await;
    let mut controller = turn.start_through(&proxy).await;
    let mut killed = 0;
    loop {
        let at = killed + 1;
        let shop = Shop::with_routes(turn.control_plane, &format!("killed-{at}")).await;
        trap.set(at);
        ask(&shop.site, NAME, &shop.active).await;
        let held = tokio::select! {
            held = proxy.until_held() => Some(held.unwrap()),
            () = turn.until_journal(&shop.standby, "reported") => None,
        };
        // The last request of all is the one that writes this into the journal.
        if held.is_none() && trap.is_set() {
            break;
        }
        controller.kill().await;
        until(|| proxy.held() == 0).await;
        turn.delete_lease().await;
        controller = turn.start_through(&proxy).await;
        controller.until_it_leads().await;

        let why = format!("killed at request {at}, {held:?}");
        let ended = shop.site.migrations().get(NAME).await.unwrap();
        let object = turn.until_ended(&shop, NAME).await;
        assert_eq!(conditions(&object), ["started", "completed"], "{why}");
        shop.assert_switched(&why).await;
        if conditions(&ended).len() < 2 {
            // What follows the end must not be counted as the next switch's.
            turn.until_journal(&shop.standby, "reported").await;
        }
        killed = at;
    }
    // Two routes each way with their Secrets: less would mean that the trap did not see them.
    assert!(killed > 40, "{killed}");
    trap.set(0);
    controller.stop().await;
}

#[tokio::test]
async fn a_switch_that_stands_in_the_journal_is_gone_on_with_even_if_its_object_has_lost_its_mark() {
    let held = Held::at_the_first_route("mark-lost").await;
    held.controller.kill().await;
    until(|| held.proxy.held() == 0).await;
    let without = json!({ "metadata": { "annotations": { "activestandby.lagoon.sh/begun": null } } });
    held.shop.site.patch(NAME, without).await;
    held.turn.delete_lease().await;
    let next = held.turn.start().await;
    let object = held.turn.until_ended(&held.shop, NAME).await;
    assert_eq!(conditions(&object), ["started", "completed"]);
    held.shop.assert_switched("by the journal").await;
    next.stop().await;
}

#[tokio::test]
async fn a_controller_asked_to_stop_in_a_switch_ends_it_first() {
    let held = Held::at_the_first_route("asked-to-stop").await;
    held.controller.running.signal("TERM").await.unwrap();
    held.controller.running.wait_for_line("Asked to stop").await.unwrap();
    held.proxy.release();
    held.assert_completed("asked to stop").await;
    let finished = held.controller.finish(0).await;
    assert!(finished.log.contains("The switch has completed"), "{}", finished.log);
    // The next one need not wait for the Lease to run out.
    let lease = held.turn.leases().get("hostmigration-controller").await.unwrap();
    assert_eq!(lease.spec.unwrap().holder_identity, None);
}

#[tokio::test]
async fn a_switch_whose_object_is_deleted_meanwhile_is_ended_all_the_same() {
    let held = Held::at_the_first_route("deleted-meanwhile").await;
    delete(&held.shop.site, NAME).await;
    held.proxy.release();
    held.turn.until_journal(&held.shop.standby, "switched").await;
    held.shop.assert_switched("deleted meanwhile").await;
    held.controller.running.wait_for_line("its end is written nowhere but here").await.unwrap();
    let finished = held.controller.stop().await;
    assert!(finished.log.contains("The switch has completed"), "{}", finished.log);
}

#[tokio::test]
async fn a_switch_that_meets_a_fault_after_its_object_was_deleted_is_tried_again() {
    let mut is_refused = false;
    let refuse_the_next_look = move |passing: &Passing| {
        let is_look = passing.method == http::Method::GET && passing.uri.contains("/ingresses?");
        if is_refused || !is_look {
            return Fault::None;
        }
        is_refused = true;
        Fault::AnsweredInstead(422, None)
    };
    let held = Held::and_then("fault-after-deletion", refuse_the_next_look).await;
    delete(&held.shop.site, NAME).await;
    held.proxy.release();
    held.controller.running.wait_for_line("The object is gone and its switch has not ended").await.unwrap();
    held.turn.until_journal(&held.shop.standby, "switched").await;
    held.shop.assert_switched("after a fault").await;
    held.controller.stop().await;
}

#[tokio::test]
async fn a_switch_that_was_interrupted_and_whose_object_is_gone_is_ended_by_the_next_leader() {
    let held = Held::at_the_first_route("orphan").await;
    held.controller.kill().await;
    until(|| held.proxy.held() == 0).await;
    delete(&held.shop.site, NAME).await;
    held.turn.delete_lease().await;

    let next = held.turn.start().await;
    held.turn.until_journal(&held.shop.standby, "switched").await;
    held.shop.assert_switched("the object is gone").await;
    next.running.wait_for_line("The switch is completed").await.unwrap();
    // A later object asks for the same, and it is there already.
    ask(&held.shop.site, NAME, &held.shop.active).await;
    let object = held.turn.until_ended(&held.shop, NAME).await;
    assert_eq!(conditions(&object), ["started", "completed"]);
    held.shop.assert_switched("asked for once more").await;
    next.stop().await;
}

#[tokio::test]
async fn a_switch_that_no_attempt_ends_is_counted_between_the_attempts_and_told_on_its_object() {
    let turn = Turn::take().await;
    let shop = Shop::with_routes(turn.control_plane, "never-ends").await;
    let proxy = refusing_the_journal(&turn, 2).await;
    let controller = turn.start_through(&proxy).await;
    controller.until_it_leads().await;
    assert_eq!(controller.metric("switches_unended").await, "0");
    ask(&shop.site, NAME, &shop.active).await;
    controller.running.wait_for_line("Trying again in").await.unwrap();
    assert_eq!(controller.metric("switches_unended").await, "1");
    assert_eq!(controller.metric("switches_blocked").await, "0");

    let object = turn.until_ended(&shop, NAME).await;
    assert_eq!(conditions(&object), ["started", "completed"]);
    assert_eq!(controller.metric("switches_unended").await, "0");
    let events: Api<Event> = Api::namespaced(turn.client(), &shop.standby);
    let events = events.list(&ListParams::default()).await.unwrap();
    let told: Vec<&Event> = events.iter().filter(|event| event.reason.as_deref() == Some("NotEnded")).collect();
    // Two attempts with the same cause are one Event.
    let [told] = told[..] else { panic!("{events:#?}") };
    assert_eq!(told.series.as_ref().map(|series| series.count), Some(2));
    assert_eq!(told.type_.as_deref(), Some("Warning"));
    assert!(
        told.note.as_ref().unwrap().contains("The routes have moved, but the switch could not be ended"),
        "{told:?}"
    );
    controller.stop().await;
}

#[tokio::test]
async fn a_switch_that_cannot_be_ended_and_whose_object_is_gone_is_counted_until_another_one_ends_it() {
    let held = Held::at_the_first_route("counted-orphan").await;
    held.controller.kill().await;
    until(|| held.proxy.held() == 0).await;
    delete(&held.shop.site, NAME).await;
    held.turn.delete_lease().await;

    let proxy = refusing_the_journal(&held.turn, 1).await;
    let next = held.turn.start_through(&proxy).await;
    next.running.wait_for_line("The switch is not completed").await.unwrap();
    assert_eq!(next.metric("switches_unended").await, "1");
    ask(&held.shop.site, "host-migration-next", &held.shop.active).await;
    held.turn.until_ended(&held.shop, "host-migration-next").await;
    held.shop.assert_switched("by the next object").await;
    assert_eq!(next.metric("switches_unended").await, "0");
    next.stop().await;
}

#[tokio::test]
async fn a_replica_that_loses_the_lease_leaves_its_switch_to_the_one_that_has_it() {
    let held = Held::at_the_first_route("lease-lost").await;
    give_lease_to(&held.turn, "somebody-else").await;
    let Held { turn, shop, proxy, controller } = held;
    let finished = controller.finish(1).await;
    assert!(finished.log.contains("The Lease was lost"), "{}", finished.log);
    let object = shop.site.migrations().get(NAME).await.unwrap();
    assert_eq!(conditions(&object), ["started"]);
    until(|| proxy.held() == 0).await;

    turn.delete_lease().await;
    let next = turn.start().await;
    let object = turn.until_ended(&shop, NAME).await;
    assert_eq!(conditions(&object), ["started", "completed"]);
    shop.assert_switched("by the next").await;
    next.stop().await;
}

#[tokio::test]
async fn of_two_replicas_one_acts_and_the_other_takes_over_when_that_one_dies() {
    let turn = Turn::take().await;
    let first = turn.start().await;
    first.until_it_leads().await;
    let second = turn.start().await;
    second.running.wait_for_line("waits for the Lease").await.unwrap();
    assert_eq!(second.get("/readyz").await.0, 200);

    let shop = Shop::with_routes(turn.control_plane, "replicas").await;
    ask(&shop.site, NAME, &shop.active).await;
    turn.until_ended(&shop, NAME).await;
    assert_eq!((first.metric("leader").await.as_str(), second.metric("leader").await.as_str()), ("1", "0"));
    assert_eq!(second.metric("switches_started_total").await, "0");

    first.kill().await;
    let next = Shop::with_routes(turn.control_plane, "replicas-next").await;
    ask(&next.site, NAME, &next.active).await;
    turn.until_ended(&next, NAME).await;
    next.assert_switched("by the second replica").await;
    assert_eq!(second.metric("leader").await, "1");
    let finished = second.stop().await;
    let read_by_it = finished.requests.iter().filter(|request| request.resource == "hostmigrations");
    assert!(read_by_it.clone().count() > 0);
    assert!(read_by_it.into_iter().all(|request| request.namespace != shop.standby), "{:#?}", finished.requests);
}
