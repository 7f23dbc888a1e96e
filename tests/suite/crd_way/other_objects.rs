//! Objects of the task's name that are not the task's, or not any more: those of earlier switches, those that somebody
//! deletes or recreates meanwhile, and those with conditions of an earlier attempt.

use hostmigration::HostMigration;
use http::Method;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, PostParams};
use lagoon_task_testing::{Fault, FaultProxy, Passing, Running, once};
use serde_json::{Value, json};

use super::NAME;
use switch_testing::{Site, completed, condition, control_plane};

const MIGRATE: &str = "dioscuri.amazee.io/migrate";
const TASK: &str = "activestandby.lagoon.sh/task";

/// Creates the object of a switch that another task has asked for, with the same name and spec.
async fn earlier_object(site: &Site<'_>, annotations: Value, conditions: &[Value]) -> HostMigration {
    let mut object = site.payload(NAME)["crd"].take();
    object["metadata"]["annotations"] = annotations;
    object["status"] = json!({ "conditions": conditions });
    let object = serde_json::from_value(object).unwrap();
    site.migrations().create(&PostParams::default(), &object).await.unwrap()
}

/// A condition of a later day than those that `condition` makes.
fn later(kind: &str, text: &str) -> Value {
    let mut condition = condition(kind, text);
    condition["lastTransitionTime"] = json!("2026-12-24T18:00:00Z");
    condition
}

async fn patch_conditions(site: &Site<'_>, conditions: &[Value]) {
    site.patch(NAME, json!({ "status": { "conditions": conditions } })).await;
}

/// Deletes the object, which stays because of a finalizer.
async fn delete_in_vain(site: &Site<'_>) {
    site.patch(NAME, json!({ "metadata": { "finalizers": ["example.com/stays"] } })).await;
    site.migrations().delete(NAME, &DeleteParams::default()).await.unwrap();
}

/// Launches the task behind a proxy.
async fn launch_behind<'bench>(site: &Site<'bench>, proxy: &FaultProxy) -> Running<'bench> {
    let task = site.task(&site.payload(NAME)).variable("KUBERNETES_SERVICE_PORT", proxy.port().to_string());
    task.launch().await.unwrap()
}

#[tokio::test]
async fn an_ended_object_of_an_earlier_switch_is_refused() {
    for ending in ["completed", "failed"] {
        let site = Site::new(control_plane().await, &format!("earlier-{ending}")).await;
        let conditions = [condition("started", "began"), condition(ending, "of weeks ago")];
        let before = earlier_object(&site, json!({ MIGRATE: "false" }), &conditions).await;

        let finished = site.task(&site.payload(NAME)).launch().await.unwrap().finish().await.unwrap();
        assert_eq!(finished.exit_code, Some(1), "{ending}: {}", finished.log);
        assert_eq!(
            finished.log.lines().last().unwrap(),
            format!(
                "HostMigration \"{NAME}\" in namespace \"earlier-{ending}-develop\" could not be created: an object of \
                 that name exists already. It belongs to an earlier switch, which {ending} at 2026-11-23T12:00:00Z. This \
                 switch has changed nothing. Start the switch again in Lagoon."
            )
        );
        assert!(!finished.log.contains("of weeks ago"), "{}", finished.log);
        assert_eq!(finished.annotation, None, "{ending}");
        assert!(!finished.requests_in_short().contains(&"watch hostmigrations".to_owned()), "{:#?}", finished.requests);
        let after = site.migrations().get(NAME).await.unwrap();
        assert_eq!(after.resource_version(), before.resource_version(), "{ending}");
    }
}

#[tokio::test]
async fn an_ended_object_of_another_task_is_refused_with_the_tasks_name() {
    let site = Site::new(control_plane().await, "another-task").await;
    let running = site.task(&site.payload(NAME)).launch().await.unwrap();
    let first_task = running.pod_name();
    assert_eq!(site.complete_and_finish(NAME, running).await.exit_code, Some(0));
    site.patch(NAME, json!({ "metadata": { "annotations": { MIGRATE: "false" } } })).await;

    let again = site.task(&site.payload(NAME)).launch().await.unwrap().finish().await.unwrap();
    assert_eq!(again.exit_code, Some(1), "{}", again.log);
    let last = again.log.lines().last().unwrap();
    assert!(
        last.contains(&format!("It belongs to an earlier switch (task \"{first_task}\"), which completed")),
        "{last}"
    );
    assert_eq!(again.annotation, None);
}

