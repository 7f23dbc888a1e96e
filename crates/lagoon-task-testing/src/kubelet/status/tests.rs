use super::*;

fn at(seconds: i64) -> Time {
    Time(k8s_openapi::jiff::Timestamp::from_second(seconds).unwrap())
}

fn pod(init_containers: usize, containers: usize) -> Pod {
    let named = |kind: &str, count: usize| -> Vec<Value> {
        (0..count).map(|index| json!({ "name": format!("{kind}-{index}"), "image": "example.com/shop:1" })).collect()
    };
    let mut spec = json!({ "containers": named("main", containers) });
    if init_containers > 0 {
        spec["initContainers"] = json!(named("init", init_containers));
    }
    serde_json::from_value(json!({ "metadata": { "name": "shop" }, "spec": spec })).unwrap()
}

fn waiting() -> ContainerState {
    ContainerState::waiting("ContainerCreating")
}

fn running() -> ContainerState {
    ContainerState::Running { process: 7, started_at: at(1) }
}

/// `wait(2)`'s status: an exit code in the high byte, a signal in the low.
fn ended(raw: i32) -> ContainerState {
    let exit = Some(ExitStatus::from_raw(raw));
    ContainerState::Ended { exit, message: "bye".to_owned(), started_at: at(1), finished_at: at(2) }
}

const SUCCESS: i32 = 0;
const FAILURE: i32 = 3 << 8;
const KILLED: i32 = 9;

fn state(init_containers: &[ContainerState], containers: &[ContainerState]) -> PodState {
    PodState {
        started_at: at(0),
        is_set_up: true,
        init_containers: init_containers.to_vec(),
        containers: containers.to_vec(),
        evicted: None,
        is_over: false,
    }
}

#[test]
fn the_phase_follows_from_the_containers() {
    for (init, main, phase) in [
        (vec![], vec![waiting()], "Pending"),
        (vec![], vec![running()], "Running"),
        (vec![], vec![running(), waiting()], "Pending"),
        (vec![], vec![running(), ended(FAILURE)], "Running"),
        (vec![], vec![ended(SUCCESS)], "Succeeded"),
        (vec![], vec![ended(SUCCESS), ended(FAILURE)], "Failed"),
        (vec![], vec![ended(KILLED)], "Failed"),
        (vec![running()], vec![waiting()], "Pending"),
        (vec![ended(SUCCESS)], vec![running()], "Running"),
        (vec![ended(SUCCESS), ended(FAILURE)], vec![waiting()], "Failed"),
    ] {
        assert_eq!(state(&init, &main).phase(), phase, "{init:?} {main:?}");
    }
}

fn written(pod: &Pod, state: &PodState) -> Value {
    status(pod, state, &Value::Null, &at(9))
}

#[test]
fn each_container_state_is_written_in_kubernetes_words() {
    let pod = pod(0, 1);
    let of = |container: ContainerState| written(&pod, &state(&[], &[container]))["containerStatuses"][0].clone();
    assert_eq!(of(waiting())["state"], json!({ "waiting": { "reason": "ContainerCreating" } }));
    let broken = ContainerState::Waiting { reason: "ErrImagePull", message: "not found".to_owned() };
    assert_eq!(of(broken)["state"], json!({ "waiting": { "reason": "ErrImagePull", "message": "not found" } }));
    assert_eq!(of(running())["state"], json!({ "running": { "startedAt": "1970-01-01T00:00:01Z" } }));
    assert_eq!((&of(running())["ready"], &of(waiting())["ready"]), (&json!(true), &json!(false)));
    let terminated = |raw: i32| {
        let state = of(ended(raw))["state"]["terminated"].clone();
        (state["exitCode"].clone(), state["reason"].clone(), state["signal"].clone(), state["message"].clone())
    };
    assert_eq!(terminated(SUCCESS), (json!(0), json!("Completed"), Value::Null, json!("bye")));
    assert_eq!(terminated(FAILURE), (json!(3), json!("Error"), Value::Null, json!("bye")));
    assert_eq!(terminated(KILLED), (json!(137), json!("Error"), json!(9), json!("bye")));
    let message = "No such file".to_owned();
    let not_started = ContainerState::Ended { exit: None, message, started_at: at(1), finished_at: at(1) };
    assert_eq!(of(not_started)["state"]["terminated"]["reason"], "StartError");
}

/// A condition's status and reason.
fn condition(status: &Value, kind: &str) -> (String, String) {
    let all = status["conditions"].as_array().unwrap();
    let found = all.iter().find(|condition| condition["type"] == kind).unwrap();
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

#[test]
fn conditions_say_how_far_the_pod_is() {
    let pod = pod(1, 1);
    let is = |status: &str, reason: &str| (status.to_owned(), reason.to_owned());
    let initializing = written(&pod, &state(&[running()], &[waiting()]));
    assert_eq!(condition(&initializing, "Initialized"), is("False", "ContainersNotInitialized"));
    assert_eq!(condition(&initializing, "Ready"), is("False", "ContainersNotReady"));
    assert_eq!(initializing["initContainerStatuses"][0]["name"], "init-0");
    let ready = written(&pod, &state(&[ended(SUCCESS)], &[running()]));
    for kind in ["PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"] {
        assert_eq!(condition(&ready, kind), is("True", ""), "{kind}");
    }
    assert_eq!(condition(&written(&pod, &state(&[ended(0)], &[ended(SUCCESS)])), "Ready"), is("False", "PodCompleted"));
    assert_eq!(condition(&written(&pod, &state(&[ended(0)], &[ended(FAILURE)])), "Ready"), is("False", "PodFailed"));
}

#[test]
fn an_evicted_pod_has_failed_whatever_its_containers_do() {
    let mut state = state(&[], &[running()]);
    state.evicted = Some("The node was low".to_owned());
    let status = written(&pod(0, 1), &state);
    assert_eq!((&status["phase"], &status["reason"]), (&json!("Failed"), &json!("Evicted")));
    assert_eq!(status["message"], "The node was low");
    assert_eq!(condition(&status, "DisruptionTarget").1, "TerminationByKubelet");
}

#[test]
fn a_condition_keeps_its_time_until_it_changes() {
    let pod = pod(0, 1);
    let before = status(&pod, &state(&[], &[waiting()]), &Value::Null, &at(1));
    let after = status(&pod, &state(&[], &[running()]), &before, &at(2));
    let since = |kind: &str| {
        let all = after["conditions"].as_array().unwrap();
        all.iter().find(|condition| condition["type"] == kind).unwrap()["lastTransitionTime"].clone()
    };
    assert_eq!(since("PodScheduled"), "1970-01-01T00:00:01Z");
    assert_eq!(since("Ready"), "1970-01-01T00:00:02Z");
}

#[test]
fn a_pod_has_an_address_when_it_is_set_up() {
    let pod = pod(0, 1);
    assert_eq!(written(&pod, &PodState::new(&pod, at(0))).get("podIP"), None);
    assert_eq!(written(&pod, &state(&[], &[running()]))["podIP"], "127.0.0.1");
}
