//! Commands in other environments.

use std::time::Duration;

use lagoon_task::lagoon::{LagoonApi, LagoonEnvironment, RemoteCommand, RemoteExit, Source, SshError};
use lagoon_task_testing::KeyKind;

use super::stand::{Stand, environment};

async fn stand_with_main() -> (Stand, LagoonApi, LagoonEnvironment) {
    let stand = Stand::new().await;
    stand.put("etc/ssh/ssh_known_hosts", &stand.ssh.known_hosts_line(KeyKind::Ed25519).unwrap());
    let api = stand.api();
    let main = api.environment("shop", "main").await.unwrap();
    (stand, api, main)
}

#[tokio::test]
async fn a_commands_lines_come_from_where_it_wrote_them_and_its_exit_code_is_told() {
    let (_stand, api, main) = stand_with_main().await;
    let command = RemoteCommand::new("echo out of $namespace; echo err >&2; printf 'no end'; exit 3");
    let mut lines = Vec::new();
    let exit = api.follow_command(&main, &command, |source, line| lines.push((source, line.to_owned()))).await.unwrap();
    assert_eq!(exit, RemoteExit::Code(3));
    assert!(!exit.is_success());
    lines.sort_by_key(|(source, _)| *source == Source::Stderr);
    let expected = [(Source::Stdout, "out of shop-main"), (Source::Stdout, "no end"), (Source::Stderr, "err")];
    assert_eq!(lines, expected.map(|(source, line)| (source, line.to_owned())));
}

#[tokio::test]
async fn a_command_runs_in_the_service_and_container_that_it_names() {
    let (stand, api, main) = stand_with_main().await;
    let echo = r#"echo "$service/$container""#;
    for command in [
        RemoteCommand::new(echo),
        RemoteCommand::new(echo).service("nginx"),
        RemoteCommand::new(echo).service("nginx").container("php"),
    ] {
        assert!(api.run_command(&main, &command).await.unwrap().is_success());
    }
    assert_eq!(stand.shown.text(), "cli/\nnginx/\nnginx/php\n");
}

#[tokio::test]
async fn a_line_is_shown_while_the_command_still_runs() {
    let (stand, api, main) = stand_with_main().await;
    let seen = stand.root.path().join("seen");
    // It ends only when its first line has been handed on.
    let command = format!("echo first; while [ ! -e {} ]; do sleep 0.01; done; echo second", seen.display());
    let command = RemoteCommand::new(command);
    let mut lines = Vec::new();
    let follow = api.follow_command(&main, &command, |_, line| {
        std::fs::write(&seen, "").unwrap();
        lines.push(line.to_owned());
    });
    assert!(follow.await.unwrap().is_success());
    assert_eq!(lines, ["first", "second"]);
}

#[tokio::test]
async fn what_a_command_writes_is_shown_without_secrets_and_control_characters() {
    let (stand, api, main) = stand_with_main().await;
    let token = stand.ssh.tokens().unwrap().remove(0);
    let command = RemoteCommand::new(format!(r"echo the token {token}; printf 'a\033[2Jb\n'"));
    assert!(api.run_command(&main, &command).await.unwrap().is_success());
    assert_eq!(stand.shown.text(), "the token [hidden]\nab\n");
}

#[tokio::test]
async fn a_large_output_arrives_whole_and_in_order() {
    let (_stand, api, main) = stand_with_main().await;
    let mut next = 1;
    let command = RemoteCommand::new("seq 300000");
    let exit = api.follow_command(&main, &command, |_, line| {
        assert_eq!(line, next.to_string());
        next += 1;
    });
    assert!(exit.await.unwrap().is_success());
    assert_eq!(next, 300_001);
}

#[tokio::test]
async fn a_command_that_reads_its_input_finds_it_at_its_end() {
    let (_stand, api, main) = stand_with_main().await;
    assert!(
        api.run_command(&main, &RemoteCommand::new("cat; echo read").deadline(Duration::from_mins(1)))
            .await
            .unwrap()
            .is_success()
    );
}