#[tokio::test]
async fn a_task_restarted_under_its_name_reports_its_own_switch_again() {
    let site = Site::new(control_plane().await, "restarted").await;
    let running = site.task(&site.payload(NAME)).launch().await.unwrap();
    let name = running.pod_name();
    assert_eq!(site.complete_and_finish(NAME, running).await.exit_code, Some(0));
    let before = site.migrations().get(NAME).await.unwrap();
    let pods: Api<Pod> = Api::namespaced(site.client(), &site.standby.namespace);
    site.patch(NAME, json!({ "metadata": { "annotations": { MIGRATE: "false" } } })).await;
    let ended = site.migrations().get(NAME).await.unwrap();
    let first_result = pods.get(&name).await.unwrap().annotations()["lagoon.sh/taskData"].clone();

    // The stand-in for Lagoon has no two pods of one name, so the second one only has the first one's variables.
    let task = site.task(&site.payload(NAME)).variable("PODNAME", &name);
    let again = task.launch().await.unwrap().finish().await.unwrap();
    assert_eq!(again.exit_code, Some(0), "{}", again.log);
    assert!(again.log.contains("exists already: this task has created it."), "{}", again.log);
    assert!(again.log.contains("Result: {\"status\":\"Completed\""), "{}", again.log);
    assert_eq!(pods.get(&name).await.unwrap().annotations()["lagoon.sh/taskData"], first_result);
    let after = site.migrations().get(NAME).await.unwrap();
    assert_eq!((after.uid(), after.resource_version()), (before.uid(), ended.resource_version()));
}

#[tokio::test]
async fn an_own_object_that_ended_before_the_second_create_counts() {
    let control_plane = control_plane().await;
    let site = Site::new(control_plane, "ended-early").await;
    let mut creates = 0;
    let proxy = FaultProxy::start(control_plane, move |passing| {
        creates += usize::from(passing.method == Method::POST);
        match creates {
            1 if passing.method == Method::POST => Fault::AnswerLost,
            2 if passing.method == Method::POST => Fault::RequestHeld,
            _ => Fault::None,
        }
    });
    let proxy = proxy.await.unwrap();
    let running = launch_behind(&site, &proxy).await;
    proxy.until_held().await.unwrap();
    site.complete(NAME).await;
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert!(finished.log.contains("exists already: this task has created it."), "{}", finished.log);
    assert_eq!(finished.result.unwrap()["status"], "Completed");
}

#[tokio::test]
async fn conditions_of_an_earlier_attempt_do_not_count() {
    for ending in ["failed", "completed"] {
        let site = Site::new(control_plane().await, &format!("attempt-after-{ending}")).await;
        let before = [condition("started", "began"), condition(ending, "the first time")];
        earlier_object(&site, json!({ MIGRATE: "true" }), &before).await;
        let running = site.task(&site.payload(NAME)).launch().await.unwrap();
        running.wait_for_line("is in place").await.unwrap();

        // The archived controller took the request back in one patch and said that it had started in another.
        site.patch(NAME, json!({ "metadata": { "annotations": { MIGRATE: "false" } } })).await;
        let [started, first] = before;
        let conditions = [started, first, later("started", "began"), later("failed", "the second time")];
        patch_conditions(&site, &conditions[..3]).await;
        running.wait_for_line("Controller: started: began").await.unwrap();
        patch_conditions(&site, &conditions).await;

        let finished = running.finish().await.unwrap();
        assert_eq!(finished.exit_code, Some(1), "{ending}: {}", finished.log);
        assert!(finished.log.contains("the cluster's controller says: the second time."), "{}", finished.log);
        assert!(!finished.log.contains("the first time"), "{}", finished.log);
        assert!(finished.log.contains("asks for the same switch and has not ended."), "{}", finished.log);
    }
}

#[tokio::test]
async fn an_attempt_that_started_after_an_end_is_waited_for() {
    let site = Site::new(control_plane().await, "attempt-started").await;
    let mut conditions = vec![condition("started", ""), condition("failed", "first"), later("started", "second")];
    earlier_object(&site, json!({ MIGRATE: "false" }), &conditions).await;
    let running = site.task(&site.payload(NAME)).launch().await.unwrap();
    running.wait_for_line("Controller: started: second").await.unwrap();
    conditions.push(later("completed", "in the end"));
    patch_conditions(&site, &conditions).await;
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
}

#[tokio::test]
async fn a_completed_that_comes_before_started_ends_nothing() {
    let site = Site::new(control_plane().await, "completed-first").await;
    let running = site.task(&site.payload(NAME)).launch().await.unwrap();
    site.until_created(NAME).await;
    let mut conditions = vec![condition("completed", ""), condition("started", "now")];
    patch_conditions(&site, &conditions).await;
    running.wait_for_line("Controller: started: now").await.unwrap();
    conditions.push(condition("failed", "in the end"));
    patch_conditions(&site, &conditions).await;
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("the cluster's controller says: in the end."), "{}", finished.log);
}

