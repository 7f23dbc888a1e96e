use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn pod(container: &Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {
            "name": "worker", "namespace": "shop-main", "uid": "0a1b",
            "labels": { "app": "shop", "tier": "back" }, "annotations": { "example.com/note": "by hand" },
        },
        "spec": { "serviceAccountName": "lagoon-deployer", "containers": [container] },
    }))
    .unwrap()
}

fn sources() -> Sources {
    let data = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    Sources {
        namespace: "shop-main".to_owned(),
        secrets: [("site".to_owned(), data(&[("COLOUR", "secret red"), ("SIZE", "secret big")]))].into(),
        config_maps: [("platform".to_owned(), data(&[("COLOUR", "blue"), ("SHAPE", "round")]))].into(),
        ..Sources::default()
    }
}

fn resolved(container: &Value) -> Result<Variables, String> {
    let mut named = json!({ "name": "only" });
    named.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
    let pod = pod(&named);
    variables(&pod.spec.as_ref().unwrap().containers[0], &pod, &sources())
}

#[allow(clippy::unnecessary_wraps, reason = "as the function under test answers")]
fn pairs(expected: &[(&str, &str)]) -> Result<Variables, String> {
    Ok(expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

#[test]
fn later_sources_win_and_env_wins_over_all() {
    let container = json!({
        "envFrom": [
            { "configMapRef": { "name": "platform" } },
            { "secretRef": { "name": "site" } },
            { "prefix": "OF_", "configMapRef": { "name": "platform" } },
        ],
        "env": [{ "name": "SIZE", "value": "small" }, { "name": "EMPTY" }],
    });
    let expected = [
        ("COLOUR", "secret red"),
        ("SHAPE", "round"),
        ("SIZE", "small"),
        ("OF_COLOUR", "blue"),
        ("OF_SHAPE", "round"),
        ("EMPTY", ""),
    ];
    assert_eq!(resolved(&container), pairs(&expected));
}

#[test]
fn single_keys_and_fields_become_variables() {
    let field = |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } });
    let container = json!({ "env": [
        { "name": "KEY", "valueFrom": { "secretKeyRef": { "name": "site", "key": "COLOUR" } } },
        { "name": "SETTING", "valueFrom": { "configMapKeyRef": { "name": "platform", "key": "SHAPE" } } },
        field("NAME", "metadata.name"),
        field("NAMESPACE", "metadata.namespace"),
        field("UID", "metadata.uid"),
        field("APP", "metadata.labels['app']"),
        field("NOTE", "metadata.annotations['example.com/note']"),
        field("NONE", "metadata.labels['none']"),
        field("ACCOUNT", "spec.serviceAccountName"),
        field("NODE", "spec.nodeName"),
        field("IP", "status.podIP"),
    ]});
    let expected = [
        ("KEY", "secret red"),
        ("SETTING", "round"),
        ("NAME", "worker"),
        ("NAMESPACE", "shop-main"),
        ("UID", "0a1b"),
        ("APP", "shop"),
        ("NOTE", "by hand"),
        ("NONE", ""),
        ("ACCOUNT", "lagoon-deployer"),
        ("NODE", "this-machine"),
        ("IP", "127.0.0.1"),
    ];
    assert_eq!(resolved(&container), pairs(&expected));
}

#[test]
fn what_is_missing_is_named_unless_it_is_optional() {
    for (kind, field, message) in [
        ("secretRef", json!({ "name": "none" }), "secret \"none\" not found"),
        ("configMapRef", json!({ "name": "none" }), "configmap \"none\" not found"),
    ] {
        let mut reference = field.clone();
        assert_eq!(resolved(&json!({ "envFrom": [{ kind: reference }] })), Err(message.to_owned()));
        reference["optional"] = json!(true);
        assert_eq!(resolved(&json!({ "envFrom": [{ kind: reference }] })), pairs(&[]));
    }
    for (kind, name, message) in [
        ("secretKeyRef", "none", "secret \"none\" not found"),
        ("secretKeyRef", "site", "couldn't find key NONE in Secret shop-main/site"),
        ("configMapKeyRef", "none", "configmap \"none\" not found"),
        ("configMapKeyRef", "platform", "couldn't find key NONE in ConfigMap shop-main/platform"),
    ] {
        let mut reference = json!({ "name": name, "key": "NONE" });
        let env = |reference: &Value| json!({ "env": [{ "name": "X", "valueFrom": { kind: reference } }] });
        assert_eq!(resolved(&env(&reference)), Err(message.to_owned()));
        reference["optional"] = json!(true);
        assert_eq!(resolved(&env(&reference)), pairs(&[]));
    }
    let unknown = json!({ "env": [{ "name": "X", "valueFrom": { "fieldRef": { "fieldPath": "spec.shape" } } }] });
    assert_eq!(resolved(&unknown), Err("unsupported fieldPath: spec.shape".to_owned()));
}

#[test]
fn references_are_replaced_by_the_variables_before_them() {
    let container = json!({ "env": [
        { "name": "FIRST", "value": "$(SECOND)" },
        { "name": "SECOND", "value": "two" },
        { "name": "THIRD", "value": "$(SECOND) and $(SECOND)" },
    ]});
    let expected = [("FIRST", "$(SECOND)"), ("SECOND", "two"), ("THIRD", "two and two")];
    assert_eq!(resolved(&container), pairs(&expected));
}

#[test]
fn a_reference_is_replaced_and_everything_else_is_left() {
    let variables = pairs(&[("A", "1"), ("NESTED", "$(A)")]).unwrap();
    for (text, expected) in [
        ("$(A)", "1"),
        ("a$(A)b$(A)", "a1b1"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(B)", "$(B)"),
        ("$(NESTED)", "$(A)"),
        ("$(A", "$(A"),
        ("$A", "$A"),
        ("100$", "100$"),
        ("é$(A)é", "é1é"),
        ("", ""),
    ] {
        assert_eq!(expand(text, &variables), expected, "{text:?}");
    }
}

#[test]
fn labels_are_listed_a_line_each() {
    let pod = pod(&json!({ "name": "only" }));
    assert_eq!(field(&pod, "metadata.labels").unwrap(), "app=\"shop\"\ntier=\"back\"");
}

proptest! {
    #[test]
    fn a_reference_anywhere_is_replaced(before in "[^$]*", name in "[A-Z_]{1,5}", value in ".*", after in ".*") {
        let variables = vec![(name.clone(), value.clone())];
        let expected = format!("{before}{value}{}", expand(&after, &variables));
        prop_assert_eq!(expand(&format!("{before}$({name}){after}"), &variables), expected);
    }

    #[test]
    fn escaped_text_is_what_it_was(text in ".*") {
        prop_assert_eq!(expand(&text.replace('$', "$$"), &Variables::new()), text);
    }
}
