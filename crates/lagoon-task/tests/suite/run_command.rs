//! A command in a service's pod, built from `examples/run_command.rs` as its authors would.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::pin;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, ServiceAccount};
use kube::ResourceExt;
use kube::api::{Api, ListParams, LogParams, PostParams, WatchEvent, WatchParams};
use lagoon_task_testing::{ControlPlane, Kubelet, LagoonEnvironment, Launcher, Request, Task};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::support::control_plane;
use lagoon_task_testing::built;

/// What the service's container runs, which the command takes the place of.
const SERVICE: &str = "echo MARKER-service; exec sleep 1000";

/// A site whose service `cli` has an image of its own.
pub struct Site<'bench> {
    pub control_plane: &'bench ControlPlane,
    pub kubelet: Kubelet,
    pub client: kube::Client,
    pub environment: LagoonEnvironment,
    pub image: String,
}

impl<'bench> Site<'bench> {
    pub async fn new(control_plane: &'bench ControlPlane, project: &str) -> Self {
        let environment = Launcher::new(control_plane).environment(project, "main").await.unwrap();
        let kubelet = control_plane.kubelet().await.unwrap();
        let image = format!("registry.example.com/{project}/cli:1");
        kubelet.add_image(&image, "/bin/false");
        let client = control_plane.client().unwrap();
        let site = Self { control_plane, kubelet, client, environment, image };
        site.create::<ServiceAccount>(json!({ "metadata": { "name": "default" } })).await;
        site
    }

    /// A site whose service `cli` runs.
    pub async fn with_service(control_plane: &'bench ControlPlane, project: &str) -> Self {
        let site = Self::new(control_plane, project).await;
        site.service_pod(site.spec(&json!({}))).await;
        site
    }

    /// The spec of the service's pod, with what `changes` says otherwise of its container.
    pub fn spec(&self, changes: &Value) -> Value {
        let mut container = json!({ "name": "cli", "image": self.image, "command": ["sh", "-c", SERVICE] });
        container.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        json!({ "containers": [container] })
    }

    /// A pod of service `cli` that runs.
    pub async fn service_pod(&self, spec: Value) {
        let labels = json!({ "lagoon.sh/service": "cli", "app.kubernetes.io/name": "cli" });
        self.create::<Pod>(json!({ "metadata": { "name": "cli-5d9c-x", "labels": labels }, "spec": spec })).await;
        self.until("cli-5d9c-x", |pod| phase(pod) == "Running").await;
    }

    pub async fn create<K>(&self, object: Value) -> K
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
        K: Clone + DeserializeOwned + serde::Serialize + std::fmt::Debug,
    {
        let object = serde_json::from_value(object).unwrap();
        self.api().create(&PostParams::default(), &object).await.unwrap()
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.environment.namespace)
    }

    pub async fn until(&self, name: &str, wanted: impl Fn(&Pod) -> bool) -> Pod {
        let parameters = WatchParams::default().fields(&format!("metadata.name={name}"));
        let mut events = pin!(self.api::<Pod>().watch(&parameters, "0").await.unwrap());
        while let Some(event) = events.next().await {
            if let WatchEvent::Added(pod) | WatchEvent::Modified(pod) = event.unwrap()
                && wanted(&pod)
            {
                return pod;
            }
        }
        panic!("the watch for {name} ended");
    }

    /// The task, with this payload.
    pub fn task(&self, payload: &Value) -> Task<'bench> {
        Launcher::new(self.control_plane).task(&self.environment, built("run_command").unwrap()).payload(payload)
    }

    /// The task that runs this command in service `cli`.
    pub fn command(&self, command: &str) -> Task<'bench> {
        self.task(&json!({ "service": "cli", "command": command }))
    }

    /// The pods that run a command for a task, by name.
    pub async fn command_pods(&self) -> BTreeMap<String, Pod> {
        let parameters = ListParams::default().labels("task.lagoon.sh/asked-for-by");
        let pods = self.api::<Pod>().list(&parameters).await.unwrap();
        pods.into_iter().map(|pod| (pod.name_any(), pod)).collect()
    }
}

pub fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// A pipe through which a test tells a command to go on; containers see the files of this machine.
pub struct Gate {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Gate {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate");
        let made = std::process::Command::new("mkfifo").args(["-m", "666"]).arg(&path).status().unwrap();
        assert!(made.success());
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Self { _folder: folder, path }
    }

    /// A shell command that waits until something is sent, and prints it.
    pub fn wait(&self) -> String {
        format!("cat {}", self.path.display())
    }

