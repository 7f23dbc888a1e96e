//! The logs of containers.

use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, LogParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;

use super::{Gate, Place};
use crate::support::control_plane;

#[tokio::test]
async fn a_log_is_followed_as_it_comes_to_the_containers_end() {
    let place = Place::new(control_plane().await, "kubelet-follow").await;
    let gate = Gate::new();
    place.script("follow", &format!("echo first; {}; echo second >&2; printf third", gate.wait())).await;
    let rest = place.rest_after("follow", "first\n").await;
    gate.open();
    assert_eq!(rest.await, "second\nthird");
}

#[tokio::test]
async fn a_part_of_a_log_is_shown() {
    let place = Place::new(control_plane().await, "kubelet-tail").await;
    place.script("tail", "echo one; echo two; echo three").await;
    place.until_ended("tail").await;
    let log = |parameters| place.log("tail", parameters);
    assert_eq!(log(LogParams { tail_lines: Some(2), ..LogParams::default() }).await, "two\nthree\n");
    assert_eq!(log(LogParams { limit_bytes: Some(5), ..LogParams::default() }).await, "one\nt");
    assert_eq!(log(LogParams { since_seconds: Some(3600), ..LogParams::default() }).await, "one\ntwo\nthree\n");
    let stamped = log(LogParams { tail_lines: Some(1), timestamps: true, ..LogParams::default() }).await;
    let (time, text) = stamped.split_once(' ').unwrap();
    assert_eq!((time.len(), text), ("2026-11-24T12:00:00.000000000Z".len(), "three\n"));
}

#[tokio::test]
async fn logs_are_served_to_certified_clients_only() {
    let place = Place::new(control_plane().await, "kubelet-certified").await;
    place.script("certified", "echo for the API server").await;
    place.until_ended("certified").await;
    let node = Api::<Node>::all(place.client.clone()).list(&kube::api::ListParams::default()).await.unwrap();
    let endpoints = node.items[0].status.clone().unwrap().daemon_endpoints.unwrap();
    let server = format!("https://127.0.0.1:{}", endpoints.kubelet_endpoint.unwrap().port);
    let mut kubeconfig = Kubeconfig::read_from(control_plane().await.kubeconfig()).unwrap();
    kubeconfig.clusters[0].cluster.as_mut().unwrap().server = Some(server);
    let ask = async |kubeconfig: Kubeconfig| {
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        let path = format!("/containerLogs/{}/certified/only", place.namespace);
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        kube::Client::try_from(config).unwrap().request_text(request).await
    };
    assert_eq!(ask(kubeconfig.clone()).await.unwrap(), "for the API server\n");
    kubeconfig.auth_infos[0].auth_info = Some(serde_json::from_value(json!({})).unwrap());
    let refused = ask(kubeconfig).await.unwrap_err();
    assert!(!matches!(refused, kube::Error::Api(_)), "it was answered: {refused:?}");
}
