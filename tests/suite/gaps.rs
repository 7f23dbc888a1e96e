//! Whether a route is offline for a moment: only where the cluster lets no two routes have one host, and never for good.

use http::Method;
use lagoon_task_testing::{Fault, FaultProxy, Finished, HostGuard, Passing, Request, ingress};
use serde_json::json;

use crate::evidence::{journals, steps, writes};
use switch_testing::control_plane;
use switch_testing::{INGRESSES, Shop};

/// A site with one route in each environment.
async fn one_each<'bench>(project: &str) -> Shop<'bench> {
    let shop = Shop::empty(control_plane().await, project).await;
    shop.add_routes(&shop.standby, project, &["standby"]).await;
    shop.add_routes(&shop.active, project, &["www"]).await;
    shop
}

/// Every write that concerns a route.
fn route_writes(finished: &Finished) -> Vec<&Request> {
    writes(finished).into_iter().filter(|write| write.resource == "ingresses").collect()
}

async fn assert_one_each_switched(shop: &Shop<'_>) {
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["www"]);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, ["standby"]);
}

#[tokio::test]
async fn each_route_is_there_before_the_old_one_goes() {
    let shop = one_each("overlap").await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(steps(&finished, &shop.standby, &shop.active), ["create", "delete"]);
    assert_eq!(steps(&finished, &shop.active, &shop.standby), ["create", "delete"]);
    // Create, delete, and the label that says that it has moved.
    assert_eq!(route_writes(&finished).len(), 6);
    assert_one_each_switched(&shop).await;
}

#[tokio::test]
async fn where_a_host_may_be_there_once_the_old_route_goes_first() {
    let shop = one_each("guard").await;
    let guard = HostGuard::install(control_plane().await, &shop.site.standby).await.unwrap();
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(steps(&finished, &shop.standby, &shop.active), ["delete", "create"]);
    assert_eq!(steps(&finished, &shop.active, &shop.standby), ["delete", "create"]);
    // Create, delete, and the label that says that it has moved.
    assert_eq!(route_writes(&finished).len(), 6);
    // Refused twice when it was asked, and never when it mattered; and asked about each label.
    assert_eq!((guard.asked(), guard.refused()), (6, 2));
    assert_one_each_switched(&shop).await;
}

#[tokio::test]
async fn a_guard_that_comes_after_the_question_costs_a_gap_and_no_route() {
    let shop = one_each("late-guard").await;
    let guard = HostGuard::install(control_plane().await, &shop.site.standby).await.unwrap();
    guard.accept_everything(true);
    let proxy = FaultProxy::start(control_plane().await, |passing| {
        let is_journal = passing.method == Method::POST && passing.uri.contains("/configmaps");
        if is_journal { Fault::AnswerHeld } else { Fault::None }
    });
    let proxy = proxy.await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    guard.accept_everything(false);
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(guard.refused(), 2, "{}", finished.log);
    assert_eq!(steps(&finished, &shop.standby, &shop.active), ["create", "delete", "create"]);
    assert_one_each_switched(&shop).await;
}

#[tokio::test]
async fn a_create_that_is_refused_with_the_old_route_there_changes_nothing() {
    let shop = Shop::empty(control_plane().await, "refused-first").await;
    shop.add(&shop.active, vec![ingress("www", "www.example.com", "web", None)]).await;
    let before = shop.content().await;
    let proxy = FaultProxy::start(control_plane().await, {
        let standby = shop.standby.clone();
        move |passing| if is_create_in(passing, &standby) { Fault::AnsweredInstead(422, None) } else { Fault::None }
    });
    let proxy = proxy.await.unwrap();
    let finished = shop.task_through(&proxy).launch().await.unwrap().finish().await.unwrap();
    assert_undone(&shop, &finished).await;
    assert_eq!(route_writes(&finished), Vec::<&Request>::new(), "the injected answer came before the API server");
    assert_eq!(shop.content().await, before);
}

fn is_create_in(passing: &Passing, namespace: &str) -> bool {
    let path = format!("/namespaces/{namespace}/ingresses");
    passing.method == Method::POST && passing.uri.contains(&path) && !passing.uri.contains("dryRun=All")
}