    /// Lets the command go on; waits until it has come here.
    pub async fn send(&self, text: &str) {
        let (path, text) = (self.path.clone(), text.to_owned());
        tokio::task::spawn_blocking(move || std::fs::write(path, text)).await.unwrap().unwrap();
    }
}

/// What of a task's log the command has printed: all between what the task itself says first and last.
fn printed(log: &str) -> &str {
    let begin = log.find('\n').unwrap() + 1;
    let end = log.trim_end().rfind('\n').unwrap() + 1;
    &log[begin.min(end)..end]
}

/// Variables, files, folder and user of a container, some lines of output that are easily lost, and an exit code.
const INSPECT: &str = "pwd; id -u; id -g; echo \"$SHOP_NAME $FROM_MAP $FROM_SECRET ${CRONJOBS-none}\"; cat /etc/site/*; \
     echo; echo '  spaced  '; echo 'ünï'; printf 'no line break'";

#[tokio::test]
async fn output_and_outcome_are_those_of_the_command_in_the_services_container() {
    let site = Site::new(control_plane().await, "run-same").await;
    site.create::<ConfigMap>(json!({ "metadata": { "name": "map" }, "data": { "FROM_MAP": "m1", "file": "f1\n" } }))
        .await;
    site.create::<Secret>(json!({ "metadata": { "name": "secret" }, "stringData": { "FROM_SECRET": "s1" } })).await;
    let mut spec = site.spec(&json!({
        "env": [{ "name": "SHOP_NAME", "value": "Größe" }, { "name": "CRONJOBS", "value": "* * * * * true" }],
        "envFrom": [{ "configMapRef": { "name": "map" } }, { "secretRef": { "name": "secret" } }],
        "volumeMounts": [{ "name": "site", "mountPath": "/etc/site" }],
        "workingDir": "/etc/site",
        "ports": [{ "containerPort": 9000 }],
        "readinessProbe": { "exec": { "command": ["true"] } },
    }));
    spec["securityContext"] = json!({ "runAsUser": 10000, "runAsGroup": 0 });
    let items = json!([{ "key": "file", "path": "file" }]);
    spec["volumes"] = json!([{ "name": "site", "configMap": { "name": "map", "items": items } }]);
    site.service_pod(spec.clone()).await;

    for (number, exit) in ["exit 0", "exit 3"].into_iter().enumerate() {
        let command = format!("{INSPECT}; {exit}");
        // The reference: the service's container itself, its command replaced, without the variable of the cron jobs.
        let mut reference = spec.clone();
        reference["containers"][0]["command"] = json!(["sh", "-c", command]);
        reference["containers"][0]["env"].as_array_mut().unwrap().pop();
        reference["restartPolicy"] = json!("Never");
        let name = format!("reference-{number}");
        site.create::<Pod>(json!({ "metadata": { "name": name }, "spec": reference })).await;
        let pod = site.until(&name, |pod| ["Succeeded", "Failed"].contains(&phase(pod))).await;
        let expected = site.api::<Pod>().logs(&name, &LogParams::default()).await.unwrap();
        assert!(expected.contains("Größe m1 s1 none\nf1\n\n  spaced  \n") && expected.contains("10000"), "{expected}");

        let finished = site.command(&command).launch().await.unwrap().finish().await.unwrap();
        assert_eq!(printed(&finished.log), format!("{expected}\n"), "{}", finished.log);
        let succeeded = phase(&pod) == "Succeeded";
        assert_eq!(finished.exit_code, Some(i32::from(!succeeded)), "{}", finished.log);
        let last = if succeeded { "exit code 0 (Completed).\n" } else { "exit code 3 (Error).\n" };
        assert!(finished.log.ends_with(&format!("The command ended with {last}")), "{}", finished.log);
        assert_eq!(finished.result, succeeded.then(|| json!({ "service": "cli", "exitCode": 0 })));
        assert!(site.command_pods().await.is_empty(), "it is removed");
    }
}

