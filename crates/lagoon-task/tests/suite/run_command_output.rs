//! What a command in a service's pod prints, as the task's log shows it.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::ListParams;
use lagoon_task::mounts::Mounts;
use lagoon_task::shutdown::Shutdown;
use lagoon_task::{Context, Environment, Output, ServiceCommand, service_command};
use serde_json::json;
use tempfile::NamedTempFile;

use crate::run_command::Site;
use crate::support::control_plane;

const SECRET: &str = "not-a-real-key-but-one-that-is-longer-than-a-line-of-base64-has-room-for";

fn variables() -> String {
    json!([{ "name": "API_KEY", "value": SECRET, "scope": "runtime" }]).to_string()
}

/// Each line was judged by itself.
#[tokio::test]
async fn a_secret_in_wrapped_base64_is_hidden() {
    let site = Site::with_service(control_plane().await, "run-base64").await;
    let command = format!("printf 'before it: {SECRET} and after it' | base64; echo end");
    let task = site.command(&command).variable("LAGOON_PROJECT_VARIABLES", variables());
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    let lines: Vec<_> = finished.log.lines().collect();
    // "before it: " and " and after it".
    assert_eq!(lines[1..3], ["YmVmb3JlIGl0Oi[hidden]gYW5kIGFmdGVyIGl0", "end"], "{}", finished.log);
}

/// The pieces were judged each by itself.
#[tokio::test]
async fn a_secret_at_any_place_of_a_very_long_line_is_hidden_and_the_line_shown_once() {
    let site = Site::with_service(control_plane().await, "run-long").await;
    let secrets = format!("yes {SECRET} | head -n 3000 | tr -d '\\n'");
    let command = format!("{secrets}; head -c 200000 /dev/zero | tr '\\0' X; echo; echo end");
    let task = site.command(&command).variable("LAGOON_PROJECT_VARIABLES", variables());
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "it has {} bytes", finished.log.len());
    assert_eq!(finished.log.matches("[hidden]").count(), 3000);
    assert_eq!(finished.log.matches('X').count(), 200_000);
    let without = finished.log.replace("[hidden]", "").replace(['X', '\n'], "");
    let first = "Running the command in a new pod, in container \"cli\" as in pod \"cli-5d9c-x\".";
    assert_eq!(without, format!("{first}endThe command ended with exit code 0 (Completed)."));
}

/// What a task in this process works with, and the file with what it shows.
fn context(site: &Site<'_>, pod: &str, mounts: Mounts) -> (Context, NamedTempFile) {
    let variables = BTreeMap::from([
        ("NAMESPACE", site.environment.namespace.clone()),
        ("PODNAME", pod.to_owned()),
        ("KUBERNETES_SERVICE_HOST", "127.0.0.1".to_owned()),
        ("KUBERNETES_SERVICE_PORT", site.control_plane.port().to_string()),
    ]);
    let environment = Environment::from_lookup(|name| variables.get(name).map(Into::into)).unwrap();
    let log = NamedTempFile::new().unwrap();
    let output = Output::new(log.reopen().unwrap(), false);
    let (_, shutdown) = Shutdown::manual();
    (Context::new("several/1.0", environment, mounts, output, shutdown), log)
}

/// The second took the first one's pod for its own.
#[tokio::test]
async fn two_commands_of_one_task_at_once_both_run() {
    let site = Site::with_service(control_plane().await, "run-two").await;
    let prepared = site.command("true").prepare().await.unwrap();
    let pods = site.api::<Pod>().list(&ListParams::default()).await.unwrap();
    let own = pods.into_iter().map(|pod| pod.name_any()).find(|name| name.starts_with("lagoon-task-")).unwrap();
    let root = tempfile::tempdir().unwrap();
    let secrets = root.path().join("var/run/secrets/kubernetes.io");
    std::fs::create_dir_all(&secrets).unwrap();
    symlink(prepared.service_account_folder(), secrets.join("serviceaccount")).unwrap();
    let (task, shown) = context(&site, &own, Mounts::below(root.path()));
    let command = |command: &str| {
        serde_json::from_value::<ServiceCommand>(json!({ "service": "cli", "command": command })).unwrap()
    };
    let (one, two) = (command("echo one"), command("echo two; exit 7"));
    let (first, second) = tokio::join!(service_command::run(&task, &one), service_command::run(&task, &two));
    assert!(first.is_ok(), "{first:?}");
    assert_eq!(second.unwrap_err().to_string(), "The command ended with exit code 7 (Error).");
    assert!(site.command_pods().await.is_empty());
    let log = std::fs::read_to_string(shown.path()).unwrap();
    assert_eq!((log.matches("one\n").count(), log.matches("two\n").count()), (1, 1), "{log}");
}