async fn assert_undone(shop: &Shop<'_>, finished: &Finished) {
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    let last = finished.log.lines().last().unwrap();
    assert!(last.starts_with("The switch was undone because Ingress \"www\" in namespace \""), "{last}");
    let says = "All routes are back where they were: nothing has changed. Remove the cause, then switch again.";
    assert!(last.ends_with(says), "{last}");
    assert_eq!(finished.annotation, None);
    assert_eq!(journals(shop).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_create_that_is_refused_after_the_delete_puts_the_route_back() {
    let shop = Shop::with_routes(control_plane().await, "put-back").await;
    let _guard = HostGuard::install(control_plane().await, &shop.site.standby).await.unwrap();
    let before = shop.content().await;
    // Of the two that come to the standby environment the second is refused, when the first has moved.
    let mut creates = 0;
    let standby = shop.standby.clone();
    let proxy = FaultProxy::start(control_plane().await, move |passing| {
        if is_create_in(passing, &standby) {
            creates += 1;
            if creates == 2 {
                return Fault::AnsweredInstead(422, None);
            }
        }
        Fault::None
    });
    let proxy = proxy.await.unwrap();
    let finished = shop.task_through(&proxy).launch().await.unwrap().finish().await.unwrap();
    assert_eq!(proxy.injected().len(), 1, "{}", finished.log);
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    let last = finished.log.lines().last().unwrap();
    assert!(last.contains("All routes are back where they were: nothing has changed."), "{last}");
    assert!(finished.log.contains("Moved back "), "{}", finished.log);
    assert_eq!(shop.content().await, before);
    assert_eq!(journals(&shop).await, Vec::<String>::new());

    let again = shop.switch().await;
    assert_eq!(again.exit_code, Some(0), "{}", again.log);
    assert_eq!(again.result, Some(shop.result()));
    shop.assert_switched("after the refusal").await;
}

#[tokio::test]
async fn a_cluster_that_takes_no_route_at_all_leaves_the_journal_and_the_next_run_brings_all_back_to_life() {
    let shop = one_each("takes-none").await;
    let guard = HostGuard::install(control_plane().await, &shop.site.standby).await.unwrap();
    guard.refuse_everything(Some("not today"));
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert_eq!(journals(&shop).await, ["activestandby-journal"]);
    for host in ["www.takes-none.example.com", "standby.takes-none.example.com"] {
        let says = format!("({host})\n");
        assert!(finished.log.contains("OFFLINE at the moment") && finished.log.contains(&says), "{}", finished.log);
    }
    assert!(finished.log.contains("not today"), "{}", finished.log);

    guard.refuse_everything(None);
    let again = shop.switch().await;
    assert_eq!(again.exit_code, Some(0), "{}", again.log);
    assert!(again.log.contains("An earlier run of this switch was interrupted."), "{}", again.log);
    assert_one_each_switched(&shop).await;
    assert_eq!(again.result.unwrap()["productionRoutes"], json!("https://www.takes-none.example.com"));
}

#[tokio::test]
async fn a_cluster_that_takes_no_route_from_the_middle_on_loses_none_of_many() {
    let shop = Shop::empty(control_plane().await, "takes-no-more").await;
    let names: Vec<String> = (0..24).map(|number| format!("r{number:02}")).collect();
    let routes = names.iter().map(|name| ingress(name, &format!("{name}.takes-no-more.example.com"), "web", None));
    shop.add(&shop.standby, routes.collect()).await;
    let guard = HostGuard::install(control_plane().await, &shop.site.standby).await.unwrap();
    // More routes have moved by then than the journal names at once as those that may be offline.
    let (mut creates, active) = (0, shop.active.clone());
    let proxy = FaultProxy::start(control_plane().await, move |passing| {
        creates += usize::from(is_create_in(passing, &active));
        if is_create_in(passing, &active) && creates == 20 { Fault::RequestHeld } else { Fault::None }
    });
    let proxy = proxy.await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    guard.refuse_everything(Some("not today"));
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("OFFLINE at the moment"), "{}", finished.log);

    guard.refuse_everything(None);
    let again = shop.switch().await;
    assert_eq!(again.exit_code, Some(0), "{}\n{}", finished.log, again.log);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, names, "{}\n{}", finished.log, again.log);
}

#[tokio::test]
async fn a_host_that_an_older_route_has_too_is_told_before_a_route_is_deleted_for_good() {
    let shop = one_each("duplicate").await;
    let mut older = ingress("older", "www.duplicate.example.com", "web", None);
    older["metadata"]["labels"] = json!({});
    shop.add(&shop.active, vec![older]).await;
    let _guard = HostGuard::install(control_plane().await, &shop.site.standby).await.unwrap();
    let before = shop.content().await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    let says = "- Ingress \"www\" in namespace \"duplicate-main\": the cluster lets no two routes have one host, and Ingress \
                \"older\" in namespace \"duplicate-main\" has the same as this one: once deleted, this one could be created \
                nowhere. Delete one of the two, or take the host out of it, then switch again.\n";
    assert!(finished.log.contains(says), "{}", finished.log);
    assert_eq!(finished.log.lines().last(), Some("Nothing has changed."), "{}", finished.log);
    assert_eq!(route_writes(&finished), Vec::<&Request>::new());
    assert_eq!(shop.content().await, before);
}

#[tokio::test]
async fn a_webhook_that_restarts_while_a_route_is_only_in_the_journal_is_waited_for() {
    let shop = one_each("webhook-restarts").await;
    let _guard = HostGuard::install(control_plane().await, &shop.site.standby).await.unwrap();
    // More often than a create was sent in the first second.
    let mut left = 8;
    let standby = shop.standby.clone();
    let proxy = FaultProxy::start(control_plane().await, move |passing| {
        if left > 0 && is_create_in(passing, &standby) {
            left -= 1;
            return Fault::AnsweredInstead(500, None);
        }
        Fault::None
    });
    let proxy = proxy.await.unwrap();
    let finished = shop.task_through(&proxy).launch().await.unwrap().finish().await.unwrap();
    assert_eq!(proxy.injected().len(), 8, "{}", finished.log);
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_one_each_switched(&shop).await;
}
