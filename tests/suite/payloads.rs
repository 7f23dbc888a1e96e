//! Payloads of the direct way that do not fit: exit code 1, one clear sentence, and no request.

use lagoon_task_testing::{Finished, Task};
use serde_json::{Value, json};

use switch_testing::Shop;
use switch_testing::control_plane;

const NAMES: &str = "are not two different names. Nothing has changed.";
const NO_NAMESPACE: &str = "is not the name of a Kubernetes namespace. Nothing has changed.";

/// Runs a task that must not send a request; its only sentence must hold `says`.
async fn assert_refused(task: Task<'_>, name: &str, says: &str) {
    let finished = task.launch().await.unwrap().finish().await.unwrap();
    let Finished { exit_code, log, requests, annotation, termination_message, .. } = finished;
    assert_eq!(exit_code, Some(1), "{name}: {log}");
    assert!(log.contains(says), "{name}: {says:?} in\n{log}");
    assert!(log.starts_with("The task's payload does not fit this task: "), "{name}: {log}");
    assert_eq!(log.lines().count(), 1, "{name}: {log}");
    assert_eq!(log.trim_end(), termination_message, "{name}");
    assert_eq!(requests, [], "{name}");
    assert_eq!(annotation, None, "{name}");
}

#[tokio::test]
async fn a_field_that_is_missing_is_named() {
    let shop = Shop::empty(control_plane().await, "field-missing").await;
    for field in ["productionEnvironment", "standbyEnvironment", "sourceNamespace", "destinationNamespace"] {
        let mut payload = shop.payload();
        payload.as_object_mut().unwrap().remove(field);
        assert_refused(shop.site.task(&payload), field, &format!("the field `{field}` is missing")).await;
    }
    let mut payload = shop.payload();
    for field in ["sourceNamespace", "destinationNamespace"] {
        payload.as_object_mut().unwrap().remove(field);
    }
    let says = "the field `crd`, the HostMigration to create, is missing, and so are `sourceNamespace` and \
                `destinationNamespace`. Nothing has changed.";
    assert_refused(shop.site.task(&payload), "both namespaces", says).await;
}

#[tokio::test]
async fn a_field_of_a_wrong_type_is_named_without_its_value() {
    let shop = Shop::empty(control_plane().await, "field-type").await;
    let value = json!("v4lue-0f-the-payload");
    for field in ["productionEnvironment", "standbyEnvironment", "sourceNamespace", "destinationNamespace"] {
        for wrong in [json!(4_711), json!([value]), json!({ "name": value }), json!(true)] {
            let mut payload = shop.payload();
            payload[field] = wrong.clone();
            let says = format!("the field `{field}` is not a string");
            assert_refused(shop.site.task(&payload), &format!("{field}: {wrong}"), &says).await;
        }
    }
    for wrong in [json!(1), json!("yes"), json!("TRUE"), json!([true]), json!({ "yes": 1 })] {
        let mut payload = shop.payload();
        payload["dryRun"] = wrong.clone();
        let says = "the field `dryRun` ";
        assert_refused(shop.site.task(&payload), &format!("dryRun: {wrong}"), says).await;
    }
}

#[tokio::test]
async fn names_that_cannot_be_meant_are_refused() {
    let shop = Shop::empty(control_plane().await, "odd-names").await;
    let another = "is not the namespace that the task runs in. A switch is started in the standby environment. Nothing has \
                   changed.";
    let same = "its `sourceNamespace` and `destinationNamespace` are the same. Nothing has changed.";
    let long = "a".repeat(64);
    let cases: [(&str, Value, &str); 12] = [
        ("sourceNamespace", json!(shop.active), same),
        ("destinationNamespace", json!(shop.standby), same),
        ("sourceNamespace", json!("kube-system"), another),
        ("sourceNamespace", json!(""), NO_NAMESPACE),
        ("sourceNamespace", json!("../kube-system"), NO_NAMESPACE),
        ("destinationNamespace", json!("odd-names.main"), NO_NAMESPACE),
        ("destinationNamespace", json!("Odd-Names-Main"), NO_NAMESPACE),
        ("destinationNamespace", json!("-main"), NO_NAMESPACE),
        ("destinationNamespace", json!(long), NO_NAMESPACE),
        ("destinationNamespace", json!("main\n"), NO_NAMESPACE),
        ("standbyEnvironment", json!("main"), NAMES),
        ("productionEnvironment", json!(" "), NAMES),
    ];
    for (field, value, says) in cases {
        let mut payload = shop.payload();
        payload[field] = value.clone();
        assert_refused(shop.site.task(&payload), &format!("{field}: {value}"), says).await;
    }
}
