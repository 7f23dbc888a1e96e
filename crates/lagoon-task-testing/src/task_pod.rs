//! A Lagoon environment, and the pod of a task in it, as remote-controller makes it.

use serde_json::{Value, json};

/// The service account that Lagoon runs advanced tasks as.
pub(crate) const DEPLOYER: &str = "lagoon-deployer";

/// The label of a namespace that names its project.
pub(crate) const PROJECT_LABEL: &str = "lagoon.sh/project";

/// The volume of a pod of a legacy cluster that holds its credentials.
const LEGACY_VOLUME: &str = "lagoon-deployer";

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
