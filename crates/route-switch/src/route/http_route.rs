//! The Gateway API's `HTTPRoute` (`gateway.networking.k8s.io/v1`).

use kube::api::{ApiResource, GroupVersionKind};
use serde_json::Value;

use crate::route::annotations;
use crate::route::kind::{Acceptance, Gateway, GatewayGrant, References, RouteKind, add, items, text};

/// The API group.
pub const GROUP: &str = "gateway.networking.k8s.io";

/// `gateway.networking.k8s.io/v1` `HTTPRoute`.
pub(crate) struct HttpRoute;

impl RouteKind for HttpRoute {
    fn resource(&self) -> ApiResource {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, "v1", "HTTPRoute"), "httproutes")
    }

    fn references(&self, route: &Value, _namespace: &str) -> References {
        let spec = &route["spec"];
        let mut references = References::default();
        let scheme = scheme(spec);
        for host in items(spec, "hostnames").filter_map(Value::as_str) {
            add(&mut references.urls, format!("{scheme}://{host}"));
        }
        for parent in items(spec, "parentRefs").filter(|parent| is(parent, GROUP, "Gateway")) {
            if let Some(name) = text(parent, "name") {
                let namespace = text(parent, "namespace").map(str::to_owned);
                references.gateways.insert(Gateway { namespace, name: name.to_owned() });
            }
        }
        for rule in items(spec, "rules") {
            filters(rule, &mut references);
            for backend in items(rule, "backendRefs") {
                service(backend, &mut references);
                filters(backend, &mut references);
            }
        }
        references
    }

    fn acceptances(&self, route: &Value) -> Vec<Acceptance> {
        let generation = route.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default();
        let namespace = route.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
        items(&route["status"], "parents").map(|parent| acceptance(parent, namespace, generation)).collect()
    }
}

/// Whether an object reference is of this group and kind, which are also its defaults.
fn is(reference: &Value, group: &str, kind: &str) -> bool {
    let field = |name: &str, default: &str| reference.get(name).and_then(Value::as_str).unwrap_or(default) == default;
    field("group", group) && field("kind", kind)
}

/// A route does not say itself whether its listeners speak TLS. Public sites do, so it is https unless every parent is
/// plainly a listener without.
fn scheme(spec: &Value) -> &'static str {
    let mut parents = items(spec, "parentRefs").peekable();
    let is_plain = |parent: &Value| {
        parent.get("port").and_then(Value::as_i64) == Some(80)
            || text(parent, "sectionName").is_some_and(|name| name == "http" || name == "web")
    };
    if parents.peek().is_some() && parents.all(is_plain) { "http" } else { "https" }
}

fn service(backend: &Value, references: &mut References) {
    let Some(name) = text(backend, "name") else { return };
    if !is(backend, "", "Service") {
        let kind = text(backend, "kind").unwrap_or("object");
        references.unchecked.insert(format!("{kind} \"{name}\""));
        return;
    }
    match text(backend, "namespace") {
        Some(other) => {
            references.granted.insert(GatewayGrant { namespace: other.to_owned(), service: name.to_owned() });
        }
        None => {
            references.services.insert(name.to_owned());
        }
    }
}

fn filters(of: &Value, references: &mut References) {
    for filter in items(of, "filters") {
        if let Some(mirror) = filter.get("requestMirror") {
            service(&mirror["backendRef"], references);
        }
        annotations::extension(filter, references);
    }
}

fn acceptance(parent: &Value, own_namespace: &str, generation: i64) -> Acceptance {
    let reference = &parent["parentRef"];
    // The own namespace stands there or not, and is another one for the new route.
    let namespace = text(reference, "namespace").filter(|namespace| *namespace != own_namespace).unwrap_or_default();
    let section = text(reference, "sectionName").unwrap_or_default();
    let port = reference.get("port").and_then(Value::as_i64).unwrap_or_default();
    let name = text(reference, "name").unwrap_or_default();
    let accepted = items(parent, "conditions").find(|condition| condition["type"] == "Accepted");
    let current = accepted.filter(|condition| {
        condition.get("observedGeneration").and_then(Value::as_i64).is_none_or(|observed| observed >= generation)
    });
    Acceptance {
        parent: format!("{namespace}/{name}/{section}/{port}"),
        controller: text(parent, "controllerName").unwrap_or_default().to_owned(),
        accepted: current.and_then(|condition| match condition["status"].as_str() {
            Some("True") => Some(true),
            Some("False") => Some(false),
            _ => None,
        }),
        reason: current.and_then(|condition| text(condition, "message")).unwrap_or_default().to_owned(),
    }
}
