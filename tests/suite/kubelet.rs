//! What the bench's stand-in for a kubelet does with pods, seen through the API server.

use std::pin::pin;
use std::process::Command;

use futures::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, ContainerState, Node, PersistentVolumeClaim, Pod, Secret};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, LogParams, PostParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use lagoon_task_testing::{ControlPlane, Kubelet, Launcher};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench::{Site, control_plane, until};

/// A namespace whose pods have an image of their own, which runs `/bin/false` unless their command says otherwise.
struct Place {
    client: kube::Client,
    kubelet: Kubelet,
    namespace: String,
    image: String,
}

impl Place {
    async fn new(control_plane: &ControlPlane, project: &str) -> Self {
        let launcher = Launcher::new(control_plane);
        let namespace = launcher.environment(project, "main").await.unwrap().namespace;
        Self::at(control_plane, namespace).await
    }

    async fn at(control_plane: &ControlPlane, namespace: String) -> Self {
        let kubelet = control_plane.kubelet().await.unwrap();
        let image = format!("kubelet.example.com/{namespace}:1");
        kubelet.add_image(&image, "/bin/false");
        Self { client: control_plane.client().unwrap(), kubelet, namespace, image }
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    async fn create<K>(&self, object: Value) -> K
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
        K: Clone + DeserializeOwned + serde::Serialize + std::fmt::Debug,
    {
        let object = serde_json::from_value(object).unwrap();
        Api::namespaced(self.client.clone(), &self.namespace).create(&PostParams::default(), &object).await.unwrap()
    }

    /// A pod with one container, and what `changes` says otherwise of its spec.
    async fn pod(&self, name: &str, container: Value, changes: Value) -> Pod {
        let mut only = json!({ "name": "only", "image": self.image });
        only.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
        let mut spec =
            json!({ "restartPolicy": "Never", "serviceAccountName": "lagoon-deployer", "containers": [only] });
        spec.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        self.create(json!({ "metadata": { "name": name, "labels": { "app": "shop" } }, "spec": spec })).await
    }

    /// A pod that runs this shell script.
    async fn script(&self, name: &str, script: &str) -> Pod {
        self.pod(name, json!({ "command": ["sh", "-c", script] }), json!({})).await
    }

    /// Waits until the pod is as wanted.
    async fn until(&self, name: &str, wanted: impl Fn(&Pod) -> bool) -> Pod {
        self.until_since("0", name, wanted).await
    }

    /// Waits until the pod is as wanted, or has been after this version.
    async fn until_since(&self, version: &str, name: &str, wanted: impl Fn(&Pod) -> bool) -> Pod {
        let parameters = WatchParams::default().fields(&format!("metadata.name={name}"));
        let mut events = pin!(self.pods().watch(&parameters, version).await.unwrap());
        while let Some(event) = events.next().await {
            if let WatchEvent::Added(pod) | WatchEvent::Modified(pod) = event.unwrap()
                && wanted(&pod)
            {
                return pod;
            }
        }
        panic!("the watch for {name} ended");
    }

    async fn until_ended(&self, name: &str) -> Pod {
        self.until(name, |pod| ["Succeeded", "Failed"].contains(&phase(pod))).await
    }

    async fn log(&self, name: &str, parameters: LogParams) -> String {
        self.pods().logs(name, &parameters).await.unwrap()
    }

    /// The log of a pod that runs or is about to, as it comes.
    async fn follow(&self, name: &str) -> impl AsyncBufRead + use<> {
        self.until(name, |pod| phase(pod) == "Running").await;
        let parameters = LogParams { follow: true, ..LogParams::default() };
        self.pods().log_stream(name, &parameters).await.unwrap()
    }

    /// Waits until the pod's log has this line; answers what follows it, when there is no more to come.
    async fn rest_after(&self, name: &str, line: &str) -> impl Future<Output = String> {
        let mut stream = Box::pin(self.follow(name).await);
        let mut seen = String::new();
        while seen != line {
            seen.clear();
            assert_ne!(stream.read_line(&mut seen).await.unwrap(), 0, "the log ended before {line:?}");
        }
        async move {
            let mut rest = String::new();
            stream.read_to_string(&mut rest).await.unwrap();
            rest
        }
    }

    /// Deletes the pod; answers how it stood in the end.
    async fn delete(&self, name: &str, grace: u32) -> Pod {
        let parameters = WatchParams::default().fields(&format!("metadata.name={name}"));
        let mut events = pin!(self.pods().watch(&parameters, "0").await.unwrap());
        self.pods().delete(name, &DeleteParams::default().grace_period(grace)).await.unwrap();
        while let Some(event) = events.next().await {
            if let WatchEvent::Deleted(pod) = event.unwrap() {
                return pod;
            }
        }
        panic!("the watch for {name} ended");
    }
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// The state of the pod's container of this place.
fn state(pod: &Pod, index: usize) -> ContainerState {
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    statuses.and_then(|statuses| statuses[index].state.clone()).unwrap_or_default()
}

/// Exit code, signal, reason and message of the pod's first container.
fn end(pod: &Pod) -> (i32, Option<i32>, String, String) {
    let end = state(pod, 0).terminated.unwrap();
    assert!(end.started_at.is_some() && end.finished_at.is_some());
    (end.exit_code, end.signal, end.reason.unwrap_or_default(), end.message.unwrap_or_default())
}

/// Why the pod's first container waits.
fn waits_for(pod: &Pod) -> (String, String) {
    let waiting = state(pod, 0).waiting.unwrap_or_default();
    (waiting.reason.unwrap_or_default(), waiting.message.unwrap_or_default())
}

/// A pipe through which a test tells a container to go on.
struct Gate {
    folder: TempDir,
}

impl Gate {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        assert!(Command::new("mkfifo").arg(folder.path().join("gate")).status().unwrap().success());
        Self { folder }
    }

    /// The shell command that waits.
    fn wait(&self) -> String {
        format!("read -r line < {}", self.folder.path().join("gate").display())
    }

    fn open(&self) {
        std::fs::write(self.folder.path().join("gate"), "go on\n").unwrap();
    }
}

#[tokio::test]
async fn a_container_has_the_variables_of_its_pod() {
    let place = Place::new(control_plane().await, "kubelet-env").await;
    let _: ConfigMap =
        place.create(json!({ "metadata": { "name": "platform" }, "data": { "A": "1", "B": "1" } })).await;
    let _: Secret = place.create(json!({ "metadata": { "name": "site" }, "stringData": { "B": "2", "C": "2" } })).await;
    let container = json!({
        "command": ["env"],
        "envFrom": [{ "configMapRef": { "name": "platform" } }, { "secretRef": { "name": "site" } }],
        "env": [
            { "name": "C", "value": "3 of $(B)" },
            { "name": "KEY", "valueFrom": { "secretKeyRef": { "name": "site", "key": "C" } } },
            { "name": "NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
            { "name": "APP", "valueFrom": { "fieldRef": { "fieldPath": "metadata.labels['app']" } } },
        ],
    });
    place.pod("env", container, json!({})).await;
    assert_eq!(phase(&place.until_ended("env").await), "Succeeded");
    let log = place.log("env", LogParams::default()).await;
    let mut variables: Vec<&str> = log.lines().collect();
    variables.sort_unstable();
    let port = format!("KUBERNETES_SERVICE_PORT={}", control_plane().await.port());
    let expected = [
        "A=1",
        "APP=shop",
        "B=2",
        "C=3 of 2",
        "HOSTNAME=env",
        "KEY=2",
        "KUBERNETES_SERVICE_HOST=127.0.0.1",
        port.as_str(),
        "NAME=env",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ];
    assert_eq!(variables, expected);
}

#[tokio::test]
async fn a_container_has_its_mounts_folder_and_user_and_the_machine_sees_nothing_of_it() {
    let place = Place::new(control_plane().await, "kubelet-mounts").await;
    let _: ConfigMap =
        place.create(json!({ "metadata": { "name": "settings" }, "data": { "a": "A", "b": "B" } })).await;
    let _: Secret = place.create(json!({ "metadata": { "name": "keys" }, "stringData": { "key": "K" } })).await;
    let claim = json!({ "accessModes": ["ReadWriteMany"], "resources": { "requests": { "storage": "1Mi" } } });
    let _: PersistentVolumeClaim = place.create(json!({ "metadata": { "name": "files" }, "spec": claim })).await;
    let volumes = json!([
        { "name": "settings", "configMap": { "name": "settings", "items": [{ "key": "a", "path": "deep/one" }] } },
        { "name": "keys", "secret": { "secretName": "keys", "defaultMode": 0o444 } },
        { "name": "scratch", "emptyDir": {} },
        { "name": "files", "persistentVolumeClaim": { "claimName": "files" } },
        { "name": "all", "projected": { "sources": [
            { "secret": { "name": "keys" } },
            { "downwardAPI": { "items": [{ "path": "labels", "fieldRef": { "fieldPath": "metadata.labels" } }] } },
        ] } },
    ]);
    let mount = |name: &str, path: &str| json!({ "name": name, "mountPath": path });
    let mounts = json!([
        mount("settings", "/etc/kubelet-test/settings"),
        mount("keys", "/var/run/secrets/lagoon/ssh"),
        { "name": "scratch", "mountPath": "/kubelet-test/scratch" },
        { "name": "files", "mountPath": "/kubelet-test/files", "subPath": "below" },
        { "name": "files", "mountPath": "/kubelet-test/read-only", "readOnly": true },
        mount("all", "/kubelet-test/all"),
    ]);
    let script = "pwd; id -u; id -g; grep CapEff /proc/self/status; \
        cat /etc/kubelet-test/settings/deep/one /var/run/secrets/lagoon/ssh/key; echo; \
        cat /kubelet-test/all/*; echo; stat -c %a /var/run/secrets/lagoon/ssh/key; \
        cat /var/run/secrets/kubernetes.io/serviceaccount/namespace; echo; \
        grep -c . /var/run/secrets/kubernetes.io/serviceaccount/token; \
        head -n 1 /var/run/secrets/kubernetes.io/serviceaccount/ca.crt; \
        echo kept > /kubelet-test/files/written; cat /kubelet-test/read-only/below/written; \
        echo scratch > /kubelet-test/scratch/x && cat /kubelet-test/scratch/x; \
        touch /kubelet-test/read-only/x 2>/dev/null || echo refused; \
        touch /var/run/secrets/lagoon/ssh/x 2>/dev/null || echo refused; \
        echo last words > /dev/termination-log; echo void > /dev/null";
    let container = json!({
        "command": ["sh", "-c"], "args": [script], "workingDir": "/kubelet-test/work", "volumeMounts": mounts,
    });
    let changes = json!({
        "volumes": volumes,
        "securityContext": { "runAsUser": 10000, "runAsGroup": 20000 },
    });
    place.pod("mounts", container, changes).await;
    let pod = place.until_ended("mounts").await;
    let log = place.log("mounts", LogParams::default()).await;
    let expected = [
        "/kubelet-test/work",
        "10000",
        "20000",
        "CapEff:\t0000000000000000",
        "AK",
        "Kapp=\"shop\"",
        "444",
        "kubelet-mounts-main",
        "1",
        "-----BEGIN CERTIFICATE-----",
        "kept",
        "scratch",
        "refused",
        "refused",
    ];
    assert_eq!(log.lines().collect::<Vec<_>>(), expected);
    assert_eq!(end(&pod), (0, None, "Completed".to_owned(), "last words\n".to_owned()));
    for path in ["/etc/kubelet-test", "/kubelet-test", "/var/run/secrets/lagoon", "/dev/termination-log"] {
        assert!(!std::path::Path::new(path).exists(), "{path}");
    }

    // The claim's folder is there for the next pod.
    let container = json!({
        "command": ["cat", "/kubelet-test/files/below/written"],
        "volumeMounts": [{ "name": "files", "mountPath": "/kubelet-test/files" }],
    });
    let volumes = json!([{ "name": "files", "persistentVolumeClaim": { "claimName": "files" } }]);
    place.pod("next", container, json!({ "volumes": volumes })).await;
    place.until_ended("next").await;
    assert_eq!(place.log("next", LogParams::default()).await, "kept\n");
}

#[tokio::test]
async fn a_service_account_token_is_one_of_the_pod() {
    let place = Place::new(control_plane().await, "kubelet-token").await;
    place.script("token", "cat /var/run/secrets/kubernetes.io/serviceaccount/token").await;
    place.until_ended("token").await;
    let mut kubeconfig = Kubeconfig::read_from(control_plane().await.kubeconfig()).unwrap();
    let token = place.log("token", LogParams::default()).await;
    kubeconfig.auth_infos[0].auth_info = Some(serde_json::from_value(json!({ "token": token })).unwrap());
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let client = kube::Client::try_from(config).unwrap();
    Api::<Pod>::namespaced(client, &place.namespace).get("token").await.unwrap();
    let own = |request: &lagoon_task_testing::Request| request.pod == "token" && request.namespace == place.namespace;
    let requests = control_plane().await.requests(own).await.unwrap();
    assert_eq!(requests.iter().map(lagoon_task_testing::Request::short).collect::<Vec<_>>(), ["get pods"]);
}

#[tokio::test]
async fn a_log_is_followed_as_it_comes_to_the_containers_end() {
    let place = Place::new(control_plane().await, "kubelet-follow").await;
    let gate = Gate::new();
    place.script("follow", &format!("echo first; {}; echo second >&2; printf third", gate.wait())).await;
    let rest = place.rest_after("follow", "first\n").await;
    gate.open();
    assert_eq!(rest.await, "second\nthird");
}

#[tokio::test]
async fn a_part_of_a_log_is_shown() {
    let place = Place::new(control_plane().await, "kubelet-tail").await;
    place.script("tail", "echo one; echo two; echo three").await;
    place.until_ended("tail").await;
    let log = |parameters| place.log("tail", parameters);
    assert_eq!(log(LogParams { tail_lines: Some(2), ..LogParams::default() }).await, "two\nthree\n");
    assert_eq!(log(LogParams { limit_bytes: Some(5), ..LogParams::default() }).await, "one\nt");
    assert_eq!(log(LogParams { since_seconds: Some(3600), ..LogParams::default() }).await, "one\ntwo\nthree\n");
    let stamped = log(LogParams { tail_lines: Some(1), timestamps: true, ..LogParams::default() }).await;
    let (time, text) = stamped.split_once(' ').unwrap();
    assert_eq!((time.len(), text), ("2026-11-24T12:00:00.000000000Z".len(), "three\n"));
}

#[tokio::test]
async fn logs_are_served_to_certified_clients_only() {
    let place = Place::new(control_plane().await, "kubelet-certified").await;
    place.script("certified", "echo for the API server").await;
    place.until_ended("certified").await;
    let node = Api::<Node>::all(place.client.clone()).list(&kube::api::ListParams::default()).await.unwrap();
    let endpoints = node.items[0].status.clone().unwrap().daemon_endpoints.unwrap();
    let server = format!("https://127.0.0.1:{}", endpoints.kubelet_endpoint.unwrap().port);
    let mut kubeconfig = Kubeconfig::read_from(control_plane().await.kubeconfig()).unwrap();
    kubeconfig.clusters[0].cluster.as_mut().unwrap().server = Some(server);
    let ask = async |kubeconfig: Kubeconfig| {
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        let path = format!("/containerLogs/{}/certified/only", place.namespace);
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        kube::Client::try_from(config).unwrap().request_text(request).await
    };
    assert_eq!(ask(kubeconfig.clone()).await.unwrap(), "for the API server\n");
    kubeconfig.auth_infos[0].auth_info = Some(serde_json::from_value(json!({})).unwrap());
    let refused = ask(kubeconfig).await.unwrap_err();
    assert!(!matches!(refused, kube::Error::Api(_)), "it was answered: {refused:?}");
}

#[tokio::test]
async fn a_deleted_pods_containers_are_asked_to_end() {
    let place = Place::new(control_plane().await, "kubelet-term").await;
    place.script("polite", "trap 'echo bye; exit 0' TERM; echo ready; sleep 1000 & wait").await;
    let rest = place.rest_after("polite", "ready\n").await;
    let pod = place.delete("polite", 60).await;
    assert_eq!(rest.await, "bye\n");
    assert_eq!(end(&pod), (0, None, "Completed".to_owned(), String::new()));
}

#[tokio::test]
async fn a_container_that_does_not_end_is_killed_with_all_its_processes() {
    let place = Place::new(control_plane().await, "kubelet-kill").await;
    place.script("stubborn", "trap '' TERM; sleep 1000 & echo $!; wait; sleep 1000").await;
    let child = place.follow("stubborn").await.lines().try_next().await.unwrap().unwrap();
    let pod = place.delete("stubborn", 1).await;
    assert_eq!(end(&pod), (137, Some(9), "Error".to_owned(), String::new()));
    assert!(!runs(&child));
}

#[tokio::test]
async fn a_pod_deleted_by_force_is_ended_too() {
    let place = Place::new(control_plane().await, "kubelet-force").await;
    place.script("forced", "trap 'echo bye; exit 0' TERM; echo ready; sleep 1000 & wait").await;
    let rest = place.rest_after("forced", "ready\n").await;
    place.delete("forced", 0).await;
    assert_eq!(rest.await, "bye\n");
}

#[tokio::test]
async fn the_status_says_how_a_container_ended() {
    let place = Place::new(control_plane().await, "kubelet-ends").await;
    for (name, script, phase_at_end, expected) in [
        ("well", "true", "Succeeded", (0, None, "Completed", "")),
        ("badly", "echo why > /dev/termination-log; exit 3", "Failed", (3, None, "Error", "why\n")),
        ("by-a-signal", "kill -KILL $$$$", "Failed", (137, Some(9), "Error", "")),
        ("in-silence", "echo only the log; exit 1", "Failed", (1, None, "Error", "")),
    ] {
        place.script(name, script).await;
        let pod = place.until_ended(name).await;
        assert_eq!(phase(&pod), phase_at_end, "{name}");
        let (code, signal, reason, message) = expected;
        assert_eq!(end(&pod), (code, signal, reason.to_owned(), message.to_owned()), "{name}");
    }
    let container = json!({
        "command": ["sh", "-c", "echo the log; exit 1"], "terminationMessagePolicy": "FallbackToLogsOnError",
    });
    place.pod("from-log", container, json!({})).await;
    assert_eq!(end(&place.until_ended("from-log").await).3, "the log\n");
    // Without a command it is the image's program.
    place.pod("program", json!({}), json!({})).await;
    assert_eq!(end(&place.until_ended("program").await).0, 1);
    place.kubelet.add_image("kubelet.example.com/nothing:1", "/nothing/here");
    place.pod("nothing", json!({ "image": "kubelet.example.com/nothing:1" }), json!({})).await;
    let (code, _, reason, message) = end(&place.until_ended("nothing").await);
    assert_eq!((code, reason.as_str()), (128, "StartError"));
    assert!(message.contains("No such file"), "{message}");
}

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
async fn an_evicted_pod_has_failed_and_its_containers_have_ended() {
    let place = Place::new(control_plane().await, "kubelet-evict").await;
    place.script("evicted", "trap '' TERM; echo ready; sleep 1000").await;
    let rest = place.rest_after("evicted", "ready\n").await;
    place.kubelet.evict(&place.namespace, "evicted").await.unwrap();
    assert_eq!(rest.await, "");
    let pod = place.pods().get("evicted").await.unwrap();
    let status = pod.status.clone().unwrap();
    assert_eq!((phase(&pod), status.reason.as_deref()), ("Failed", Some("Evicted")));
    assert!(status.message.unwrap().contains("low on resource"));
    assert_eq!(end(&pod).0, 137);
    let error = place.kubelet.evict(&place.namespace, "evicted").await.unwrap_err();
    assert!(error.to_string().contains("Pod evicted in namespace kubelet-evict-main"), "{error}");
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
async fn pods_go_on_while_the_api_server_is_down() {
    let control_plane = ControlPlane::start().await.unwrap();
    let place = Place::new(&control_plane, "kubelet-restart").await;
    let (before, during) = (Gate::new(), Gate::new());
    place.script("long", &format!("{}; echo went on; exit 5", before.wait())).await;
    place.script("deleted", &format!("trap 'exit 0' TERM; echo ready; {}", during.wait())).await;
    place.until("long", |pod| phase(pod) == "Running").await;
    drop(place.rest_after("deleted", "ready\n").await);
    control_plane.kill_api_server();
    before.open();
    control_plane.start_api_server().await.unwrap();
    let pod = place.until_ended("long").await;
    assert_eq!(end(&pod).0, 5);
    assert_eq!(place.log("long", LogParams::default()).await, "went on\n");
    // The pods are followed again.
    place.delete("deleted", 60).await;
    place.script("new", "true").await;
    assert_eq!(phase(&place.until_ended("new").await), "Succeeded");
}

/// Whether a process is there, and has not ended without being waited for.
fn runs(process: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

#[tokio::test]
async fn containers_end_with_their_control_plane() {
    let control_plane = ControlPlane::start().await.unwrap();
    let place = Place::new(&control_plane, "kubelet-dropped").await;
    place.script("dropped", "trap '' TERM; sleep 1000 & echo $!; echo $$$$; wait").await;
    let mut lines = place.follow("dropped").await.lines();
    let processes = [lines.try_next().await.unwrap().unwrap(), lines.try_next().await.unwrap().unwrap()];
    assert!(processes.iter().all(|process| runs(process)), "{processes:?}");
    drop(control_plane);
    // A signal is on its way for a moment.
    until(|| !processes.iter().any(|process| runs(process))).await;
}

#[tokio::test]
async fn a_task_that_is_dropped_is_killed() {
    let site = Site::new(control_plane().await, "kubelet-lost").await;
    let running = site.task(&site.payload("host-migration-k1l2m3")).launch().await.unwrap();
    running.wait_for_line("is in place").await.unwrap();
    let (process, pod) = (running.process_id().unwrap().to_string(), running.pod_name());
    drop(running);
    let place = Place::at(control_plane().await, site.standby.namespace).await;
    assert_eq!(end(&place.until_ended(&pod).await).0, 137);
    assert!(!runs(&process));
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
