use std::io;
use std::sync::{Arc, Mutex};

use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use proptest::prelude::*;

use super::*;

const METHODS: [Method; 5] = [Method::GET, Method::PUT, Method::PATCH, Method::DELETE, Method::POST];

/// The wait before the second attempt, right after the first, without chance.
fn first_wait(ended: &Ended, method: &Method) -> Option<Duration> {
    wait_before_next(ended, method, 0, Duration::ZERO, 1.0)
}

#[test]
fn what_was_never_carried_out_is_sent_again_and_a_create_that_may_have_been_is_not() {
    // (how it ended, again for a create, again for anything else)
    let table = [
        (Ended::NeverSent, true, true),
        (Ended::Answered(401, None), true, true),
        (Ended::Answered(403, None), true, true),
        (Ended::Answered(404, None), true, true),
        (Ended::Answered(429, None), true, true),
        (Ended::Lost, false, true),
        (Ended::Answered(500, None), false, true),
        (Ended::Answered(503, None), false, true),
        (Ended::Answered(504, None), false, true),
        (Ended::Answered(599, None), false, true),
        (Ended::Answered(400, None), false, false),
        (Ended::Answered(409, None), false, false),
        (Ended::Answered(422, Some(1)), false, false),
        (Ended::Answered(600, None), false, false),
    ];
    for (ended, create_again, others_again) in table {
        for method in METHODS {
            let again = if method == Method::POST { create_again } else { others_again };
            assert_eq!(first_wait(&ended, &method).is_some(), again, "{method} {ended:?}");
        }
    }
}

#[test]
fn a_retry_after_is_honoured_as_it_stands_whatever_the_attempt() {
    for (seconds, wait) in [(0, 100), (1, 1_000), (7, 7_000), (60, 60_000)] {
        for attempt in [0, 3, 30] {
            let ended = Ended::Answered(429, Some(seconds));
            let found = wait_before_next(&ended, &Method::POST, attempt, Duration::ZERO, 0.0);
            assert_eq!(found, Some(Duration::from_millis(wait)), "Retry-After: {seconds}, attempt {attempt}");
        }
    }
}

#[test]
fn a_retry_after_beyond_the_patience_that_is_left_ends_the_attempts() {
    let after = |seconds, elapsed| {
        wait_before_next(&Ended::Answered(503, Some(seconds)), &Method::GET, 0, Duration::from_secs(elapsed), 0.0)
    };
    assert_eq!(after(61, 0), None);
    assert_eq!(after(u64::MAX, 0), None);
    assert_eq!(after(30, 30), Some(Duration::from_secs(30)));
    assert_eq!(after(30, 31), None);
    assert_eq!(first_wait(&Ended::Answered(401, Some(11)), &Method::GET), None, "a refusal has 10 s");
}

#[test]
fn the_wait_doubles_up_to_five_seconds_and_half_of_it_is_chance() {
    let growth = [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000];
    let wait = |attempt, random| wait_before_next(&Ended::Lost, &Method::GET, attempt, Duration::ZERO, random);
    for (attempt, longest) in (0..).zip(growth) {
        assert_eq!(wait(attempt, 1.0), Some(Duration::from_millis(longest)), "attempt {attempt}");
        assert_eq!(wait(attempt, 0.5), Some(Duration::from_millis(longest * 3 / 4)), "attempt {attempt}");
        assert_eq!(wait(attempt, 0.0), Some(Duration::from_millis(longest / 2)), "attempt {attempt}");
    }
    assert_eq!(wait(1_000_000, 1.0), Some(Duration::from_secs(5)));
    assert_eq!(wait(1_000_000, 1000.0), Some(Duration::from_secs(5)), "chance beyond its bounds changes nothing");
}

#[test]
fn patience_ends_after_a_minute_and_with_a_refusal_after_ten_seconds() {
    let table = [(Ended::NeverSent, 60), (Ended::Answered(500, None), 60)];
    let table = table.into_iter().chain([401, 403, 404].map(|code| (Ended::Answered(code, None), 10)));
    for (ended, patience) in table {
        let patience = Duration::from_secs(patience);
        let wait = |elapsed| wait_before_next(&ended, &Method::GET, 20, elapsed, 1.0);
        assert_eq!(wait(patience), None, "{ended:?}");
        assert_eq!(wait(patience + Duration::from_secs(1)), None, "{ended:?}");
        let little = Duration::from_millis(3);
        assert_eq!(
            wait(patience.saturating_sub(little)),
            Some(little),
            "{ended:?}: the last wait is cut to what is left"
        );
    }
}