#[tokio::test]
async fn an_object_recreated_meanwhile_is_not_the_tasks_whatever_it_says() {
    for watches in [true, false] {
        let control_plane = control_plane().await;
        let site = Site::new(control_plane, &format!("recreated-{watches}")).await;
        let fault = if watches { Fault::None } else { Fault::RequestHeld };
        let proxy = FaultProxy::start(control_plane, once(fault, Passing::is_watch)).await.unwrap();
        let running = launch_behind(&site, &proxy).await;
        running.wait_for_line("is in place").await.unwrap();
        if !watches {
            proxy.until_held().await.unwrap();
        }
        site.migrations().delete(NAME, &DeleteParams::default()).await.unwrap();
        let marked = json!({ MIGRATE: "false", TASK: running.pod_name() });
        earlier_object(&site, marked, &[condition("completed", "of another switch")]).await;
        if !watches {
            proxy.cut();
        }
        let finished = running.finish().await.unwrap();
        assert_eq!(finished.exit_code, Some(1), "{watches}: {}", finished.log);
        let last = finished.log.lines().last().unwrap();
        assert!(last.contains("was deleted while the task waited for it"), "{last}");
        assert!(!finished.log.contains("of another switch"), "{}", finished.log);
        assert_eq!(finished.annotation, None);
    }
}

#[tokio::test]
async fn an_unfinished_object_that_is_being_deleted_is_refused() {
    let site = Site::new(control_plane().await, "object-being-deleted").await;
    earlier_object(&site, json!({ MIGRATE: "true" }), &[]).await;
    delete_in_vain(&site).await;
    let task = site.task(&site.payload(NAME)).variable("TASK_TIMEOUT_SECONDS", "5");
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    let last = finished.log.lines().last().unwrap();
    assert!(
        last.ends_with(
            "an object of that name exists already. It belongs to an earlier switch and is being deleted. This switch has \
             changed nothing. Start the switch again in Lagoon."
        ),
        "{last}"
    );
}

#[tokio::test]
async fn an_own_object_deleted_before_a_controller_starts_ends_the_waiting() {
    let site = Site::new(control_plane().await, "deleted-early").await;
    let task = site.task(&site.payload(NAME)).variable("TASK_TIMEOUT_SECONDS", "5");
    let running = task.launch().await.unwrap();
    running.wait_for_line("is in place").await.unwrap();
    delete_in_vain(&site).await;
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    let last = finished.log.lines().last().unwrap();
    assert!(last.contains("was deleted while the task waited for it"), "{last}");
}

#[tokio::test]
async fn an_own_object_deleted_after_the_start_is_waited_for() {
    let site = Site::new(control_plane().await, "deleted-late").await;
    let running = site.task(&site.payload(NAME)).launch().await.unwrap();
    site.until_created(NAME).await;
    patch_conditions(&site, &[condition("started", "began")]).await;
    running.wait_for_line("Controller: started").await.unwrap();
    delete_in_vain(&site).await;
    site.patch(NAME, completed()).await;
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
}

#[tokio::test]
async fn an_earlier_object_that_vanishes_makes_room_for_a_new_one() {
    let control_plane = control_plane().await;
    let site = Site::new(control_plane, "vanishes").await;
    let earlier = earlier_object(&site, json!({ MIGRATE: "false" }), &[condition("completed", "")]).await;
    let is_look = |passing: &Passing| {
        passing.method == Method::GET && passing.uri.contains("/hostmigrations") && !passing.is_watch()
    };
    let proxy = FaultProxy::start(control_plane, once(Fault::RequestHeld, is_look)).await.unwrap();
    let running = launch_behind(&site, &proxy).await;
    proxy.until_held().await.unwrap();
    site.migrations().delete(NAME, &DeleteParams::default()).await.unwrap();
    proxy.release();
    let finished = site.complete_and_finish(NAME, running).await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_ne!(site.migrations().get(NAME).await.unwrap().uid(), earlier.uid());
}

#[tokio::test]
async fn an_unfinished_object_without_an_end_is_followed_to_its_result() {
    let site = Site::new(control_plane().await, "unfinished").await;
    earlier_object(&site, json!({ MIGRATE: "true" }), &[]).await;
    let running = site.task(&site.payload(NAME)).launch().await.unwrap();
    running.wait_for_line("is in place").await.unwrap();
    site.patch(NAME, completed()).await;
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
}
