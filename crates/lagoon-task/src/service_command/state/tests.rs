use proptest::prelude::*;
use serde_json::json;

use super::*;

/// The state of a pod with this status, whose container is `cli`.
fn state(status: &Value) -> State {
    State::of(Some(&json!({ "metadata": { "name": "x" }, "status": status })), "cli")
}

fn container(name: &str, state: &Value) -> Value {
    json!({ "name": name, "state": state })
}

fn terminated(code: i64, reason: &str) -> Value {
    json!({ "terminated": { "exitCode": code, "reason": reason } })
}

fn exit(code: i64, reason: &str) -> Exit {
    Exit { code, reason: reason.to_owned(), message: String::new() }
}

#[test]
fn a_pod_goes_from_waiting_to_running_to_its_end() {
    let starting = json!({ "waiting": { "reason": "ContainerCreating" } });
    let table = [
        (json!({}), State::Waiting(None)),
        (json!({ "phase": "Pending" }), State::Waiting(None)),
        (json!({ "phase": "Pending", "containerStatuses": [container("cli", &starting)] }), State::Waiting(None)),
        (
            json!({ "phase": "Running", "containerStatuses": [container("cli", &json!({ "running": {} }))] }),
            State::Running,
        ),
        (
            json!({ "phase": "Running", "containerStatuses": [container("cli", &terminated(0, "Completed"))] }),
            State::Ended(Ended::Exited(exit(0, "Completed"))),
        ),
        (
            json!({ "phase": "Failed", "containerStatuses": [container("cli", &terminated(3, "Error"))] }),
            State::Ended(Ended::Exited(exit(3, "Error"))),
        ),
        (json!({ "phase": "Succeeded" }), State::Ended(Ended::Exited(exit(0, "Completed")))),
    ];
    for (status, expected) in table {
        assert_eq!(state(&status), expected, "{status}");
    }
    assert_eq!(State::of(None, "cli"), State::Ended(Ended::Deleted));
}

#[test]
fn another_containers_end_is_not_the_commands() {
    let statuses = json!([container("proxy", &terminated(1, "Error")), container("cli", &json!({ "running": {} }))]);
    assert_eq!(state(&json!({ "phase": "Running", "containerStatuses": statuses })), State::Running);
}

#[test]
fn each_obstacle_is_told_by_kubernetes_own_word() {
    let table = [
        ("ErrImagePull", ObstacleKind::Image),
        ("ImagePullBackOff", ObstacleKind::Image),
        ("RegistryUnavailable", ObstacleKind::Image),
        ("InvalidImageName", ObstacleKind::HopelessImage),
        ("ErrImageNeverPull", ObstacleKind::HopelessImage),
        ("CreateContainerConfigError", ObstacleKind::Container),
        ("CreateContainerError", ObstacleKind::Container),
    ];
    for (reason, kind) in table {
        let waiting = json!({ "waiting": { "reason": reason, "message": " why " } });
        let expected = Obstacle { kind, reason: reason.to_owned(), message: "why".to_owned() };
        for (list, name) in [("containerStatuses", "cli"), ("initContainerStatuses", "prepare")] {
            let status = json!({ "phase": "Pending", list: [container(name, &waiting)] });
            assert_eq!(state(&status), State::Waiting(Some(expected.clone())), "{status}");
        }
    }
    let scheduled = |status| {
        json!({ "conditions": [
            { "type": "PodScheduled", "status": status, "reason": "Unschedulable", "message": "0/3 nodes are available" },
        ]})
    };
    let message = "0/3 nodes are available".to_owned();
    let no_node = Obstacle { kind: ObstacleKind::NoNode, reason: "Unschedulable".to_owned(), message };
    assert_eq!(state(&scheduled("False")), State::Waiting(Some(no_node)));
    assert_eq!(state(&scheduled("True")), State::Waiting(None));
}

