//! A route and what it needs. One more kind of route is one more file beside this one, and one more line in [`KINDS`].

mod annotations;
mod http_route;
mod ingress;

use std::collections::BTreeSet;

use kube::api::ApiResource;
use serde_json::Value;

pub(crate) use annotations::follow;
pub use annotations::{Beside, BesideKind};
pub use http_route::{Gateway, GatewayGrant};

use crate::labels;
use lagoon_task::cluster::Metadata;

/// A kind of route: how it is read. Everything else about a switch is the same for all kinds.
pub trait RouteKind: Sync {
    /// Its group, version, kind and plural.
    fn resource(&self) -> ApiResource;

    /// Whether every cluster has it. Of the others the cluster's list of API groups tells.
    fn is_built_in(&self) -> bool {
        false
    }

    /// What a route in `namespace` serves and needs. Whatever is missing or of another type counts as not there.
    fn references(&self, route: &Value, namespace: &str) -> References;

    /// Who has accepted the route, for kinds whose controllers say so.
    fn acceptances(&self, _route: &Value) -> Vec<Acceptance> {
        Vec::new()
    }
}

/// The kinds of routes that a switch moves, in the order in which they stand in its result.
pub static KINDS: [&dyn RouteKind; 2] = [&ingress::Ingress, &http_route::HttpRoute];

/// The kind of this name.
#[must_use]
pub fn kind_named(name: &str) -> Option<&'static dyn RouteKind> {
    KINDS.into_iter().find(|kind| kind.resource().kind == name)
}

/// What a route serves, and what it names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// The URLs that it serves, without paths, in its own order.
    pub urls: Vec<String>,
    /// Services that it sends requests to, in its own namespace.
    pub services: BTreeSet<String>,
    /// Secrets with the certificates that it serves, in its own namespace. They move with it.
    pub certificates: BTreeSet<String>,
    /// What else it names in its own namespace. That does not move.
    pub beside: BTreeSet<Beside>,
    /// What it names in other namespaces and may name only with a grant there.
    pub granted: BTreeSet<GatewayGrant>,
    /// Gateways that it is attached to.
    pub gateways: BTreeSet<Gateway>,
    /// Things it names that cannot be looked up.
    pub unchecked: BTreeSet<String>,
    /// Hosts with paths that a guard of the cluster lets no two routes have.
    pub claims: BTreeSet<String>,
}

impl References {
    /// Whether the route names the Secret, for its certificate or for anything else.
    #[must_use]
    pub fn name_secret(&self, name: &str) -> bool {
        self.certificates.contains(name)
            || self.beside.iter().any(|beside| beside.kind == BesideKind::Secret && beside.name == name)
    }
}

/// A controller's word about one of a route's parents.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Acceptance {
    /// The parent, as the route names it.
    pub parent: String,
    /// The controller.
    pub controller: String,
    /// Whether it has accepted the route as it is now; `None` while it has not looked at it.
    pub accepted: Option<bool>,
    /// Why not.
    pub reason: String,
}

/// A route as it was seen.
#[derive(Clone)]
pub struct Route {
    /// Its kind.
    pub kind: &'static dyn RouteKind,
    /// Its metadata, without labels and annotations: there are thousands of routes, and what matters is below.
    pub metadata: Metadata,
    /// What it serves and names.
    pub references: References,
    /// Who has accepted it.
    pub acceptances: Vec<Acceptance>,
    /// The whole object as JSON, of a route that is to move.
    pub manifest: Option<Box<str>>,
    migrates: bool,
    stands_in: bool,
    switch: Option<Box<str>>,
}

impl Route {
    /// Reads a route.
    #[must_use]
    pub fn read(kind: &'static dyn RouteKind, object: &Value, namespace: &str) -> Self {
        let route = Self::without_manifest(kind, object, namespace);
        let manifest = route.migrates.then(|| object.to_string().into_boxed_str());
        Self { manifest, ..route }
    }

    /// The same, for who has its manifest already.
    #[must_use]
    pub fn without_manifest(kind: &'static dyn RouteKind, object: &Value, namespace: &str) -> Self {
        let mut metadata = Metadata::of(object);
        let labels = std::mem::take(&mut metadata.labels);
        metadata.annotations.clear();
        let says = |label: &str, value: &str| labels.get(label).is_some_and(|found| found == value);
        Self {
            kind,
            references: kind.references(object, namespace),
            acceptances: kind.acceptances(object),
            manifest: None,
            migrates: says(labels::MIGRATE, "true") || says(labels::LEGACY_MIGRATE, "true"),
            stands_in: says(labels::ROLE, labels::STAND_IN),
            switch: labels.get(labels::SWITCH).map(|switch| switch.as_str().into()),
            metadata,
        }
    }

    /// Whether a switch moves it.
    #[must_use]
    pub fn migrates(&self) -> bool {
        self.migrates
    }

    /// Whether it stands in for another for the time of a switch.
    #[must_use]
    pub fn is_stand_in(&self) -> bool {
        self.stands_in
    }

    /// The switch that put it where it is.
    #[must_use]
    pub fn switch(&self) -> Option<&str> {
        self.switch.as_deref()
    }

    /// The kind's name.
    #[must_use]
    pub fn kind_name(&self) -> String {
        self.kind.resource().kind
    }
}

/// The text of a field that has some.
fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The items of a field that is a list.
fn items<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

/// Adds `url` unless it is there already: a route may name a host several times.
fn add(urls: &mut Vec<String>, url: String) {
    if !urls.contains(&url) {
        urls.push(url);
    }
}

#[cfg(test)]
mod tests;
