//! A route and what it needs. One more kind of route is one more file beside this one, and one more line in [`KINDS`].

mod annotations;
mod fields;
mod gateway;
mod grpc_route;
mod http_route;
mod ingress;
mod ingress_route;
mod kind;
mod page;
mod read;
mod reference;
mod tls_route;
mod traefik;

use serde_json::Value;

pub use gateway::GATEWAY;
pub use kind::{Acceptance, RouteKind};
pub use page::table;
pub(crate) use read::{follow, is_by_url, traefik_entry};
pub use reference::{At, CONFIG_MAP, Form, Place, Purpose, Reference, References, SECRET, SERVICE, Target, Unchecked};
#[cfg(test)]
pub(crate) use traefik::MIDDLEWARE;

use crate::labels;
use lagoon_task::cluster::Metadata;

/// The kinds of routes that a switch moves, in the order in which they stand in its result.
pub static KINDS: [&dyn RouteKind; 5] = [
    &ingress::Ingress,
    &http_route::HTTP_ROUTE,
    &grpc_route::GRPC_ROUTE,
    &tls_route::TLS_ROUTE,
    &ingress_route::IngressRoute,
];

/// The kind of this name.
#[must_use]
pub fn kind_named(name: &str) -> Option<&'static dyn RouteKind> {
    KINDS.into_iter().find(|kind| kind.resource().kind == name)
}

/// How a route is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighting {
    /// It is there.
    Seen,
    /// It is not there: a switch has deleted it, as its journal says.
    Nowhere,
    /// The same, and nothing but a journal says so that others may have written.
    Unproven,
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
    /// The whole object as JSON, of a route that is to move or that a switch has moved.
    pub manifest: Option<Box<str>>,
    /// Whether a switch has dealt with it already, so that it stays where it is.
    pub is_settled: bool,
    /// Whether it is there at all.
    pub sighting: Sighting,
    /// Whether it says that it is on its way.
    pub is_migrating: bool,
    migrates: bool,
    switch: Option<Box<str>>,
    migrated_from: Option<Box<str>>,
}

impl Route {
    /// Reads a route.
    #[must_use]
    pub fn read(kind: &'static dyn RouteKind, object: &Value, namespace: &str) -> Self {
        let route = Self::without_manifest(kind, object, namespace);
        let is_kept = route.migrates || route.switch.is_some();
        let manifest = is_kept.then(|| object.to_string().into_boxed_str());
        Self { manifest, ..route }
    }

    /// Reads a route that is to move whatever its labels say.
    #[must_use]
    pub fn to_be_moved(kind: &'static dyn RouteKind, object: &Value, namespace: &str) -> Self {
        let manifest = Some(object.to_string().into_boxed_str());
        Self { migrates: true, manifest, ..Self::without_manifest(kind, object, namespace) }
    }

    /// The same, for who has its manifest already.
    #[must_use]
    pub fn without_manifest(kind: &'static dyn RouteKind, object: &Value, namespace: &str) -> Self {
        let references = kind.references(object, namespace);
        let acceptances = kind.acceptances(object);
        Self { references, acceptances, ..Self::of_metadata(kind, Metadata::of(object)) }
    }

    /// One that is too large to be read. Whether it moves or stays, nobody knows what it names, so the site is not switched.
    #[must_use]
    pub fn too_large(kind: &'static dyn RouteKind, metadata: Metadata) -> Self {
        Self { migrates: true, ..Self::of_metadata(kind, metadata) }
    }

    fn of_metadata(kind: &'static dyn RouteKind, mut metadata: Metadata) -> Self {
        let labels = std::mem::take(&mut metadata.labels);
        metadata.annotations.clear();
        let says = |label: &str, value: &str| labels.get(label).is_some_and(|found| found == value);
        Self {
            kind,
            references: References::default(),
            acceptances: Vec::new(),
            manifest: None,
            migrates: says(labels::MIGRATE, "true") || says(labels::LEGACY_MIGRATE, "true"),
            is_settled: false,
            sighting: Sighting::Seen,
            is_migrating: says(labels::MIGRATING, "true"),
            switch: labels.get(labels::SWITCH).map(|switch| switch.as_str().into()),
            migrated_from: labels.get(labels::MIGRATED_FROM).map(|namespace| namespace.as_str().into()),
            metadata,
        }
    }

    /// Whether a switch moves it.
    #[must_use]
    pub fn migrates(&self) -> bool {
        self.migrates
    }

    /// Whether it was too large to be kept, of one that was read with its manifest.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.migrates && self.manifest.is_none()
    }

    /// Whether a switch has brought it here from that namespace.
    #[must_use]
    pub fn was_brought_by(&self, switch: &str, from: &str) -> bool {
        self.switch() == Some(switch) && self.came_from(from)
    }

    /// Whether some switch has brought it here from that namespace.
    #[must_use]
    pub fn came_from(&self, namespace: &str) -> bool {
        self.migrated_from.as_deref() == Some(namespace)
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

#[cfg(test)]
mod tests;