#[tokio::test]
async fn a_command_that_a_signal_ends_is_told_apart() {
    let (_stand, api, main) = stand_with_main().await;
    let exit = api.run_command(&main, &RemoteCommand::new("kill -TERM $$")).await.unwrap();
    assert_eq!(exit, RemoteExit::Signal("TERM".to_owned()));
    assert_eq!(exit.to_string(), "signal TERM");
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_left() {
    let (stand, api, main) = stand_with_main().await;
    // Long enough for the shell to come to its first line on a busy machine.
    let longest = Duration::from_secs(10);
    let command = RemoteCommand::new("while echo on; do sleep 0.02; done").deadline(longest);
    let error = api.run_command(&main, &command).await.unwrap_err();
    assert!(matches!(error, SshError::Deadline { deadline, .. } if deadline == longest), "{error}");
    assert!(stand.shown.text().starts_with("on\n"));
    // The connection is closed, so the command meets a closed pipe.
    lagoon_task_testing::until(|| stand.ssh.ended() == stand.ssh.connections()).await;
}

/// The exit code had come, and the host keeps the channel open as long as anything holds the command's output: it was
/// waited for until the deadline, and then said not to have ended.
#[tokio::test]
async fn a_command_that_leaves_something_running_has_ended_when_it_says_so() {
    let (stand, api, main) = stand_with_main().await;
    stand.put("runs", "");
    let runs = stand.root.path().join("runs");
    for (left_running, deadline) in [
        // One that is silent.
        ("sleep 0.1", Duration::from_mins(1)),
        // One that writes on and on is listened to until the deadline, and the exit code is known all the same.
        ("echo on; sleep 0.1", Duration::from_secs(10)),
    ] {
        let background = format!("while [ -e {} ]; do {left_running}; done", runs.display());
        let command = RemoteCommand::new(format!("echo started; {background} & exit 3")).deadline(deadline);
        assert_eq!(api.run_command(&main, &command).await, Ok(RemoteExit::Code(3)), "{left_running}");
        assert!(stand.shown.text().starts_with("started\n"), "{}", stand.shown.text());
    }
}

#[tokio::test]
async fn a_command_that_is_no_longer_waited_for_is_left() {
    let (stand, api, main) = stand_with_main().await;
    let command = RemoteCommand::new("while echo on; do sleep 0.02; done");
    // As a task does that is told to stop.
    tokio::select! {
        ended = api.run_command(&main, &command) => panic!("{ended:?}"),
        () = lagoon_task_testing::until(|| stand.shown.text().contains("on\n")) => {}
    }
    lagoon_task_testing::until(|| stand.ssh.ended() == stand.ssh.connections()).await;
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_the_end_of_the_command_unknown() {
    let (stand, api, main) = stand_with_main().await;
    let error = api.run_command(&main, &RemoteCommand::new("echo begun; kill -KILL $PPID")).await.unwrap_err();
    assert!(matches!(error, SshError::Lost { .. }), "{error}");
    assert!(error.to_string().ends_with("Whether the command has ended is not known."), "{error}");
    assert_eq!(stand.ssh.connections(), 2, "one for the token, one for the command, which is not sent again");
}

#[tokio::test]
async fn the_ssh_that_the_api_names_for_an_environment_wins_over_the_variables() {
    let stand = Stand::new().await;
    let mut variables = environment(&stand.server.url(), stand.ssh.port());
    // Nothing listens there.
    variables.ssh_port = Some(1);
    let api = stand.connect_with(&variables).unwrap();
    let main = api.environment("shop", "main").await.unwrap();
    assert!(api.run_command(&main, &RemoteCommand::new("true")).await.unwrap().is_success());
}

#[tokio::test]
async fn an_environment_of_which_the_api_names_no_ssh_is_reached_by_the_variables() {
    let stand = Stand::new().await;
    let api = stand.api();
    let develop = api.environment("shop", "develop").await.unwrap();
    assert_eq!(develop.ssh, None);
    let mut lines = Vec::new();
    let command = RemoteCommand::new("echo $namespace");
    api.follow_command(&develop, &command, |_, line| lines.push(line.to_owned())).await.unwrap();
    assert_eq!(lines, ["shop-develop"]);

    let mut variables = stand.environment();
    variables.ssh_host = None;
    let api = stand.connect_with(&variables).unwrap();
    let error = api.run_command(&develop, &command).await.unwrap_err();
    assert_eq!(error, SshError::NoEndpoint { namespace: "shop-develop".to_owned() });
}

#[tokio::test]
async fn an_environment_that_the_key_does_not_open_is_told_by_its_user() {
    let (_stand, api, mut main) = stand_with_main().await;
    main.namespace = "shop-elsewhere".to_owned();
    let error = api.run_command(&main, &RemoteCommand::new("true")).await.unwrap_err();
    assert!(matches!(&error, SshError::KeyRefused { user, .. } if user == "shop-elsewhere"), "{error}");
}

#[tokio::test]
async fn a_service_that_would_become_part_of_the_command_is_not_sent() {
    let (stand, api, main) = stand_with_main().await;
    let connections = stand.ssh.connections();
    for service in ["", "cli;reboot", "cli reboot", "cli\nreboot", "$(reboot)"] {
        let error = api.run_command(&main, &RemoteCommand::new("true").service(service)).await.unwrap_err();
        assert_eq!(error, SshError::NotAName(service.to_owned()));
    }
    let error = api.run_command(&main, &RemoteCommand::new(" \n")).await.unwrap_err();
    assert_eq!(error, SshError::NoCommand);
    assert_eq!(stand.ssh.connections(), connections);
}
