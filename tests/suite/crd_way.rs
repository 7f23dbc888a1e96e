//! The CRD way, from the launch of the pod to the annotation.

mod other_objects;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, PostParams, WatchEvent, WatchParams};
use lagoon_task_testing::{ControlPlane, Fault, FaultProxy, Finished};
use serde_json::{Value, json};

use lagoon_task_testing::until;
use switch_testing::{Site, completed, condition, control_plane};

const NAME: &str = "host-migration-a1b2c3";

/// Launches the switch, ends it with `patch` as the controller would, and waits for the task.
async fn switch_that_ends_with(site: &Site<'_>, patch: Value) -> Finished {
    let running = site.task(&site.payload(NAME)).launch().await.unwrap();
    site.until_created(NAME).await;
    site.patch(NAME, patch).await;
    running.finish().await.unwrap()
}

fn without_progress(finished: &Finished) -> Vec<String> {
    let mut requests = finished.requests_in_short();
    let is_patch = |request: &String| request == "patch pods";
    // The annotation comes last, and the label before it is patched at most once in five seconds of the run.
    while requests.iter().filter(|request| is_patch(request)).count() > 1 {
        requests.remove(requests.iter().position(is_patch).unwrap());
    }
    requests
}

#[tokio::test]
async fn a_clean_run_creates_watches_and_patches_and_that_is_all() {
    let site = Site::new(control_plane().await, "clean-run").await;
    let running = site.task(&site.payload(NAME)).launch().await.unwrap();
    let token = running.token().unwrap();
    let finished = site.complete_and_finish(NAME, running).await;

    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    let mut requests = without_progress(&finished);
    // The progress label is patched beside the watch, in either order.
    requests.sort();
    assert_eq!(requests, ["create hostmigrations", "patch pods", "watch hostmigrations"], "{:#?}", finished.requests);
    let agent = concat!("activestandby/", env!("CARGO_PKG_VERSION"));
    assert!(finished.requests.iter().all(|request| request.user_agent == agent), "{:#?}", finished.requests);
    assert_eq!(
        finished.log,
        "Switching: environment \"develop\" is to become active, \"main\" standby.\n\
         HostMigration \"host-migration-a1b2c3\" in namespace \"clean-run-develop\" is in place. Waiting for the cluster's \
         controller to move the routes.\n\
         Controller: started: began\n\
         Controller: completed: all routes moved\n\
         Result: {\"status\":\"Completed\",\"productionEnvironment\":\"main\",\"standbyProductionEnvironment\":\"develop\",\
         \"productionRoutes\":\"https://www.example.com,https://shop.example.com\",\
         \"standbyRoutes\":\"https://standby.example.com\"}\n\
         The switch is done. Environment \"develop\" is active now. Routes: https://www.example.com, \
         https://shop.example.com. Routes of the standby environment: https://standby.example.com.\n"
    );
    assert!(!finished.log.contains(&token));
    assert_eq!(finished.termination_message, finished.log.lines().last().unwrap());
}

#[tokio::test]
async fn the_annotation_is_padded_standard_base64_of_the_result_in_upstreams_order() {
    let site = Site::new(control_plane().await, "annotation").await;
    let finished = switch_that_ends_with(&site, completed()).await;
    let json = String::from_utf8(decode(&finished.annotation.unwrap())).unwrap();
    assert_eq!(
        json,
        "{\"status\":\"Completed\",\"productionEnvironment\":\"main\",\"standbyProductionEnvironment\":\"develop\",\
         \"productionRoutes\":\"https://www.example.com,https://shop.example.com\",\
         \"standbyRoutes\":\"https://standby.example.com\"}"
    );
}

#[tokio::test]
async fn a_step_changes_the_label_that_makes_lagoon_ship_the_log() {
    let site = Site::new(control_plane().await, "live-progress").await;
    let running = site.task(&site.payload(NAME)).launch().await.unwrap();
    let pods: Api<Pod> = Api::namespaced(site.client(), &running.namespace());
    let parameters = WatchParams::default().fields(&format!("metadata.name={}", running.pod_name()));
    let mut events = pin!(pods.watch(&parameters, "0").await.unwrap());
    let label = loop {
        if let WatchEvent::Added(pod) | WatchEvent::Modified(pod) = events.next().await.unwrap().unwrap()
            && let Some(label) = pod.labels().get("lagoon.sh/taskStep")
        {
            break label.clone();
        }
    };
    assert_eq!(label, "1-hostmigration-host-migration-a1b2c3-in-namespace-live");
    assert_eq!(site.complete_and_finish(NAME, running).await.exit_code, Some(0));
}

#[tokio::test]
async fn a_deployer_that_may_not_label_its_pod_still_switches() {
    let site = Site::new(control_plane().await, "no-label").await;
    let first = Arc::new(AtomicBool::new(true));
    let proxy = FaultProxy::start(control_plane().await, move |passing| {
        // The first patch is the label.
        let label = passing.method == http::Method::PATCH && first.swap(false, Ordering::SeqCst);
        if label { Fault::AnsweredInstead(403, None) } else { Fault::None }
    });
    let proxy = proxy.await.unwrap();
    let task = site.task(&site.payload(NAME)).variable("KUBERNETES_SERVICE_PORT", proxy.port().to_string());
    let running = task.launch().await.unwrap();
    until(|| !proxy.injected().is_empty()).await;
    let finished = site.complete_and_finish(NAME, running).await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(finished.log.lines().count(), 6, "{}", finished.log);
}

