use proptest::prelude::*;

use super::*;
use crate::fixtures::{ACTIVE, STANDBY, annotated, ingress, moved, with};
use lagoon_task::environment::{is_dns_label, is_dns_subdomain};

mod property;

const SWITCH: &str = "0mzvq8k2p-a1b2c";

/// A route as a server shows it, with all that a server and others add.
fn as_the_server_shows_it() -> Value {
    let object = annotated(ingress("www"), "example.com/note", "keep me");
    let object = with(object, &["metadata", "labels", labels::LEGACY_MIGRATE], "true");
    let object = with(object, &["metadata", "labels", "app"], "shop");
    let object = with(object, &["metadata", "namespace"], STANDBY);
    let object = with(object, &["metadata", "creationTimestamp"], "2026-01-01T00:00:00Z");
    let object = with(object, &["metadata", "generation"], 4);
    let object = with(object, &["metadata", "selfLink"], "/apis/x");
    let object = with(object, &["metadata", "deletionTimestamp"], "2026-01-01T00:00:00Z");
    let object = with(object, &["metadata", "deletionGracePeriodSeconds"], 0);
    let object = with(object, &["metadata", "managedFields"], json!([{ "manager": "helm" }]));
    let object = with(object, &["metadata", "ownerReferences"], json!([{ "kind": "Shop", "name": "x", "uid": "u" }]));
    let object = with(object, &["metadata", "finalizers"], json!(["ingress.k8s.aws/resources"]));
    let object = with(object, &["metadata", "unknown"], json!({ "a": [1, 2.5, null] }));
    let object = with(object, &["spec", "unknown"], json!({ "b": "c" }));
    let object = with(object, &["unknown"], "top");
    with(object, &["status"], json!({ "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } }))
}

/// A Secret with all that a Secret may have.
fn secret() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "www-tls",
            "namespace": STANDBY,
            "uid": "u",
            "resourceVersion": "7",
            "labels": { "controller.cert-manager.io/fao": "true" },
            "annotations": { "cert-manager.io/certificate-name": "www-tls", "quote": "a \"b\" \\ c" },
        },
        "type": "kubernetes.io/tls",
        "data": { "tls.crt": "QQ==", "tls.key": "Qg==" },
    })
}

#[test]
fn what_the_server_sets_is_not_carried_and_everything_else_is() {
    let carried = carried(&as_the_server_shows_it());
    let metadata = carried["metadata"].as_object().unwrap();
    let fields: Vec<&str> = metadata.keys().map(String::as_str).collect();
    assert_eq!(fields, ["name", "labels", "annotations", "finalizers", "unknown"]);
    assert_eq!(carried["metadata"]["annotations"], json!({ "example.com/note": "keep me" }));
    assert_eq!(carried["metadata"]["unknown"], json!({ "a": [1, 2.5, null] }));
    assert_eq!(carried["spec"], as_the_server_shows_it()["spec"]);
    assert_eq!(carried["unknown"], "top");
    assert!(carried.get("status").is_none());
}

#[test]
fn route_on_its_way_says_so_in_its_labels() {
    let moved = moved(&as_the_server_shows_it(), STANDBY, ACTIVE, SWITCH);
    assert_eq!(
        moved["metadata"]["labels"],
        json!({
            "activestandby.lagoon.sh/migrate": "true",
            "app": "shop",
            "activestandby.lagoon.sh/switch": SWITCH,
            "activestandby.lagoon.sh/migrating": "true",
            "activestandby.lagoon.sh/migrated-from": STANDBY,
        })
    );
    assert_eq!(moved["metadata"]["namespace"], ACTIVE);
    assert_eq!(moved["metadata"]["name"], "www");
    assert_eq!(moved["spec"], as_the_server_shows_it()["spec"]);
    assert!(say_the_same(&moved, &with(moved.clone(), &["metadata", "labels", labels::SWITCH], "another")));
}

#[test]
fn what_upstreams_image_leaves_on_a_route_is_replaced() {
    let labels = json!({
        labels::MIGRATE: "true", labels::MIGRATING: "true", labels::MIGRATED_FROM: "elsewhere", labels::SWITCH: "earlier",
    });
    let moved = moved(&with(ingress("www"), &["metadata", "labels"], labels), STANDBY, ACTIVE, SWITCH);
    assert_eq!(
        moved["metadata"]["labels"],
        json!({
            labels::MIGRATE: "true", labels::MIGRATING: "true", labels::MIGRATED_FROM: STANDBY, labels::SWITCH: SWITCH,
        })
    );
}

