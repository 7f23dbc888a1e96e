//! The task as Lagoon runs it: as a pod, on a real API server, with the rights that Lagoon gives.

use lagoon_task_testing::{ControlPlane, Launcher};
use serde_json::json;

/// The binary that cargo has built for this test.
const TASK: &str = env!("CARGO_BIN_EXE_{{project-name}}");

#[tokio::test]
async fn it_greets_and_hands_lagoon_the_greeting() {
    let control_plane = ControlPlane::start().await.unwrap();
    let launcher = Launcher::new(&control_plane);
    let environment = launcher.environment("shop", "main").await.unwrap();
    let task = launcher.task(&environment, TASK).payload(&json!({ "name": "Ada" }));
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(finished.log, "Greeting Ada\nLagoon has the greeting.\n");
    assert_eq!(finished.result, Some(json!({ "greeting": "Hello, Ada!" })));
}
