//! What comes before a container runs.

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::ResourceExt;
use kube::api::{Api, LogParams};
use lagoon_task_testing::Launcher;
use serde_json::json;

use super::{Gate, Place, end, phase, state, waits_for};
use crate::support::control_plane;

#[tokio::test]
async fn init_containers_run_one_after_the_other_and_then_the_containers_at_once() {
    let place = Place::new(control_plane().await, "kubelet-init").await;
    let gates = [Gate::new(), Gate::new()];
    let mount = json!([{ "name": "shared", "mountPath": "/kubelet-init" }]);
    let container = |name: &str, script: &str| json!({ "name": name, "image": place.image, "command": ["sh", "-c", script], "volumeMounts": mount });
    let write = |word: &str| format!("echo {word} >> /kubelet-init/words");
    let read = |gate: &Gate| format!("cat /kubelet-init/words; {}", gate.wait());
    let changes = json!({
        "volumes": [{ "name": "shared", "emptyDir": {} }],
        "initContainers": [container("first", &write("one")), container("second", &write("two"))],
        "containers": [container("a", &read(&gates[0])), container("b", &read(&gates[1]))],
    });
    place.pod("init", json!({}), changes).await;
    place.until("init", |pod| phase(pod) == "Running").await;
    gates.iter().for_each(Gate::open);
    assert_eq!(phase(&place.until_ended("init").await), "Succeeded");
    for container in ["a", "b"] {
        let parameters = LogParams { container: Some(container.to_owned()), ..LogParams::default() };
        assert_eq!(place.log("init", parameters).await, "one\ntwo\n");
    }

    let changes = json!({
        "volumes": [{ "name": "shared", "emptyDir": {} }],
        "initContainers": [container("first", "exit 7")],
        "containers": [container("a", "true")],
    });
    place.pod("init-fails", json!({}), changes).await;
    let pod = place.until_ended("init-fails").await;
    assert_eq!(phase(&pod), "Failed");
    assert_eq!(state(&pod, 0).waiting.unwrap().reason.as_deref(), Some("PodInitializing"));
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_said_to_be_one() {
    let place = Place::new(control_plane().await, "kubelet-broken").await;
    place.kubelet.add_broken_image("kubelet.example.com/broken:1");
    let created = place.pod("broken", json!({ "image": "kubelet.example.com/broken:1" }), json!({})).await;
    let version = created.resource_version().unwrap();
    let failed = place.until_since(&version, "broken", |pod| waits_for(pod).0 == "ErrImagePull").await;
    let version = failed.resource_version().unwrap();
    let pod = place.until_since(&version, "broken", |pod| waits_for(pod).0 == "ImagePullBackOff").await;
    assert_eq!((phase(&pod), waits_for(&pod).1.contains("kubelet.example.com/broken:1")), ("Pending", true));
    // Nothing runs that would have to end.
    place.delete("broken", 600).await;
}

#[tokio::test]
async fn a_container_waits_for_a_secret_that_is_missing() {
    let place = Place::new(control_plane().await, "kubelet-missing").await;
    let container = json!({
        "command": ["sh", "-c", "echo $SIZE"],
        "envFrom": [{ "secretRef": { "name": "late" } }],
    });
    place.pod("waits", container, json!({})).await;
    let config_error = "CreateContainerConfigError".to_owned();
    let pod = place.until("waits", |pod| waits_for(pod).0 == config_error).await;
    assert_eq!(waits_for(&pod).1, "secret \"late\" not found");

    let volumes = json!([{ "name": "late", "secret": { "secretName": "late" } }]);
    let mounts = json!([{ "name": "late", "mountPath": "/kubelet-late" }]);
    let container = json!({ "command": ["cat", "/kubelet-late/SIZE"], "volumeMounts": mounts });
    place.pod("waits-too", container, json!({ "volumes": volumes })).await;
    let creating = ("ContainerCreating".to_owned(), "secret \"late\" not found".to_owned());
    place.until("waits-too", |pod| waits_for(pod) == creating).await;

    let _: Secret = place.create(json!({ "metadata": { "name": "late" }, "stringData": { "SIZE": "big" } })).await;
    for (name, log) in [("waits", "big\n"), ("waits-too", "big")] {
        assert_eq!(phase(&place.until_ended(name).await), "Succeeded");
        assert_eq!(place.log(name, LogParams::default()).await, log);
    }
}

#[tokio::test]
async fn a_pod_waits_untouched_until_its_image_is_added() {
    let place = Place::new(control_plane().await, "kubelet-later").await;
    let image = json!({ "image": "kubelet.example.com/later:1" });
    let created = place.pod("later", image, json!({})).await;
    // One that comes later has been seen later.
    place.script("known", "true").await;
    place.until_ended("known").await;
    let pod = place.pods().get("later").await.unwrap();
    assert_eq!((pod.resource_version(), phase(&pod)), (created.resource_version(), "Pending"));
    place.kubelet.add_image("kubelet.example.com/later:1", "/bin/true");
    assert_eq!(phase(&place.until_ended("later").await), "Succeeded");
}

#[tokio::test]
async fn a_task_runs_because_its_pod_was_created() {
    let launcher = Launcher::new(control_plane().await);
    let environment = launcher.environment("kubelet-task", "main").await.unwrap();
    let pods: Api<Pod> = Api::namespaced(control_plane().await.client().unwrap(), &environment.namespace);
    let prepared = launcher.task(&environment, "/bin/echo").argument("hello").prepare().await.unwrap();
    let pod = pods.list(&kube::api::ListParams::default()).await.unwrap().items.remove(0);
    assert_eq!(phase(&pod), "Pending");
    assert!(pod.spec.unwrap().node_name.is_some());
    assert!(prepared.service_account_folder().join("token").exists());
    let running = prepared.start().unwrap();
    let name = running.pod_name();
    let finished = running.finish().await.unwrap();
    assert_eq!(pods.logs(&name, &LogParams::default()).await.unwrap(), finished.log);
    let pod = pods.get(&name).await.unwrap();
    assert_eq!((phase(&pod), end(&pod).0), ("Succeeded", 0));
}
