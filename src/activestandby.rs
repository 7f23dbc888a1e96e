//! The active/standby switch: which of a site's two environments its public hosts point to.
//!
//! Lagoon has asked for it in two ways, told apart by the payload: with a custom resource that a controller in the
//! cluster carries out ([`crd_way`]), and, since Lagoon 2.17, directly ([`direct_way`]).

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::environments::EnvironmentNames;
use crate::task::context::Context;
use crate::task::outcome::Failure;
use crate::{crd_way, direct_way};

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
    /// Whether to show only what would be done, in the direct way.
    #[serde(default, deserialize_with = "yes_or_no")]
    dry_run: bool,
}

/// A flag as JSON has it, or as text: a user-started task's arguments are all text.
fn yes_or_no<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(false),
        Value::Bool(flag) => Ok(flag),
        Value::String(text) if text == "true" => Ok(true),
        Value::String(text) if text == "false" || text.is_empty() => Ok(false),
        _ => Err(serde::de::Error::custom("a value of another type, expected true or false")),
    }
}

/// Carries out the switch that the task's payload asks for.
pub async fn switch(task: Context) -> Result<String, Failure> {
    let payload: SwitchPayload = task.payload()?;
    let names = EnvironmentNames { production: payload.production_environment, standby: payload.standby_environment };
    match (payload.crd, payload.source_namespace, payload.destination_namespace) {
        (Some(_), _, _) if payload.dry_run => Err(Failure::new(
            "A dry run is possible only in the direct way of Lagoon 2.17 and later: in this way the cluster's controller \
             moves the routes, and it knows no dry run. Nothing has changed.",
        )),
        (Some(object), _, _) => crd_way::switch(&task, &names, object).await,
        (None, Some(source_namespace), Some(destination_namespace)) => {
            let dry_run = payload.dry_run;
            let asked = direct_way::Asked { names, source_namespace, destination_namespace, dry_run };
            Box::pin(direct_way::switch(&task, &asked)).await
        }
        (None, None, None) => Err(missing(
            "the field `crd`, the HostMigration to create, is missing, and so are `sourceNamespace` and `destinationNamespace`",
        )),
        (None, Some(_), None) => Err(missing("the field `destinationNamespace` is missing")),
        (None, None, Some(_)) => Err(missing("the field `sourceNamespace` is missing")),
    }
}

fn missing(what: &str) -> Failure {
    Failure::new(format!("The task's payload does not fit this task: {what}. Nothing has changed."))
}

#[cfg(test)]
#[path = "activestandby_tests.rs"]
mod tests;
