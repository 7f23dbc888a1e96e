//! What becomes of a command in a service's pod when the cluster is not as it should be.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, LimitRange, Namespace, Pod, ResourceQuota, Secret};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use lagoon_task_testing::{Fault, FaultProxy, Finished, Passing, Running};
use serde_json::json;

use crate::run_command::{Gate, Site, phase};
use crate::support::{control_plane, new_control_plane};
use lagoon_task_testing::first;
use lagoon_task_testing::until_so;

/// How long a task may take whose end by its deadline is what is tested: long enough for a busy machine to come to what
/// the deadline is to meet.
const DEADLINE: u64 = 20;

/// Starts a command that runs until it is stopped; answers when it runs.
async fn endless<'bench>(site: &Site<'bench>) -> Running<'bench> {
    let running = site.command("echo it runs; exec sleep 1000").launch().await.unwrap();
    running.wait_for_line("it runs").await.unwrap();
    running
}

fn pod_of(running: &Running<'_>) -> String {
    format!("{}-command", running.pod_name())
}

fn assert_failed(finished: &Finished, sentence: &str) {
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    let last = finished.log.lines().last().unwrap_or_default();
    assert!(last.contains(sentence), "{}", finished.log);
    assert_eq!(finished.result, None);
}

#[tokio::test]
async fn a_service_that_does_not_exist_is_told_with_those_that_do() {
    let site = Site::with_service(control_plane().await, "run-no-service").await;
    let task = site.task(&json!({ "service": "clii", "command": "true" }));
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    let sentence = "There is no service \"clii\" in this environment: no pod of it runs, and it has no Deployment. Its \
                    services are: cli.";
    assert_failed(&finished, sentence);
    assert_eq!(finished.requests_in_short(), ["list pods", "list deployments"]);
}