#[test]
fn at_home_a_route_is_what_it_was() {
    let original = as_the_server_shows_it();
    let home = at_home(&original, STANDBY);
    assert!(say_the_same(&home, &original));
    assert_eq!(home["metadata"]["namespace"], STANDBY);
    assert_eq!(home["metadata"]["labels"], original["metadata"]["labels"], "an earlier switch's label stays");
}

#[test]
fn a_copy_that_comes_back_says_what_the_original_said() {
    let no_labels = with(secret(), &["metadata"], json!({ "name": "www-tls" }));
    let empty_labels = with(secret(), &["metadata", "labels"], json!({}));
    for original in [secret(), no_labels, empty_labels, as_the_server_shows_it()] {
        let back = returned(&copied(&original, ACTIVE, SWITCH), STANDBY, SWITCH);
        assert!(say_the_same(&back, &original), "{back}");
        assert!(same_content(&back, &original));
        assert_eq!(back["metadata"]["namespace"], STANDBY);
        assert_eq!(back.pointer("/metadata/labels/activestandby.lagoon.sh~1switch"), None);
        assert_ne!(back["metadata"].get("labels"), Some(&json!({})), "labels that the copy brought go with it");
    }
}

#[test]
fn another_switchs_label_stays_on_what_comes_back() {
    let labelled = with(secret(), &["metadata", "labels", labels::SWITCH], "another");
    let back = returned(&labelled, STANDBY, SWITCH);
    assert_eq!(back["metadata"]["labels"][labels::SWITCH], "another");
}

#[test]
fn kept_secret_says_all_that_it_said() {
    let aside = kept_aside(&secret(), ACTIVE, "aside", SWITCH);
    assert_eq!(aside["metadata"]["name"], "aside");
    assert_eq!(aside["metadata"]["namespace"], ACTIVE);
    assert_eq!(aside["metadata"]["labels"], json!({ labels::SWITCH: SWITCH, labels::ROLE: labels::KEPT }));
    let annotations = aside["metadata"]["annotations"].as_object().unwrap();
    assert_eq!(annotations.len(), 1, "cert-manager must not take it for one of its own: {annotations:?}");
    assert!(same_content(&aside, &secret()));
    let back = under_its_own_name(&aside).unwrap();
    assert!(say_the_same(&back, &secret()), "{back}");
    assert_eq!(back["metadata"]["name"], "www-tls");
}

#[test]
fn kept_immutable_secret_is_immutable_again() {
    let original = with(secret(), &["immutable"], true);
    let aside = kept_aside(&original, ACTIVE, "aside", SWITCH);
    assert!(say_the_same(&under_its_own_name(&aside).unwrap(), &original));
    assert_eq!(under_its_own_name(&kept_aside(&secret(), ACTIVE, "aside", SWITCH)).unwrap().get("immutable"), None);
}

#[test]
fn secret_that_was_not_kept_has_no_other_name() {
    let key = "activestandby.lagoon.sh/metadata";
    for (annotation, value) in [("other", "{}"), (key, ""), (key, "{"), (key, "\u{0}")] {
        assert_eq!(under_its_own_name(&annotated(secret(), annotation, value)), None, "{annotation} {value:?}");
    }
    for malformed in [json!(null), json!([]), json!({ "metadata": { "annotations": [] } })] {
        assert_eq!(under_its_own_name(&malformed), None, "{malformed}");
    }
}

#[test]
fn kept_secret_loses_this_switchs_label_only() {
    let labelled = |switch: &str| with(secret(), &["metadata", "labels", labels::SWITCH], switch);
    let back = |secret: &Value| under_its_own_name(&kept_aside(secret, ACTIVE, "aside", SWITCH)).unwrap();
    let label = |secret: &Value| secret["metadata"]["labels"].get(labels::SWITCH).cloned();
    assert_eq!(label(&back(&labelled(SWITCH))), None);
    assert_eq!(label(&back(&labelled("earlier"))), Some("earlier".into()));
}