fn answered(code: u16, retry_after: Option<&str>) -> Result<Response<()>, BoxError> {
    let mut response = Response::builder().status(code);
    if let Some(value) = retry_after {
        response = response.header("Retry-After", value);
    }
    Ok(response.body(())?)
}

#[test]
fn answers_that_may_change_are_told_from_those_to_be_passed_on() {
    for was_down in [false, true] {
        for code in [200, 201, 204, 301, 400, 409, 410, 422] {
            assert_eq!(ended(&answered(code, Some("1")), was_down), None, "{code}");
        }
        for code in [401, 429, 500, 502, 503, 504] {
            assert_eq!(ended(&answered(code, None), was_down), Some(Ended::Answered(code, None)), "{code}");
            assert_eq!(ended(&answered(code, Some("17")), was_down), Some(Ended::Answered(code, Some(17))), "{code}");
        }
    }
}

#[test]
fn a_missing_right_or_object_is_an_answer_unless_the_server_was_down_just_before() {
    for code in [403, 404] {
        assert_eq!(ended(&answered(code, None), false), None, "{code}");
        assert_eq!(ended(&answered(code, None), true), Some(Ended::Answered(code, None)), "{code}");
    }
}

#[test]
fn a_retry_after_that_is_no_number_of_seconds_counts_as_none() {
    for value in ["Wed, 21 Oct 2026 07:28:00 GMT", "", "-1", "1.5", "é", "99999999999999999999"] {
        assert_eq!(ended(&answered(503, Some(value)), false), Some(Ended::Answered(503, None)), "{value:?}");
    }
}

fn reset() -> Result<Response<()>, BoxError> {
    Err(io::Error::from(io::ErrorKind::ConnectionReset).into())
}

#[test]
fn a_broken_connection_or_a_silent_server_is_an_answer_lost() {
    let silence: BoxError = Box::new(tower::timeout::error::Elapsed::new());
    for result in [reset(), Err(silence)] {
        assert_eq!(ended(&result, false), Some(Ended::Lost));
    }
}

