use std::io;

use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use kube::client::Body;
use kube::core::response::{StatusCause, StatusDetails};

use super::*;

fn status(code: u16, reason: &str, message: &str) -> Status {
    Status { code, reason: reason.to_owned(), message: message.to_owned(), ..Status::default() }
}

fn details(name: &str, fields: &[&str]) -> StatusDetails {
    let cause = |field: &&str| StatusCause {
        reason: "FieldValueInvalid".to_owned(),
        message: "Invalid value: \"MARKER\"".to_owned(),
        field: (*field).to_owned(),
    };
    StatusDetails {
        name: name.to_owned(),
        group: String::new(),
        kind: "pods".to_owned(),
        uid: String::new(),
        causes: fields.iter().map(cause).collect(),
        retry_after_seconds: 0,
    }
}

fn cause(code: u16, reason: &str, message: &str) -> Cause {
    Cause::from(&status(code, reason, message))
}

fn other(code: u16) -> Cause {
    Cause::Other { code, message: "why".to_owned() }
}

fn fault(code: u16) -> Cause {
    Cause::ServerFault { code, message: "why".to_owned() }
}

#[test]
fn each_answer_of_the_server_has_its_cause() {
    let invalid = || Cause::Invalid { fields: Vec::new() };
    let table = [
        (400, invalid()),
        (401, Cause::Unauthorized),
        (403, Cause::Forbidden("why".to_owned())),
        (404, Cause::KindUnknown),
        (405, other(405)),
        (409, Cause::Conflict),
        (410, Cause::Expired),
        (413, other(413)),
        (415, other(415)),
        (422, invalid()),
        (429, other(429)),
        (499, other(499)),
        (500, fault(500)),
        (503, fault(503)),
        (504, fault(504)),
        (599, fault(599)),
        (600, other(600)),
        (0, other(0)),
    ];
    for (code, expected) in table {
        assert_eq!(cause(code, "", "why"), expected, "{code}");
        let error = kube::Error::Api(status(code, "", "why").boxed());
        assert_eq!(Cause::from(&error), expected, "{code} as kube's error");
    }
}

#[test]
fn a_missing_object_is_told_from_a_kind_that_nothing_serves() {
    let mut status = status(404, "NotFound", "pods \"cli-0\" not found");
    assert_eq!(Cause::from(&status), Cause::KindUnknown, "without details");
    status.details = Some(details("", &[]));
    assert_eq!(Cause::from(&status), Cause::KindUnknown, "with details that name nothing");
    status.details = Some(details("cli-0", &[]));
    assert_eq!(Cause::from(&status), Cause::NotFound("pods \"cli-0\" not found".to_owned()));
}

#[test]
fn a_conflict_is_an_object_that_exists_only_where_the_server_says_so() {
    assert_eq!(cause(409, "AlreadyExists", "it exists"), Cause::AlreadyExists);
    for reason in ["Conflict", "", "alreadyexists"] {
        assert_eq!(cause(409, reason, "it already exists"), Cause::Conflict, "{reason:?}");
    }
    assert_eq!(cause(422, "AlreadyExists", ""), Cause::Invalid { fields: Vec::new() });
}

#[test]
fn an_invalid_object_is_described_by_its_fields_without_their_values() {
    for code in [400, 422] {
        let mut status = status(code, "Invalid", "spec.a: Invalid value: \"MARKER\"");
        status.details = Some(details("x", &["spec.a", "", "metadata.labels[\u{1b}x]"]));
        let cause = Cause::from(&status);
        assert_eq!(
            cause.to_string(),
            "the Kubernetes API server refused it as invalid: spec.a, metadata.labels[\\u{1b}x]"
        );
        assert!(!format!("{cause:?}").contains("MARKER"));
        status.details = None;
        assert_eq!(Cause::from(&status).to_string(), "the Kubernetes API server refused it as invalid");
    }
}

#[test]
fn a_long_message_is_cut_at_500_characters() {
    let exactly = "é".repeat(500);
    assert_eq!(cause(403, "", &exactly), Cause::Forbidden(exactly.clone()));
    assert_eq!(cause(403, "", &format!(" {exactly}\n ")), Cause::Forbidden(exactly.clone()), "white space is no part");
    assert_eq!(cause(403, "", &format!("{exactly}é")), Cause::Forbidden(format!("{exactly}…")));
    assert_eq!(cause(500, "", &"x".repeat(100_000)).to_string().chars().filter(|one| *one == 'x').count(), 500);
}

