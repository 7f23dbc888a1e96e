//! Plays Lagoon's part: the environment's namespace and rights, and the task's pod.

use std::time::Duration;

use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Client;
use kube::api::{Api, DeleteParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::PATIENCE;
use crate::control_plane::ControlPlane;
use crate::error::Error;
use crate::task::{Program, Task};

/// The service account that Lagoon runs advanced tasks as.
pub(crate) const DEPLOYER: &str = "lagoon-deployer";

/// The label of a namespace that names its project.
pub(crate) const PROJECT_LABEL: &str = "lagoon.sh/project";

/// The deployer's rights in the active namespace for the time of a switch; every switch gives them this name.
const SWITCH_BINDING: &str = "lagoon-deployer-activestandby";

/// The volume of a pod of a legacy cluster that holds its credentials.
const LEGACY_VOLUME: &str = "lagoon-deployer";

/// How often the authorizer is asked whether it has noticed a change of rights; it takes milliseconds.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// Plays the part of Lagoon's remote-controller.
///
/// It does what the contract says of it and nothing more: the namespace with Lagoon's labels, the service account
/// `lagoon-deployer` bound to `ClusterRole` `admin` there, for a switch also in the destination namespace, and the pod
/// with its labels and variables. There is no `LagoonTask` object and no message queue. The process is started by the
/// [`Kubelet`](crate::Kubelet) stand-in, because it sees the pod.
pub struct Launcher<'bench> {
    control_plane: &'bench ControlPlane,
}

/// An environment of a Lagoon project: a namespace with the deployer's rights in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LagoonEnvironment {
    /// The project's name.
    pub project: String,
    /// The environment's name, which is its branch.
    pub name: String,
    /// The namespace: `project-name`.
    pub namespace: String,
}

impl<'bench> Launcher<'bench> {
    /// A launcher on this control plane.
    #[must_use]
    pub fn new(control_plane: &'bench ControlPlane) -> Self {
        Self { control_plane }
    }

    /// Makes an environment: its namespace, the deployer, and the deployer's rights in it.
    pub async fn environment(&self, project: &str, name: &str) -> Result<LagoonEnvironment, Error> {
        let namespace = format!("{project}-{name}");
        let client = self.control_plane.client()?;
        let labels = json!({
            PROJECT_LABEL: project,
            "lagoon.sh/environment": name,
            "lagoon.sh/environmentType": "production",
            "lagoon.sh/controller": "lagoon",
        });
        let all = Api::<Namespace>::all(client.clone());
        create(&all, json!({ "metadata": { "name": namespace, "labels": labels } })).await?;
        let accounts = Api::<ServiceAccount>::namespaced(client.clone(), &namespace);
        create(&accounts, json!({ "metadata": { "name": DEPLOYER } })).await?;
        bind_admin(&client, "lagoon-deployer-admin", &namespace, &namespace).await?;
        Ok(LagoonEnvironment { project: project.to_owned(), name: name.to_owned(), namespace })
    }

    /// Gives the deployer of `standby` its rights in `active` for the time of a switch, as remote-controller does for a
    /// task with the label `lagoon.sh/activeStandby`; waits until they are in force.
    pub async fn allow_switch(&self, standby: &LagoonEnvironment, active: &LagoonEnvironment) -> Result<(), Error> {
        let client = self.control_plane.client()?;
        bind_admin(&client, SWITCH_BINDING, &active.namespace, &standby.namespace).await?;
        until_allowed(&client, true, standby, active).await
    }

    /// Takes the rights that [`allow_switch`](Self::allow_switch) gave, as remote-controller does when any switch into
    /// `active` ends; waits until they are out of force.
    pub async fn forbid_switch(&self, standby: &LagoonEnvironment, active: &LagoonEnvironment) -> Result<(), Error> {
        let client = self.control_plane.client()?;
        let bindings = Api::<RoleBinding>::namespaced(client.clone(), &active.namespace);
        let deleted = bindings.delete(SWITCH_BINDING, &DeleteParams::default()).await;
        deleted.map_err(Error::request(format!("Deleting RoleBinding {SWITCH_BINDING}")))?;
        until_allowed(&client, false, standby, active).await
    }

    /// A task of `environment` that runs `program`, to be completed and launched.
    #[must_use]
    pub fn task(&self, environment: &LagoonEnvironment, program: impl Into<Program>) -> Task<'bench> {
        Task::new(self.control_plane, environment, program.into())
    }
}

