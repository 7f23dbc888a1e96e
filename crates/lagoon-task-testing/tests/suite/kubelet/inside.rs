//! What a container has.

use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret};
use kube::api::{Api, LogParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;

use super::{Place, end, phase};
use crate::support::control_plane;

#[tokio::test]
async fn a_container_has_the_variables_of_its_pod() {
    let place = Place::new(control_plane().await, "kubelet-env").await;
    let _: ConfigMap =
        place.create(json!({ "metadata": { "name": "platform" }, "data": { "A": "1", "B": "1" } })).await;
    let _: Secret = place.create(json!({ "metadata": { "name": "site" }, "stringData": { "B": "2", "C": "2" } })).await;
    let container = json!({
        "command": ["env"],
        "envFrom": [{ "configMapRef": { "name": "platform" } }, { "secretRef": { "name": "site" } }],
        "env": [
            { "name": "C", "value": "3 of $(B)" },
            { "name": "KEY", "valueFrom": { "secretKeyRef": { "name": "site", "key": "C" } } },
            { "name": "NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
            { "name": "APP", "valueFrom": { "fieldRef": { "fieldPath": "metadata.labels['app']" } } },
        ],
    });
    place.pod("env", container, json!({})).await;
    assert_eq!(phase(&place.until_ended("env").await), "Succeeded");
    let log = place.log("env", LogParams::default()).await;
    let mut variables: Vec<&str> = log.lines().collect();
    variables.sort_unstable();
    let port = format!("KUBERNETES_SERVICE_PORT={}", control_plane().await.port());
    let expected = [
        "A=1",
        "APP=shop",
        "B=2",
        "C=3 of 2",
        "HOSTNAME=env",
        "KEY=2",
        "KUBERNETES_SERVICE_HOST=127.0.0.1",
        port.as_str(),
        "NAME=env",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ];
    assert_eq!(variables, expected);
}

#[tokio::test]
async fn a_container_has_its_mounts_folder_and_user_and_the_machine_sees_nothing_of_it() {
    // There is one where this runs in a container of Kubernetes itself.
    let termination_log = std::fs::read("/dev/termination-log").ok();
    let place = Place::new(control_plane().await, "kubelet-mounts").await;
    let _: ConfigMap =
        place.create(json!({ "metadata": { "name": "settings" }, "data": { "a": "A", "b": "B" } })).await;
    let _: Secret = place.create(json!({ "metadata": { "name": "keys" }, "stringData": { "key": "K" } })).await;
    let claim = json!({ "accessModes": ["ReadWriteMany"], "resources": { "requests": { "storage": "1Mi" } } });
    let _: PersistentVolumeClaim = place.create(json!({ "metadata": { "name": "files" }, "spec": claim })).await;
    let volumes = json!([
        { "name": "settings", "configMap": { "name": "settings", "items": [{ "key": "a", "path": "deep/one" }] } },
        { "name": "keys", "secret": { "secretName": "keys", "defaultMode": 0o444 } },
        { "name": "scratch", "emptyDir": {} },
        { "name": "files", "persistentVolumeClaim": { "claimName": "files" } },
        { "name": "all", "projected": { "sources": [
            { "secret": { "name": "keys" } },
            { "downwardAPI": { "items": [{ "path": "labels", "fieldRef": { "fieldPath": "metadata.labels" } }] } },
        ] } },
    ]);
    let mount = |name: &str, path: &str| json!({ "name": name, "mountPath": path });
    let mounts = json!([
        mount("settings", "/etc/kubelet-test/settings"),
        mount("keys", "/var/run/secrets/lagoon/ssh"),
        { "name": "scratch", "mountPath": "/kubelet-test/scratch" },
        { "name": "files", "mountPath": "/kubelet-test/files", "subPath": "below" },
        { "name": "files", "mountPath": "/kubelet-test/read-only", "readOnly": true },
        mount("all", "/kubelet-test/all"),
    ]);
    let script = "pwd; id -u; id -g; grep CapEff /proc/self/status; \
        cat /etc/kubelet-test/settings/deep/one /var/run/secrets/lagoon/ssh/key; echo; \
        cat /kubelet-test/all/*; echo; stat -c %a /var/run/secrets/lagoon/ssh/key; \
        cat /var/run/secrets/kubernetes.io/serviceaccount/namespace; echo; \
        grep -c . /var/run/secrets/kubernetes.io/serviceaccount/token; \
        head -n 1 /var/run/secrets/kubernetes.io/serviceaccount/ca.crt; \
        echo kept > /kubelet-test/files/written; cat /kubelet-test/read-only/below/written; \
        echo scratch > /kubelet-test/scratch/x && cat /kubelet-test/scratch/x; \
        touch /kubelet-test/read-only/x 2>/dev/null || echo refused; \
        touch /var/run/secrets/lagoon/ssh/x 2>/dev/null || echo refused; \
        echo last words > /dev/termination-log; echo void > /dev/null";
    let container = json!({
        "command": ["sh", "-c"], "args": [script], "workingDir": "/kubelet-test/work", "volumeMounts": mounts,
    });
    let changes = json!({
        "volumes": volumes,
        "securityContext": { "runAsUser": 10000, "runAsGroup": 20000 },
    });
    place.pod("mounts", container, changes).await;
    let pod = place.until_ended("mounts").await;
    let log = place.log("mounts", LogParams::default()).await;
    let expected = [
        "/kubelet-test/work",
        "10000",
        "20000",
        "CapEff:\t0000000000000000",
        "AK",
        "Kapp=\"shop\"",
        "444",
        "kubelet-mounts-main",
        "1",
        "-----BEGIN CERTIFICATE-----",
        "kept",
        "scratch",
        "refused",
        "refused",
    ];
    assert_eq!(log.lines().collect::<Vec<_>>(), expected);
    assert_eq!(end(&pod), (0, None, "Completed".to_owned(), "last words\n".to_owned()));
    for path in ["/etc/kubelet-test", "/kubelet-test", "/var/run/secrets/lagoon"] {
        assert!(!std::path::Path::new(path).exists(), "{path}");
    }
    assert_eq!(std::fs::read("/dev/termination-log").ok(), termination_log);

    // The claim's folder is there for the next pod.
    let container = json!({
        "command": ["cat", "/kubelet-test/files/below/written"],
        "volumeMounts": [{ "name": "files", "mountPath": "/kubelet-test/files" }],
    });
    let volumes = json!([{ "name": "files", "persistentVolumeClaim": { "claimName": "files" } }]);
    place.pod("next", container, json!({ "volumes": volumes })).await;
    place.until_ended("next").await;
    assert_eq!(place.log("next", LogParams::default()).await, "kept\n");
}

#[tokio::test]
async fn a_service_account_token_is_one_of_the_pod() {
    let place = Place::new(control_plane().await, "kubelet-token").await;
    place.script("token", "cat /var/run/secrets/kubernetes.io/serviceaccount/token").await;
    place.until_ended("token").await;
    let mut kubeconfig = Kubeconfig::read_from(control_plane().await.kubeconfig()).unwrap();
    let token = place.log("token", LogParams::default()).await;
    kubeconfig.auth_infos[0].auth_info = Some(serde_json::from_value(json!({ "token": token })).unwrap());
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let client = kube::Client::try_from(config).unwrap();
    Api::<Pod>::namespaced(client, &place.namespace).get("token").await.unwrap();
    let own = |request: &lagoon_task_testing::Request| request.pod == "token" && request.namespace == place.namespace;
    let requests = control_plane().await.requests(own).await.unwrap();
    assert_eq!(requests.iter().map(lagoon_task_testing::Request::short).collect::<Vec<_>>(), ["get pods"]);
}