#[test]
fn control_characters_in_a_message_are_escaped() {
    let escaped = "a\\nb\\u{1b}[2J".to_owned();
    let mut missing = status(404, "NotFound", "a\nb\u{1b}[2J");
    missing.details = Some(details("cli-0", &[]));
    assert_eq!(Cause::from(&missing), Cause::NotFound(escaped.clone()));
    assert_eq!(cause(403, "", "a\nb\u{1b}[2J"), Cause::Forbidden(escaped.clone()));
    assert_eq!(cause(500, "", "a\nb\u{1b}[2J"), Cause::ServerFault { code: 500, message: escaped.clone() });
    assert_eq!(cause(418, "", "a\nb\u{1b}[2J"), Cause::Other { code: 418, message: escaped });
}

#[test]
fn an_error_says_what_could_not_be_done_to_which_object_and_why() {
    let object = || ObjectName::new("Pod", "shop-main", "cli-0");
    let cause = || Cause::Forbidden("no right".to_owned());
    let sentence = |done: &str| {
        format!(
            "Pod \"cli-0\" in namespace \"shop-main\" could not be {done}: the deployer is not allowed to: no right"
        )
    };
    let table = [
        (ClusterError::Create { object: object(), cause: cause() }, "created"),
        (ClusterError::Read { object: object(), cause: cause() }, "read"),
        (ClusterError::Watch { object: object(), cause: cause() }, "watched"),
        (ClusterError::Change { object: object(), cause: cause() }, "changed"),
        (ClusterError::Delete { object: object(), cause: cause() }, "deleted"),
    ];
    for (error, done) in table {
        assert_eq!(error.to_string(), sentence(done));
        assert_eq!(*error.cause(), cause(), "{done}");
    }
}

