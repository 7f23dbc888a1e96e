//! The active/standby switch: which of a site's two environments its public hosts point to.
//!
//! Lagoon has asked for it in two ways, told apart by the payload: with a custom resource that a controller in the
//! cluster carries out ([`crd_way`]), and, since Lagoon 2.17, directly.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::crd_way;
use crate::task::context::Context;
use crate::task::outcome::Failure;

/// What Lagoon sends for a switch.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SwitchPayload {
    /// Name of the environment that is active now.
    production_environment: String,
    /// Name of the environment that is to become active.
    standby_environment: String,
    /// The `HostMigration` to create, in the CRD way.
    #[serde(default)]
    crd: Option<Map<String, Value>>,
    /// Namespace of the standby environment, in the direct way.
    #[serde(default)]
    source_namespace: Option<String>,
    /// Namespace of the active environment, in the direct way.
    #[serde(default)]
    destination_namespace: Option<String>,
}

/// Carries out the switch that the task's payload asks for.
pub async fn switch(task: Context) -> Result<String, Failure> {
    let payload: SwitchPayload = task.payload()?;
    let names =
        crd_way::EnvironmentNames { production: payload.production_environment, standby: payload.standby_environment };
    match (payload.crd, payload.source_namespace, payload.destination_namespace) {
        (Some(object), _, _) => crd_way::switch(&task, &names, object).await,
        (None, Some(_), Some(_)) => Err(Failure::new(
            "This version of the task image carries out a switch only through a HostMigration object, and the payload \
             asks for the direct way of Lagoon 2.17 and later. Nothing has changed. Ask your Lagoon administrator for \
             an image that has the direct way.",
        )),
        (None, _, _) => Err(Failure::new(
            "The task's payload does not fit this task: the field `crd`, the HostMigration to create, is missing. \
             Nothing has changed.",
        )),
    }
}
