//! A token over SSH: with every kind of key, kept while it is good, renewed when it is not.

use std::time::Duration;

use lagoon_task::lagoon::{ApiCause, LagoonApiError, LagoonConnectError, Scope, SshError};
use lagoon_task_testing::KeyKind;

use super::stand::{Stand, environment, over_ssh};

#[tokio::test]
async fn a_key_of_each_kind_gets_a_token_that_the_api_accepts() {
    for kind in KeyKind::ALL {
        let stand = Stand::new().await;
        stand.mount_key(kind);
        stand.api().environment("shop", "main").await.unwrap();
        let asked = stand.server.asked();
        assert!(asked.iter().all(|asked| asked.authorized && asked.user_agent == "lagoon-tests/1.0"), "{kind:?}");
        assert_eq!(stand.ssh.tokens().unwrap(), [asked[0].token.clone()], "{kind:?}: one token serves all requests");
    }
}

#[tokio::test]
async fn the_token_and_the_key_are_hidden_from_then_on() {
    let stand = Stand::new().await;
    stand.api().environment("shop", "main").await.unwrap();
    let token = stand.ssh.tokens().unwrap().remove(0);
    stand.output.say(format!("token {token}"));
    stand.output.say(stand.ssh.private_key(KeyKind::Ed25519).unwrap());
    assert!(stand.shown.text().contains("token [hidden]\n"));
    stand.assert_no_secret_was_shown();
}

#[tokio::test]
async fn a_token_that_has_expired_is_renewed_before_it_is_used_again() {
    let stand = Stand::new().await;
    // It is at its end when it is given out; the server still accepts it within that second.
    stand.ssh.set_lifetime(0).unwrap();
    let api = stand.api();
    let _ = api.environment("shop", "main").await;
    stand.ssh.set_lifetime(3600).unwrap();
    api.environment("shop", "main").await.unwrap();
    api.environment("shop", "main").await.unwrap();
    let tokens = stand.ssh.tokens().unwrap();
    let last = stand.server.asked().into_iter().rev().take(4);
    assert!(last.into_iter().all(|asked| asked.authorized && Some(&asked.token) == tokens.last()));
}

#[tokio::test]
async fn a_token_that_was_taken_back_is_renewed_once_and_the_request_sent_again() {
    let stand = Stand::new().await;
    let api = stand.api();
    let environment = api.environment("shop", "main").await.unwrap();
    stand.server.revoke_tokens();
    // A mutation: 401 says that nothing was done.
    api.set_variable(&environment, "COLOUR", "green", Scope::Build).await.unwrap();
    assert_eq!(stand.ssh.tokens().unwrap().len(), 2);
    let accepted: Vec<_> = stand.server.asked().iter().map(|asked| asked.authorized).collect();
    assert_eq!(accepted, [true, true, false, true]);
}

#[tokio::test]
async fn a_new_token_that_is_not_accepted_either_is_an_error() {
    let stand = Stand::new().await;
    // The tokens come from one Lagoon, and the API is another's.
    let other = Stand::new().await;
    stand.put("var/run/secrets/lagoon/ssh/ssh-privatekey", &other.ssh.private_key(KeyKind::Ed25519).unwrap());
    let api = stand.connect_with(&environment(&stand.server.url(), other.ssh.port())).unwrap();
    let error = api.environment("shop", "main").await.unwrap_err();
    assert!(matches!(error, LagoonApiError::Environment { cause: ApiCause::Unauthorized, .. }), "{error}");
    assert_eq!(other.ssh.tokens().unwrap().len(), 2, "renewed once, and not for ever");
    assert_eq!(stand.server.asked().len(), 2);
}

#[tokio::test]
async fn callers_at_the_same_time_share_one_token() {
    let stand = Stand::new().await;
    let api = stand.api();
    let (one, two, three) = tokio::join!(
        api.environment("shop", "main"),
        api.environment("shop", "develop"),
        api.environment("shop", "main")
    );
    assert_eq!(
        (one.unwrap().name, two.unwrap().name, three.unwrap().name),
        ("main".into(), "develop".into(), "main".into())
    );
    assert_eq!(stand.ssh.tokens().unwrap().len(), 1);
}

#[tokio::test]
async fn lagoon_without_a_token_is_told_with_its_own_words() {
    let stand = Stand::new().await;
    stand.ssh.set_without_tokens(true).unwrap();
    let error = stand.api().environment("shop", "main").await.unwrap_err();
    let expected = format!(
        "The environment \"main\" of project \"shop\" could not be read: Lagoon's SSH at 127.0.0.1:{} gave no token; \
         it said: internal error.",
        stand.ssh.port()
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(stand.server.asked(), []);
}

#[tokio::test]
async fn a_key_that_lagoon_does_not_know_is_refused_in_a_sentence() {
    let stand = Stand::new().await;
    let stranger = Stand::new().await;
    stand.put("var/run/secrets/lagoon/ssh/ssh-privatekey", &stranger.ssh.private_key(KeyKind::Ecdsa).unwrap());
    let error = stand.api().environment("shop", "main").await.unwrap_err();
    let error = over_ssh(error);
    assert!(matches!(&error, SshError::KeyRefused { user, .. } if user == "lagoon"), "{error}");
    assert_eq!(stand.ssh.connections(), 1, "a refusal is not tried again");
}

#[tokio::test]
async fn an_ssh_host_that_is_down_is_tried_again_and_told_of() {
    let stand = Stand::new().await;
    stand.ssh.set_deaf(true);
    let api = stand.api();
    let asking = api.environment("shop", "main");
    let comes_up = async {
        lagoon_task_testing::until(|| stand.ssh.connections() >= 2).await;
        stand.ssh.set_deaf(false);
    };
    let (environment, ()) = tokio::join!(asking, comes_up);
    assert_eq!(environment.unwrap().id, 1);
    let told =
        format!("Lagoon's SSH at 127.0.0.1:{} cannot be reached; trying again for up to 30 s.\n", stand.ssh.port());
    assert!(stand.shown.text().starts_with(&told), "{}", stand.shown.text());
}

#[tokio::test]
async fn an_ssh_host_that_stays_down_is_given_up_on() {
    let stand = Stand::new().await;
    stand.ssh.set_deaf(true);
    // The last attempt to reach the host comes seconds before the whole call's patience runs out.
    let api = stand.api().patience(Duration::from_secs(10));
    let error = api.environment("shop", "main").await.unwrap_err();
    assert!(matches!(over_ssh(error), SshError::Unreachable { .. }));
    assert_eq!(stand.server.asked(), []);
}

#[tokio::test]
async fn a_task_without_a_key_or_with_a_damaged_one_says_so_before_anything_is_sent() {
    let stand = Stand::new().await;
    for damaged in ["", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "no key"] {
        stand.put("var/run/secrets/lagoon/ssh/ssh-privatekey", damaged);
        let error = stand.connect().err().unwrap();
        assert!(matches!(error, LagoonConnectError::BadKey { .. }), "{error}");
    }
    std::fs::remove_file(stand.root.path().join("var/run/secrets/lagoon/ssh/ssh-privatekey")).unwrap();
    let error = stand.connect().err().unwrap();
    assert!(error.to_string().contains("\"projectKeyInjection: true\""), "{error}");
    assert_eq!(stand.ssh.connections(), 0);
}