#[test]
fn the_name_of_an_object_is_escaped() {
    assert_eq!(ObjectName::new("Pod", "a\nb", "c\u{1b}d").to_string(), r#"Pod "c\u{1b}d" in namespace "a\nb""#);
}

/// (cause, its sentence, nothing was done, may pass)
fn all_causes() -> Vec<(Cause, &'static str, bool, bool)> {
    let text = || "why".to_owned();
    vec![
        (Cause::Unreachable(text()), "the Kubernetes API server could not be reached (why)", true, true),
        (
            Cause::NotOurServer(text()),
            "the server at the API server's address could not prove to be this cluster's API server (why), so the \
             deployer token was not sent to it. If the site has a variable KUBERNETES_SERVICE_HOST or \
             KUBERNETES_SERVICE_PORT, remove it; otherwise the ca.crt mounted beside the token is not this cluster's",
            true,
            false,
        ),
        (
            Cause::AnswerLost(text()),
            "the connection to the Kubernetes API server was lost before it answered (why)",
            false,
            true,
        ),
        (Cause::Deadline(Duration::from_mins(2)), "the Kubernetes API server did not answer within 120 s", false, true),
        (
            Cause::Unauthorized,
            "the Kubernetes API server does not accept the deployer token; it may have expired or been revoked",
            true,
            false,
        ),
        (Cause::Forbidden(text()), "the deployer is not allowed to: why", true, false),
        (Cause::NotFound(text()), "it was not found: why", true, false),
        (Cause::KindUnknown, "this cluster does not know its kind", true, false),
        (Cause::AlreadyExists, "an object of that name exists already", true, false),
        (Cause::Conflict, "somebody else changed it at the same time", true, false),
        (Cause::Expired, "the version asked for is too old", true, true),
        (Cause::Invalid { fields: Vec::new() }, "the Kubernetes API server refused it as invalid", true, false),
        (fault(503), "the Kubernetes API server answered with an error of its own (503: why)", false, true),
        (other(429), "the Kubernetes API server answered 429: why", false, true),
        (other(418), "the Kubernetes API server answered 418: why", false, false),
        (Cause::NotUnderstood, "the Kubernetes API server's answer could not be understood", false, true),
    ]
}

#[test]
fn each_cause_has_its_sentence_and_says_whether_anything_was_done_and_whether_it_may_pass() {
    for (cause, sentence, nothing_was_done, may_pass) in all_causes() {
        assert_eq!(cause.to_string(), sentence);
        assert_eq!(cause.nothing_was_done(), nothing_was_done, "nothing was done: {cause:?}");
        assert_eq!(cause.may_pass(), may_pass, "may pass: {cause:?}");
    }
}

#[test]
fn the_words_of_admission_are_told_without_what_stands_before_them() {
    let nginx = r#"host "a" and path "/" is already defined in ingress b/c"#;
    let cases = [
        (format!(r#"admission webhook "validate.nginx.ingress.kubernetes.io" denied the request: {nginx}"#), nginx),
        (
            r#"ingresses.networking.k8s.io "www" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no wildcards"#.to_owned(),
            "no wildcards",
        ),
        (r#"admission webhook "x" denied the request without explanation"#.to_owned(), "without explanation"),
        (r#"admission webhook "x" denied the request"#.to_owned(), r#"admission webhook "x""#),
        (r#"admission webhook "x" denied the request: one denied the request: two"#.to_owned(), "one denied the request: two"),
    ];
    for (message, words) in &cases {
        assert_eq!(denial(message), Some(*words), "{message}");
        for code in [400, 403, 422] {
            assert_eq!(cause(code, "", message), Cause::Denied((*words).to_owned()), "{code} {message}");
        }
        let told = cause(403, "", message).to_string();
        assert_eq!(told, format!("a policy of the cluster refuses it: {words}"));
    }
    assert!(Cause::Denied(String::new()).nothing_was_done() && !Cause::Denied(String::new()).may_pass());
}

#[test]
fn a_webhook_that_refuses_with_a_code_of_its_own_denies_all_the_same() {
    for code in [401, 404, 406, 409, 410, 429, 500, 503] {
        let message = r#"admission webhook "x" denied the request: the host is already in use"#;
        assert_eq!(cause(code, "", message), Cause::Denied("the host is already in use".to_owned()), "{code}");
    }
}

#[test]
fn an_answer_that_is_not_admissions_is_no_denial() {
    let cases = [
        "",
        "denied the request: MARKER",
        "ingresses is forbidden: User \"u\" cannot create resource",
        "failed calling webhook \"x\": connection refused",
        "admission webhook \"x\" accepted it",
    ];
    for message in cases {
        assert_eq!(denial(message), None, "{message}");
    }
    assert_eq!(cause(422, "Invalid", "denied the request: MARKER"), Cause::Invalid { fields: Vec::new() });
}

#[test]
fn the_words_of_admission_are_escaped_and_cut() {
    let long = format!("admission webhook \"x\" denied the request: a\u{1b}[2J\n{}", "b".repeat(1000));
    let Cause::Denied(words) = cause(403, "", &long) else { panic!("{long}") };
    assert!(words.starts_with(r"a\u{1b}[2J\nb") && words.ends_with('…') && words.chars().count() < 600, "{words}");
}

fn service(error: impl Into<tower::BoxError>) -> Cause {
    Cause::from(&kube::Error::Service(error.into()))
}

#[test]
fn a_broken_connection_is_an_answer_lost_with_its_innermost_reason() {
    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    let lost = Cause::AnswerLost("reset\\nby peer".to_owned());
    assert_eq!(service(io::Error::other("reset\nby peer")), lost);
    assert_eq!(service(Outer(io::Error::other("reset\nby peer"))), lost);
    assert_eq!(service(io::Error::other(Outer(io::Error::other("reset\nby peer")))), lost);
    assert_eq!(Cause::from(&kube::Error::ReadEvents(io::Error::other("reset\nby peer"))), lost);
}

#[test]
fn a_wrong_certificate_is_another_server_however_deep_the_error_hides_it() {
    let problem = || rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    let cause = service(io::Error::other(io::Error::other(problem())));
    assert_eq!(cause, service(problem()));
    assert!(matches!(&cause, Cause::NotOurServer(detail) if detail.contains("UnknownIssuer")), "{cause:?}");
    let alert = rustls::Error::AlertReceived(rustls::AlertDescription::InternalError);
    assert!(matches!(service(io::Error::other(alert)), Cause::AnswerLost(_)), "another TLS error is none of these");
}

#[tokio::test]
async fn a_refused_connection_is_a_server_that_could_not_be_reached() {
    // The port was free a moment ago, and nobody listens on it now.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut request = http::Request::new(Body::empty());
    *request.uri_mut() = format!("http://127.0.0.1:{port}/").parse().unwrap();
    let error = Client::builder(TokioExecutor::new()).build_http::<Body>().request(request).await.unwrap_err();
    assert!(never_sent(&error));
    let cause = service(error);
    assert!(matches!(&cause, Cause::Unreachable(detail) if detail.contains("refused")), "{cause:?}");
}

#[test]
fn an_answer_that_is_not_kubernetes_is_not_understood() {
    let error = serde_json::from_str::<u8>("<html>").unwrap_err();
    assert_eq!(Cause::from(&kube::Error::SerdeError(error)), Cause::NotUnderstood);
    let error = String::from_utf8(vec![0xff]).unwrap_err();
    assert_eq!(Cause::from(&kube::Error::FromUtf8(error)), Cause::NotUnderstood);
}

#[test]
fn a_full_quota_does_not_read_like_a_missing_right() {
    let message =
        "ingresses \"www\" is forbidden: exceeded quota: routes, requested: count/ingresses=1, used: 2, limited: 2";
    let says = "the namespace's quota has no room for it (exceeded quota: routes, requested: count/ingresses=1, used: 2, limited: 2)";
    assert_eq!(Cause::Forbidden(message.to_owned()).to_string(), says);
}
