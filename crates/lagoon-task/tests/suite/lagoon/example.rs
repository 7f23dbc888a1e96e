//! `examples/lagoon_api.rs` as the real process that Lagoon would start.

use lagoon_task_testing::{Finished, KeyKind, LagoonApiServer, LagoonSsh, Launcher, Recorder, Task};
use serde_json::{Value, json};

use super::stand::put;
use crate::support::control_plane;
use lagoon_task_testing::built;

/// Lagoon's servers for a project with the environments `main` and `develop`.
async fn servers(project: &str) -> (LagoonSsh, LagoonApiServer) {
    let develop = format!("{project}-develop");
    let ssh = LagoonSsh::start(&["lagoon", &develop], &[KeyKind::Ed25519]).await.unwrap();
    let api = LagoonApiServer::start(&ssh).await.unwrap();
    api.add_environment(project, "develop", Some(ssh.port()));
    (ssh, api)
}

/// Launches the example in environment `main`, with Lagoon's variables and mounts and what `change` adds.
async fn launch(
    project: &str,
    ssh: &LagoonSsh,
    api: &LagoonApiServer,
    payload: &Value,
    change: impl FnOnce(Task<'static>) -> Task<'static>,
) -> Finished {
    let launcher = Launcher::new(control_plane().await);
    let environment = launcher.environment(project, "main").await.unwrap();
    let mut task = launcher.task(&environment, built("lagoon_api").unwrap()).payload(payload);
    for (name, value) in [
        ("LAGOON_CONFIG_API_HOST", api.url()),
        ("LAGOON_CONFIG_TOKEN_HOST", "127.0.0.1".to_owned()),
        ("LAGOON_CONFIG_TOKEN_PORT", ssh.port().to_string()),
    ] {
        task = task.variable(name, value);
    }
    let prepared = change(task).prepare().await.unwrap();
    let root = prepared.root();
    put(&root, "var/run/secrets/lagoon/ssh/ssh-privatekey", &ssh.private_key(KeyKind::Ed25519).unwrap());
    put(&root, "etc/ssl/certs/ca-certificates.crt", api.certificate_authority());
    put(&root, "etc/ssh/ssh_known_hosts", &ssh.known_hosts_line(KeyKind::Ed25519).unwrap());
    prepared.start().unwrap().finish().await.unwrap()
}

#[tokio::test]
async fn a_task_runs_a_command_elsewhere_and_leaves_its_output_and_a_variable_in_a_hostile_environment() {
    let (ssh, api) = servers("lagoon-api").await;
    let recorder = Recorder::plain().await.unwrap();
    let address = format!("http://127.0.0.1:{}", recorder.port());
    let hostile = |mut task: Task<'static>| {
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"] {
            task = task.variable(name, &address);
        }
        for name in ["SSL_CERT_FILE", "SSL_CERT_DIR", "SSH_AUTH_SOCK", "HOME"] {
            task = task.variable(name, "/nowhere/at/all");
        }
        // Older names than those that Lagoon sets: the newer win.
        let elsewhere = [("TASK_API_HOST", &address), ("TASK_SSH_HOST", &"nowhere.example".to_owned())];
        elsewhere.into_iter().fold(task, |task, (name, value)| task.variable(name, value))
    };
    let command = "echo at work in $namespace; echo a warning >&2";
    let payload = json!({ "environment": "develop", "command": command });
    let finished = launch("lagoon-api", &ssh, &api, &payload, hostile).await;

    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    let mut lines: Vec<_> = finished.log.lines().collect();
    // The two streams of a command have no order between them.
    lines[1..3].sort_unstable();
    let expected = [
        "Running the command in environment develop",
        "a warning",
        "at work in lagoon-api-develop",
        "The output is among the task's files.",
    ];
    assert_eq!(lines, expected);
    assert_eq!(finished.result, Some(json!({ "environment": "develop", "variables": 1 })));
    let set = api.variable("lagoon-api", "develop", "LAST_COMMAND");
    assert_eq!(set, Some((command.to_owned(), "build".to_owned())));
    let uploads = api.uploads();
    assert_eq!((uploads.len(), uploads[0].task, uploads[0].name.as_str()), (1, 42, "output.txt"));
    assert!(uploads[0].content.ends_with(b"\n") && uploads[0].content.len() == 40, "{:?}", uploads[0].content);
    assert!(api.asked().iter().all(|asked| asked.authorized && asked.user_agent == "lagoon_api/1.0"));
    assert_eq!(recorder.connections(), 0);
}

/// The file held the lines as they had come.
#[tokio::test]
async fn the_file_that_a_task_leaves_holds_no_secret_either() {
    let (ssh, api) = servers("lagoon-api-secret").await;
    let variables = json!([{ "name": "DB_PASSWORD", "value": "not-a-real-password", "scope": "runtime" }]).to_string();
    let command = "echo it is not-a-real-password; echo; printf 'not-a-\\033[31mreal-password\\n'";
    let payload = json!({ "environment": "develop", "command": command });
    let change = |task: Task<'static>| task.variable("LAGOON_PROJECT_VARIABLES", &variables);
    let finished = launch("lagoon-api-secret", &ssh, &api, &payload, change).await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    let expected = "it is [hidden]\n\n[hidden]\n";
    assert!(finished.log.contains(expected), "{}", finished.log);
    assert_eq!(String::from_utf8_lossy(&api.uploads()[0].content), expected);
}

#[tokio::test]
async fn a_command_that_fails_elsewhere_fails_the_task_in_a_sentence() {
    let (ssh, api) = servers("lagoon-api-fails").await;
    let payload = json!({ "environment": "develop", "command": "echo no such table; exit 7" });
    let finished = launch("lagoon-api-fails", &ssh, &api, &payload, |task| task).await;
    assert_eq!(finished.exit_code, Some(1));
    let expected = "Running the command in environment develop\nno such table\nThe command ended with exit code 7.\n";
    assert_eq!(finished.log, expected);
    assert_eq!(finished.result, None);
    assert_eq!(api.uploads(), []);
}

#[tokio::test]
async fn a_site_that_moves_the_api_to_an_impostor_gets_no_token() {
    let (ssh, api) = servers("lagoon-api-impostor").await;
    let impostor = Recorder::impostor().await.unwrap();
    let address = format!("https://127.0.0.1:{}", impostor.port());
    let payload = json!({ "environment": "develop", "command": "true" });
    let change = |task: Task<'static>| task.variable("LAGOON_CONFIG_API_HOST", &address);
    let finished = launch("lagoon-api-impostor", &ssh, &api, &payload, change).await;
    assert_eq!(finished.exit_code, Some(1));
    assert!(finished.log.contains("could not prove to be it"), "{}", finished.log);
    let token = ssh.tokens().unwrap().remove(0);
    assert!(impostor.connections() > 0);
    assert_eq!(impostor.recorded(), "");
    assert!(!finished.log.contains(&token));
}