#[tokio::test]
async fn a_payload_that_names_no_service_sends_nothing() {
    let site = Site::new(control_plane().await, "run-payload").await;
    let task = site.task(&json!({ "service": "../x", "command": "true" }));
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    assert_failed(&finished, "The payload's field `service` does not hold the name of a service");
    assert_eq!(finished.requests, []);
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_told_and_the_pod_removed() {
    let site = Site::with_service(control_plane().await, "run-pull").await;
    // It was there when the service was started.
    site.kubelet.add_broken_image(&site.image);
    let task = site.command("true").variable("TASK_TIMEOUT_SECONDS", DEADLINE.to_string());
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    assert_failed(&finished, "The command was not run: its image could not be pulled (ErrImagePull");
    assert!(finished.log.contains("The command does not run yet: its image could not be pulled"), "{}", finished.log);
    assert!(site.command_pods().await.is_empty());
}

#[tokio::test]
async fn a_secret_that_is_missing_is_told_and_the_pod_removed() {
    let site = Site::new(control_plane().await, "run-secret").await;
    let secret = site.create::<Secret>(json!({ "metadata": { "name": "db" } })).await;
    site.service_pod(site.spec(&json!({ "envFrom": [{ "secretRef": { "name": "db" } }] }))).await;
    delete::<Secret>(&site, &secret.metadata.name.unwrap()).await;
    let task = site.command("true").variable("TASK_TIMEOUT_SECONDS", DEADLINE.to_string());
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    assert_failed(&finished, "its container could not be made (CreateContainerConfigError: secret \"db\" not found)");
    assert!(site.command_pods().await.is_empty());
}

async fn delete<K>(site: &Site<'_>, name: &str)
where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let api: Api<K> = site.api();
    api.delete(name, &DeleteParams::default().grace_period(0)).await.unwrap();
}

#[tokio::test]
async fn a_pod_that_never_starts_is_told_with_the_clusters_last_warning() {
    let site = Site::new(control_plane().await, "run-warning").await;
    let mut spec = site.spec(&json!({}));
    spec["containers"][0]["image"] = json!("registry.example.com/run-warning/of-no-node");
    let labels = json!({ "lagoon.sh/service": "cli" });
    let template = json!({ "metadata": { "labels": labels }, "spec": spec });
    let deployment = json!({ "selector": { "matchLabels": labels }, "template": template });
    site.create::<Deployment>(json!({ "metadata": { "name": "cli" }, "spec": deployment })).await;
    let running = site.command("true").variable("TASK_TIMEOUT_SECONDS", DEADLINE.to_string()).launch().await.unwrap();
    let pod = site.until(&pod_of(&running), |_| true).await;
    // As the controller for volumes says it.
    site.create::<Event>(json!({
        "metadata": { "name": "attach" }, "type": "Warning", "reason": "FailedAttachVolume",
        "message": "Multi-Attach error for volume \"files\"", "lastTimestamp": "2026-11-24T10:00:00Z",
        "involvedObject": { "kind": "Pod", "namespace": site.environment.namespace, "uid": pod.metadata.uid },
    }))
    .await;
    let finished = running.finish().await.unwrap();
    assert_failed(
        &finished,
        "its pod could not be set up (FailedAttachVolume: Multi-Attach error for volume \"files\")",
    );
    assert!(site.command_pods().await.is_empty());
}

#[tokio::test]
async fn an_eviction_is_told_with_its_reason() {
    let site = Site::with_service(control_plane().await, "run-evict").await;
    let running = endless(&site).await;
    site.kubelet.evict(&site.environment.namespace, &pod_of(&running)).await.unwrap();
    let finished = running.finish().await.unwrap();
    assert_failed(
        &finished,
        "off its node before the command had ended (Evicted: The node was low on resource: memory.)",
    );
    assert!(site.command_pods().await.is_empty());
}

#[tokio::test]
async fn a_pod_that_somebody_deletes_is_told() {
    let site = Site::with_service(control_plane().await, "run-deleted").await;
    let running = endless(&site).await;
    delete::<Pod>(&site, &pod_of(&running)).await;
    let finished = running.finish().await.unwrap();
    assert_failed(&finished, "Somebody deleted the command's pod before the command had ended.");
}

/// Waits until the API server, which learns of such rules by watches of its own, refuses a pod like the service's.
async fn until_refused(site: &Site<'_>, spec: &serde_json::Value, words: &str) {
    let pod = serde_json::from_value(json!({ "metadata": { "name": "asks" }, "spec": spec })).unwrap();
    let only_asks = PostParams { dry_run: true, ..PostParams::default() };
    until_so(async || {
        let asked = site.api::<Pod>().create(&only_asks, &pod).await;
        matches!(asked, Err(kube::Error::Api(status)) if status.message.contains(words))
    })
    .await;
}

#[tokio::test]
async fn a_quota_without_room_is_told_with_its_numbers() {
    let site = Site::with_service(control_plane().await, "run-quota").await;
    let prepared = site.command("true").prepare().await.unwrap();
    let quota = json!({ "metadata": { "name": "pods" }, "spec": { "hard": { "pods": "2" } } });
    site.create::<ResourceQuota>(quota).await;
    // As the cluster's quota controller counts them: the service's pod and the task's own.
    let status = json!({ "status": { "hard": { "pods": "2" }, "used": { "pods": "2" } } });
    let quotas: Api<ResourceQuota> = site.api();
    quotas.patch_status("pods", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    until_refused(&site, &site.spec(&json!({})), "exceeded quota").await;
    let finished = prepared.start().unwrap().finish().await.unwrap();
    assert_failed(
        &finished,
        "the namespace's quota has no room for its pod (quota pods, requested: pods=1, used: pods=2, limited: pods=2)",
    );
    assert!(site.command_pods().await.is_empty());
}

#[tokio::test]
async fn limits_and_pod_security_that_have_changed_are_told() {
    let site = Site::new(control_plane().await, "run-limits").await;
    let spec = site.spec(&json!({ "resources": { "limits": { "memory": "2Gi" } } }));
    site.service_pod(spec.clone()).await;
    let (first, second) =
        (site.command("true").prepare().await.unwrap(), site.command("true").prepare().await.unwrap());
    let limits = json!({ "limits": [{ "type": "Container", "max": { "memory": "1Gi" } }] });
    site.create::<LimitRange>(json!({ "metadata": { "name": "limits" }, "spec": limits })).await;
    until_refused(&site, &spec, "maximum memory usage").await;
    let finished = first.start().unwrap().finish().await.unwrap();
    let sentence =
        "does not keep to the namespace's limits (maximum memory usage per Container is 1Gi, but limit is 2Gi)";
    assert_failed(&finished, sentence);

    delete::<LimitRange>(&site, "limits").await;
    let namespaces: Api<Namespace> = Api::all(site.client.clone());
    let label = json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "restricted" } } });
    let name = &site.environment.namespace;
    namespaces.patch(name, &PatchParams::default(), &Patch::Merge(label)).await.unwrap();
    until_refused(&site, &spec, "violates PodSecurity").await;
    let finished = second.start().unwrap().finish().await.unwrap();
    assert_failed(&finished, "pod security level does not allow a pod like the service's (\"restricted:latest\": ");
}

