use proptest::prelude::*;
use serde_json::json;

use super::*;

const OWN_TASK: &str = "lagoon-task-a1b2c3";

/// The object as Lagoon makes it.
fn lagoons() -> Value {
    json!({
        "apiVersion": "dioscuri.amazee.io/v1",
        "kind": "HostMigration",
        "metadata": {
            "name": "host-migration-a1b2c3",
            "annotations": { "dioscuri.amazee.io/migrate": "true" },
        },
        "spec": { "destinationNamespace": "shop-main", "activeEnvironment": "main" },
    })
}

/// Lagoon's object with `value` at `path`, as in a JSON pointer; without what is there when `value` is `None`.
fn with(path: &str, value: Option<Value>) -> Map<String, Value> {
    let mut object = lagoons();
    let (parent, field) = path.rsplit_once('/').unwrap();
    let parent = object.pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
    match value {
        Some(value) => drop(parent.insert(field.to_owned(), value)),
        None => drop(parent.shift_remove(field)),
    }
    let Value::Object(object) = object else { unreachable!() };
    object
}

fn requested(path: &str, value: Value) -> Result<Requested, ObjectError> {
    Requested::from_payload(with(path, Some(value)), "shop-standby", OWN_TASK)
}

fn as_lagoon_sends_it() -> Requested {
    Requested::from_payload(lagoons().as_object().unwrap().clone(), "shop-standby", OWN_TASK).unwrap()
}

#[test]
fn lagoons_object_is_marked_and_put_into_the_tasks_namespace_with_all_else_to_the_letter() {
    let requested = as_lagoon_sends_it();
    assert_eq!(requested.name, "host-migration-a1b2c3");
    assert_eq!(requested.namespace, "shop-standby");
    assert_eq!(requested.destination, "shop-main");
    assert_eq!(
        requested.object.to_string(),
        concat!(
            r#"{"apiVersion":"dioscuri.amazee.io/v1","kind":"HostMigration","#,
            r#""metadata":{"name":"host-migration-a1b2c3","annotations":{"dioscuri.amazee.io/migrate":"true","#,
            r#""activestandby.lagoon.sh/task":"lagoon-task-a1b2c3"},"#,
            r#""namespace":"shop-standby"},"#,
            r#""spec":{"destinationNamespace":"shop-main","activeEnvironment":"main"}}"#
        )
    );
}

#[test]
fn a_namespace_in_the_payload_is_overwritten_whatever_it_is() {
    for namespace in [json!("kube-system"), json!(""), json!(7), json!(null), json!({})] {
        let requested = requested("/metadata/namespace", namespace.clone()).unwrap();
        assert_eq!(requested.namespace, "shop-standby", "{namespace}");
        assert_eq!(requested.object["metadata"]["namespace"], "shop-standby", "{namespace}");
    }
}

#[test]
fn the_tasks_mark_is_written_whatever_annotations_there_are() {
    for annotations in [json!(null), json!({}), json!({ "a": "b" }), json!({ TASK: "lagoon-task-other" })] {
        let requested = requested("/metadata/annotations", annotations.clone()).unwrap();
        assert_eq!(requested.object["metadata"]["annotations"][TASK], OWN_TASK, "{annotations}");
    }
    let requested = Requested::from_payload(with("/metadata/annotations", None), "shop-standby", OWN_TASK).unwrap();
    assert_eq!(requested.object["metadata"]["annotations"], json!({ TASK: OWN_TASK }));
}

#[test]
fn a_status_in_the_payload_is_left_out() {
    let done = json!({ "type": "completed", "status": "True", "condition": "", "lastTransitionTime": "" });
    let requested = requested("/status", json!({ "conditions": [done] })).unwrap();
    assert_eq!(requested.object.get("status"), None);
}

