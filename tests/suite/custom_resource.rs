//! The definition in `crds/`: what it accepts, and that it is the one from the types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use switch_testing::{Site, completed, condition, control_plane};

#[test]
fn the_file_in_crds_is_not_stale() {
    let file = include_str!("../../crds/hostmigrations.yaml");
    assert_eq!(file, hostmigration::definition_yaml().unwrap(), "run `cargo run --bin crdgen`");
}

fn objects(site: &Site<'_>) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("dioscuri.amazee.io", "v1", "HostMigration");
    Api::namespaced_with(site.client(), &site.standby.namespace, &ApiResource::from_gvk(&kind))
}

async fn create(site: &Site<'_>, name: &str, body: Value) -> kube::Result<DynamicObject> {
    let mut object = json!({
        "apiVersion": "dioscuri.amazee.io/v1", "kind": "HostMigration", "metadata": { "name": name },
    });
    object.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    objects(site).create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await
}

#[tokio::test]
async fn every_object_that_the_archived_definition_accepted_is_accepted() {
    let site = Site::new(control_plane().await, "archived-accepts").await;
    let conditions = json!([{ "type": "", "status": "maybe", "condition": "", "lastTransitionTime": "yesterday" }]);
    let accepted = [
        json!({}),
        json!({ "spec": {} }),
        json!({ "spec": { "destinationNamespace": "" } }),
        json!({ "spec": { "destinationNamespace": "Not A Namespace", "activeEnvironment": "main" } }),
        json!({ "spec": { "hosts": { "activeHosts": "", "standbyHosts": "" } } }),
        json!({ "status": {} }),
        json!({ "status": { "conditions": [] } }),
        json!({ "status": { "conditions": conditions } }),
    ];
    for (number, body) in accepted.into_iter().enumerate() {
        let created = create(&site, &format!("accepted-{number}"), body.clone()).await;
        assert!(created.is_ok(), "{body}: {created:?}");
    }
}

#[tokio::test]
async fn what_the_archived_definition_refused_is_refused() {
    let site = Site::new(control_plane().await, "archived-refuses").await;
    let refused = [
        json!({ "spec": { "destinationNamespace": 1 } }),
        json!({ "spec": { "hosts": { "activeHosts": "" } } }),
        json!({ "status": { "conditions": [{ "type": "started" }] } }),
    ];
    for body in refused {
        assert!(create(&site, "refused", body.clone()).await.is_err(), "{body}");
    }
}

/// As many URLs, each with a host name of this length, as one list of hosts holds.
fn urls(count: usize, length: usize) -> String {
    let host = |number: usize| format!("https://{number:0>length$}");
    (0..count).map(host).collect::<Vec<_>>().join(",")
}

fn conditions(count: usize, text: &str) -> Value {
    json!({ "status": { "conditions": vec![condition("failed", text); count] } })
}

#[tokio::test]
async fn site_with_3000_hosts_fits_into_the_definition() {
    let site = Site::new(control_plane().await, "limits-accept").await;
    let accepted = [
        json!({ "spec": { "destinationNamespace": "n".repeat(63) } }),
        json!({ "spec": { "hosts": { "activeHosts": urls(3_000, 253), "standbyHosts": "" } } }),
        json!({ "spec": { "hosts": { "activeHosts": urls(3_000, 100), "standbyHosts": urls(3_000, 100) } } }),
        conditions(1_000, "begun"),
        // The longest text that the controller writes.
        conditions(2, &"n".repeat(16 * 1024)),
    ];
    for (number, body) in accepted.into_iter().enumerate() {
        let created = create(&site, &format!("accepted-{number}"), body).await;
        assert!(created.is_ok(), "{number}: {:?}", created.map(drop));
    }
}

#[tokio::test]
async fn oversized_fields_are_refused_by_name() {
    let site = Site::new(control_plane().await, "limits-refuse").await;
    let hosts = "h".repeat(hostmigration::LONGEST_HOSTS + 1);
    let refused = [
        ("spec.destinationNamespace", json!({ "spec": { "destinationNamespace": "n".repeat(64) } })),
        ("spec.hosts.activeHosts", json!({ "spec": { "hosts": { "activeHosts": hosts, "standbyHosts": "" } } })),
        ("spec.hosts.standbyHosts", json!({ "spec": { "hosts": { "activeHosts": "", "standbyHosts": hosts } } })),
        ("status.conditions", conditions(hostmigration::MOST_CONDITIONS + 1, "begun")),
        ("status.conditions[0].condition", conditions(1, &"n".repeat(hostmigration::LONGEST_CONDITION + 1))),
    ];
    for (field, body) in refused {
        let Err(kube::Error::Api(status)) = create(&site, "refused", body).await else { panic!("{field}") };
        let causes = status.details.clone().unwrap().causes;
        assert!(status.code == 422 && causes[0].field == field, "{field}: {causes:?}");
    }
}

#[tokio::test]
async fn hosts_and_status_are_written_in_one_patch_because_there_is_no_status_subresource() {
    let site = Site::new(control_plane().await, "one-patch").await;
    create(&site, "one-patch", json!({ "spec": { "destinationNamespace": "x" } })).await.unwrap();
    let patch = Patch::Merge(completed());
    let patched = objects(&site).patch("one-patch", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(patched.data["status"]["conditions"][1]["type"], "completed");
    assert_eq!(patched.data["spec"]["hosts"]["standbyHosts"], "https://standby.example.com");
}

#[tokio::test]
async fn kubectl_get_shows_the_last_condition_the_destination_and_the_age() {
    let site = Site::new(control_plane().await, "columns").await;
    let mut body = completed();
    body["spec"]["destinationNamespace"] = json!("shop-main");
    create(&site, "columns", body).await.unwrap();
    let url = format!("/apis/dioscuri.amazee.io/v1/namespaces/{}/hostmigrations", site.standby.namespace);
    // What kubectl asks for to print a table.
    let request = http::Request::get(url).header("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
    let table: Value = site.client().request(request.body(Vec::new()).unwrap()).await.unwrap();
    let columns: Vec<_> = table["columnDefinitions"].as_array().unwrap().iter().map(|column| &column["name"]).collect();
    assert_eq!(columns, ["Name", "State", "Destination", "Age", "Message"]);
    assert_eq!(table["rows"][0]["cells"][1], "completed");
    assert_eq!(table["rows"][0]["cells"][2], "shop-main");
    assert_eq!(table["rows"][0]["cells"][4], "all routes moved");
}

#[tokio::test]
async fn the_definition_has_no_structural_problem() {
    let all: Api<CustomResourceDefinition> = Api::all(control_plane().await.client().unwrap());
    let definition = all.get("hostmigrations.dioscuri.amazee.io").await.unwrap();
    let conditions = definition.status.unwrap().conditions.unwrap();
    assert!(conditions.iter().all(|condition| condition.type_ != "NonStructuralSchema"), "{conditions:?}");
}
