//! The smallest task, built from `examples/hello_task.rs` as its authors would.

use lagoon_task_testing::Launcher;
use serde_json::json;

use crate::bench::{control_plane, example};

#[tokio::test]
async fn the_smallest_task_greets_and_reports() {
    let control_plane = control_plane().await;
    let launcher = Launcher::new(control_plane);
    let environment = launcher.environment("hello", "main").await.unwrap();
    let task = launcher.task(&environment, example("hello_task")).payload(&json!({ "name": "Ada" }));
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(finished.log, "Greeting Ada\nLagoon has the greeting.\n");
    assert_eq!(finished.result, Some(json!({ "greeting": "Hello, Ada!" })));
}

#[tokio::test]
async fn the_smallest_task_says_what_its_payload_lacks() {
    let control_plane = control_plane().await;
    let launcher = Launcher::new(control_plane);
    let environment = launcher.environment("hello-empty", "main").await.unwrap();
    let task = launcher.task(&environment, example("hello_task")).payload(&json!({}));
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1));
    let expected = "The task's payload does not fit this task: the field `name` is missing (line 1, column 2).\n";
    assert_eq!(finished.log, expected);
    assert_eq!(finished.requests, []);
}

#[test]
fn the_smallest_task_is_at_most_20_lines_of_code() {
    let source = include_str!("../../examples/hello_task.rs");
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
    assert!(source.lines().filter(is_code).count() <= 20, "{source}");
}