#[test]
fn fields_that_the_type_does_not_know_stay_where_they_are() {
    for path in ["/other", "/metadata/other", "/spec/other", "/metadata/annotations/other"] {
        for value in [json!("MARKER"), json!({ "z": [1, { "a": 2.5 }], "b": "ü\n" })] {
            // An annotation's value is text.
            let value = if path.contains("annotations") { Value::from(value.to_string()) } else { value };
            let requested = requested(path, value.clone()).unwrap();
            assert_eq!(requested.object.pointer(path), Some(&value), "{path}");
        }
    }
}

#[test]
fn what_is_not_a_host_migration_with_a_name_and_a_destination_is_refused() {
    let table = [
        ("/apiVersion", vec!["v1", "dioscuri.amazee.io/v2", "dioscuri.amazee.io/v1 ", ""], ObjectError::ApiVersion),
        ("/kind", vec!["Secret", "hostmigration", "HostMigrationList", ""], ObjectError::Kind),
        ("/metadata/name", vec!["", "../secrets/x", "A", "a b", "a/b", "-a", "a,metadata.name!=a"], ObjectError::Name),
        ("/spec/destinationNamespace", vec!["", "a.b", "../kube-system", "A", "-a", "a b"], ObjectError::Destination),
        ("/spec/destinationNamespace", vec!["shop-standby"], ObjectError::SameNamespace),
    ];
    for (path, values, refusal) in table {
        for value in values {
            assert_eq!(requested(path, value.into()).unwrap_err(), refusal, "{path} {value:?}");
        }
    }
    let table = [
        ("/apiVersion", ObjectError::ApiVersion),
        ("/kind", ObjectError::Kind),
        ("/metadata/name", ObjectError::Name),
        ("/metadata", ObjectError::Name),
        ("/spec/destinationNamespace", ObjectError::Destination),
        ("/spec", ObjectError::Destination),
    ];
    for (path, refusal) in table {
        assert_eq!(
            Requested::from_payload(with(path, None), "shop-standby", OWN_TASK).unwrap_err(),
            refusal,
            "{path} absent"
        );
        for wrong in [json!(null), json!(1), json!(["a"]), json!({ "a": "b" })] {
            assert_eq!(requested(path, wrong.clone()).unwrap_err(), refusal, "{path} {wrong}");
        }
    }
}

#[test]
fn each_refusal_is_a_sentence_that_says_nothing_has_changed() {
    let table = [
        (ObjectError::ApiVersion, "`crd.apiVersion` is not dioscuri.amazee.io/v1, and the task creates nothing else"),
        (ObjectError::Kind, "`crd.kind` is not HostMigration, and the task creates nothing else"),
        (ObjectError::Name, "`crd.metadata.name` is not the name of a Kubernetes object"),
        (ObjectError::Destination, "`crd.spec.destinationNamespace` is not the name of a Kubernetes namespace"),
        (ObjectError::SameNamespace, "`crd.spec.destinationNamespace` is the namespace of the task itself"),
        (ObjectError::Type { field: "spec.hosts".to_owned() }, "`crd.spec.hosts` has the wrong type"),
    ];
    for (error, middle) in table {
        let sentence = format!("The task's payload does not fit this task: its {middle}. Nothing has changed.");
        assert_eq!(error.to_string(), sentence);
    }
}

#[test]
fn a_wrong_type_is_refused_with_the_name_of_the_field_and_without_the_value() {
    let table = [
        ("/metadata/labels", json!("MARKER"), "metadata.labels"),
        ("/metadata/annotations", json!({ "a": ["MARKER"] }), "metadata.annotations.a"),
        ("/metadata/annotations", json!({ "a\u{1b}": ["MARKER"] }), "metadata.annotations.a\\u{1b}"),
        ("/metadata/finalizers", json!(["a", { "MARKER": 1 }]), "metadata.finalizers[1]"),
        ("/metadata/creationTimestamp", json!("MARKER"), "metadata.creationTimestamp"),
        ("/spec/hosts", json!("MARKER"), "spec.hosts"),
        ("/spec/hosts", json!({ "activeHosts": ["MARKER"], "standbyHosts": "" }), "spec.hosts.activeHosts"),
        ("/status", json!("MARKER"), "status"),
        ("/status", json!({ "conditions": "MARKER" }), "status.conditions"),
    ];
    for (path, value, field) in table {
        let error = requested(path, value.clone()).unwrap_err();
        assert_eq!(error, ObjectError::Type { field: field.to_owned() }, "{path} {value}");
        assert!(!error.to_string().contains("MARKER"), "{error}");
    }
}

