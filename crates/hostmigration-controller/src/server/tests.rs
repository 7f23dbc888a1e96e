use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

async fn started(ready: bool) -> (SocketAddr, Arc<Status>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let status = Arc::new(Status::new());
    if ready {
        status.health.started();
    }
    tokio::spawn(serve(listener, Arc::clone(&status)));
    (address, status)
}

/// Sends `request` and reads until the server closes the connection.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn ask(address: SocketAddr, method: &str, path: &str) -> String {
    exchange(address, &format!("{method} {path} HTTP/1.1\r\nHost: controller\r\n\r\n")).await
}

fn code(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn paths_and_methods_have_their_answers() {
    let (address, _) = started(true).await;
    let cases = [
        ("GET", "/healthz", "200"),
        ("HEAD", "/healthz", "200"),
        ("GET", "/readyz", "200"),
        ("GET", "/metrics", "200"),
        ("GET", "/metrics?name=x", "200"),
        ("GET", "/", "404"),
        ("GET", "/metrics/", "404"),
        ("GET", "/../etc/passwd", "404"),
        ("POST", "/healthz", "405"),
        ("DELETE", "/metrics", "405"),
    ];
    for (method, path, expected) in cases {
        let answer = ask(address, method, path).await;
        assert_eq!(code(&answer), expected, "{method} {path}: {answer}");
    }
    assert!(ask(address, "POST", "/healthz").await.contains("allow: GET, HEAD\r\n"));
    assert!(ask(address, "HEAD", "/healthz").await.ends_with("\r\n\r\n"));
}

#[tokio::test]
async fn metrics_come_in_the_format_that_is_asked_for() {
    let (address, status) = started(true).await;
    status.metrics.started.inc();
    let accept = "Accept: text/html\r\nAccept: application/openmetrics-text;version=1.0.0\r\n";
    for (accept, content_type) in [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        (accept, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ] {
        let answer = exchange(address, &format!("GET /metrics HTTP/1.1\r\nHost: controller\r\n{accept}\r\n")).await;
        assert!(answer.contains(&format!("content-type: {content_type}\r\n")), "{answer}");
        assert!(answer.contains("hostmigration_controller_switches_started_total 1\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_replica_is_alive_before_it_is_ready() {
    let (address, status) = started(false).await;
    assert_eq!(code(&ask(address, "GET", "/healthz").await), "200");
    assert_eq!(code(&ask(address, "GET", "/readyz").await), "503");
    status.health.started();
    assert_eq!(code(&ask(address, "GET", "/readyz").await), "200");
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_hurts_nobody() {
    let (address, _) = started(true).await;
    assert_eq!(code(&exchange(address, "nonsense\r\n\r\n").await), "400");
    drop(TcpStream::connect(address).await.unwrap());
    assert_eq!(code(&ask(address, "GET", "/healthz").await), "200");
}

#[tokio::test]
async fn silent_clients_make_room_for_others_however_many_they_are() {
    let (address, _) = started(true).await;
    let mut silent = Vec::new();
    for _ in 0..4 * CONNECTIONS {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    assert_eq!(code(&ask(address, "GET", "/healthz").await), "200");
    // The oldest is sent away.
    let mut rest = Vec::new();
    silent[0].read_to_end(&mut rest).await.unwrap_or_default();
    assert_eq!(rest, b"");
}