#[tokio::test]
async fn sigterm_stops_the_command_and_removes_its_pod() {
    let site = Site::with_service(control_plane().await, "run-term").await;
    let running = endless(&site).await;
    running.signal("TERM").await.unwrap();
    let finished = running.finish().await.unwrap();
    assert_failed(&finished, "The task was asked to stop, so the command was stopped.");
    assert!(site.command_pods().await.is_empty());
}

#[tokio::test]
async fn sigterm_while_the_pod_is_created_removes_it_too() {
    let site = Site::with_service(control_plane().await, "run-term-create").await;
    let creates = |passing: &Passing| passing.method == http::Method::POST && passing.uri.contains("/pods");
    let proxy = FaultProxy::start(site.control_plane, first(1, Fault::AnswerHeld, creates)).await.unwrap();
    let task = site.command("exec sleep 1000").variable("KUBERNETES_SERVICE_PORT", proxy.port().to_string());
    let running = task.launch().await.unwrap();
    proxy.until_held().await.unwrap();
    running.signal("TERM").await.unwrap();
    assert_eq!(site.command_pods().await.len(), 1, "it is there, and the task does not know");
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_failed(&finished, "The task was asked to stop, so the command was stopped.");
    assert!(site.command_pods().await.is_empty());
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_makes_one_pod() {
    let site = Site::with_service(control_plane().await, "run-create-lost").await;
    let creates = |passing: &Passing| passing.method == http::Method::POST && passing.uri.contains("/pods");
    let proxy = FaultProxy::start(site.control_plane, first(1, Fault::AnswerLost, creates)).await.unwrap();
    let task = site.command("echo once").variable("KUBERNETES_SERVICE_PORT", proxy.port().to_string());
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(finished.log.matches("\nonce\n").count(), 1, "{}", finished.log);
    assert!(site.command_pods().await.is_empty());
}

/// The task gave up after five, and left the pod to run.
#[tokio::test]
async fn a_create_whose_answers_are_lost_for_some_seconds_makes_one_pod_that_is_removed() {
    let site = Site::with_service(control_plane().await, "run-creates-lost").await;
    let creates = |passing: &Passing| passing.method == http::Method::POST && passing.uri.contains("/pods");
    let proxy = FaultProxy::start(site.control_plane, first(6, Fault::AnswerLost, creates)).await.unwrap();
    let task = site.command("echo once").variable("KUBERNETES_SERVICE_PORT", proxy.port().to_string());
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(finished.log.matches("\nonce\n").count(), 1, "{}", finished.log);
    assert_eq!(proxy.injected().len(), 6);
    assert!(site.command_pods().await.is_empty());
}

/// It was said that its output could not be read.
#[tokio::test]
async fn of_a_command_that_has_not_begun_no_output_is_missed() {
    let site = Site::new(control_plane().await, "run-not-begun").await;
    let mut spec = site.spec(&json!({}));
    let gate = Gate::new();
    let prepare = format!("test -z \"$({})\"", gate.wait());
    spec["initContainers"] = json!([{ "name": "prepare", "image": site.image, "command": ["sh", "-c", prepare] }]);
    let created = site.service_pod(spec);
    tokio::join!(created, gate.send(""));

    let command = || site.command("echo MARKER");
    let running = command().launch().await.unwrap();
    gate.send("no").await;
    let finished = running.finish().await.unwrap();
    assert_failed(&finished, "The command was not run: the container \"prepare\", which prepares");
    assert_eq!(finished.log.lines().count(), 2, "{}", finished.log);

    let running = command().launch().await.unwrap();
    site.until(&pod_of(&running), |pod| phase(pod) == "Pending" && pod.status.as_ref().unwrap().start_time.is_some())
        .await;
    site.kubelet.evict(&site.environment.namespace, &pod_of(&running)).await.unwrap();
    let finished = running.finish().await.unwrap();
    assert_failed(&finished, "The command was not run: Kubernetes took its pod off its node before (Evicted: ");
    assert_eq!(finished.log.lines().count(), 2, "{}", finished.log);

    let running = command().launch().await.unwrap();
    site.until(&pod_of(&running), |pod| phase(pod) == "Pending").await;
    delete::<Pod>(&site, &pod_of(&running)).await;
    let finished = running.finish().await.unwrap();
    assert_failed(&finished, "The command was not run: somebody deleted its pod before.");
    assert_eq!(finished.log.lines().count(), 2, "{}", finished.log);
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_stopped() {
    let site = Site::with_service(control_plane().await, "run-timeout").await;
    let task = site.command("exec sleep 1000").variable("TASK_TIMEOUT_SECONDS", DEADLINE.to_string());
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    assert_failed(&finished, "The command did not end within 20 s and was stopped.");
    assert!(site.command_pods().await.is_empty());
}

#[tokio::test]
async fn what_a_killed_task_left_behind_is_removed_by_the_next_and_what_another_needs_is_not() {
    let site = Site::with_service(control_plane().await, "run-killed").await;
    let (killed, at_work) = (endless(&site).await, endless(&site).await);
    let (left, needed) = (pod_of(&killed), pod_of(&at_work));
    killed.signal("KILL").await.unwrap();
    killed.finish().await.unwrap();
    assert_eq!(site.command_pods().await.keys().collect::<Vec<_>>().len(), 2);
    let finished = site.command("true").launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    let told = format!("Removed pod \"{left}\", which a task that has ended had left behind.");
    assert!(finished.log.contains(&told), "{}", finished.log);
    let pod = site.api::<Pod>().get(&needed).await.unwrap();
    assert_eq!((phase(&pod), &pod.metadata.deletion_timestamp), ("Running", &None));
    at_work.signal("TERM").await.unwrap();
    at_work.finish().await.unwrap();
}

#[tokio::test]
async fn a_restart_of_the_api_server_neither_ends_the_command_nor_loses_or_doubles_a_line() {
    let own = new_control_plane().await;
    let site = Site::with_service(&own, "run-restart").await;
    let gate = Gate::new();
    let script = format!("echo one; echo two; printf thr; {}; echo four", gate.wait());
    let running = site.command(&script).launch().await.unwrap();
    running.wait_for_line("two").await.unwrap();
    own.kill_api_server();
    gate.send("ee\n").await;
    own.start_api_server().await.unwrap();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    let shown: Vec<&str> =
        finished.log.lines().filter(|line| ["one", "two", "thr", "ee", "three", "four"].contains(line)).collect();
    assert_eq!(shown, ["one", "two", "three", "four"], "{}", finished.log);
}

#[tokio::test]
async fn a_log_that_cannot_be_read_at_first_is_shown_once_it_can() {
    let site = Site::with_service(control_plane().await, "run-log-lost").await;
    for (fault, number) in [(Fault::AnswerLost, 0), (Fault::AnsweredInstead(500, None), 1)] {
        let reads_log = |passing: &Passing| passing.uri.contains("/log?");
        let proxy = FaultProxy::start(site.control_plane, first(2, fault, reads_log)).await.unwrap();
        let task = site.command(&format!("echo line {number}"));
        let task = task.variable("KUBERNETES_SERVICE_PORT", proxy.port().to_string());
        let finished = task.launch().await.unwrap().finish().await.unwrap();
        assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
        assert_eq!(finished.log.matches(&format!("\nline {number}\n")).count(), 1, "{}", finished.log);
    }
}
