//! How containers end.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use futures::{AsyncBufReadExt, TryStreamExt};
use kube::api::{DeleteParams, LogParams};
use lagoon_task_testing::{ControlPlane, Launcher, until};
use serde_json::json;

use super::{Gate, Place, end, phase};
use crate::support::control_plane;

/// Whether a process is there, and has not ended without being waited for.
fn runs(process: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

#[tokio::test]
async fn the_status_says_how_a_container_ended() {
    let place = Place::new(control_plane().await, "kubelet-ends").await;
    for (name, script, phase_at_end, expected) in [
        ("well", "true", "Succeeded", (0, None, "Completed", "")),
        ("badly", "echo why > /dev/termination-log; exit 3", "Failed", (3, None, "Error", "why\n")),
        ("by-a-signal", "kill -KILL $$$$", "Failed", (137, Some(9), "Error", "")),
        ("in-silence", "echo only the log; exit 1", "Failed", (1, None, "Error", "")),
    ] {
        place.script(name, script).await;
        let pod = place.until_ended(name).await;
        assert_eq!(phase(&pod), phase_at_end, "{name}");
        let (code, signal, reason, message) = expected;
        assert_eq!(end(&pod), (code, signal, reason.to_owned(), message.to_owned()), "{name}");
    }
    let container = json!({
        "command": ["sh", "-c", "echo the log; exit 1"], "terminationMessagePolicy": "FallbackToLogsOnError",
    });
    place.pod("from-log", container, json!({})).await;
    assert_eq!(end(&place.until_ended("from-log").await).3, "the log\n");
    // Without a command it is the image's program.
    place.pod("program", json!({}), json!({})).await;
    assert_eq!(end(&place.until_ended("program").await).0, 1);
    place.kubelet.add_image("kubelet.example.com/nothing:1", "/nothing/here");
    place.pod("nothing", json!({ "image": "kubelet.example.com/nothing:1" }), json!({})).await;
    let (code, _, reason, message) = end(&place.until_ended("nothing").await);
    assert_eq!((code, reason.as_str()), (128, "StartError"));
    assert!(message.contains("No such file"), "{message}");
}

#[tokio::test]
async fn a_deleted_pods_containers_are_asked_to_end() {
    let place = Place::new(control_plane().await, "kubelet-term").await;
    place.script("polite", "trap 'echo bye; exit 0' TERM; echo ready; sleep 1000 & wait").await;
    let rest = place.rest_after("polite", "ready\n").await;
    let pod = place.delete("polite", 60).await;
    assert_eq!(rest.await, "bye\n");
    assert_eq!(end(&pod), (0, None, "Completed".to_owned(), String::new()));
}

#[tokio::test]
async fn a_container_that_does_not_end_is_killed_with_all_its_processes() {
    let place = Place::new(control_plane().await, "kubelet-kill").await;
    place.script("stubborn", "trap '' TERM; sleep 1000 & echo $!; wait; sleep 1000").await;
    let child = place.follow("stubborn").await.lines().try_next().await.unwrap().unwrap();
    let pod = place.delete("stubborn", 1).await;
    assert_eq!(end(&pod), (137, Some(9), "Error".to_owned(), String::new()));
    assert!(!runs(&child));
}

/// The containers of a pod that was deleted by force were killed as soon as it was gone: only the quickest could still
/// say something.
#[tokio::test]
async fn a_pod_deleted_by_force_is_asked_to_end_too() {
    let place = Place::new(control_plane().await, "kubelet-force").await;
    let gate = Gate::new();
    let script = format!("trap '{}; echo bye; exit 0' TERM; echo ready; sleep 1000 & wait", gate.wait());
    place.script("forced", &script).await;
    let rest = place.rest_after("forced", "ready\n").await;
    place.delete("forced", 0).await;
    gate.open();
    assert_eq!(rest.await, "bye\n");
}

#[tokio::test]
async fn a_pod_deleted_by_force_while_it_ends_has_no_more_of_its_time() {
    let place = Place::new(control_plane().await, "kubelet-forced-later").await;
    place.script("patient", "trap 'echo asked' TERM; echo ready; while true; do sleep 1000 & wait; done").await;
    let rest = place.rest_after("patient", "ready\n").await;
    place.pods().delete("patient", &DeleteParams::default().grace_period(3600)).await.unwrap();
    place.until("patient", |pod| pod.metadata.deletion_timestamp.is_some()).await;
    place.delete("patient", 0).await;
    assert_eq!(rest.await, "asked\n");
}

#[tokio::test]
async fn an_evicted_pod_has_failed_and_its_containers_have_ended() {
    let place = Place::new(control_plane().await, "kubelet-evict").await;
    place.script("evicted", "trap '' TERM; echo ready; sleep 1000").await;
    let rest = place.rest_after("evicted", "ready\n").await;
    place.kubelet.evict(&place.namespace, "evicted").await.unwrap();
    assert_eq!(rest.await, "");
    let pod = place.pods().get("evicted").await.unwrap();
    let status = pod.status.clone().unwrap();
    assert_eq!((phase(&pod), status.reason.as_deref()), ("Failed", Some("Evicted")));
    assert!(status.message.unwrap().contains("low on resource"));
    assert_eq!(end(&pod).0, 137);
    let error = place.kubelet.evict(&place.namespace, "evicted").await.unwrap_err();
    assert!(error.to_string().contains("Pod evicted in namespace kubelet-evict-main"), "{error}");
}

#[tokio::test]
async fn pods_go_on_while_the_api_server_is_down() {
    let control_plane = ControlPlane::start().await.unwrap();
    let place = Place::new(&control_plane, "kubelet-restart").await;
    let (before, during) = (Gate::new(), Gate::new());
    place.script("long", &format!("{}; echo went on; exit 5", before.wait())).await;
    place.script("deleted", &format!("trap 'exit 0' TERM; echo ready; {}", during.wait())).await;
    place.until("long", |pod| phase(pod) == "Running").await;
    drop(place.rest_after("deleted", "ready\n").await);
    control_plane.kill_api_server();
    before.open();
    control_plane.start_api_server().await.unwrap();
    let pod = place.until_ended("long").await;
    assert_eq!(end(&pod).0, 5);
    assert_eq!(place.log("long", LogParams::default()).await, "went on\n");
    // The pods are followed again.
    place.delete("deleted", 60).await;
    place.script("new", "true").await;
    assert_eq!(phase(&place.until_ended("new").await), "Succeeded");
}

#[tokio::test]
async fn containers_end_with_their_control_plane() {
    let control_plane = ControlPlane::start().await.unwrap();
    let place = Place::new(&control_plane, "kubelet-dropped").await;
    place.script("dropped", "trap '' TERM; sleep 1000 & echo $!; echo $$$$; wait").await;
    let mut lines = place.follow("dropped").await.lines();
    let processes = [lines.try_next().await.unwrap().unwrap(), lines.try_next().await.unwrap().unwrap()];
    assert!(processes.iter().all(|process| runs(process)), "{processes:?}");
    drop(control_plane);
    // A signal is on its way for a moment.
    until(|| !processes.iter().any(|process| runs(process))).await;
}

#[tokio::test]
async fn a_task_that_is_dropped_is_killed() {
    let control_plane = control_plane().await;
    let launcher = Launcher::new(control_plane);
    let environment = launcher.environment("kubelet-lost", "main").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("waits");
    fs::write(&program, "#!/bin/sh\necho It waits.\nexec sleep 1000\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let running = launcher.task(&environment, &program).launch().await.unwrap();
    running.wait_for_line("It waits.").await.unwrap();
    let (process, pod) = (running.process_id().unwrap().to_string(), running.pod_name());
    drop(running);
    let place = Place::at(control_plane, environment.namespace).await;
    assert_eq!(end(&place.until_ended(&pod).await).0, 137);
    assert!(!runs(&process));
}
