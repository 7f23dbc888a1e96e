//! The task as Lagoon runs it: as a pod, on a real API server, with the rights that Lagoon gives it.

use lagoon_task_testing::{ControlPlane, Finished, Launcher};
use serde_json::{Value, json};

/// The binary that cargo has built for these tests.
const TASK: &str = env!("CARGO_BIN_EXE_{{project-name}}");

/// Runs the task with what Lagoon sends when a user has filled in the form.
async fn run(launcher: &Launcher<'_>, environment: &str, form: Value) -> Finished {
    let environment = launcher.environment("shop", environment).await.unwrap();
    let task = launcher.task(&environment, TASK).payload(&form);
    task.launch().await.unwrap().finish().await.unwrap()
}

#[tokio::test]
async fn it_greets_and_hands_lagoon_the_greeting() {
    let control_plane = ControlPlane::start().await.unwrap();
    let launcher = Launcher::new(&control_plane);

    let greeted = run(&launcher, "main", json!({ "name": "Ada", "often": "2" })).await;
    assert_eq!(greeted.exit_code, Some(0), "{}", greeted.log);
    assert_eq!(greeted.log, "Greeting Ada\nHello, hello, Ada!\n");
    let result = json!({ "greeting": "Hello, hello, Ada!" });
    assert_eq!(greeted.result, Some(result));

    // Everything that does not fit is told at once, and nothing is done.
    let refused = run(&launcher, "develop", json!({ "often": "9" })).await;
    assert_eq!(refused.exit_code, Some(1), "{}", refused.log);
    for says in ["\"Who is greeted\" is missing", "\"How often\" is \"9\""] {
        assert!(refused.log.contains(says), "{}", refused.log);
    }
}
