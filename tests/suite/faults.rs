//! What the network and the API server do to a task that waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use lagoon_task_testing::{Fault, FaultProxy, Finished, Passing, ReservedPort, first};

use lagoon_task_testing::until;
use switch_testing::{Site, completed, control_plane, new_control_plane};

const NAME: &str = "host-migration-f4u5l6";

/// Runs a switch through a proxy with this plan; the controller completes it at once. Answers with the injected faults.
async fn switch_with(
    project: &str,
    plan: impl FnMut(&Passing) -> Fault + Send + 'static,
) -> (Finished, Vec<(Passing, Fault)>) {
    let control_plane = control_plane().await;
    let site = Site::new(control_plane, project).await;
    let proxy = FaultProxy::start(control_plane, plan).await.unwrap();
    let task = site.task(&site.payload(NAME)).variable("KUBERNETES_SERVICE_PORT", proxy.port().to_string());
    let running = task.launch().await.unwrap();
    let finished = site.complete_and_finish(NAME, running).await;
    (finished, proxy.injected())
}

fn is_create(passing: &Passing) -> bool {
    passing.method == Method::POST
}

fn is_watch(passing: &Passing) -> bool {
    passing.is_watch()
}

/// The patch with the result, told from the progress label by its retries: progress is never sent twice.
fn is_patch(passing: &Passing) -> bool {
    passing.method == Method::PATCH
}

#[tokio::test]
async fn every_fault_on_the_create_ends_in_one_object_and_a_completed_switch() {
    let faults = [
        Fault::NeverArrives,
        Fault::AnswerLost,
        Fault::AnsweredInstead(429, Some(1)),
        Fault::AnsweredInstead(500, None),
        Fault::AnsweredInstead(503, None),
        Fault::AnsweredWrongly(500),
        Fault::AnsweredInstead(401, None),
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let (finished, injected) = switch_with(&format!("create-{number}"), first(2, fault, is_create)).await;
        assert_eq!(finished.exit_code, Some(0), "{fault:?}: {}", finished.log);
        assert_eq!(finished.result.unwrap()["status"], "Completed");
        // A lost answer is not lost twice: the second create is refused, since the object is there.
        assert_eq!(injected.len(), 2, "{fault:?}: {}", finished.log);
        assert!(finished.log.to_lowercase().contains("trying again"), "{fault:?}: {}", finished.log);
    }
}

