//! Rights that vanish in the middle: another switch's end takes away the binding that this one works with.

use futures::{StreamExt, stream};
use lagoon_task_testing::{ControlPlane, Fault, FaultProxy, Finished, HostGuard, Passing, every};
use serde_json::json;

use crate::evidence::writes;
use crate::interrupted::the_next_run_finishes;
use lagoon_task_testing::held_or_ended;
use switch_testing::control_plane;
use switch_testing::{CONFIG_MAPS, Shop};

/// Switches that lose their rights at once.
const AT_ONCE: usize = 4;

#[tokio::test]
async fn rights_that_vanish_after_any_request_cost_no_route() {
    at_every_request("rights", false).await;
}

#[tokio::test]
async fn rights_that_vanish_after_any_request_cost_no_route_where_hosts_are_taken() {
    at_every_request("rights-guarded", true).await;
}

async fn at_every_request(name: &str, guarded: bool) {
    let control_plane = control_plane().await;
    let shop = Shop::with_routes(control_plane, &format!("{name}-clean")).await;
    let clean = shop.switch().await;
    assert_eq!(clean.exit_code, Some(0), "{}", clean.log);
    let requests = clean.requests.len();
    let taken = stream::iter(0..requests).map(|number| after_request(control_plane, name, number, guarded));
    let taken: usize = taken.buffer_unordered(AT_ONCE).collect::<Vec<usize>>().await.iter().sum();
    assert!(taken >= requests - 2, "rights were taken in {taken} of {requests} runs");
}

async fn after_request(control_plane: &ControlPlane, name: &str, number: usize, guarded: bool) -> usize {
    let shop = Shop::with_routes(control_plane, &format!("{name}-{number}")).await;
    let guard = if guarded { Some(HostGuard::install(control_plane, &shop.site.standby).await.unwrap()) } else { None };
    let plan = move |passing: &Passing| if passing.number == number { Fault::AnswerHeld } else { Fault::None };
    let proxy = FaultProxy::start(control_plane, plan).await.unwrap();
    let mut running = shop.task_through(&proxy).launch().await.unwrap();
    let held = held_or_ended(&proxy, &mut running).await.unwrap();
    if held.is_some() {
        shop.site.launcher.forbid_switch(&shop.site.standby, &shop.site.active).await.unwrap();
        proxy.release();
    }
    let finished = running.finish().await.unwrap();
    let why = format!("without rights after request {number} ({held:?}):\n{}", finished.log);
    shop.assert_all_live(&why).await;
    assert_eq!(finished.exit_code == Some(0), finished.result.is_some(), "{why}");
    if finished.exit_code != Some(0) {
        assert!(finished.log.contains("not allowed") || finished.log.contains("no rights"), "{why}");
    }
    if held.is_some() {
        shop.site.launcher.allow_switch(&shop.site.standby, &shop.site.active).await.unwrap();
    }
    the_next_run_finishes(&shop, &why).await;
    if let Some(guard) = guard {
        guard.uninstall().await.unwrap();
    }
    usize::from(held.is_some())
}

/// A site that has been switched, and whose rights Lagoon has taken away since.
async fn switched_without_rights<'bench>(project: &str) -> (Shop<'bench>, Finished) {
    let shop = Shop::with_routes(control_plane().await, project).await;
    let first = shop.switch().await;
    assert_eq!(first.exit_code, Some(0), "{}", first.log);
    shop.site.launcher.forbid_switch(&shop.site.standby, &shop.site.active).await.unwrap();
    (shop, first)
}

#[tokio::test]
async fn late_run_of_a_switch_that_is_done_reports_it_without_rights() {
    let (shop, first) = switched_without_rights("late-run").await;
    let late = shop.switch().await;
    assert_eq!(late.exit_code, Some(0), "{}", late.log);
    assert_eq!(late.result, first.result);
    let last = late.log.lines().last().unwrap();
    assert!(last.starts_with("The switch is done. Environment \"develop\" is active now. An earlier run"), "{last}");
    assert!(!late.log.contains("switch again"), "{}", late.log);
    assert_eq!(writes(&late).iter().filter(|write| write.namespace == shop.active).count(), 0);
    shop.assert_switched("nothing was left to do").await;

    let mut payload = shop.payload();
    payload["dryRun"] = json!(true);
    let look = shop.site.task(&payload).launch().await.unwrap().finish().await.unwrap();
    assert_eq!(look.exit_code, Some(0), "{}", look.log);
    assert!(look.log.contains("Dry run: the switch is done already"), "{}", look.log);
}

#[tokio::test]
async fn late_run_hands_over_a_result_that_the_first_one_could_not() {
    let shop = Shop::with_routes(control_plane().await, "late-result").await;
    let is_report = |passing: &Passing| passing.method == http::Method::PATCH && passing.uri.contains("/pods/");
    let proxy = FaultProxy::start(control_plane().await, every(Fault::AnsweredInstead(422, None), is_report));
    let first = shop.task_through(&proxy.await.unwrap()).launch().await.unwrap().finish().await.unwrap();
    assert_eq!((first.exit_code, &first.result), (Some(1), &None), "{}", first.log);
    shop.site.launcher.forbid_switch(&shop.site.standby, &shop.site.active).await.unwrap();
    let late = shop.switch().await;
    assert_eq!(late.exit_code, Some(0), "{}", late.log);
    assert_eq!(late.result.unwrap()["status"], "Completed");
    let journal = shop.list(&shop.standby, CONFIG_MAPS).await.remove(0);
    assert!(journal["data"]["journal.json"].as_str().unwrap().contains("\"state\":\"reported\""), "{journal}");
}

#[tokio::test]
async fn run_without_rights_does_not_report_a_switch_that_was_switched_back() {
    let (shop, _) = switched_without_rights("late-and-back").await;
    let back = shop.switch_back().await;
    assert_eq!(back.exit_code, Some(0), "{}", back.log);
    let before = shop.content().await;
    let late = shop.switch().await;
    assert_eq!((late.exit_code, &late.annotation), (Some(1), &None), "{}", late.log);
    let last = late.log.lines().last().unwrap();
    assert!(late.log.contains("has no rights in it") && last == "Nothing has changed.", "{}", late.log);
    assert_eq!(shop.content().await, before);
}
