//! Ingress, of every legal shape.

use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1;
use kube::api::ApiResource;
use serde_json::Value;

use crate::json::text_at;
use crate::route::annotations;
use crate::route::kind::{References, RouteKind, add, items, text};

/// `networking.k8s.io/v1` Ingress.
pub(crate) struct Ingress;

impl RouteKind for Ingress {
    fn resource(&self) -> ApiResource {
        ApiResource::erase::<v1::Ingress>(&())
    }

    fn is_built_in(&self) -> bool {
        true
    }

    fn references(&self, route: &Value, namespace: &str) -> References {
        let spec = &route["spec"];
        let mut references = References::default();
        // As upstream writes it: what has a section `tls` is reached by https.
        let class = class(route);
        let scheme = if items(spec, "tls").next().is_some() { "https" } else { "http" };
        backend(&spec["defaultBackend"], &mut references);
        for rule in items(spec, "rules") {
            if let Some(host) = text(rule, "host") {
                add(&mut references.urls, format!("{scheme}://{host}"));
            }
            for path in items(&rule["http"], "paths") {
                backend(&path["backend"], &mut references);
                if let Some(host) = text(rule, "host") {
                    references.claims.insert(format!("{class} {host}{}", text(path, "path").unwrap_or("/")));
                }
            }
        }
        references.certificates = certificates(spec);
        annotations::read(route, namespace, &mut references);
        references
    }
}

/// Which controller a route is for, and whether it is ingress-nginx's canary: such a one may share a host.
fn class(route: &Value) -> String {
    let annotation = |name: &str| text_at(route, &["metadata", "annotations", name]).unwrap_or_default();
    let class = text(&route["spec"], "ingressClassName").unwrap_or(annotation("kubernetes.io/ingress.class"));
    format!("{class} {}", annotation("nginx.ingress.kubernetes.io/canary"))
}

fn certificates(spec: &Value) -> BTreeSet<String> {
    items(spec, "tls").filter_map(|entry| text(entry, "secretName")).map(str::to_owned).collect()
}

fn backend(backend: &Value, references: &mut References) {
    if let Some(service) = text(&backend["service"], "name") {
        references.services.insert(service.to_owned());
    }
    let resource = &backend["resource"];
    if let (Some(kind), Some(name)) = (text(resource, "kind"), text(resource, "name")) {
        references.unchecked.insert(format!("{kind} \"{name}\""));
    }
}
