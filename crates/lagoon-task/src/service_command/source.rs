//! Which pod or Deployment a service's command takes its details from, and which pods an earlier task has left behind.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cluster::Metadata;
use crate::service_command::pod::{ASKED_FOR_BY_LABEL, SERVICE_LABEL};
use crate::service_command::state::{Obstacle, ObstacleKind};

/// The pod of a service that runs: one that is ready before one that is not, the newest of several. A pod that is being
/// deleted does not count, nor one of a Job, whose command is another's.
pub(super) fn running_pod<'a>(pods: &'a [Value], service: &str) -> Option<&'a Value> {
    let of_the_service = pods.iter().filter(|pod| label(pod, SERVICE_LABEL) == Some(service));
    let running = of_the_service
        .filter(|pod| pod["status"]["phase"] == "Running" && !is_being_deleted(pod) && !is_owned_by(pod, "Job"));
    running.max_by_key(|pod| (is_ready(pod), pod["metadata"]["creationTimestamp"].as_str().unwrap_or_default()))
}

/// The Deployment of a service: the one of its name, else one with its label.
pub(super) fn deployment<'a>(deployments: &'a [Value], service: &str) -> Option<&'a Value> {
    let named = deployments.iter().find(|deployment| deployment["metadata"]["name"] == service);
    named.or_else(|| deployments.iter().find(|deployment| label(deployment, SERVICE_LABEL) == Some(service)))
}

/// The names of all services that these pods and Deployments belong to.
pub(super) fn services<'a>(objects: impl Iterator<Item = &'a Value>) -> BTreeSet<&'a str> {
    objects.filter_map(|object| label(object, SERVICE_LABEL)).collect()
}

/// The pods that were made for a task whose own pod is no longer there or has ended. Nobody waits for them any more.
pub(super) fn left_behind(pods: &[Value]) -> Vec<Metadata> {
    let at_work = |uid: &str| {
        pods.iter().any(|pod| {
            pod["metadata"]["uid"] == uid && pod["status"]["phase"] != "Succeeded" && pod["status"]["phase"] != "Failed"
        })
    };
    let made_for_a_task = pods.iter().filter(|pod| !is_being_deleted(pod));
    made_for_a_task
        .filter(|pod| label(pod, ASKED_FOR_BY_LABEL).is_some_and(|uid| !at_work(uid)))
        .map(Metadata::of)
        .collect()
}

/// Whether an event warns of the pod with this uid.
pub(super) fn is_warning_of(event: &Value, uid: &str) -> bool {
    event["type"] == "Warning" && event["involvedObject"]["uid"] == uid
}

/// The newest of these events.
pub(super) fn last_warning(events: &[Value]) -> Option<Obstacle> {
    // Older clients of the cluster write the first of these, newer ones the second.
    let time = |event: &&Value| {
        ["lastTimestamp", "eventTime"].iter().find_map(|field| event[field].as_str().map(str::to_owned))
    };
    let event = events.iter().max_by_key(time)?;
    let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
    Some(Obstacle { kind: ObstacleKind::Other, reason: text("reason"), message: text("message") })
}

fn label<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object["metadata"]["labels"].get(name)?.as_str()
}

fn is_being_deleted(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

fn is_owned_by(object: &Value, kind: &str) -> bool {
    object["metadata"]["ownerReferences"].as_array().into_iter().flatten().any(|owner| owner["kind"] == kind)
}

fn is_ready(pod: &Value) -> bool {
    let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

#[cfg(test)]
mod tests;
