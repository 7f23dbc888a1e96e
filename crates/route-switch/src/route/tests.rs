use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::fixtures::{
    ACTIVE, STANDBY, annotated, any_json, any_object, http_route, ingress, names, read, served_from, staying, to, with,
};

mod annotations;
mod http_route;
mod kinds;

/// What an Ingress of this specification serves and names.
fn of_spec(spec: Value) -> References {
    read(&with(ingress("www"), &["spec"], spec), STANDBY).references
}

/// The Services that requests are sent to.
fn services(references: &References) -> BTreeSet<String> {
    references.services().cloned().collect()
}

fn unchecked(references: &References) -> Vec<(&str, &str)> {
    references.unchecked.iter().map(|one| (one.what.as_str(), one.field.as_str())).collect()
}

#[test]
fn an_ingress_of_several_rules_and_paths_serves_each_host_once_and_names_each_service() {
    let rules = json!([
        { "host": "b.example.com", "http": { "paths": [{ "backend": to("one") }, { "backend": to("two") }] } },
        { "host": "a.example.com", "http": { "paths": [{ "backend": to("one") }] } },
        { "host": "b.example.com", "http": { "paths": [{ "backend": to("three") }] } },
        { "host": "*.example.com", "http": { "paths": [{ "backend": to("one") }] } },
    ]);
    let references = of_spec(json!({ "rules": rules }));
    assert_eq!(references.urls, ["http://b.example.com", "http://a.example.com", "http://*.example.com"]);
    assert_eq!(services(&references), names(&["one", "two", "three"]));
    assert!(references.certificates().next().is_none() && references.unchecked.is_empty());
}

#[test]
fn a_rule_without_paths_or_without_a_host_is_legal() {
    let rules = json!([{ "host": "a.example.com" }, { "http": { "paths": [{ "backend": to("web") }] } }, {}]);
    let references = of_spec(json!({ "rules": rules }));
    assert_eq!(references.urls, ["http://a.example.com"]);
    assert_eq!(services(&references), names(&["web"]));
}

#[test]
fn an_ingress_without_rules_has_a_default_backend_alone() {
    let references = of_spec(json!({ "defaultBackend": to("web"), "ingressClassName": "nginx" }));
    assert_eq!(services(&references), names(&["web"]));
    assert!(references.urls.is_empty() && references.named.len() == 1);
    assert_eq!(of_spec(json!({})), References::default());
}

#[test]
fn a_resource_backend_names_something_that_cannot_be_looked_up() {
    let bucket = |name: &str| json!({ "resource": { "apiGroup": "example.com", "kind": "Bucket", "name": name } });
    let rules = json!([{ "http": { "paths": [{ "backend": bucket("a") }] } }]);
    let references = of_spec(json!({ "rules": rules, "defaultBackend": bucket("b") }));
    let fields = ["spec.defaultBackend.resource", "spec.rules[0].http.paths[0].backend.resource"];
    assert_eq!(unchecked(&references), [("Bucket \"a\"", fields[1]), ("Bucket \"b\"", fields[0])]);
    assert!(references.named.is_empty());
}

#[test]
fn any_section_tls_makes_all_hosts_https_and_names_its_secrets() {
    let rules = json!([{ "host": "a.example.com" }, { "host": "b.example.com" }]);
    let tls = json!([
        { "hosts": ["a.example.com"], "secretName": "one" },
        { "hosts": ["b.example.com"], "secretName": "two" },
        { "hosts": ["c.example.com"], "secretName": "one" },
        { "hosts": ["d.example.com"] },
        { "secretName": "" },
    ]);
    let references = of_spec(json!({ "rules": rules, "tls": tls }));
    assert_eq!(references.urls, ["https://a.example.com", "https://b.example.com"]);
    assert_eq!(references.certificates().cloned().collect::<BTreeSet<_>>(), names(&["one", "two"]));
    let references = of_spec(json!({ "rules": rules, "tls": [{}] }));
    assert_eq!(references.urls[0], "https://a.example.com", "without a secret, with the controller's own certificate");
    assert_eq!(of_spec(json!({ "rules": rules, "tls": [] })).urls[0], "http://a.example.com");
}

