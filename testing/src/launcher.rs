//! Plays Lagoon's part: the environment's namespace and rights, and the task's pod.

use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Client;
use kube::api::{Api, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::control_plane::ControlPlane;
use crate::error::Error;
use crate::task::{Program, Task};

/// The service account that Lagoon runs advanced tasks as.
pub(crate) const DEPLOYER: &str = "lagoon-deployer";

/// Plays the part of Lagoon's remote-controller.
///
/// It does what the contract says of it and nothing more: the namespace with Lagoon's labels, the service account
/// `lagoon-deployer` bound to `ClusterRole` `admin` there, for a switch also in the destination namespace, and the pod
/// with its labels and variables. There is no `LagoonTask` object and no message queue.
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
            "lagoon.sh/project": project,
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
    /// task with the label `lagoon.sh/activeStandby`.
    pub async fn allow_switch(&self, standby: &LagoonEnvironment, active: &LagoonEnvironment) -> Result<(), Error> {
        let client = self.control_plane.client()?;
        bind_admin(&client, "lagoon-deployer-activestandby", &active.namespace, &standby.namespace).await
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

/// The pod that remote-controller makes for an advanced task.
pub(crate) fn pod(name: &str, image: &str, account: &str, variables: &[(String, String)]) -> Value {
    let env: Vec<Value> = variables.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    json!({
        "metadata": {
            "name": name,
            "labels": {
                "lagoon.sh/jobType": "task",
                "lagoon.sh/taskName": name,
                "lagoon.sh/controller": "lagoon",
                "crd.lagoon.sh/version": "v1beta2",
            },
        },
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": account,
            "enableServiceLinks": false,
            "securityContext": { "runAsUser": 10000, "runAsGroup": 0, "fsGroup": 10001 },
            "containers": [{ "name": "lagoon-task", "image": image, "env": env }],
        },
    })
}

/// Creates an object from JSON.
pub(crate) async fn create<K>(api: &Api<K>, object: Value) -> Result<K, Error>
where
    K: kube::Resource<DynamicType = ()> + DeserializeOwned + serde::Serialize + Clone + std::fmt::Debug,
{
    let what = format!("Creating {} {}", K::kind(&()), object["metadata"]["name"]);
    let object: K = serde_json::from_value(object).map_err(|error| Error::Manifest(error.to_string()))?;
    api.create(&PostParams::default(), &object).await.map_err(Error::request(what))
}

/// The pods of a namespace.
pub(crate) fn pods(control_plane: &ControlPlane, namespace: &str) -> Result<Api<Pod>, Error> {
    Ok(Api::namespaced(control_plane.client()?, namespace))
}