#[test]
fn a_pod_that_kubernetes_ended_says_why_even_when_its_container_ended_well() {
    for code in [0, 137] {
        let status = json!({
            "phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory.",
            "containerStatuses": [container("cli", &terminated(code, "Completed"))],
        });
        let (reason, message) = ("Evicted".to_owned(), "The node was low on resource: memory.".to_owned());
        assert_eq!(state(&status), State::Ended(Ended::Stopped { reason, message }));
    }
    assert_eq!(
        state(&json!({ "phase": "Failed" })),
        State::Ended(Ended::Stopped { reason: String::new(), message: String::new() })
    );
}

#[test]
fn a_command_that_was_disrupted_or_deleted_is_told_from_one_that_failed() {
    let pod = |code, disrupted: bool, deleted: bool| {
        let conditions = json!([{
            "type": "DisruptionTarget", "status": if disrupted { "True" } else { "False" },
            "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting",
        }]);
        json!({
            "metadata": { "deletionTimestamp": deleted.then_some("2026-11-24T10:00:00Z") },
            "status": {
                "phase": "Failed", "conditions": conditions,
                "containerStatuses": [container("cli", &terminated(code, "Error"))],
            },
        })
    };
    let of = |pod: Value| State::of(Some(&pod), "cli");
    let (reason, message) = ("EvictionByEvictionAPI".to_owned(), "Eviction API: evicting".to_owned());
    assert_eq!(of(pod(143, true, true)), State::Ended(Ended::Stopped { reason, message }));
    assert_eq!(of(pod(143, false, true)), State::Ended(Ended::Deleted));
    assert_eq!(of(pod(143, false, false)), State::Ended(Ended::Exited(exit(143, "Error"))));
    assert_eq!(of(pod(0, true, true)), State::Ended(Ended::Exited(exit(0, "Error"))), "it had done its work");
}

#[test]
fn a_command_has_run_once_its_container_was_seen_to_run_or_to_have_run() {
    let started = json!({ "terminated": { "exitCode": 0, "startedAt": "2026-11-24T10:31:24Z" } });
    let lost = json!({ "terminated": { "exitCode": 137, "reason": "ContainerStatusUnknown", "startedAt": null } });
    let running = json!({ "running": {} });
    let seen = |looks: &[Option<&Value>]| {
        let mut seen = Seen::nothing();
        for look in looks {
            let pod = look.map(|state| json!({ "status": { "containerStatuses": [container("cli", state)] } }));
            seen.look_at(pod.as_ref(), "cli");
        }
        seen.has_run
    };
    let waiting = json!({ "waiting": {} });
    assert!(seen(&[Some(&running), None]) && seen(&[Some(&started)]) && seen(&[Some(&running), Some(&lost)]));
    assert!(!seen(&[]) && !seen(&[None]) && !seen(&[Some(&waiting), None]) && !seen(&[Some(&waiting), Some(&lost)]));
}

#[test]
fn an_init_container_that_fails_is_named() {
    let status = json!({ "phase": "Failed", "initContainerStatuses": [
        container("first", &terminated(0, "Completed")), container("second", &terminated(4, "Error")),
    ]});
    let expected = Ended::NotPrepared { container: "second".to_owned(), exit: exit(4, "Error") };
    assert_eq!(state(&status), State::Ended(expected));
}

#[test]
fn a_container_without_an_exit_code_has_not_succeeded() {
    let status = json!({ "containerStatuses": [container("cli", &json!({ "terminated": {} }))] });
    assert_eq!(state(&status), State::Ended(Ended::Exited(exit(-1, ""))));
}

proptest! {
    #[test]
    fn no_pod_makes_it_panic(odd in 0..5_usize, text in "\\PC{0,8}") {
        let odd = [json!(null), json!(1), json!(text), json!([1, text]), json!({ "state": 1 })][odd].clone();
        for status in [odd.clone(), json!({ "containerStatuses": odd, "conditions": odd, "phase": odd }),
            json!({ "phase": "Failed", "initContainerStatuses": odd, "reason": odd })]
        {
            state(&status);
        }
        State::of(Some(&odd), "cli");
    }
}
