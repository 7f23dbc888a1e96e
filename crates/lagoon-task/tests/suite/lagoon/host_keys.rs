//! The key of an SSH host: compared when it is known, told when it is not.

use lagoon_task::lagoon::{LagoonConnectError, SshError};
use lagoon_task_testing::KeyKind;

use super::stand::{Stand, over_ssh};

const FILE: &str = "etc/ssh/ssh_known_hosts";

/// Asserts that the server has seen neither the task's key nor a user's name.
async fn assert_key_was_not_used(stand: &Stand) {
    lagoon_task_testing::until(|| stand.ssh.ended() == stand.ssh.connections()).await;
    let log = stand.ssh.log().unwrap();
    assert!(log.contains("Connection") || log.contains("kex"), "{log}");
    assert!(!log.contains("publickey") && !log.contains("lagoon") && !log.contains("Accepted"), "{log}");
    assert_eq!(stand.ssh.tokens().unwrap(), [""; 0]);
    assert_eq!(stand.server.asked(), []);
}

#[tokio::test]
async fn an_unknown_host_is_told_once_with_the_fingerprint_that_openssh_shows() {
    let stand = Stand::new().await;
    stand.ssh.set_lifetime(0).unwrap();
    let api = stand.api();
    // Each needs a token of its own, so the host is met more than once.
    let _ = api.environment("shop", "main").await;
    let _ = api.environment("shop", "main").await;
    assert!(stand.ssh.connections() > 1);
    let fingerprint = stand.ssh.fingerprint(KeyKind::Ed25519).await.unwrap();
    assert!(fingerprint.starts_with("SHA256:"), "{fingerprint}");
    let expected =
        format!("The SSH host 127.0.0.1:{} is not known beforehand; its key is {fingerprint}.\n", stand.ssh.port());
    assert_eq!(stand.shown.text(), expected);
}

#[tokio::test]
async fn a_host_of_the_images_file_is_known() {
    let stand = Stand::new().await;
    stand.put(FILE, &stand.ssh.known_hosts_line(KeyKind::Ed25519).unwrap());
    stand.api().environment("shop", "main").await.unwrap();
    assert_eq!(stand.shown.text(), "");
}

#[tokio::test]
async fn a_host_that_the_author_names_in_the_code_is_known() {
    let stand = Stand::new().await;
    let api = stand.api().known_hosts(&stand.ssh.known_hosts_line(KeyKind::Ed25519).unwrap()).unwrap();
    api.environment("shop", "main").await.unwrap();
    assert_eq!(stand.shown.text(), "");
}

#[tokio::test]
async fn a_host_with_several_keys_shows_the_one_that_is_known() {
    for kind in KeyKind::ALL {
        let stand = Stand::with_host_keys(&KeyKind::ALL).await;
        stand.put(FILE, &stand.ssh.known_hosts_line(kind).unwrap());
        stand.api().environment("shop", "main").await.unwrap();
        assert_eq!(stand.shown.text(), "", "{kind:?}");
    }
}

#[tokio::test]
async fn another_key_than_the_known_one_ends_it_before_the_tasks_key_is_used() {
    let stand = Stand::new().await;
    let other = Stand::new().await;
    let line = other.ssh.known_hosts_line(KeyKind::Ed25519).unwrap();
    stand.put(FILE, &line.replace(&other.ssh.port().to_string(), &stand.ssh.port().to_string()));
    let error = over_ssh(stand.api().environment("shop", "main").await.unwrap_err());
    let SshError::HostKeyChanged { shown, known, .. } = &error else { panic!("{error}") };
    assert_eq!(*shown, stand.ssh.fingerprint(KeyKind::Ed25519).await.unwrap());
    assert_eq!(*known, [other.ssh.fingerprint(KeyKind::Ed25519).await.unwrap()]);
    assert_eq!(stand.ssh.connections(), 1, "it is not tried again");
    assert_key_was_not_used(&stand).await;
}

#[tokio::test]
async fn a_host_without_a_key_of_the_known_kind_is_not_the_one_that_is_known() {
    let stand = Stand::new().await;
    let other = Stand::with_host_keys(&[KeyKind::Ecdsa]).await;
    let line = other.ssh.known_hosts_line(KeyKind::Ecdsa).unwrap();
    stand.put(FILE, &line.replace(&other.ssh.port().to_string(), &stand.ssh.port().to_string()));
    let error = over_ssh(stand.api().environment("shop", "main").await.unwrap_err());
    assert!(matches!(error, SshError::OtherKindOfHostKey { .. }), "{error}");
    assert_key_was_not_used(&stand).await;
}

#[tokio::test]
async fn a_revoked_key_ends_it_also_when_it_is_known() {
    let stand = Stand::new().await;
    let line = stand.ssh.known_hosts_line(KeyKind::Ed25519).unwrap();
    stand.put(FILE, &format!("{line}@revoked {line}"));
    let error = over_ssh(stand.api().environment("shop", "main").await.unwrap_err());
    assert!(matches!(error, SshError::HostKeyRevoked { .. }), "{error}");
    assert_key_was_not_used(&stand).await;
}

#[tokio::test]
async fn a_damaged_file_of_known_hosts_is_an_error_before_anything_is_sent() {
    let stand = Stand::new().await;
    let line = stand.ssh.known_hosts_line(KeyKind::Ed25519).unwrap();
    stand.put(FILE, &format!("# hosts\n{line}ssh.lagoon.example ssh-ed25519 AAAA\n"));
    let error = stand.connect().err().unwrap();
    assert!(matches!(&error, LagoonConnectError::KnownHosts(bad) if bad.line == 3), "{error}");
    std::fs::remove_file(stand.root.path().join(FILE)).unwrap();
    std::fs::create_dir(stand.root.path().join(FILE)).unwrap();
    let error = stand.connect().err().unwrap();
    assert!(matches!(error, LagoonConnectError::KnownHostsUnreadable { .. }), "{error}");
    assert_eq!(stand.ssh.connections(), 0);
}