#[test]
fn a_server_with_a_wrong_certificate_is_not_asked_again() {
    let problem = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    let failure: BoxError = io::Error::other(problem).into();
    assert_eq!(ended(&Err::<Response<()>, _>(failure), false), None);
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn policy() -> (Retries, Shared) {
    let shared = Shared::default();
    (Retries::new(Output::new(shared.clone(), false)), shared)
}

/// What comes of a request to a port that nobody listens on any more.
async fn refused() -> Result<Response<()>, BoxError> {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let uri = format!("http://127.0.0.1:{port}/").parse().unwrap();
    let error = Client::builder(TokioExecutor::new()).build_http::<String>().get(uri).await.unwrap_err();
    assert!(error.is_connect());
    Err(error.into())
}

/// Whether `policy` lets a request that ended with `code` be sent again.
fn sent_again(policy: &mut Retries, request: &mut Request<Body>, code: u16) -> bool {
    policy.retry(request, &mut answered(code, None)).is_some()
}

#[tokio::test]
async fn the_log_says_once_why_a_request_is_tried_again() {
    let (mut policy, shown) = policy();
    let mut request = Request::new(Body::empty());
    assert!(sent_again(&mut policy, &mut request, 503));
    assert!(sent_again(&mut policy, &mut request, 503));
    let busy = "The Kubernetes API server answered with an error of its own (503); trying again for up to 60 s.\n";
    assert_eq!(shown.text(), busy);

    assert!(sent_again(&mut policy, &mut request, 429));
    assert!(sent_again(&mut policy, &mut request, 401));
    let more = "The Kubernetes API server is busy and asks to wait; trying again for up to 60 s.\n\
                The Kubernetes API server does not accept the deployer token yet; trying again for up to 10 s.\n";
    assert_eq!(shown.text(), format!("{busy}{more}"));
    assert_eq!(policy.attempt, 4);
}

#[tokio::test]
async fn an_attempt_without_an_answer_is_told_in_its_own_words() {
    let (mut policy, shown) = policy();
    assert!(policy.retry(&mut Request::new(Body::empty()), &mut reset()).is_some());
    assert_eq!(shown.text(), "The Kubernetes API server did not answer; trying again for up to 60 s.\n");
}

#[tokio::test]
async fn a_server_that_has_just_come_up_is_asked_again_also_when_it_refuses() {
    let (mut policy, shown) = policy();
    let mut request = Request::new(Body::empty());
    assert!(!sent_again(&mut policy, &mut request, 403), "a server that was there all the time is believed");
    assert!(policy.retry(&mut request, &mut refused().await).is_some());
    for code in [403, 404, 401] {
        assert!(sent_again(&mut policy, &mut request, code), "{code}");
    }
    let come_up = "has just come up and does not know everything yet; trying again for up to 10 s.";
    assert_eq!(
        shown.text(),
        format!(
            "The Kubernetes API server cannot be reached; trying again for up to 60 s.\n\
             The Kubernetes API server {come_up}\n\
             The Kubernetes API server does not accept the deployer token yet; trying again for up to 10 s.\n"
        )
    );
}

#[tokio::test]
async fn the_patience_with_a_refusal_counts_from_when_the_server_came_up() {
    let (mut policy, _) = policy();
    let now = Instant::now();
    let later = |seconds| now + Duration::from_secs(seconds);
    let refusal = Ended::Answered(403, None);
    assert_eq!(policy.since(&refusal, now), now);
    assert_eq!(policy.since(&refusal, later(5)), now, "a server that was never down");
    assert_eq!(policy.since(&Ended::NeverSent, later(10)), now);
    assert_eq!(policy.since(&refusal, later(40)), later(40));
    assert_eq!(policy.since(&refusal, later(45)), later(40));
    assert_eq!(policy.since(&Ended::Answered(503, None), later(46)), now, "all else counts from the first attempt");
    assert_eq!(policy.since(&Ended::NeverSent, later(50)), now);
    assert_eq!(policy.since(&refusal, later(55)), later(55), "down again and up again");
}

#[tokio::test]
async fn nothing_is_said_about_a_request_that_is_not_sent_again() {
    let (mut policy, shown) = policy();
    let mut only_once = Request::new(Body::empty());
    only_once.extensions_mut().insert(OnlyOnce);
    assert!(!sent_again(&mut policy, &mut only_once, 503), "a request marked so is sent once");

    let mut create = Request::new(Body::empty());
    *create.method_mut() = Method::POST;
    assert!(!sent_again(&mut policy, &mut create, 503));
    assert!(!sent_again(&mut policy, &mut Request::new(Body::empty()), 200));
    assert_eq!((shown.text().as_str(), policy.attempt), ("", 0));
}

fn any_end() -> impl Strategy<Value = Ended> {
    let seconds = prop_oneof![Just(None), (0_u64..120).prop_map(Some), any::<u64>().prop_map(Some)];
    prop_oneof![
        Just(Ended::NeverSent),
        Just(Ended::Lost),
        (prop::sample::select(vec![401_u16, 403, 429, 500, 503, 422]), seconds)
            .prop_map(|(code, seconds)| Ended::Answered(code, seconds)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_wait_goes_beyond_the_patience_that_is_left(
        ended in any_end(),
        method in prop::sample::select(METHODS.to_vec()),
        attempt in prop_oneof![0_u32..40, any::<u32>()],
        elapsed in prop_oneof![0_u64..70_000, any::<u64>()].prop_map(Duration::from_millis),
        random in -0.5_f64..1.5,
    ) {
        if let Some(wait) = wait_before_next(&ended, &method, attempt, elapsed, random) {
            prop_assert!(elapsed + wait <= ended.backoff().deadline, "{wait:?} after {elapsed:?}");
            prop_assert!(!wait.is_zero());
        }
    }
}

#[tokio::test]
async fn request_of_an_old_client_is_tried_again_as_long_as_that_of_a_new_one() {
    let mut policy = Retries::new(Output::new(Vec::new(), false));
    policy.started = Instant::now().checked_sub(2 * PATIENCE);
    let mut request = Request::patch("/").body(Body::empty()).unwrap();
    // As tower's Retry does for each request.
    assert!(Policy::<_, Response<()>, BoxError>::clone_request(&mut policy, &request).is_some());
    let mut of_this_request = policy.clone();
    let mut refused = Ok(Response::builder().status(500).body(()).unwrap());
    assert!(of_this_request.retry(&mut request, &mut refused).is_some());
    // The patience with one request counts from its first attempt on.
    of_this_request.started = Instant::now().checked_sub(2 * PATIENCE);
    assert!(Policy::<_, Response<()>, BoxError>::clone_request(&mut of_this_request, &request).is_some());
    assert!(of_this_request.retry(&mut request, &mut refused).is_none());
}
