use super::*;
use crate::cluster::ObjectName;

fn refused(message: &str) -> String {
    let object = ObjectName::new("Pod", "shop-main", "x");
    ServiceCommandError::Refused(ClusterError::Create { object, cause: Cause::Forbidden(message.to_owned()) })
        .to_string()
}

#[test]
fn a_quota_that_has_no_room_is_told_with_its_numbers() {
    assert_eq!(
        refused("pods \"x\" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=3, limited: pods=3"),
        "The command was not run: the namespace's quota has no room for its pod (quota pods, requested: pods=1, used: \
         pods=3, limited: pods=3). Try again when other tasks or deployments have ended, or ask your Lagoon \
         administrator for more."
    );
    assert!(refused("pods \"x\" is forbidden: failed quota: cpu: must specify limits.cpu for: cli").contains(
        "wants limits that the service's container does not have (quota cpu: must specify limits.cpu for: cli)"
    ));
}

#[test]
fn limits_and_pod_security_are_told_from_a_missing_right() {
    let security = refused("pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true");
    assert!(
        security
            .contains("security level does not allow a pod like the service's (\"restricted:latest\": runAsNonRoot")
    );
    for limits in [
        "maximum memory usage per Container is 1Gi, but limit is 2Gi",
        "[minimum cpu usage per Pod is 1, but request is 100m, maximum cpu usage per Pod is 2, but limit is 3]",
        "cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000",
    ] {
        let told = refused(&format!("pods \"x\" is forbidden: {limits}"));
        assert!(told.contains(&format!("does not keep to the namespace's limits ({limits})")), "{told}");
    }
    let rights = "pods is forbidden: User \"u\" cannot create resource \"pods\" in API group \"\"";
    assert_eq!(
        refused(rights),
        format!(
            "The command was not run: Pod \"x\" in namespace \"shop-main\" could not be created: the deployer is not \
             allowed to: {rights}."
        )
    );
}

#[test]
fn a_service_that_is_not_there_is_told_with_those_that_are() {
    let told = |services: &[&str]| {
        let services = services.iter().map(|service| (*service).to_owned()).collect();
        ServiceCommandError::NoService { service: "clii".to_owned(), services }.to_string()
    };
    assert_eq!(
        told(&["php", "cli\u{1b}"]),
        "There is no service \"clii\" in this environment: no pod of it runs, and it has no Deployment. Its services \
         are: cli\\u{1b}, php."
    );
    assert!(told(&[]).ends_with("No service is deployed here yet: deploy the environment first."));
}

fn not_started(kind: ObstacleKind, reason: &str, message: &str, seconds: u64) -> String {
    let obstacle = Obstacle { kind, reason: reason.to_owned(), message: message.to_owned() };
    ServiceCommandError::NotStarted { obstacle: Some(obstacle), after: Duration::from_secs(seconds) }.to_string()
}

#[test]
fn what_kept_a_pod_from_starting_is_told_with_kubernetes_words_and_what_to_do() {
    assert_eq!(
        not_started(ObstacleKind::Image, "ErrImagePull", "not\nfound", 60),
        "The command was not run: its image could not be pulled (ErrImagePull: not\\nfound), within 60 s. The service \
         itself could not start anew either: deploy the environment again, and if that does not help tell your Lagoon \
         administrator."
    );
    let invalid = not_started(ObstacleKind::HopelessImage, "InvalidImageName", "", 0);
    assert!(
        invalid.starts_with("The command was not run: its image can never be pulled (InvalidImageName). "),
        "{invalid}"
    );
    let config = not_started(ObstacleKind::Container, "CreateContainerConfigError", "secret \"db\" not found", 60);
    assert!(config.contains("could not be made (CreateContainerConfigError: secret \"db\" not found)"), "{config}");
    let room = not_started(ObstacleKind::NoNode, "Unschedulable", "0/3 nodes are available", 600);
    assert!(
        room.contains("no node with room for its pod (Unschedulable: 0/3 nodes are available), within 600 s"),
        "{room}"
    );
    let nothing = ServiceCommandError::NotStarted { obstacle: None, after: Duration::from_mins(10) }.to_string();
    assert!(nothing.contains("its pod did not start within 600 s"), "{nothing}");
}