#[test]
fn kept_secrets_name_is_the_same_in_every_run_and_version() {
    assert_eq!(kept_name(SWITCH, "www-tls"), "activestandby-0mzvq8k2p-a1b2c-26c8db5ee802fa4a");
    let all = [("s", "www"), ("t", "www"), ("s", "ww")];
    let names: BTreeSet<String> = all.iter().map(|(switch, name)| kept_name(switch, name)).collect();
    assert_eq!(names.len(), all.len(), "{names:?}");
}

#[test]
fn kept_object_differs_by_a_label_that_a_switch_reads() {
    let sent = moved(&ingress("www"), STANDBY, ACTIVE, SWITCH);
    let changed = |label: &str, value: Value| with(sent.clone(), &["metadata", "labels", label], value);
    let cases = [
        (labels::MIGRATE, json!("false"), "changed"),
        (labels::MIGRATING, json!("false"), "changed"),
        (labels::MIGRATED_FROM, json!("elsewhere"), "changed"),
        (labels::SWITCH, json!(null), "dropped"),
        (labels::LEGACY_MIGRATE, json!("true"), "added"),
    ];
    for (label, value, what) in cases {
        assert_eq!(difference(&sent, &changed(label, value)), Some(format!("metadata.labels.\"{label}\"")), "{what}");
    }
    for bare in [with(sent.clone(), &["metadata", "labels"], json!(null)), with(sent.clone(), &["metadata"], json!({}))]
    {
        let first = format!("metadata.labels.\"{}\"", labels::MIGRATE);
        assert_eq!(difference(&sent, &bare), Some(first.clone()), "all labels dropped");
        assert_eq!(difference(&bare, &sent), Some(first), "all labels added");
    }
}

#[test]
fn kept_object_differs_by_its_specification_at_any_depth() {
    let sent = json!({ "spec": {
        "ingressClassName": "nginx",
        "rules": [{ "host": "a" }, { "host": "b", "http": { "paths": [{ "path": "/", "pathType": "Prefix" }] } }],
        "tls": [{ "hosts": ["a", "b"] }],
    } });
    let kept = |pointer: &str, value: Value| {
        let mut kept = sent.clone();
        *kept.pointer_mut(pointer).unwrap() = value;
        kept
    };
    let cases = [
        (with(sent.clone(), &["spec", "ingressClassName"], "other"), "spec.ingressClassName"),
        (with(sent.clone(), &["spec", "ingressClassName"], json!(null)), "spec.ingressClassName"),
        (with(sent.clone(), &["spec", "defaultBackend"], json!({ "service": {} })), "spec.defaultBackend"),
        (kept("/spec/rules/1/http/paths/0/path", json!("/x")), "spec.rules[1].http.paths[0].path"),
        (kept("/spec/rules/1/http/paths/0", json!({ "path": "/" })), "spec.rules[1].http.paths[0].pathType"),
        (kept("/spec/rules/0", json!({ "host": "a", "http": {} })), "spec.rules[0].http"),
        (kept("/spec/tls/0/hosts", json!(["b", "a"])), "spec.tls[0].hosts[0]"),
        (kept("/spec/tls/0/hosts", json!(["a"])), "spec.tls[0].hosts"),
        (kept("/spec/tls/0/hosts", json!(["a", "b", "c"])), "spec.tls[0].hosts"),
        (kept("/spec/rules", json!({})), "spec.rules"),
        (json!({ "spec": null }), "spec"),
        (json!({}), "spec"),
    ];
    for (kept, field) in cases {
        assert_eq!(difference(&sent, &kept).as_deref(), Some(field), "{kept}");
        assert_eq!(difference(&kept, &sent).as_deref(), Some(field), "the other way: {kept}");
    }
}

#[test]
fn kept_object_may_differ_in_what_no_switch_reads() {
    let sent = moved(&as_the_server_shows_it(), STANDBY, ACTIVE, SWITCH);
    let kept = [
        sent.clone(),
        with(sent.clone(), &["metadata", "uid"], "another"),
        with(sent.clone(), &["metadata", "labels", "app"], "another"),
        with(sent.clone(), &["metadata", "labels", labels::LEGACY_MIGRATE], json!(null)),
        annotated(sent.clone(), "example.com/policy", "was here"),
        with(sent.clone(), &["status"], json!({ "loadBalancer": {} })),
        with(sent.clone(), &["spec", "nothing"], json!(null)),
    ];
    for kept in kept {
        assert_eq!(difference(&sent, &kept), None, "{kept}");
    }
}