fn decode(annotation: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(annotation).unwrap()
}

#[tokio::test]
async fn the_object_arrives_as_the_payload_has_it_in_the_tasks_own_namespace() {
    let site = Site::new(control_plane().await, "untouched").await;
    let mut payload = site.payload(NAME);
    payload["crd"]["metadata"]["namespace"] = json!("kube-system");
    payload["crd"]["metadata"]["labels"] = json!({ "example.com/kept": "yes" });
    let running = site.task(&payload).launch().await.unwrap();
    let task = running.pod_name();
    let object = site.until_created(NAME).await;
    site.patch(NAME, completed()).await;
    assert_eq!(running.finish().await.unwrap().exit_code, Some(0));

    assert_eq!(object.metadata.namespace.as_deref(), Some("untouched-develop"));
    assert_eq!(object.metadata.labels.unwrap()["example.com/kept"], "yes");
    let annotations = object.metadata.annotations.unwrap();
    assert_eq!(annotations["dioscuri.amazee.io/migrate"], "true");
    assert_eq!(annotations["activestandby.lagoon.sh/task"], task);
    assert_eq!(object.spec.destination_namespace.as_deref(), Some("untouched-main"));
}

#[tokio::test]
async fn a_failed_switch_shows_reason_and_result_and_exits_1() {
    let site = Site::new(control_plane().await, "failed").await;
    let finished = switch_that_ends_with(
        &site,
        json!({
            "spec": { "hosts": { "activeHosts": "https://www.example.com", "standbyHosts": "" } },
            "status": { "conditions": [condition("failed", "service nginx\nis missing")] },
        }),
    )
    .await;
    assert_eq!(finished.exit_code, Some(1));
    assert!(finished.log.contains("Result: {\"status\":\"Failed\""), "{}", finished.log);
    assert!(finished.log.contains("the cluster's controller says: service nginx\\nis missing."), "{}", finished.log);
    assert_eq!(finished.annotation, None);
}

#[tokio::test]
async fn of_several_conditions_that_end_a_switch_the_last_wins_and_others_are_only_shown() {
    let site = Site::new(control_plane().await, "several-conditions").await;
    let mut untrue = condition("failed", "not really");
    untrue["status"] = json!("False");
    let conditions =
        [condition("failed", "first try"), condition("meditating", "hm"), condition("completed", "second try"), untrue];
    let finished = switch_that_ends_with(&site, json!({ "status": { "conditions": conditions } })).await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    for line in [
        "Controller: failed: first try\n",
        "Controller: meditating: hm\n",
        "Controller: completed: second try\n",
        "Controller: failed (False): not really\n",
        "The controller did not say which hosts moved; the result names none.\n",
    ] {
        assert_eq!(finished.log.matches(line).count(), 1, "{line:?} in\n{}", finished.log);
    }
    assert_eq!(finished.result.unwrap()["productionRoutes"], "");
}

#[tokio::test]
async fn each_condition_is_shown_once_as_it_comes() {
    let site = Site::new(control_plane().await, "conditions-once").await;
    let running = site.task(&site.payload(NAME)).launch().await.unwrap();
    site.until_created(NAME).await;
    site.patch(NAME, json!({ "status": { "conditions": [condition("started", "")] } })).await;
    running.wait_for_line("Controller: started").await.unwrap();
    site.patch(NAME, json!({ "metadata": { "annotations": { "dioscuri.amazee.io/migrate": "false" } } })).await;
    let conditions = [condition("started", ""), condition("completed", "")];
    site.patch(NAME, json!({ "status": { "conditions": conditions } })).await;
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.log.matches("Controller: started\n").count(), 1, "{}", finished.log);
    assert_eq!(finished.log.matches("Controller: completed\n").count(), 1, "{}", finished.log);
}

#[tokio::test]
async fn an_object_of_that_name_for_another_switch_is_refused() {
    let site = Site::new(control_plane().await, "another-switch").await;
    let other = json!({
        "apiVersion": "dioscuri.amazee.io/v1", "kind": "HostMigration", "metadata": { "name": NAME },
        "spec": { "destinationNamespace": "somewhere-else" },
    });
    let other = serde_json::from_value(other).unwrap();
    site.migrations().create(&PostParams::default(), &other).await.unwrap();
    let finished = site.task(&site.payload(NAME)).launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1));
    let last = finished.log.lines().last().unwrap();
    assert!(
        last.contains("an object of that name exists already. It asks for another switch than this task does."),
        "{last}"
    );
    assert!(last.contains("This switch has changed nothing."), "{last}");
}

