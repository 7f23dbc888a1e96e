use serde_json::json;

use super::*;

fn dynamic(mut fields: Value) -> DynamicObject {
    fields["apiVersion"] = "dioscuri.amazee.io/v1".into();
    fields["kind"] = KIND.into();
    fields["metadata"] = json!({ "name": "host-migration-abcde", "namespace": "shop-standby", "uid": "1" });
    serde_json::from_value(fields).unwrap()
}

#[test]
fn an_object_is_read_as_its_type() {
    let object = typed(&dynamic(json!({
        "spec": { "destinationNamespace": "shop-main", "activeEnvironment": "main" },
        "status": { "conditions": [
            { "type": "started", "status": "True", "condition": "", "lastTransitionTime": "2026-01-01T00:00:00Z" },
        ] },
    })))
    .unwrap();
    assert_eq!(object.uid().as_deref(), Some("1"));
    assert_eq!(object.spec.destination_namespace.as_deref(), Some("shop-main"));
    assert_eq!(object.status.unwrap().conditions.unwrap()[0].kind, "started");
}

#[test]
fn a_missing_spec_is_an_empty_one() {
    for fields in [json!({}), json!({ "spec": null, "status": null }), json!({ "spec": {} })] {
        let object = typed(&dynamic(fields)).unwrap();
        assert_eq!(object.spec.destination_namespace, None);
        assert_eq!(object.status.unwrap_or_default().conditions, None);
    }
}

#[test]
fn an_odd_object_is_named_and_its_values_are_not() {
    let error = typed(&dynamic(json!({ "spec": { "destinationNamespace": ["hunter22"] } }))).unwrap_err();
    assert_eq!(error.field, "spec");
    let text = error.to_string();
    assert!(text.contains("HostMigration \"host-migration-abcde\" in namespace \"shop-standby\""), "{text}");
    assert!(!text.contains("hunter22"), "{text}");
    let error = typed(&dynamic(json!({ "status": { "conditions": [{ "type": "started" }] } }))).unwrap_err();
    assert_eq!(error.field, "status");
}