#[tokio::test]
async fn a_line_is_shown_while_the_command_still_runs() {
    let site = Site::with_service(control_plane().await, "run-live").await;
    let gate = Gate::new();
    let running = site.command(&format!("echo first >&2; {}; echo second", gate.wait())).launch().await.unwrap();
    running.wait_for_line("first").await.unwrap();
    let pods = site.command_pods().await;
    let pod = &pods[&format!("{}-command", running.pod_name())];
    assert_eq!(phase(pod), "Running");
    assert_eq!(pod.labels().len(), 1, "none that a Service selects: {:?}", pod.labels());
    assert_eq!(pod.owner_references()[0].name, running.pod_name(), "it goes with the task");
    gate.send("").await;
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(
        finished.log,
        "Running the command in a new pod, in container \"cli\" as in pod \"cli-5d9c-x\".\nfirst\nsecond\nThe command \
         ended with exit code 0 (Completed).\n"
    );
    assert!(finished.labels.contains_key("lagoon.sh/taskStep"), "Lagoon is told to ship the log");
    // Progress aside, and the log as one: how often it is read depends on what is seen first, its end or the command's.
    let mut requests: Vec<String> =
        finished.requests.iter().filter(|request| request.verb != "patch").map(Request::short).collect();
    requests.dedup();
    let expected = ["list pods", "create pods", "list pods", "watch pods", "get pods/log", "delete pods"];
    assert_eq!(requests, expected);
}

#[tokio::test]
async fn colours_are_left_out_and_of_a_progress_line_the_last_state_is_shown() {
    let site = Site::with_service(control_plane().await, "run-terminal").await;
    let command = r"printf '\033[32mgreen\033[0m\n 10 %%\r100 %%\r\ndone\a\n'";
    let finished = site.command(command).launch().await.unwrap().finish().await.unwrap();
    assert_eq!(printed(&finished.log), "green\n100 %\ndone\\u{7}\n", "{}", finished.log);
}

#[tokio::test]
async fn a_dollar_is_the_shells_and_not_kubernetes() {
    let site = Site::new(control_plane().await, "run-dollar").await;
    site.service_pod(site.spec(&json!({ "env": [{ "name": "NAME", "value": "x" }] }))).await;
    let command = "echo \"$(echo $NAME)\" '$(NAME) $$(NAME) $NAME $'; kill -KILL $$";
    let finished = site.command(command).launch().await.unwrap().finish().await.unwrap();
    assert_eq!(printed(&finished.log), "x $(NAME) $$(NAME) $NAME $\n", "{}", finished.log);
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(finished.log.ends_with("The command ended with exit code 137 (Error, SIGKILL).\n"), "{}", finished.log);
}

#[tokio::test]
async fn the_deployment_is_taken_when_no_pod_of_the_service_runs() {
    let site = Site::new(control_plane().await, "run-deployment").await;
    let labels = json!({ "lagoon.sh/service": "cli" });
    site.create::<Deployment>(json!({
        "metadata": { "name": "cli", "labels": labels },
        "spec": {
            "replicas": 0,
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": site.spec(&json!({ "env": [{ "name": "FROM", "value": "the Deployment" }] })),
            },
        },
    }))
    .await;
    let finished = site.command("echo from $FROM").launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(
        finished.log,
        "Running the command in a new pod, in container \"cli\" as in Deployment \"cli\", since no pod of the service \
         runs.\nfrom the Deployment\nThe command ended with exit code 0 (Completed).\n"
    );
}

#[tokio::test]
async fn of_several_containers_only_the_one_that_is_meant_runs() {
    let site = Site::new(control_plane().await, "run-several").await;
    let mut spec = site.spec(&json!({ "name": "php" }));
    let mut nginx = spec["containers"][0].clone();
    nginx["name"] = json!("nginx");
    spec["containers"].as_array_mut().unwrap().push(nginx);
    site.service_pod(spec).await;

    let finished = site.command("echo here").launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(
        finished.log.contains("has several containers, \"php\", \"nginx\", and none of that name"),
        "{}",
        finished.log
    );
    assert_eq!(finished.requests_in_short(), ["list pods"], "nothing was created");

    let payload = json!({ "service": "cli", "command": "echo here", "container": "nginx" });
    let finished = site.task(&payload).launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert!(finished.log.contains("in container \"nginx\"") && finished.log.contains("\nhere\n"), "{}", finished.log);
}

#[tokio::test]
async fn the_deployers_token_is_hidden_when_the_command_prints_it() {
    let site = Site::with_service(control_plane().await, "run-hidden").await;
    let gate = Gate::new();
    let running = site.command(&gate.wait()).launch().await.unwrap();
    gate.send(&format!("before {} after\n", running.token().unwrap())).await;
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert!(finished.log.contains("\nbefore [hidden] after\n"), "{}", finished.log);
}

#[test]
fn the_example_is_at_most_20_lines_of_code() {
    let source = include_str!("../../examples/run_command.rs");
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
    assert!(source.lines().filter(is_code).count() <= 20, "{source}");
}