/// Binds the deployer of `deployer_namespace` to `ClusterRole` `admin` in `namespace`.
async fn bind_admin(client: &Client, name: &str, namespace: &str, deployer_namespace: &str) -> Result<(), Error> {
    let binding = json!({
        "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin" },
        "subjects": [{ "kind": "ServiceAccount", "name": DEPLOYER, "namespace": deployer_namespace }],
    });
    create(&Api::<RoleBinding>::namespaced(client.clone(), namespace), binding).await.map(drop)
}

/// Waits until the API server's authorizer, which learns of bindings by a watch of its own, lets the deployer of
/// `standby` create Ingresses in `active`, or no longer does.
async fn until_allowed(
    client: &Client,
    allowed: bool,
    standby: &LagoonEnvironment,
    active: &LagoonEnvironment,
) -> Result<(), Error> {
    let user = format!("system:serviceaccount:{}:{DEPLOYER}", standby.namespace);
    let review: SubjectAccessReview = object(json!({ "spec": { "user": user, "resourceAttributes": {
        "namespace": active.namespace, "verb": "create", "group": "networking.k8s.io", "resource": "ingresses",
    }}}))?;
    let reviews = Api::<SubjectAccessReview>::all(client.clone());
    let ask = async {
        let mut ask = tokio::time::interval(ASK_EVERY);
        loop {
            ask.tick().await;
            let answer = reviews.create(&PostParams::default(), &review).await;
            let status = answer.map_err(Error::request("Asking for the deployer's rights"))?.status;
            if status.is_some_and(|status| status.allowed == allowed) {
                return Ok(());
            }
        }
    };
    let what = || format!("the rights of {user} in {} to be {allowed}", active.namespace);
    tokio::time::timeout(PATIENCE, ask)
        .await
        .unwrap_or_else(|_| Err(Error::Waited { what: what(), log: String::new() }))
}

/// The pod that remote-controller makes for an advanced task.
pub(crate) struct TaskPod<'a> {
    pub name: &'a str,
    pub image: &'a str,
    pub account: &'a str,
    pub variables: Vec<(String, String)>,
    /// Whether the credentials are where legacy clusters have them.
    pub legacy: bool,
}

impl TaskPod<'_> {
    pub(crate) fn to_json(&self) -> Value {
        let env = self.variables.iter().map(|(name, value)| json!({ "name": name, "value": value }));
        let env: Vec<Value> = env.collect();
        let mut pod = json!({
            "metadata": {
                "name": self.name,
                "labels": {
                    "lagoon.sh/jobType": "task",
                    "lagoon.sh/taskName": self.name,
                    "lagoon.sh/controller": "lagoon",
                    "crd.lagoon.sh/version": "v1beta2",
                },
            },
            "spec": {
                "restartPolicy": "Never",
                "serviceAccountName": self.account,
                "enableServiceLinks": false,
                "securityContext": { "runAsUser": 10000, "runAsGroup": 0, "fsGroup": 10001 },
                "containers": [{ "name": "lagoon-task", "image": self.image, "env": env }],
            },
        });
        if self.legacy {
            add_legacy_mount(&mut pod["spec"]);
        }
        pod
    }
}

/// Mounts the credentials where legacy clusters have them, in place of where the API server puts them. The token is one
/// that is bound to the pod, since the bench knows a task's requests by it.
fn add_legacy_mount(spec: &mut Value) {
    spec["automountServiceAccountToken"] = json!(false);
    spec["volumes"] = json!([{ "name": LEGACY_VOLUME, "projected": { "sources": [
        { "serviceAccountToken": { "path": "token" } },
        { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
        { "downwardAPI": { "items": [{ "path": "namespace", "fieldRef": { "fieldPath": "metadata.namespace" } }] } },
    ] } }]);
    let mount = json!({ "name": LEGACY_VOLUME, "mountPath": "/var/run/secrets/lagoon/deployer", "readOnly": true });
    spec["containers"][0]["volumeMounts"] = json!([mount]);
}

/// Creates an object from JSON.
pub(crate) async fn create<K>(api: &Api<K>, json: Value) -> Result<K, Error>
where
    K: kube::Resource<DynamicType = ()> + DeserializeOwned + serde::Serialize + Clone + std::fmt::Debug,
{
    let what = format!("Creating {} {}", K::kind(&()), json["metadata"]["name"]);
    api.create(&PostParams::default(), &object(json)?).await.map_err(Error::request(what))
}

/// An object from JSON.
pub(crate) fn object<K: DeserializeOwned>(json: Value) -> Result<K, Error> {
    serde_json::from_value(json).map_err(|error| Error::Manifest(error.to_string()))
}

/// The pods of a namespace.
pub(crate) fn pods(control_plane: &ControlPlane, namespace: &str) -> Result<Api<Pod>, Error> {
    Ok(Api::namespaced(control_plane.client()?, namespace))
}
