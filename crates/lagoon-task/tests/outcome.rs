//! How a task ends, whatever its author did: this test is its own task, launched as Lagoon would (hence no harness).

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test, though without the harness")]

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lagoon_task::{Context, Failure, run};
use lagoon_task_testing::{ControlPlane, Finished, LagoonEnvironment, Launcher};
use serde_json::json;

const SECRET: &str = "a-secret-0f-the-task";

#[derive(serde::Deserialize)]
struct Arguments {
    act: String,
    #[serde(default)]
    text: String,
}

/// The task: it does what its payload names.
async fn act(task: Context) -> Result<String, Failure> {
    let Arguments { act, text } = task.payload()?;
    task.output.register_secret(SECRET);
    match act.as_str() {
        "panic" => panic!("{SECRET}"),
        "panic in the background" => {
            let background = tokio::spawn(async { panic!("{SECRET}") });
            let _ = background.await;
        }
        "fail" => return Err(Failure::new(format!("It did not work with {SECRET}."))),
        "show secrets" => {
            let folder = "var/run/secrets/kubernetes.io/serviceaccount/token";
            let root = std::env::args().nth(2).unwrap_or_default();
            let token = std::fs::read_to_string(std::path::Path::new(&root).join(folder))?;
            task.cluster()?;
            task.say(format!("{SECRET} {token} {}", &token[..20]));
            task.report(&json!({ "secret": SECRET, "token": token })).await?;
            return Ok(format!("Done with {SECRET}."));
        }
        "show a text" => {
            task.say(&text);
            task.step(&text);
            let mut lines = task.output.lines();
            for piece in text.as_bytes().chunks(3) {
                lines.write_all(piece)?;
            }
            drop(lines);
            task.report(&json!({ "text": text })).await?;
            return Ok(text.replace('\n', " "));
        }
        "report too much" => task.report(&json!({ "much": "x".repeat(200_000) })).await?,
        "report nothing" => task.report(&json!({})).await?,
        "many steps" => {
            for step in 0..200 {
                task.step(format!("Step {step}"));
                tokio::task::yield_now().await;
            }
            task.report(&json!({ "steps": 200 })).await?;
        }
        _ => {}
    }
    Ok("Done.".to_owned())
}

/// Its name, what the task does, and what must have come of it.
type Test = (&'static str, &'static str, fn(&Finished));

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("--root") {
        return run("misbehaving/1.0", act);
    }
    // Listing tools ask every test binary for its tests.
    if std::env::args().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let tests = runtime.block_on(Box::pin(all_tests()));
    println!("test result: ok. {tests} passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
    ExitCode::SUCCESS
}

async fn all_tests() -> usize {
    let control_plane = ControlPlane::start().await.unwrap();
    let launcher = Launcher::new(&control_plane);
    let environment = launcher.environment("outcome", "main").await.unwrap();
    let this_test = std::env::current_exe().unwrap();
    let tests: [Test; 8] = [
        ("a_panic_is_one_calm_sentence_and_exit_1", "panic", calm),
        ("a_panic_in_the_background_is_too", "panic in the background", calm),
        ("a_failure_is_its_sentence_and_exit_1", "fail", failed),
        ("secrets_are_hidden_everywhere", "show secrets", secrets_are_hidden),
        ("a_result_too_large_is_refused_before_it_is_sent", "report too much", too_large),
        ("an_empty_result_is_refused_before_it_is_sent", "report nothing", empty),
        ("many_steps_make_few_patches", "many steps", few_patches),
        ("a_task_that_does_nothing_succeeds", "nothing", nothing),
    ];
    for (name, act, check) in tests {
        let task = launcher.task(&environment, &this_test).payload(&json!({ "act": act }));
        let finished = task.launch().await.unwrap().finish().await.unwrap();
        assert!(!finished.log.contains(SECRET), "{name}: {}", finished.log);
        assert_eq!(finished.termination_message, finished.log.lines().last().unwrap_or_default(), "{name}");
        check(&finished);
        println!("test {name} ... ok");
    }
    what_lagoon_hands_over_is_hidden(&launcher, &environment, &this_test).await;
    println!("test what_lagoon_hands_over_is_hidden ... ok");
    tests.len() + 1
}