#[test]
fn an_object_in_the_cluster_is_the_same_when_it_asks_for_the_same_switch() {
    let requested = as_lagoon_sends_it();
    let hosts = json!({ "activeHosts": "https://a.example", "standbyHosts": "" });
    let table = [
        (json!({ "destinationNamespace": "shop-main", "activeEnvironment": "main" }), true, "the same"),
        (json!({ "destinationNamespace": "shop-main" }), true, "a field that the server dropped"),
        (json!({ "destinationNamespace": "shop-main", "hosts": hosts }), true, "hosts that the controller wrote"),
        (json!({ "destinationNamespace": "shop-main", "other": 1 }), true, "a field that somebody added"),
        (json!({ "destinationNamespace": "blog-main", "activeEnvironment": "main" }), false, "another destination"),
        (json!({ "destinationNamespace": "shop-main", "activeEnvironment": "dev" }), false, "another environment"),
        (json!({ "destinationNamespace": null }), false, "no destination"),
        (json!({ "activeEnvironment": "main" }), false, "no destination at all"),
        (json!({}), false, "an empty spec"),
        (json!("shop-main"), false, "a spec that is no object"),
    ];
    for (spec, same, what) in table {
        assert_eq!(requested.is_same_as(&json!({ "spec": spec })), same, "{what}");
    }
    for nothing in [json!({}), json!(null), json!([]), json!({ "status": {} })] {
        assert!(!requested.is_same_as(&nothing), "{nothing}");
    }
}

#[test]
fn hosts_in_the_payload_do_not_make_the_object_another_one() {
    let hosts = json!({ "activeHosts": "", "standbyHosts": "" });
    let requested = requested("/spec/hosts", hosts).unwrap();
    let written = json!({ "activeHosts": "https://a.example", "standbyHosts": "https://b.example" });
    assert!(requested.is_same_as(&json!({ "spec": { "destinationNamespace": "shop-main", "hosts": written } })));
}

/// JSON in which every text holds the marker.
fn marked_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z\n]{0,3}".prop_map(|text| Value::from(format!("MARKER{text}"))),
    ];
    let names = prop::sample::select(vec!["name", "spec", "hosts", "activeHosts", "labels", "status", "conditions"]);
    leaf.prop_recursive(3, 16, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names.clone().prop_map(str::to_owned), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_stands_in_the_object_it_is_refused_without_its_values_or_goes_to_the_tasks_namespace(
        path in prop::sample::select(vec![
            "/apiVersion", "/kind", "/metadata", "/metadata/name", "/metadata/labels", "/metadata/annotations",
            "/metadata/ownerReferences", "/spec", "/spec/destinationNamespace", "/spec/hosts", "/status", "/other",
        ]),
        value in marked_json(),
    ) {
        match requested(path, value) {
            Err(error) => prop_assert!(!error.to_string().contains("MARKER"), "{error}"),
            Ok(Requested { object, .. }) => {
                prop_assert_eq!(&object["metadata"]["namespace"], "shop-standby");
                prop_assert_eq!((&object["apiVersion"], &object["kind"]), (&json!(API_VERSION), &json!(KIND)));
            }
        }
    }

    #[test]
    fn any_object_at_all_is_refused_without_a_panic(value in marked_json()) {
        let object = value.as_object().cloned().unwrap_or_default();
        prop_assert_eq!(Requested::from_payload(object, "shop-standby", OWN_TASK).unwrap_err(), ObjectError::ApiVersion);
        let requested = as_lagoon_sends_it();
        prop_assert!(!requested.is_same_as(&value));
    }
}
