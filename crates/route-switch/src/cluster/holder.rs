//! Whether whoever holds a journal still works on it.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, GroupVersionKind};
use serde_json::Value;

use crate::journal::Holder;
use lagoon_task::cluster::{Cause, Cluster, ClusterError, Metadata};

/// The container of a task's pod that Lagoon's remote-controller runs the image in.
const TASK_CONTAINER: &str = "lagoon-task";

/// Whether the holder, an object in `namespace`, has not ended. One that is gone has.
pub(crate) async fn is_running(cluster: &Cluster, namespace: &str, holder: &Holder) -> Result<bool, ClusterError> {
    if holder.kind == "Pod" {
        let pods = cluster.objects(&ApiResource::erase::<Pod>(&()), namespace);
        let pod = pods.get(&holder.name).await?;
        return Ok(pod.is_some_and(|pod| is_same(&pod, holder) && !pod_has_ended(&pod)));
    }
    let kind = GroupVersionKind::gvk("dioscuri.amazee.io", "v1", "HostMigration");
    let migrations = cluster.objects(&ApiResource::from_gvk_with_plural(&kind, "hostmigrations"), namespace);
    // A list, since that is what the deployer may do.
    let runs = migrations.list(|migration| {
        Metadata::of(&migration).name == holder.name && is_same(&migration, holder) && !migration_has_ended(&migration)
    });
    match runs.await {
        Ok(runs) => Ok(runs.contains(&true)),
        Err(error) if *error.cause() == Cause::KindUnknown => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_same(object: &Value, holder: &Holder) -> bool {
    holder.uid.is_empty() || Metadata::of(object).uid == holder.uid
}

/// Whether the task's container has ended. The pod's phase alone does not tell: with a container that a webhook of the
/// cluster injected it stays `Running` for ever. Tasks are never restarted (`restartPolicy: Never`, set by Lagoon).
fn pod_has_ended(pod: &Value) -> bool {
    let phase_is_last = pod.pointer("/status/phase").is_some_and(|phase| phase == "Succeeded" || phase == "Failed");
    let statuses = pod.pointer("/status/containerStatuses").and_then(Value::as_array);
    let is_terminated = |status: &Value| {
        status.get("name").is_some_and(|name| name == TASK_CONTAINER)
            && status.pointer("/state/terminated").is_some_and(Value::is_object)
    };
    phase_is_last || statuses.into_iter().flatten().any(is_terminated)
}

/// The last of its conditions that says how far it is, says that it has ended.
fn migration_has_ended(migration: &Value) -> bool {
    let conditions = migration.pointer("/status/conditions").and_then(Value::as_array);
    let mut kinds = conditions.into_iter().flatten().filter_map(|condition| condition["type"].as_str());
    let last = kinds.rfind(|kind| ["started", "completed", "failed"].contains(kind));
    last.is_some_and(|kind| kind != "started")
}

#[cfg(test)]
mod tests;