/// The site's variables, the SSH key and the dynamic secrets, as they are and encoded, wherever the task shows them.
async fn what_lagoon_hands_over_is_hidden(launcher: &Launcher<'_>, environment: &LagoonEnvironment, task: &Path) {
    let secrets = ["project-word-1", "environment-word-2", "c3NoLWtleS1saW5l", "dynamic word 3"];
    let encoded = secrets.map(|secret| STANDARD.encode(format!("user:{secret}")));
    let in_urls = secrets.map(|secret| secret.replace(' ', "%20").replace('-', "%2D"));
    let text =
        [secrets.join("\n"), encoded.join("\n"), in_urls.join("\n"), "enabled outcome-main".to_owned()].join("\n");
    let variable = |value: &str| json!([{ "name": "SITE", "value": value, "scope": "build" }]).to_string();
    let prepared = launcher
        .task(environment, task)
        .payload(&json!({ "act": "show a text", "text": text }))
        .variable("LAGOON_PROJECT_VARIABLES", variable(&format!("enabled\noutcome-main\n{}", secrets[0])))
        .variable("LAGOON_ENVIRONMENT_VARIABLES", variable(secrets[1]))
        .prepare()
        .await
        .unwrap();
    let mounted = prepared.root().join("var/run/secrets/lagoon");
    for (file, content) in [("ssh/ssh-privatekey", secrets[2]), ("dynamic/mail/password", secrets[3])] {
        let file = mounted.join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, format!("{content}\n")).unwrap();
    }
    let finished = prepared.start().unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    let result = finished.result.unwrap().to_string();
    for shown in [&finished.log, &finished.termination_message, &result] {
        for secret in
            secrets.iter().chain(&encoded.each_ref().map(String::as_str)).chain(&in_urls.each_ref().map(String::as_str))
        {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
        assert!(shown.contains("[hidden]") && shown.contains("enabled outcome-main"), "{shown}");
    }
    let told = "The task's result held a secret. Lagoon has been given [hidden] in its place.\n";
    assert!(finished.log.contains(told), "{}", finished.log);
}

fn calm(finished: &Finished) {
    assert_eq!((finished.exit_code, finished.signal), (Some(1), None));
    assert_eq!(finished.log.lines().count(), 1, "{}", finished.log);
    assert!(finished.log.contains("It is safe to run the task again."), "{}", finished.log);
    assert!(!finished.log.contains(".rs") && !finished.log.contains("panic"), "{}", finished.log);
}

fn failed(finished: &Finished) {
    assert_eq!(finished.exit_code, Some(1));
    assert_eq!(finished.log, "It did not work with [hidden].\n");
}

fn secrets_are_hidden(finished: &Finished) {
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    // The start of a token is none.
    assert!(finished.log.starts_with("[hidden] [hidden] ey"), "{}", finished.log);
    let told = "The task's result held a secret. Lagoon has been given [hidden] in its place.\nDone with [hidden].\n";
    assert!(finished.log.ends_with(told), "{}", finished.log);
    assert_eq!(finished.result, Some(json!({ "secret": "[hidden]", "token": "[hidden]" })));
}

fn too_large(finished: &Finished) {
    assert_eq!(finished.exit_code, Some(1));
    assert!(finished.log.starts_with("The task's result is too large for Lagoon"), "{}", finished.log);
    assert_eq!(finished.requests, []);
}

fn empty(finished: &Finished) {
    assert_eq!(finished.exit_code, Some(1));
    assert_eq!(finished.log, "The task's result is empty, and Lagoon cannot take an empty one.\n");
    assert_eq!(finished.requests, []);
}

fn few_patches(finished: &Finished) {
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(finished.log.lines().count(), 201);
    assert_eq!(finished.result, Some(json!({ "steps": 200 })));
    let patches = finished.requests.len();
    // One with the result, and one label in five seconds; a machine that takes a minute for this sends no more.
    assert!((1..=13).contains(&patches), "{:#?}", finished.requests);
}

fn nothing(finished: &Finished) {
    assert_eq!(finished.exit_code, Some(0));
    assert_eq!(finished.log, "Done.\n");
    assert_eq!(finished.annotation, None);
    assert_eq!(finished.requests, []);
}