#[test]
fn a_secret_is_named_by_a_certificate_or_by_an_annotation() {
    let route = served_from(ingress("www"), &["tls"]);
    let route = annotated(route, "nginx.ingress.kubernetes.io/auth-secret", "users");
    let route = annotated(route, "nginx.ingress.kubernetes.io/auth-proxy-set-headers", "headers");
    let references = read(&route, STANDBY).references;
    for (name, named) in [("tls", true), ("users", true), ("headers", false), ("web", false), ("", false)] {
        assert_eq!(references.name_secret(name), named, "{name}");
    }
}

#[test]
fn the_label_or_its_older_name_has_a_route_moved_and_nothing_else_does() {
    let cases = [
        (json!({ labels::MIGRATE: "true" }), true),
        (json!({ labels::LEGACY_MIGRATE: "true" }), true),
        (json!({ labels::MIGRATE: "false", labels::LEGACY_MIGRATE: "true" }), true),
        (json!({ labels::MIGRATE: "True" }), false),
        (json!({ labels::MIGRATE: "" }), false),
        (json!({ labels::MIGRATING: "true" }), false),
        (json!({}), false),
    ];
    for (labels, moves) in cases {
        let route = read(&with(ingress("www"), &["metadata", "labels"], labels.clone()), STANDBY);
        assert_eq!(route.migrates(), moves, "{labels}");
        assert_eq!(route.manifest.is_some(), moves, "only of what moves is the manifest kept: {labels}");
    }
    let annotated = staying(annotated(ingress("www"), labels::MIGRATE, "true"));
    assert!(!read(&annotated, STANDBY).migrates(), "an annotation is no label");
}

#[test]
fn a_route_is_read_with_its_metadata_its_switch_and_its_whole_manifest() {
    let object = with(ingress("www"), &["metadata", "labels", labels::SWITCH], "an-id");
    let object = with(object, &["spec", "unknown"], json!({ "a": 1 }));
    let route = read(&object, STANDBY);
    assert_eq!((route.kind_name().as_str(), route.metadata.name.as_str()), ("Ingress", "www"));
    assert_eq!((route.metadata.uid.as_str(), route.switch()), ("uid-of-www", Some("an-id")));
    assert_eq!(route.manifest.as_deref(), Some(object.to_string().as_str()));
    let bare = Route::without_manifest(route.kind, &object, STANDBY);
    assert!(bare.manifest.is_none() && bare.migrates());
    assert_eq!(bare.references, route.references);
}

#[test]
fn route_was_brought_by_the_switch_that_its_labels_name() {
    let brought = json!({ labels::MIGRATE: "true", labels::SWITCH: "an-id", labels::MIGRATED_FROM: ACTIVE });
    let route = read(&with(ingress("www"), &["metadata", "labels"], brought), STANDBY);
    assert!(route.was_brought_by("an-id", ACTIVE));
    assert!(!route.was_brought_by("another", ACTIVE) && !route.was_brought_by("an-id", STANDBY));
    assert!(!read(&ingress("www"), STANDBY).was_brought_by("", ""), "one without labels was brought by none");
}

#[test]
fn each_kind_is_found_by_its_name() {
    for kind in KINDS {
        let resource = kind.resource();
        assert_eq!(kind_named(&resource.kind).map(RouteKind::resource), Some(resource));
    }
    assert!(kind_named("ingress").is_none() && kind_named("").is_none());
    let of = |name: &str| kind_named(name).unwrap().resource();
    let (ingress, route) = (of("Ingress"), of("HTTPRoute"));
    assert_eq!((ingress.group.as_str(), ingress.plural.as_str()), ("networking.k8s.io", "ingresses"));
    assert_eq!((route.group.as_str(), route.plural.as_str()), ("gateway.networking.k8s.io", "httproutes"));
    assert!(kind_named("Ingress").unwrap().is_built_in() && !kind_named("HTTPRoute").unwrap().is_built_in());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_of_any_shape_makes_reading_a_route_panic(object in prop_oneof![any_json(), any_object()]) {
        for kind in KINDS {
            let route = Route::read(kind, &object, STANDBY);
            prop_assert_eq!(route.manifest.is_some(), route.migrates());
            let references = route.references;
            prop_assert!(references.named.iter().all(|one| !one.name.is_empty() && !one.field.is_empty()));
            prop_assert!(references.urls.iter().all(|url| url.starts_with("http://") || url.starts_with("https://")));
            let unique: BTreeSet<&String> = references.urls.iter().collect();
            prop_assert_eq!(unique.len(), references.urls.len());
        }
    }
}
