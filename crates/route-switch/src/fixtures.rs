//! Routes and namespaces for the tests of this module.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::journal::{Rewrites, RouteEntry};
use crate::labels;
use crate::plan::manifest;
use crate::plan::observed::{Namespace, Observed, Rights, Rule, Thing};
use crate::route::{Route, SERVICE, kind_named};
use crate::side::{Side, Sides};

/// The namespace of the standby environment.
pub(crate) const STANDBY: &str = "shop-standby";
/// The namespace of the active environment.
pub(crate) const ACTIVE: &str = "shop-main";

/// An Ingress that a switch moves: one host, one path, Service `web`.
pub(crate) fn ingress(name: &str) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": name,
            "uid": format!("uid-of-{name}"),
            "resourceVersion": "7",
            "labels": { labels::MIGRATE: "true" },
        },
        "spec": { "rules": [{
            "host": format!("{name}.example.com"),
            "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": to("web") }] },
        }] },
    })
}

/// An `HTTPRoute` that a switch moves: one host, Service `web`.
pub(crate) fn http_route(name: &str) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": { "name": name, "labels": { labels::MIGRATE: "true" } },
        "spec": {
            "parentRefs": [{ "name": "public", "namespace": "gateways" }],
            "hostnames": [format!("{name}.example.com")],
            "rules": [{ "backendRefs": [{ "name": "web", "port": 80 }] }],
        },
    })
}

/// An Ingress's backend.
pub(crate) fn to(service: &str) -> Value {
    json!({ "service": { "name": service, "port": { "number": 80 } } })
}

/// The object with `value` at this path; what is missing or in the way is made an object.
pub(crate) fn with(mut object: Value, path: &[&str], value: impl Into<Value>) -> Value {
    let place = path.iter().fold(&mut object, |place, field| {
        if !place.is_object() {
            *place = json!({});
        }
        &mut place[*field]
    });
    *place = value.into();
    object
}

/// The object without the label that has it moved.
pub(crate) fn staying(object: Value) -> Value {
    with(object, &["metadata", "labels"], json!({}))
}

/// The Ingress, serving its certificates from these Secrets.
pub(crate) fn served_from(ingress: Value, secrets: &[&str]) -> Value {
    let entries: Vec<Value> = secrets.iter().map(|secret| json!({ "secretName": secret })).collect();
    with(ingress, &["spec", "tls"], entries)
}

/// The object with an annotation more.
pub(crate) fn annotated(object: Value, annotation: &str, value: &str) -> Value {
    with(object, &["metadata", "annotations", annotation], value)
}

/// Two namespaces with these routes. Both have the Service `web`, and nothing else.
pub(crate) fn observed(standby: &[Value], active: &[Value]) -> Observed {
    let sides = Sides { standby: namespace(STANDBY, standby), active: namespace(ACTIVE, active) };
    Observed { sides, ..Observed::default() }
}

fn namespace(name: &str, routes: &[Value]) -> Namespace {
    let everything = Rule { verbs: names(&["*"]), groups: names(&["*"]), resources: names(&["*"]) };
    Namespace {
        name: name.to_owned(),
        routes: routes.iter().map(|route| read(route, name)).collect(),
        things: BTreeMap::from([(&SERVICE, things(&["web"]))]),
        rights: Rights { complete: true, rules: vec![everything] },
        ..Namespace::default()
    }
}

/// The route in the other namespace, as a switch that rewrites nothing beside its namespace brings it there.
pub(crate) fn moved(object: &Value, from: &str, to: &str, switch: &str) -> Value {
    let kind = object["kind"].as_str().unwrap_or("Ingress").to_owned();
    let manifest = RawValue::from_string(object.to_string()).unwrap();
    manifest::moved(&RouteEntry { kind, manifest, ..entry("www", Side::Standby) }, from, to, switch)
}

/// Things of these names, of which anything can be named.
#[allow(clippy::unnecessary_wraps, reason = "as an observation has them")]
pub(crate) fn things(names: &[&str]) -> Option<BTreeMap<String, Thing>> {
    Some(names.iter().map(|&name| (name.to_owned(), Thing::default())).collect())
}

/// The route as it is seen in a namespace.
pub(crate) fn read(route: &Value, namespace: &str) -> Route {
    Route::read(kind_named(route["kind"].as_str().unwrap()).unwrap(), route, namespace)
}

/// These names, as owned texts.
pub(crate) fn names<Names: FromIterator<String>>(names: &[&str]) -> Names {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// An Ingress's entry in the book.
pub(crate) fn entry(name: &str, home: Side) -> RouteEntry {
    RouteEntry {
        kind: "Ingress".to_owned(),
        home,
        name: name.to_owned(),
        may_overlap: true,
        urls: vec![format!("https://{name}.example.com")],
        secrets: BTreeSet::new(),
        acceptances: Vec::new(),
        uid: format!("uid-of-{name}"),
        resource_version: "7".to_owned(),
        rewrites: Rewrites::default(),
        is_unproven: false,
        manifest: RawValue::from_string(ingress(name).to_string()).unwrap(),
    }
}

/// Any JSON at all, whose fields have the names that a route's fields have.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i16>().prop_map(|number| Value::from(f64::from(number) / 4.0)),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec!["Accepted", "Service", "shop-standby/a", "a@kubernetescrd", "true"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let field = prop_oneof![5 => prop::sample::select(FIELDS), 1 => Just("other")];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((field.prop_map(str::to_owned), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// An object with any JSON in the places where a route's fields are.
pub(crate) fn any_object() -> impl Strategy<Value = Value> {
    prop::collection::vec((prop::sample::select(PLACES), any_json()), 1..6).prop_map(|parts| {
        let empty = json!({ "metadata": {}, "spec": {}, "status": {} });
        parts.into_iter().fold(empty, |object, (path, value)| with(object, path, value))
    })
}

const FIELDS: &[&str] = &[
    "metadata",
    "labels",
    "annotations",
    "spec",
    "status",
    "tls",
    "secretName",
    "rules",
    "host",
    "http",
    "paths",
    "backend",
    "service",
    "resource",
    "kind",
    "name",
    "namespace",
    "defaultBackend",
    "hostnames",
    "parentRefs",
    "parentRef",
    "group",
    "backendRefs",
    "filters",
    "requestMirror",
    "backendRef",
    "extensionRef",
    "parents",
    "conditions",
    "type",
    "port",
    "sectionName",
    "observedGeneration",
    "data",
    "uid",
    "generation",
];

const PLACES: &[&[&str]] = &[
    &["metadata", "labels"],
    &["metadata", "annotations"],
    &["metadata", "annotations", "nginx.ingress.kubernetes.io/auth-secret"],
    &["metadata", "annotations", "traefik.ingress.kubernetes.io/router.middlewares"],
    &["metadata", "name"],
    &["metadata", "finalizers"],
    &["metadata", "generation"],
    &["spec", "tls"],
    &["spec", "rules"],
    &["spec", "defaultBackend"],
    &["spec", "hostnames"],
    &["spec", "parentRefs"],
    &["status", "parents"],
];
