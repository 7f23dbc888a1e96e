use serde_json::json;

use super::*;

/// A pod of a service, made at this minute of an hour.
fn pod(name: &str, service: &str, phase: &str, ready: bool, minute: u8) -> Value {
    json!({
        "metadata": {
            "name": name, "uid": format!("uid-of-{name}"), "labels": { SERVICE_LABEL: service },
            "creationTimestamp": format!("2026-11-24T10:{minute:02}:00Z"),
        },
        "status": {
            "phase": phase,
            "conditions": [
                { "type": "PodScheduled", "status": "True" },
                { "type": "Ready", "status": if ready { "True" } else { "False" } },
            ],
        },
    })
}

fn chosen(pods: &[Value]) -> Option<&str> {
    running_pod(pods, "cli").and_then(|pod| pod["metadata"]["name"].as_str())
}

#[test]
fn the_newest_pod_that_is_ready_is_chosen() {
    let pods = [
        pod("old", "cli", "Running", true, 1),
        pod("new", "cli", "Running", true, 3),
        pod("between", "cli", "Running", true, 2),
        pod("not-ready", "cli", "Running", false, 4),
        pod("other", "nginx", "Running", true, 5),
    ];
    assert_eq!(chosen(&pods), Some("new"));
    assert_eq!(chosen(&pods[3..]), Some("not-ready"), "it runs, and its details are the same");
    assert_eq!(chosen(&pods[4..]), None);
}

#[test]
fn what_does_not_run_or_is_no_pod_of_the_service_itself_is_not_chosen() {
    let mut pods: Vec<Value> =
        ["Pending", "Succeeded", "Failed", "Unknown"].map(|phase| pod(phase, "cli", phase, true, 1)).into();
    let mut deleted = pod("deleted", "cli", "Running", true, 2);
    deleted["metadata"]["deletionTimestamp"] = json!("2026-11-24T10:03:00Z");
    let mut job = pod("job", "cli", "Running", true, 3);
    job["metadata"]["ownerReferences"] = json!([{ "kind": "Job", "name": "cron" }]);
    pods.extend([deleted, job, json!({ "metadata": { "name": "bare" }, "status": { "phase": "Running" } }), json!(1)]);
    assert_eq!(chosen(&pods), None);
}

#[test]
fn a_deployment_is_found_by_its_name_and_by_its_label() {
    let labelled = json!({ "metadata": { "name": "x", "labels": { SERVICE_LABEL: "cli" } } });
    let named = json!({ "metadata": { "name": "cli" } });
    let other = json!({ "metadata": { "name": "nginx", "labels": { SERVICE_LABEL: "nginx" } } });
    let all = [other.clone(), labelled.clone(), named.clone()];
    assert_eq!(deployment(&all, "cli"), Some(&named), "Lagoon names a service's Deployment like the service");
    assert_eq!(deployment(&all[..2], "cli"), Some(&labelled));
    assert_eq!(deployment(&all[..1], "cli"), None);
}

#[test]
fn the_services_are_told_once_each_and_in_order() {
    let objects = [
        pod("b", "php", "Failed", false, 1),
        pod("a", "cli", "Running", true, 1),
        pod("c", "php", "Running", true, 1),
        json!({}),
    ];
    assert_eq!(services(objects.iter()).into_iter().collect::<Vec<_>>(), ["cli", "php"]);
}

#[test]
fn only_the_pods_of_tasks_that_have_ended_are_left_behind() {
    let made_for = |uid: &str, name: &str| json!({ "metadata": { "name": name, "labels": { ASKED_FOR_BY_LABEL: uid } }, "status": { "phase": "Running" } });
    let mut going = made_for("uid-of-gone", "going");
    going["metadata"]["deletionTimestamp"] = json!("2026-11-24T10:03:00Z");
    let pods = [
        pod("runs", "task", "Running", true, 1),
        pod("waits", "task", "Pending", false, 1),
        pod("done", "task", "Succeeded", false, 1),
        pod("failed", "task", "Failed", false, 1),
        made_for("uid-of-runs", "of-runs"),
        made_for("uid-of-waits", "of-waits"),
        made_for("uid-of-done", "of-done"),
        made_for("uid-of-failed", "of-failed"),
        made_for("uid-of-gone", "of-gone"),
        going,
    ];
    let names: Vec<String> = left_behind(&pods).into_iter().map(|pod| pod.name).collect();
    assert_eq!(names, ["of-done", "of-failed", "of-gone"]);
}

#[test]
fn the_newest_warning_of_the_very_pod_is_told() {
    let event = |kind: &str, uid: &str, field: &str, minute: u8| {
        let reason = format!("{kind}-{minute}");
        json!({ "type": kind, "reason": reason, "involvedObject": { "uid": uid }, field: format!("2026-11-24T10:{minute:02}:00Z") })
    };
    let events = [
        event("Warning", "ours", "lastTimestamp", 1),
        event("Warning", "ours", "eventTime", 3),
        event("Warning", "ours", "lastTimestamp", 2),
        event("Normal", "ours", "lastTimestamp", 4),
        event("Warning", "other", "lastTimestamp", 5),
        json!({}),
    ];
    let ours: Vec<Value> = events.into_iter().filter(|event| is_warning_of(event, "ours")).collect();
    assert_eq!(ours.len(), 3);
    assert_eq!(last_warning(&ours).unwrap().reason, "Warning-3");
    assert_eq!(last_warning(&[]), None);
}
