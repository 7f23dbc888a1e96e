//! Ingress, of every legal shape.

use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1;
use kube::api::ApiResource;
use serde_json::Value;

use crate::json::text_at;
use crate::route::annotations;
use crate::route::fields::{add, items, text};
use crate::route::kind::RouteKind;
use crate::route::reference::{ANYTHING, At, Form, ObjectForm, Place, Purpose, SECRET, SERVICE, Target};

/// `networking.k8s.io/v1` Ingress.
pub(crate) struct Ingress;

const BACKEND: ObjectForm = ObjectForm { is_default: true, follows: false, part: &["/port/number", "/port/name"] };
const OTHER: ObjectForm = ObjectForm { is_default: false, follows: false, part: &[] };

const fn object(path: &'static str, form: ObjectForm, target: &'static Target) -> Place {
    Place::object(path, form, target, Purpose::Serves)
}

static FIELDS: [Place; 5] = [
    object("spec.defaultBackend.service", BACKEND, &SERVICE),
    object("spec.rules[].http.paths[].backend.service", BACKEND, &SERVICE),
    object("spec.defaultBackend.resource", OTHER, &ANYTHING),
    object("spec.rules[].http.paths[].backend.resource", OTHER, &ANYTHING),
    Place { at: At::Field("spec.tls[].secretName"), form: Form::Name, target: &SECRET, purpose: Purpose::Certifies },
];

static PLACES: [&[Place]; 2] = [&FIELDS, &annotations::PLACES];

impl RouteKind for Ingress {
    fn resource(&self) -> ApiResource {
        ApiResource::erase::<v1::Ingress>(&())
    }

    fn is_built_in(&self) -> bool {
        true
    }

    fn places(&self) -> &'static [&'static [Place]] {
        &PLACES
    }

    fn urls(&self, route: &Value) -> Vec<String> {
        // As upstream writes it: what has a section `tls` is reached by https.
        let scheme = if items(&route["spec"], "tls").next().is_some() { "https" } else { "http" };
        let mut urls = Vec::new();
        for host in items(&route["spec"], "rules").filter_map(|rule| text(rule, "host")) {
            add(&mut urls, format!("{scheme}://{host}"));
        }
        urls
    }

    fn claims(&self, route: &Value) -> BTreeSet<String> {
        let class = class(route);
        let mut claims = BTreeSet::new();
        for rule in items(&route["spec"], "rules") {
            let Some(host) = text(rule, "host") else { continue };
            let paths = items(&rule["http"], "paths").map(|path| text(path, "path").unwrap_or("/"));
            claims.extend(paths.map(|path| format!("{class} {host}{path}")));
        }
        claims
    }
}

/// Which controller a route is for, and whether it is ingress-nginx's canary: such a one may share a host.
fn class(route: &Value) -> String {
    let annotation = |name: &str| text_at(route, &["metadata", "annotations", name]).unwrap_or_default();
    let class = text(&route["spec"], "ingressClassName").unwrap_or(annotation("kubernetes.io/ingress.class"));
    format!("{class} {}", annotation("nginx.ingress.kubernetes.io/canary"))
}