#[test]
fn two_objects_say_the_same_whatever_the_server_and_a_switch_write() {
    let original = as_the_server_shows_it();
    let same = [
        with(original.clone(), &["status"], json!({})),
        with(original.clone(), &["metadata", "resourceVersion"], "8"),
        with(original.clone(), &["metadata", "labels", labels::SWITCH], SWITCH),
        with(original.clone(), &["metadata", "labels", labels::MIGRATING], "false"),
        with(original.clone(), &["metadata", "labels", labels::MIGRATED_FROM], ACTIVE),
    ];
    for other in same {
        assert!(say_the_same(&original, &other), "{other}");
    }
    let different = [
        with(original.clone(), &["spec", "ingressClassName"], "nginx"),
        with(original.clone(), &["metadata", "labels", "app"], "blog"),
        with(original.clone(), &["metadata", "labels", labels::MIGRATE], "false"),
        annotated(original.clone(), "example.com/note", "changed"),
        with(original.clone(), &["metadata", "finalizers"], json!([])),
    ];
    for other in different {
        assert!(!say_the_same(&original, &other), "{other}");
    }
}

#[test]
fn an_object_of_a_list_is_the_same_as_a_read_of_it() {
    let mut of_a_list = as_the_server_shows_it();
    of_a_list.as_object_mut().unwrap().retain(|field, _| field != "kind" && field != "apiVersion");
    assert!(say_the_same(&of_a_list, &as_the_server_shows_it()));
}

#[test]
fn no_labels_are_the_same_as_empty_ones() {
    let bare = with(secret(), &["metadata"], json!({ "name": "x" }));
    let empty = with(secret(), &["metadata"], json!({ "name": "x", "labels": {}, "annotations": {} }));
    assert!(say_the_same(&bare, &empty));
}

#[test]
fn secrets_are_told_apart_by_type_and_data_alone() {
    let same = [
        with(secret(), &["metadata", "labels"], json!({ "a": "b" })),
        with(secret(), &["data"], json!({ "tls.key": "Qg==", "tls.crt": "QQ==" })),
    ];
    for other in same {
        assert!(same_content(&secret(), &other), "{other}");
    }
    let different = [
        with(secret(), &["type"], "Opaque"),
        with(secret(), &["data", "tls.key"], "Qw=="),
        with(secret(), &["data", "more"], ""),
        with(secret(), &["data"], json!({})),
    ];
    for other in different {
        assert!(!same_content(&secret(), &other), "{other}");
    }
    let empty = with(secret(), &["data"], json!({}));
    assert!(same_content(&empty, &with(secret(), &["data"], json!(null))));
}

#[test]
fn annotations_that_name_the_old_namespace_name_the_new_one() {
    let route = json!({ "metadata": { "name": "www", "namespace": "shop-main", "annotations": {
        "nginx.ingress.kubernetes.io/auth-tls-secret": "shop-main/authority",
        "nginx.ingress.kubernetes.io/auth-secret": "passwords",
        "nginx.ingress.kubernetes.io/proxy-ssl-secret": "elsewhere/authority",
        "example.com/note": "shop-main/authority",
    } } });
    let moved = moved(&route, "shop-main", "shop-develop", "s1");
    assert_eq!(
        moved["metadata"]["annotations"],
        json!({
            "nginx.ingress.kubernetes.io/auth-tls-secret": "shop-develop/authority",
            "nginx.ingress.kubernetes.io/auth-secret": "passwords",
            "nginx.ingress.kubernetes.io/proxy-ssl-secret": "elsewhere/authority",
            "example.com/note": "shop-main/authority",
        })
    );
}

#[test]
fn secret_that_version_1_kept_is_found() {
    // Version 1 named it by its kind and name: stand_in_name(SWITCH, "Secret", "www-tls").
    assert_eq!(kept_name(SWITCH, "www-tls"), "activestandby-0mzvq8k2p-a1b2c-26c8db5ee802fa4a");
}
