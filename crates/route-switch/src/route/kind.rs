//! What every kind of route has: how it is read, and what it can name.

use std::collections::BTreeSet;

use kube::api::ApiResource;
use serde_json::Value;

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

/// Something that a route names in its own namespace, and that stays there when the route moves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Beside {
    /// Its kind.
    pub kind: BesideKind,
    /// Its name.
    pub name: String,
    /// Where the route names it.
    pub named_by: String,
}

/// The kinds of things that annotations name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BesideKind {
    /// A Secret, such as a password file.
    Secret,
    /// A `ConfigMap`, such as one with headers.
    ConfigMap,
    /// A Service for errors.
    Service,
    /// Traefik's Middleware.
    Middleware,
}

impl BesideKind {
    /// The kind's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
            Self::Service => "Service",
            Self::Middleware => "Middleware",
        }
    }
}

/// A Gateway that a route is attached to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gateway {
    /// Its namespace as the route names it; `None` means the route's own.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// A Service in another namespace: the route may send requests there only if a `ReferenceGrant` in that namespace
/// allows it to `HTTPRoute` objects of the route's namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GatewayGrant {
    /// The Service's namespace.
    pub namespace: String,
    /// The Service.
    pub service: String,
}

/// The text of a field that has some.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The items of a field that is a list.
pub(crate) fn items<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

/// Adds `url` unless it is there already: a route may name a host several times.
pub(crate) fn add(urls: &mut Vec<String>, url: String) {
    if !urls.contains(&url) {
        urls.push(url);
    }
}
