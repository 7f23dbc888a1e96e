//! What every kind of route has: how it is read, and what it can name.

use std::collections::BTreeSet;

use kube::api::ApiResource;
use serde_json::Value;

use crate::route::read::read;
use crate::route::reference::{Place, References};

/// A kind of route: how it is read. Everything else about a switch is the same for all kinds.
pub trait RouteKind: Sync {
    /// Its group, version, kind and plural.
    fn resource(&self) -> ApiResource;

    /// Whether every cluster has it. Of the others the cluster's list of API groups tells.
    fn is_built_in(&self) -> bool {
        false
    }

    /// Versions in which older clusters know it. Those are not moved.
    fn older_versions(&self) -> &'static [&'static str] {
        &[]
    }

    /// Every place in which such a route names something.
    fn places(&self) -> &'static [&'static [Place]];

    /// The URLs that a route serves, without paths, in its own order.
    fn urls(&self, route: &Value) -> Vec<String>;

    /// Hosts with paths that a guard of the cluster lets no two routes have.
    fn claims(&self, _route: &Value) -> BTreeSet<String> {
        BTreeSet::new()
    }

    /// Whether what it names in another namespace must be granted there, by a `ReferenceGrant`.
    fn needs_grants(&self) -> bool {
        false
    }

    /// What controllers say of the route, for kinds whose controllers do.
    fn acceptances(&self, _route: &Value) -> Vec<Acceptance> {
        Vec::new()
    }

    /// What a route in `namespace` serves and needs. Whatever is missing or of another type counts as not there.
    fn references(&self, route: &Value, namespace: &str) -> References {
        let mut references = References { urls: self.urls(route), claims: self.claims(route), ..References::default() };
        read(route, namespace, self.places(), &mut references);
        references
    }
}

/// A controller's word about one of a route's parents.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Acceptance {
    /// The parent, as the route names it.
    pub parent: String,
    /// The controller.
    pub controller: String,
    /// What it speaks of: whether it has accepted the route, finds what the route names, and the like.
    #[serde(default = "accepted")]
    pub condition: String,
    /// Whether that is so for the route as it is now; `None` while the controller has not looked at it.
    pub accepted: Option<bool>,
    /// Why not.
    pub reason: String,
}

/// What older journals speak of.
fn accepted() -> String {
    "Accepted".to_owned()
}
