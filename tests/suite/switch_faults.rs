//! A fault at any request of a switch: what is not settled by this run is by the next.

use futures::{StreamExt, stream};
use lagoon_task_testing::{ControlPlane, Fault, FaultProxy, Passing, ingress, tls_secret};

use crate::interrupted::{at_least, writes};
use switch_testing::control_plane;
use switch_testing::{INGRESSES, SECRETS, Shop};

/// Switches that meet a fault at once.
const AT_ONCE: usize = 4;

#[tokio::test]
async fn a_request_that_never_arrives() {
    at_every_request("never", Fault::NeverArrives).await;
}

#[tokio::test]
async fn an_answer_that_is_lost() {
    at_every_request("lost", Fault::AnswerLost).await;
}

#[tokio::test]
async fn a_conflict() {
    at_every_request("conflict", Fault::AnsweredInstead(409, None)).await;
}

#[tokio::test]
async fn an_error_of_the_server_that_did_nothing() {
    at_every_request("error", Fault::AnsweredInstead(500, None)).await;
}

#[tokio::test]
async fn an_error_of_the_server_that_did_it_all_the_same() {
    at_every_request("error-done", Fault::AnsweredWrongly(500)).await;
}

#[tokio::test]
async fn a_server_that_asks_to_wait() {
    at_every_request("busy", Fault::AnsweredInstead(429, Some(0))).await;
}

/// One route each way, each with a Secret.
async fn shop<'bench>(control_plane: &'bench ControlPlane, project: &str) -> Shop<'bench> {
    let shop = Shop::empty(control_plane, project).await;
    for (namespace, name) in [(&shop.standby, "standby"), (&shop.active, "www")] {
        let (host, secret) = (format!("{name}.example.com"), format!("{name}-tls"));
        shop.add(namespace, vec![tls_secret(&secret, &host)]).await;
        shop.add(namespace, vec![ingress(name, &host, "web", Some(&secret))]).await;
    }
    shop
}

async fn at_every_request(name: &str, fault: Fault) {
    let control_plane = control_plane().await;
    let clean = shop(control_plane, &format!("{name}-clean")).await.switch().await;
    assert_eq!(clean.exit_code, Some(0), "{}", clean.log);
    let requests = clean.requests.len();
    let faults = stream::iter(0..requests).map(|number| at_request(control_plane, name, fault, number));
    let injected: usize = faults.buffer_unordered(AT_ONCE).collect::<Vec<usize>>().await.iter().sum();
    let least = at_least(&clean);
    assert!((least..=requests).contains(&injected), "{injected} faults at {requests} requests, {least} at least");
}

/// Answers how many faults were injected: 1, or 0 if there was no such request.
async fn at_request(control_plane: &ControlPlane, name: &str, fault: Fault, number: usize) -> usize {
    let shop = shop(control_plane, &format!("{name}-{number}")).await;
    let before = shop.content().await;
    let plan = move |passing: &Passing| if passing.number == number { fault } else { Fault::None };
    let proxy = FaultProxy::start(control_plane, plan).await.unwrap();
    let finished = shop.task_through(&proxy).launch().await.unwrap().finish().await.unwrap();
    let injected = proxy.injected();
    let why = format!("{injected:?}\n{}", finished.log);
    assert_eq!(finished.exit_code == Some(0), finished.result.is_some(), "{why}");
    if finished.log.contains("othing has changed") {
        assert_eq!(shop.content().await, before, "{why}");
    }
    let next = shop.switch().await;
    let why = format!("{why}\nthe next run:\n{}", next.log);
    assert_eq!(next.exit_code, Some(0), "{why}");
    for (namespace, route) in [(&shop.standby, "www"), (&shop.active, "standby")] {
        assert_eq!(shop.names(namespace, INGRESSES).await, [route], "{why}");
        assert_eq!(shop.names(namespace, SECRETS).await, [format!("{route}-tls")], "{why}");
    }
    let once_more = shop.switch().await;
    assert_eq!((once_more.exit_code, &once_more.result), (Some(0), &next.result), "{why}\n{}", once_more.log);
    assert_eq!(writes(&once_more), [""; 0], "{why}");
    injected.len()
}
