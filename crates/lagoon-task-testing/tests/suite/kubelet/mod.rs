//! What the bench's stand-in for a kubelet does with pods, seen through the API server.

mod ends;
mod inside;
mod logs;
mod starts;

use std::fs::File;
use std::io::Write;
use std::pin::pin;
use std::process::Command;

use futures::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, StreamExt};
use k8s_openapi::api::core::v1::{ContainerState, Pod};
use kube::api::{Api, DeleteParams, LogParams, PostParams, WatchEvent, WatchParams};
use lagoon_task_testing::{ControlPlane, Kubelet, Launcher};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;

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
    /// Both its ends, so that writing waits for nobody, and what is written is kept until it is read.
    pipe: File,
}

impl Gate {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        assert!(Command::new("mkfifo").arg(folder.path().join("gate")).status().unwrap().success());
        let pipe = File::options().read(true).write(true).open(folder.path().join("gate")).unwrap();
        Self { folder, pipe }
    }

    /// The shell command that waits.
    fn wait(&self) -> String {
        format!("read -r line < {}", self.folder.path().join("gate").display())
    }

    fn open(&self) {
        (&self.pipe).write_all(b"go on\n").unwrap();
    }
}
