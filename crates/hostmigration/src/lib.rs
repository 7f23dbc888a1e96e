//! The custom resource `HostMigration`: a request to switch the routes of two namespaces.
//!
//! The archived controller "dioscuri" defined it; Lagoon sends objects of it, so group, version and fields are given.
//! `crds/hostmigrations.yaml` is written from here by `cargo run --bin crdgen`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The API group.
pub const GROUP: &str = "dioscuri.amazee.io";
/// The API version with its group, as objects name it.
pub const API_VERSION: &str = "dioscuri.amazee.io/v1";
/// The kind.
pub const KIND: &str = "HostMigration";

/// Longest name of a namespace.
pub const LONGEST_NAMESPACE: usize = 63;
/// Longest list of hosts, in characters: 3,000 URLs of the longest host names (253), each with its scheme and a comma. The
/// API server stores no object of more than 1.5 MiB in any case.
pub const LONGEST_HOSTS: usize = 3_000 * ("https://".len() + 253 + 1);
/// Most conditions of an object. Each attempt leaves two, and Lagoon makes a new object for each switch.
pub const MOST_CONDITIONS: usize = 1_000;
/// Longest text of a condition, in characters.
pub const LONGEST_CONDITION: usize = 32 * 1024;
/// Longest type, status and time of a condition, in characters: as long as Kubernetes lets the type of its own be.
const LONGEST_WORD: usize = 316;

/// What is to be switched.
// Nothing is required, because the archived controller's definition required nothing; the task and the controller ask
// for what they need.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "dioscuri.amazee.io",
    version = "v1",
    kind = "HostMigration",
    plural = "hostmigrations",
    singular = "hostmigration",
    namespaced,
    status = "HostMigrationStatus",
    doc = "Asks the cluster's controller to switch the routes of two namespaces: those of this object's own namespace \
           (the standby environment) go to the destination namespace (the active environment), and the other way round.",
    printcolumn = r#"{
        "name": "State", "type": "string", "jsonPath": ".status.conditions[-1:].type",
        "description": "The latest condition: started, completed or failed"
    }"#,
    printcolumn = r#"{
        "name": "Destination", "type": "string", "jsonPath": ".spec.destinationNamespace",
        "description": "Namespace of the active environment"
    }"#,
    printcolumn = r#"{ "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp" }"#,
    printcolumn = r#"{
        "name": "Message", "type": "string", "jsonPath": ".status.conditions[-1:].condition",
        "description": "What the latest condition says"
    }"#
)]
#[serde(rename_all = "camelCase")]
pub struct HostMigrationSpec {
    /// Namespace of the active (production) environment. The routes of this object's own namespace, the standby
    /// environment's, move there, and its routes move here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = LONGEST_NAMESPACE))]
    pub destination_namespace: Option<String>,
    /// Which hosts moved. Written by the controller at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<Hosts>,
}

/// Which hosts a switch moved, as comma-joined URLs such as `https://a.example.com,https://b.example.com`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hosts {
    /// Comma-joined URLs that moved from the destination namespace to this object's namespace.
    #[schemars(length(max = LONGEST_HOSTS))]
    pub active_hosts: String,
    /// Comma-joined URLs that moved from this object's namespace to the destination namespace.
    #[schemars(length(max = LONGEST_HOSTS))]
    pub standby_hosts: String,
}

/// How far the switch is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostMigrationStatus {
    /// What has happened so far, oldest first. The last one that is `completed` or `failed` counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MOST_CONDITIONS))]
    pub conditions: Option<Vec<Condition>>,
}

/// One thing that happened during a switch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `started`, `completed` or `failed`.
    #[serde(rename = "type")]
    #[schemars(length(max = LONGEST_WORD))]
    pub kind: String,
    /// `True` when the condition holds.
    #[schemars(length(max = LONGEST_WORD))]
    pub status: String,
    /// What happened, in words; for `failed` the reason.
    #[schemars(length(max = LONGEST_CONDITION))]
    pub condition: String,
    /// When it happened, in RFC 3339.
    #[schemars(length(max = LONGEST_WORD))]
    pub last_transition_time: String,
}

/// How far a switch is, by the type of a condition. The words are the archived controller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The switch was started.
    Started,
    /// Every route has moved.
    Completed,
    /// The switch was given up.
    Failed,
}

impl Progress {
    /// The condition's type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// What a condition of this type and status says; `None` when it does not hold, or is of another type. Upper and lower
    /// case count as equal.
    ///
    /// ```
    /// use hostmigration::Progress;
    ///
    /// assert_eq!(Progress::read("Completed", "True"), Some(Progress::Completed));
    /// assert_eq!(Progress::read("completed", "False"), None);
    /// assert_eq!(Progress::read("waiting", "True"), None);
    /// ```
    #[must_use]
    pub fn read(kind: &str, status: &str) -> Option<Self> {
        let all = [Self::Started, Self::Completed, Self::Failed];
        let found = all.into_iter().find(|progress| kind.eq_ignore_ascii_case(progress.name()));
        found.filter(|_| status.eq_ignore_ascii_case("true"))
    }
}

impl Condition {
    /// How far the switch is, if this condition says so.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        Progress::read(&self.kind, &self.status)
    }
}

/// The resource's definition, as it is installed in a cluster.
///
/// It differs from what kube's derive makes in two points that the archived controller's definition fixes: there is
/// no status subresource, since the controller writes `spec.hosts` and `status` in one request, and `spec` may be
/// absent.
#[must_use]
pub fn definition() -> CustomResourceDefinition {
    let mut definition = HostMigration::crd();
    for version in &mut definition.spec.versions {
        version.subresources = None;
        if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            schema.required = None;
        }
    }
    definition
}

/// [`definition`] as YAML.
///
/// ```
/// let yaml = hostmigration::definition_yaml()?;
/// assert!(yaml.contains("name: hostmigrations.dioscuri.amazee.io"));
/// assert!(!yaml.contains("subresources"));
/// # Ok::<(), serde_saphyr::ser::Error>(())
/// ```
pub fn definition_yaml() -> Result<String, serde_saphyr::ser::Error> {
    let yaml = serde_saphyr::to_string(&definition())?;
    Ok(format!("# Written by `cargo run --bin crdgen` from crates/hostmigration. Do not edit.\n{}\n", yaml.trim_end()))
}