#[tokio::test]
async fn an_object_deleted_meanwhile_ends_the_waiting() {
    let site = Site::new(control_plane().await, "deleted").await;
    let running = site.task(&site.payload(NAME)).launch().await.unwrap();
    site.until_created(NAME).await;
    site.patch(NAME, json!({ "status": { "conditions": [condition("started", "half way")] } })).await;
    running.wait_for_line("half way").await.unwrap();
    site.migrations().delete(NAME, &DeleteParams::default()).await.unwrap();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1));
    let last = finished.log.lines().last().unwrap();
    assert!(last.contains("was deleted while the task waited for it"), "{last}");
    assert!(last.contains("The last that the controller said was: started: half way."), "{last}");
}

#[tokio::test]
async fn the_deadline_says_what_was_seen_last() {
    let site = Site::new(control_plane().await, "deadline").await;
    let task = site.task(&site.payload(NAME)).variable("TASK_TIMEOUT_SECONDS", "1");
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1));
    let last = finished.log.lines().last().unwrap();
    assert!(last.starts_with("The switch has not ended within 1 s, and the task stops waiting."), "{last}");
    assert!(last.contains("The controller has not said anything yet; it may not be running."), "{last}");
    assert_eq!(finished.annotation, None);
}

#[tokio::test]
async fn a_stop_signal_ends_the_waiting_and_leaves_the_switch_to_the_controller() {
    for signal in ["TERM", "INT"] {
        let project = format!("stop-{}", signal.to_lowercase());
        let site = Site::new(control_plane().await, &project).await;
        let running = site.task(&site.payload(NAME)).launch().await.unwrap();
        running.wait_for_line("is in place").await.unwrap();
        running.signal(signal).await.unwrap();
        let finished = running.finish().await.unwrap();
        assert_eq!(finished.exit_code, Some(1), "{signal}: {}", finished.log);
        assert!(finished.log.contains("The task was stopped while the switch was under way."), "{}", finished.log);
        assert!(site.migrations().get_opt(NAME).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_missing_pod_leaves_the_switch_done_and_says_so() {
    let site = Site::new(control_plane().await, "no-pod").await;
    let running = site.task(&site.payload(NAME)).launch().await.unwrap();
    running.wait_for_line("is in place").await.unwrap();
    // The token is bound to the pod and dies with it, so this one is not.
    running.write_token(&unbound_token(&site).await).unwrap();
    running.delete_pod().await.unwrap();
    let finished = site.complete_and_finish(NAME, running).await;
    assert_eq!(finished.exit_code, Some(1));
    let last = finished.log.lines().last().unwrap();
    assert!(last.starts_with("The switch is done: the routes have moved. But Lagoon does not know it yet"), "{last}");
    assert!(last.contains("could not be changed: it was not found"), "{last}");
    assert!(last.contains("Run the task again: it is safe"), "{last}");
}

async fn unbound_token(site: &Site<'_>) -> String {
    use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
    use k8s_openapi::api::core::v1::ServiceAccount;
    let accounts: Api<ServiceAccount> = Api::namespaced(site.client(), &site.standby.namespace);
    let request = TokenRequest { spec: TokenRequestSpec::default(), ..TokenRequest::default() };
    let answer = accounts.create_token_request("lagoon-deployer", &PostParams::default(), &request).await.unwrap();
    answer.status.unwrap().token
}

#[tokio::test]
async fn a_deployer_without_the_right_is_told_which_one_is_missing() {
    use k8s_openapi::api::rbac::v1::RoleBinding;
    let site = Site::new(control_plane().await, "no-right").await;
    let bindings: Api<RoleBinding> = Api::namespaced(site.client(), &site.standby.namespace);
    bindings.delete("lagoon-deployer-admin", &DeleteParams::default()).await.unwrap();
    let finished = site.task(&site.payload(NAME)).launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1));
    let last = finished.log.lines().last().unwrap();
    assert!(last.contains("cannot create resource \"hostmigrations\" in API group \"dioscuri.amazee.io\""), "{last}");
    assert!(last.contains("in the namespace \"no-right-develop\""), "{last}");
    assert!(last.contains("Nothing has changed. Ask your Lagoon administrator"), "{last}");
}

#[tokio::test]
async fn a_cluster_without_the_custom_resource_is_told_so() {
    let control_plane = ControlPlane::start().await.unwrap();
    control_plane.apply(include_str!("../../deploy/hostmigration-deployer.yaml")).await.unwrap();
    let site = Site::new(&control_plane, "no-crd").await;
    let finished = site.task(&site.payload(NAME)).launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1));
    let last = finished.log.lines().last().unwrap();
    assert!(last.contains("this cluster does not know its kind. Nothing has changed."), "{last}");
    assert!(last.contains("install crds/hostmigrations.yaml"), "{last}");
}

#[tokio::test]
async fn the_legacy_mount_is_found_when_the_service_account_has_none() {
    let site = Site::new(control_plane().await, "legacy-mount").await;
    let running = site.task(&site.payload(NAME)).legacy_mount().launch().await.unwrap();
    let finished = site.complete_and_finish(NAME, running).await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
}
