//! The smallest task, built from `examples/hello_task.rs` as its authors would.

use std::process::Command;

use lagoon_task_testing::Launcher;
use serde_json::json;

use crate::support::control_plane;
use lagoon_task_testing::built;

#[tokio::test]
async fn the_smallest_task_greets_and_reports() {
    let control_plane = control_plane().await;
    let launcher = Launcher::new(control_plane);
    let environment = launcher.environment("hello", "main").await.unwrap();
    let task = launcher.task(&environment, built("hello_task").unwrap()).payload(&json!({ "name": "Ada" }));
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
    let task = launcher.task(&environment, built("hello_task").unwrap()).payload(&json!({}));
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1));
    let expected = "The task's arguments do not fit: \"Who is greeted\" is missing. Nothing has been done yet; start the task \
                    again with arguments that fit.\n";
    assert_eq!(finished.log, expected);
    assert_eq!(finished.requests, []);
}

#[tokio::test]
async fn the_smallest_task_says_what_of_its_arguments_does_not_fit() {
    let control_plane = control_plane().await;
    let launcher = Launcher::new(control_plane);
    let environment = launcher.environment("hello-misfit", "main").await.unwrap();
    let task = launcher.task(&environment, built("hello_task").unwrap()).payload(&json!({ "name": "ada\u{1b}[2J" }));
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1));
    let misfit = r#""Who is greeted" is "ada\u{1b}[2J" and must be a name with a capital."#;
    assert!(finished.log.contains(misfit), "{}", finished.log);
    assert_eq!(finished.termination_message, finished.log.trim_end());
    assert_eq!(finished.requests, []);
}

#[test]
fn the_smallest_task_prints_its_definition_without_a_pod() {
    let printed = Command::new(built("hello_task").unwrap()).arg("--definition").env_clear().output().unwrap();
    assert_eq!(printed.status.code(), Some(0));
    assert!(printed.stderr.is_empty(), "{}", String::from_utf8_lossy(&printed.stderr));
    let mutation = String::from_utf8(printed.stdout).unwrap();
    assert!(
        mutation.starts_with("mutation {\n  addAdvancedTaskDefinition(input: {\n    name: \"Greet\"\n"),
        "{mutation}"
    );
    assert!(mutation.ends_with("}\n"), "{mutation}");
    let document = async_graphql_parser::parse_query(mutation);
    assert_eq!(document.map(|document| document.operations.iter().count()).map_err(|error| error.to_string()), Ok(1));

    let misused =
        Command::new(built("hello_task").unwrap()).args(["--definition", "--nonsense"]).env_clear().output().unwrap();
    assert_eq!(misused.status.code(), Some(1));
    assert!(misused.stdout.starts_with(b"--definition takes the image's name"), "{misused:?}");
}

#[test]
fn the_smallest_task_is_at_most_20_lines_of_code() {
    let source = include_str!("../../examples/hello_task.rs");
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
    assert!(source.lines().filter(is_code).count() <= 20, "{source}");
}