#[tokio::test]
async fn every_fault_on_the_watch_is_survived() {
    let faults = [
        Fault::NeverArrives,
        Fault::AnswerLost,
        Fault::AnsweredInstead(410, None),
        Fault::AnsweredInstead(429, Some(1)),
        Fault::AnsweredInstead(500, None),
        Fault::AnsweredInstead(401, None),
        Fault::AnsweredInstead(403, None),
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        // The controller ends the switch at once, which ends a watch whose answer is awaited.
        let (finished, injected) = switch_with(&format!("watch-{number}"), first(1, fault, is_watch)).await;
        assert_eq!(finished.exit_code, Some(0), "{fault:?}: {}", finished.log);
        assert_eq!(injected.len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn every_fault_on_the_annotation_is_survived() {
    let faults = [
        Fault::NeverArrives,
        Fault::AnswerLost,
        Fault::AnsweredInstead(429, Some(1)),
        Fault::AnsweredInstead(409, None),
        Fault::AnsweredInstead(503, None),
        Fault::AnsweredWrongly(500),
        Fault::AnsweredInstead(401, None),
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let (finished, injected) = switch_with(&format!("annotation-{number}"), first(3, fault, is_patch)).await;
        assert_eq!(finished.exit_code, Some(0), "{fault:?}: {}", finished.log);
        assert_eq!(finished.result.unwrap()["status"], "Completed", "{fault:?}");
        assert_eq!(injected.len(), 3, "{fault:?}");
    }
}

#[tokio::test]
async fn result_that_is_on_the_pod_counts_whatever_the_answer_said() {
    for (number, status) in [409, 422, 403].into_iter().enumerate() {
        let plan = move |passing: &Passing| {
            if is_patch(passing) { Fault::AnsweredWrongly(status) } else { Fault::None }
        };
        let (finished, injected) = switch_with(&format!("stored-{number}"), plan).await;
        assert_eq!(finished.exit_code, Some(0), "{status}: {}", finished.log);
        assert_eq!(finished.result.unwrap()["status"], "Completed", "{status}");
        assert_eq!(injected.len(), 2, "{status}: progress and the result, once each");
    }
}

#[tokio::test]
async fn a_result_that_cannot_be_stored_leaves_a_plain_word_and_no_success() {
    let plan = |passing: &Passing| {
        if is_patch(passing) { Fault::AnsweredInstead(422, None) } else { Fault::None }
    };
    let (finished, injected) = switch_with("never-stored", plan).await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(!injected.is_empty());
    assert_eq!(finished.annotation, None);
    let last = finished.log.lines().last().unwrap();
    assert!(last.contains("The switch is done"), "{last}");
    assert!(last.contains("Lagoon does not know it yet"), "{last}");
    assert!(last.contains("Run the task again: it is safe"), "{last}");
}

#[tokio::test]
async fn a_watch_that_is_cut_is_taken_up_again() {
    let control_plane = control_plane().await;
    let site = Site::new(control_plane, "cut").await;
    let watches = Arc::new(AtomicUsize::new(0));
    let counted = watches.clone();
    let proxy = FaultProxy::start(control_plane, move |passing| {
        if passing.is_watch() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        Fault::None
    })
    .await
    .unwrap();
    let task = site.task(&site.payload(NAME)).variable("KUBERNETES_SERVICE_PORT", proxy.port().to_string());
    let running = task.launch().await.unwrap();
    for round in 1..=3 {
        until(|| watches.load(Ordering::SeqCst) == round).await;
        proxy.cut();
    }
    until(|| watches.load(Ordering::SeqCst) == 4).await;
    site.patch(NAME, completed()).await;
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
}

#[tokio::test]
async fn an_api_server_that_is_restarted_while_the_task_waits_is_waited_for() {
    let control_plane = new_control_plane().await;
    let site = Site::new(&control_plane, "restart").await;
    let running = site.task(&site.payload(NAME)).launch().await.unwrap();
    running.wait_for_line("is in place").await.unwrap();
    site.until_created(NAME).await;
    control_plane.kill_api_server();
    running.wait_for_line("cannot be reached").await.unwrap();
    control_plane.start_api_server().await.unwrap();
    let finished = site.complete_and_finish(NAME, running).await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(finished.result.unwrap()["status"], "Completed");
}

#[tokio::test]
async fn an_api_server_that_comes_up_late_is_waited_for() {
    let control_plane = new_control_plane().await;
    let site = Site::new(&control_plane, "late").await;
    let task = site.task(&site.payload(NAME));
    // The pod exists before the API server goes away; the process starts after.
    let prepared = task.prepare().await.unwrap();
    control_plane.kill_api_server();
    let running = prepared.start().unwrap();
    running.wait_for_line("cannot be reached").await.unwrap();
    control_plane.start_api_server().await.unwrap();
    let finished = site.complete_and_finish(NAME, running).await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
}

#[tokio::test]
async fn an_api_server_that_never_comes_up_ends_in_a_clear_sentence() {
    let site = Site::new(control_plane().await, "never").await;
    // Nobody listens there.
    let port = ReservedPort::new().unwrap();
    let task = site.task(&site.payload(NAME)).variable("KUBERNETES_SERVICE_PORT", port.number().to_string());
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1));
    let last = finished.log.lines().last().unwrap();
    assert!(last.contains("the Kubernetes API server could not be reached"), "{last}");
    assert!(last.contains("Nothing has changed. Running the task again is safe."), "{last}");
    assert!(finished.log.contains("trying again for up to 60 s"), "{}", finished.log);
}

#[tokio::test]
async fn a_token_that_is_replaced_while_the_task_waits_is_read_again() {
    let site = Site::new(control_plane().await, "rotated").await;
    let running = site.task(&site.payload(NAME)).launch().await.unwrap();
    running.wait_for_line("is in place").await.unwrap();
    let first = running.token().unwrap();
    // The next request finds neither the old token nor, for a moment, the new one.
    running.write_token("not-a-token-any-more").unwrap();
    site.complete(NAME).await;
    running.wait_for_line("does not accept the deployer token yet").await.unwrap();
    running.renew_token().await.unwrap();
    let second = running.token().unwrap();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_ne!(first, second);
    assert!(!finished.log.contains(&first) && !finished.log.contains(&second));
}
