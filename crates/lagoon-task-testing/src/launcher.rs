//! Plays Lagoon's part: the environment's namespace and rights, and its tasks.

use std::time::Duration;

use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Client;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::json;

use crate::PATIENCE;
use crate::bench::ControlPlane;
use crate::error::Error;
use crate::objects::{create, object};
use crate::program::Program;
use crate::task::Task;
use crate::task_pod::{DEPLOYER, LagoonEnvironment, PROJECT_LABEL};

/// The deployer's rights in the active namespace for the time of a switch; every switch gives them this name.
const SWITCH_BINDING: &str = "lagoon-deployer-activestandby";

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

/// Waits until the API server's authorizer, which learns of bindings by its own watch, lets the deployer of
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
