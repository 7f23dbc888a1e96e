use proptest::prelude::*;

use super::*;

fn answered(status: u16, body: &str) -> Result<Value, ApiCause> {
    answer(StatusCode::from_u16(status).unwrap(), body.as_bytes(), "")
}

#[test]
fn an_answers_data_is_handed_on() {
    let data = answered(200, r#"{"data":{"me":null},"extensions":{}}"#).unwrap();
    assert_eq!(data, serde_json::json!({ "me": null }));
    assert!(answered(200, r#"{"data":{"me":1},"errors":[]}"#).is_ok());
}

#[test]
fn errors_count_more_than_data_and_more_than_the_status_says() {
    let body = r#"{"data":{"me":1},"errors":[{"message":"no right"},{"message":7},{}]}"#;
    let expected = vec!["no right".to_owned(), "no message".to_owned(), "no message".to_owned()];
    for status in [200, 400, 403] {
        assert_eq!(answered(status, body), Err(ApiCause::Refused(expected.clone())), "{status}");
    }
    let message = "no right; no message; no message".to_owned();
    for code in [429, 500] {
        assert_eq!(answered(code, body), Err(ApiCause::Status { code, message: message.clone() }));
    }
    assert_eq!(answered(401, body), Err(ApiCause::Unauthorized));
}

#[test]
fn a_status_without_errors_is_told_in_words_and_not_with_its_page() {
    for (code, message) in
        [(301, "Moved Permanently"), (404, "Not Found"), (502, "Bad Gateway"), (599, "no words for it")]
    {
        let expected = ApiCause::Status { code, message: message.to_owned() };
        assert_eq!(answered(code, "<html>page</html>"), Err(expected));
    }
}

#[test]
fn many_and_long_messages_are_cut_off() {
    let errors: Vec<_> = (0..20).map(|_| serde_json::json!({ "message": "x".repeat(10_000) })).collect();
    let Err(ApiCause::Refused(messages)) = answered(200, &serde_json::json!({ "errors": errors }).to_string()) else {
        panic!("refused");
    };
    assert_eq!(messages.len(), MOST_ERRORS);
    assert!(messages.iter().all(|message| message.chars().count() <= 501));
}

fn wait(cause: &ApiCause, repeat: Repeat, retry_after: Option<u64>) -> Option<Duration> {
    wait_before_next(cause, repeat, retry_after, 0, Duration::from_mins(1), 0.5)
}

#[test]
fn only_what_is_safe_and_may_pass_is_sent_again() {
    let status = |code| ApiCause::Status { code, message: String::new() };
    let causes = [
        // The cause; whether a safe request is sent again, and whether one that is not.
        (ApiCause::Unreachable(String::new()), true, true),
        (status(429), true, true),
        (ApiCause::AnswerLost(String::new()), true, false),
        (status(500), true, false),
        (status(503), true, false),
        (status(404), false, false),
        (ApiCause::Unauthorized, false, false),
        (ApiCause::NotOurServer(String::new()), false, false),
        (ApiCause::Refused(Vec::new()), false, false),
        (ApiCause::NotUnderstood(String::new()), false, false),
        (ApiCause::Deadline(Duration::ZERO), false, false),
    ];
    for (cause, safe, not_safe) in causes {
        assert_eq!(wait(&cause, Repeat::Safe, None).is_some(), safe, "{cause:?}");
        assert_eq!(wait(&cause, Repeat::Unsafe, None).is_some(), not_safe, "{cause:?}");
    }
}

#[test]
fn the_server_is_given_the_time_it_asks_for_unless_there_is_less() {
    let busy = ApiCause::Status { code: 429, message: String::new() };
    assert_eq!(wait(&busy, Repeat::Unsafe, Some(7)), Some(Duration::from_secs(7)));
    assert_eq!(wait(&busy, Repeat::Unsafe, Some(0)), Some(RETRIES.base));
    assert_eq!(wait(&busy, Repeat::Unsafe, Some(61)), None);
}

/// It was begun, patience ran out in the middle of it, and nobody heard what the server had said before.
#[test]
fn no_attempt_is_begun_for_which_too_little_patience_is_left() {
    let busy = ApiCause::Status { code: 429, message: String::new() };
    assert_eq!(wait(&busy, Repeat::Safe, Some(59)), Some(Duration::from_secs(59)));
    assert_eq!(wait(&busy, Repeat::Safe, Some(60)), None);
}

#[test]
fn what_the_server_said_before_counts_more_than_that_patience_has_run_out() {
    let (broken, patience) = (ApiCause::Status { code: 502, message: String::new() }, Duration::from_secs(3));
    let deadline = ApiCause::Deadline(patience);
    assert_eq!(out_of_patience(Repeat::Safe, Some(broken.clone()), patience), broken);
    assert_eq!(out_of_patience(Repeat::Safe, None, patience), deadline);
    // The last attempt may have been carried out.
    assert_eq!(out_of_patience(Repeat::Unsafe, Some(broken), patience), deadline);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_wait_is_longer_than_what_is_left(made in any::<u32>(), left in 0_u64..100_000, chance in any::<f64>(), retry_after in any::<Option<u64>>()) {
        let left = Duration::from_millis(left);
        let waited = wait_before_next(&ApiCause::AnswerLost(String::new()), Repeat::Safe, retry_after, made, left, chance);
        prop_assert!(waited.is_none_or(|wait| wait + SHORTEST_ATTEMPT <= left), "{waited:?}");
    }

    #[test]
    fn a_secret_is_found_as_it_is_and_as_json_writes_it(secret in "\\PC{4,40}|[\"\\\\\n\t]{4,9}", before in "[ -~]{0,9}") {
        // A secret that is part of what stands in its place is no secret.
        prop_assume!(!HIDDEN.contains(&secret));
        let shown = hidden(&format!("{before}|{secret}|{}", Value::from(secret.clone())), &secret);
        prop_assert!(!shown.contains(&secret), "{shown}");
        let cut = shown.matches(HIDDEN).count();
        prop_assert!(cut >= 2 || secret.contains(HIDDEN), "{shown}");
    }

    #[test]
    fn no_answer_is_too_strange_to_be_read(status in 200_u16..600, body in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = answer(StatusCode::from_u16(status).unwrap(), &body, "secret");
    }
}
