//! Rights that vanish in the middle: another switch's end takes away the binding that this one works with.

use futures::{StreamExt, stream};
use lagoon_task_testing::{ControlPlane, Fault, FaultProxy, HostGuard, Passing};

use crate::interrupted::the_next_run_finishes;
use lagoon_task_testing::held_or_ended;
use switch_testing::Shop;
use switch_testing::control_plane;

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
