//! The task as Lagoon runs it: as a pod, on a real API server, with the rights that Lagoon gives it.

use lagoon_task_testing::{ControlPlane, Launcher};
use serde_json::json;

/// The binary that cargo has built for these tests.
const TASK: &str = env!("CARGO_BIN_EXE_{{project-name}}");

#[tokio::test]
async fn it_greets_and_hands_lagoon_the_greeting() {
    let control_plane = ControlPlane::start().await.unwrap();
    let launcher = Launcher::new(&control_plane);
    let environment = launcher.environment("shop", "main").await.unwrap();

    // What Lagoon sends when a user fills in the form.
    let task = launcher.task(&environment, TASK).payload(&json!({ "name": "Ada", "often": "2" }));
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(finished.log, "Greeting Ada\nHello, hello, Ada!\n");
    assert_eq!(finished.result, Some(json!({ "greeting": "Hello, hello, Ada!" })));

    // Everything that does not fit is told at once, and nothing is done.
    let task = launcher.task(&environment, TASK).payload(&json!({ "often": "9" }));
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    for says in ["\"Who is greeted\" is missing", "\"How often\" is \"9\" and must be a whole number from 1 to 5"] {
        assert!(finished.log.contains(says), "{}", finished.log);
    }
}