fn exit(code: i64, reason: &str) -> Exit {
    Exit { code, reason: reason.to_owned(), message: "a message".to_owned() }
}

fn ended(ended: Ended) -> String {
    ServiceCommandError::Ended(ended).to_string()
}

#[test]
fn each_end_has_its_sentence_with_exit_code_and_reason() {
    let stopped =
        |reason: &str, message: &str| Ended::Stopped { reason: reason.to_owned(), message: message.to_owned() };
    let table = [
        (Ended::Exited(exit(3, "Error")), "The command ended with exit code 3 (Error)."),
        (Ended::Exited(exit(143, "Error")), "The command ended with exit code 143 (Error, SIGTERM)."),
        (Ended::Exited(exit(-1, "")), "The command ended with exit code -1 (no reason given)."),
        (
            Ended::Exited(exit(137, "OOMKilled")),
            "The command needed more memory than the service's container may have, and Kubernetes ended it (exit code 137 \
             (OOMKilled, SIGKILL)).",
        ),
        (
            Ended::Exited(exit(128, "StartError")),
            "The command could not be started in the service's image (exit code 128 (StartError): a message). The image \
             must have a /bin/sh.",
        ),
        (
            Ended::NotPrepared { container: "prepare".to_owned(), exit: exit(1, "Error") },
            "The command was not run: the container \"prepare\", which prepares the service's container, ended with exit \
             code 1 (Error).",
        ),
        (
            stopped("Evicted", "The node was low on resource: memory."),
            "Kubernetes took the command's pod off its node before the command had ended (Evicted: The node was low on \
             resource: memory.). What it had done by then remains. Run the task again.",
        ),
        (
            stopped("DeadlineExceeded", ""),
            "The command ran for longer than the task may take, and Kubernetes ended it (DeadlineExceeded).",
        ),
        (stopped("NodeLost", ""), "Kubernetes ended the command's pod (NodeLost). Run the task again."),
        (stopped("", ""), "The command's pod failed, and Kubernetes does not say why. Run the task again."),
        (
            Ended::Deleted,
            "Somebody deleted the command's pod before the command had ended. What it had done by then remains.",
        ),
    ];
    for (end, sentence) in table {
        assert_eq!(ended(end), sentence);
    }
}

#[test]
fn of_a_command_that_has_not_begun_it_is_said_that_it_was_not_run() {
    let stopped = |reason: &str| Ended::Stopped { reason: reason.to_owned(), message: String::new() };
    let table = [
        (
            stopped("Evicted"),
            "The command was not run: Kubernetes took its pod off its node before (Evicted). Run the task again.",
        ),
        (
            stopped("NodeAffinity"),
            "The command was not run: Kubernetes ended its pod before (NodeAffinity). Run the task again.",
        ),
        (stopped(""), "The command was not run: its pod failed, and Kubernetes does not say why. Run the task again."),
        (Ended::Deleted, "The command was not run: somebody deleted its pod before. Run the task again."),
        (
            Ended::NotPrepared { container: "prepare".to_owned(), exit: exit(1, "Error") },
            "The command was not run: the container \"prepare\", which prepares the service's container, ended with exit \
             code 1 (Error).",
        ),
    ];
    for (end, sentence) in table {
        assert_eq!(ServiceCommandError::EndedBefore(end).to_string(), sentence);
    }
}

#[test]
fn what_kubernetes_says_is_escaped_and_cut() {
    let long = ended(Ended::Stopped { reason: "Odd\n".to_owned(), message: format!("\u{1b}{}", "é".repeat(1000)) });
    assert!(long.contains("(Odd\\n: \\u{1b}éé") && long.len() < 700, "{long}");
}
