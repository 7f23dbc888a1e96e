//! The token goes to the cluster's own API server and nowhere else, whatever the site's owner puts into the environment.

use lagoon_task_testing::{Recorder, Task};

use switch_testing::{Site, control_plane};

const NAME: &str = "host-migration-t1r2u3";

/// What a site's owner can set with Lagoon variables.
fn hostile<'bench>(mut task: Task<'bench>, proxy: &Recorder) -> Task<'bench> {
    let address = format!("http://127.0.0.1:{}", proxy.port());
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"] {
        task = task.variable(variable, &address);
    }
    for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR", "KUBECONFIG"] {
        task = task.variable(variable, "/nowhere/at/all");
    }
    for variable in ["RUST_LOG", "RUST_BACKTRACE", "KUBE_RS_DEBUG_OVERRIDE_URL", "SSLKEYLOGFILE"] {
        task = task.variable(variable, "trace");
    }
    task
}

#[tokio::test]
async fn a_hostile_environment_changes_nothing() {
    let site = Site::new(control_plane().await, "hostile").await;
    let proxy = Recorder::plain().await.unwrap();
    let running = hostile(site.task(&site.payload(NAME)), &proxy).launch().await.unwrap();
    let token = running.token().unwrap();
    let finished = site.complete_and_finish(NAME, running).await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(finished.log.lines().count(), 6, "{}", finished.log);
    assert!(!finished.log.contains(&token));
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
async fn an_impostor_of_the_api_server_never_sees_the_token() {
    let site = Site::new(control_plane().await, "impostor").await;
    let (proxy, impostor) = (Recorder::plain().await.unwrap(), Recorder::impostor().await.unwrap());
    let task = hostile(site.task(&site.payload(NAME)), &proxy)
        .variable("KUBERNETES_SERVICE_PORT", impostor.port().to_string());
    let running = task.launch().await.unwrap();
    let token = running.token().unwrap();
    let finished = running.finish().await.unwrap();

    assert_eq!(finished.exit_code, Some(1));
    // It was asked, and nothing was said to it.
    assert!(impostor.connections() > 0);
    assert_eq!(impostor.recorded(), "");
    assert_eq!(proxy.connections(), 0);
    assert!(!finished.log.contains(&token));
    let last = finished.log.lines().last().unwrap();
    assert!(last.contains("could not prove to be this cluster's API server"), "{last}");
    assert!(last.contains("KUBERNETES_SERVICE_HOST"), "{last}");
    assert!(last.contains("Nothing has changed."), "{last}");
    assert_eq!(finished.requests, []);
}

#[tokio::test]
async fn the_token_is_not_sent_in_the_clear() {
    let site = Site::new(control_plane().await, "in-the-clear").await;
    let listener = Recorder::plain().await.unwrap();
    // It never completes the handshake, so the attempt ends when its time is up.
    let task = site.task(&site.payload(NAME)).variable("KUBERNETES_SERVICE_PORT", listener.port().to_string());
    let running = task.launch().await.unwrap();
    let token = running.token().unwrap();
    running.wait_for_line("trying again").await.unwrap();
    running.signal("TERM").await.unwrap();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1));
    assert!(listener.connections() > 0);
    assert!(!listener.recorded().contains(&token));
}
