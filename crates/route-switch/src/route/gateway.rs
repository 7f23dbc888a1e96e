//! What all kinds of routes of the Gateway API (`gateway.networking.k8s.io`) have: parents, backends, filters, and
//! controllers that say of each parent what they make of the route.

use kube::api::{ApiResource, GroupVersionKind};
use serde_json::Value;

use crate::route::fields::{add, items, text};
use crate::route::kind::{Acceptance, RouteKind};
use crate::route::reference::{ANYTHING, ObjectForm, Place, Purpose, SERVICE, Target};
use crate::route::traefik::MIDDLEWARE;

/// The API group.
pub const GROUP: &str = "gateway.networking.k8s.io";

/// A Gateway.
pub static GATEWAY: Target = Target { kind: "Gateway", groups: &[GROUP], version: "v1", plural: "gateways" };

/// A Gateway that is named with its namespace stays the one that the route is attached to: visitors come in there.
const PARENT: ObjectForm = ObjectForm { is_default: true, follows: false, part: &["/sectionName"] };
const MESH: ObjectForm = ObjectForm { is_default: false, follows: false, part: &[] };
const BACKEND: ObjectForm = ObjectForm { is_default: true, follows: true, part: &["/port"] };
const EXTENSION: ObjectForm = ObjectForm { is_default: false, follows: false, part: &[] };
const OTHER: ObjectForm = ObjectForm { is_default: false, follows: true, part: &[] };

/// The places of every such route.
pub(crate) static PARENTS: [Place; 2] = [
    Place::object("spec.parentRefs[]", PARENT, &GATEWAY, Purpose::Attaches),
    // A mesh's.
    Place::object("spec.parentRefs[]", MESH, &SERVICE, Purpose::Attaches),
];

/// Those of one that sends requests on.
pub(crate) static BACKENDS: [Place; 2] = [
    Place::object("spec.rules[].backendRefs[]", BACKEND, &SERVICE, Purpose::Serves),
    Place::object("spec.rules[].backendRefs[]", OTHER, &ANYTHING, Purpose::Serves),
];

/// Those of one that changes requests on their way: Traefik's Middleware is known, what others have cannot be looked up.
pub(crate) static FILTERS: [Place; 6] = [
    Place::object("spec.rules[].filters[].requestMirror.backendRef", BACKEND, &SERVICE, Purpose::Serves),
    Place::object("spec.rules[].backendRefs[].filters[].requestMirror.backendRef", BACKEND, &SERVICE, Purpose::Serves),
    Place::object("spec.rules[].filters[].extensionRef", EXTENSION, &MIDDLEWARE, Purpose::Transforms),
    Place::object("spec.rules[].filters[].extensionRef", EXTENSION, &ANYTHING, Purpose::Transforms),
    Place::object("spec.rules[].backendRefs[].filters[].extensionRef", EXTENSION, &MIDDLEWARE, Purpose::Transforms),
    Place::object("spec.rules[].backendRefs[].filters[].extensionRef", EXTENSION, &ANYTHING, Purpose::Transforms),
];

/// A kind of route of the Gateway API, in version `v1`.
pub(crate) struct GatewayKind {
    pub(crate) kind: &'static str,
    pub(crate) plural: &'static str,
    /// Versions in which older clusters know it.
    pub(crate) older: &'static [&'static str],
    pub(crate) places: &'static [&'static [Place]],
}

impl RouteKind for GatewayKind {
    fn resource(&self) -> ApiResource {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, "v1", self.kind), self.plural)
    }

    fn older_versions(&self) -> &'static [&'static str] {
        self.older
    }

    fn places(&self) -> &'static [&'static [Place]] {
        self.places
    }

    fn urls(&self, route: &Value) -> Vec<String> {
        urls(route)
    }

    fn needs_grants(&self) -> bool {
        true
    }

    fn acceptances(&self, route: &Value) -> Vec<Acceptance> {
        acceptances(route)
    }
}

/// The URLs of the route's host names.
fn urls(route: &Value) -> Vec<String> {
    let spec = &route["spec"];
    let scheme = scheme(spec);
    let mut urls = Vec::new();
    for host in items(spec, "hostnames").filter_map(Value::as_str) {
        add(&mut urls, format!("{scheme}://{host}"));
    }
    urls
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

/// What controllers say of each parent, in each condition: whether they have accepted the route, whether they find all that
/// it names, and whatever else they tell.
fn acceptances(route: &Value) -> Vec<Acceptance> {
    let generation = route.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default();
    let namespace = route.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    let parents = items(&route["status"], "parents");
    parents
        .flat_map(|parent| {
            items(parent, "conditions").map(move |condition| acceptance(parent, condition, namespace, generation))
        })
        .collect()
}

fn acceptance(parent: &Value, condition: &Value, own_namespace: &str, generation: i64) -> Acceptance {
    let reference = &parent["parentRef"];
    // The own namespace stands there or not, and is another one for the new route.
    let namespace = text(reference, "namespace").filter(|namespace| *namespace != own_namespace).unwrap_or_default();
    let section = text(reference, "sectionName").unwrap_or_default();
    let port = reference.get("port").and_then(Value::as_i64).unwrap_or_default();
    let name = text(reference, "name").unwrap_or_default();
    let is_current =
        condition.get("observedGeneration").and_then(Value::as_i64).is_none_or(|observed| observed >= generation);
    Acceptance {
        parent: format!("{namespace}/{name}/{section}/{port}"),
        controller: text(parent, "controllerName").unwrap_or_default().to_owned(),
        condition: text(condition, "type").unwrap_or_default().to_owned(),
        accepted: match condition["status"].as_str().filter(|_| is_current) {
            Some("True") => Some(true),
            Some("False") => Some(false),
            _ => None,
        },
        reason: text(condition, "message").filter(|_| is_current).unwrap_or_default().to_owned(),
    }
}
