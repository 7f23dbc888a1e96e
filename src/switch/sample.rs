//! Routes and namespaces for the tests of this module.

use std::collections::BTreeSet;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::journal::RouteEntry;
use super::labels;
use super::observed::{Namespace, Observed, Rights, Rule};
use super::route::{Route, kind_named};
use super::side::{Side, Sides};

/// The namespace of the standby environment.
pub(super) const STANDBY: &str = "shop-standby";
/// The namespace of the active environment.
pub(super) const ACTIVE: &str = "shop-main";

/// An Ingress that a switch moves: one host, one path, Service `web`.
pub(super) fn ingress(name: &str) -> Value {
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
pub(super) fn http_route(name: &str) -> Value {
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
pub(super) fn to(service: &str) -> Value {
    json!({ "service": { "name": service, "port": { "number": 80 } } })
}

/// The object with `value` at this path; what is missing on the way there is made.
pub(super) fn with(mut object: Value, path: &[&str], value: impl Into<Value>) -> Value {
    let place = path.iter().fold(&mut object, |place, field| &mut place[*field]);
    *place = value.into();
    object
}

/// The object without the label that has it moved.
pub(super) fn staying(object: Value) -> Value {
    with(object, &["metadata", "labels"], json!({}))
}

/// The Ingress, serving its certificates from these Secrets.
pub(super) fn served_from(ingress: Value, secrets: &[&str]) -> Value {
    let entries: Vec<Value> = secrets.iter().map(|secret| json!({ "secretName": secret })).collect();
    with(ingress, &["spec", "tls"], entries)
}

/// The object with an annotation more.
pub(super) fn annotated(object: Value, annotation: &str, value: &str) -> Value {
    with(object, &["metadata", "annotations", annotation], value)
}

/// Two namespaces with these routes. Both have the Service `web`, and nothing else.
pub(super) fn observed(standby: &[Value], active: &[Value]) -> Observed {
    let sides = Sides { standby: namespace(STANDBY, standby), active: namespace(ACTIVE, active) };
    Observed { sides, ..Observed::default() }
}

fn namespace(name: &str, routes: &[Value]) -> Namespace {
    let everything = Rule { verbs: names(&["*"]), groups: names(&["*"]), resources: names(&["*"]) };
    Namespace {
        name: name.to_owned(),
        routes: routes.iter().map(|route| read(route, name)).collect(),
        services: BTreeSet::from(["web".to_owned()]),
        rights: Rights { complete: true, rules: vec![everything] },
        ..Namespace::default()
    }
}

/// The route as it is seen in a namespace.
pub(super) fn read(route: &Value, namespace: &str) -> Route {
    Route::read(kind_named(route["kind"].as_str().unwrap()).unwrap(), route, namespace)
}

/// These names, as owned texts.
pub(super) fn names<Names: FromIterator<String>>(names: &[&str]) -> Names {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// An Ingress's entry in the book.
pub(super) fn entry(name: &str, home: Side) -> RouteEntry {
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
        manifest: RawValue::from_string(ingress(name).to_string()).unwrap(),
    }
}
