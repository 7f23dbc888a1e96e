//! The active/standby switch: which of a site's two environments its public hosts point to.
//!
//! Lagoon has asked for it in two ways, told apart by the payload: with a custom resource that a controller in the
//! cluster carries out ([`crd`]), and, since Lagoon 2.17, directly ([`direct`]).

pub mod crd;
pub mod direct;
pub mod payload;
mod report;

use lagoon_task::{Context, Failure};
use payload::{EnvironmentNames, SwitchPayload};

/// Carries out the switch that the task's payload asks for.
pub async fn switch(task: Context) -> Result<String, Failure> {
    let payload: SwitchPayload = task.payload()?;
    let names = EnvironmentNames { production: payload.production_environment, standby: payload.standby_environment };
    match (payload.crd, payload.source_namespace, payload.destination_namespace) {
        (Some(_), _, _) if payload.dry_run => Err(Failure::new(
            "A dry run is possible only in the direct way of Lagoon 2.17 and later: in this way the cluster's controller \
             moves the routes, and it knows no dry run. Nothing has changed.",
        )),
        (Some(object), _, _) => crd::switch(&task, &names, object).await,
        (None, Some(source_namespace), Some(destination_namespace)) => {
            let dry_run = payload.dry_run;
            let asked = direct::Asked { names, source_namespace, destination_namespace, dry_run };
            Box::pin(direct::switch(&task, &asked)).await
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
mod tests;
