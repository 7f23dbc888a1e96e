//! How much is kept of the routes of a namespace. Who may write there may make them as large as the API server takes them, and
//! who reads them has little memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::journal::{BOOK_LIMIT, LARGEST_ROUTE};
use crate::route::{References, Route};

/// Hosts with paths that are kept of routes that stay, at most. They only name the one that has a host already.
const CLAIMS: usize = 20_000;

/// The room that is left while a list is read.
pub(crate) struct Room {
    /// Bytes for the manifests of routes that move: no journal can hold more.
    manifests: AtomicUsize,
    claims: AtomicUsize,
}

impl Default for Room {
    fn default() -> Self {
        Self { manifests: AtomicUsize::new(BOOK_LIMIT), claims: AtomicUsize::new(CLAIMS) }
    }
}

impl Room {
    /// The route without what is not needed of it, or does not fit.
    pub(crate) fn trim(&self, mut route: Route) -> Route {
        if route.migrates() || route.switch().is_some() {
            let size = route.manifest.as_ref().map_or(0, |manifest| manifest.len());
            if size > LARGEST_ROUTE || !take(&self.manifests, size) {
                route.manifest = None;
                route.references = References::default();
            }
        } else {
            route.references.urls = Vec::new();
            if !take(&self.claims, route.references.claims.len()) {
                route.references.claims.clear();
            }
        }
        route
    }
}

fn take(left: &AtomicUsize, wanted: usize) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(wanted)).is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::route::kind_named;

    fn route(labels: &Value, text: usize) -> Route {
        let object = json!({
            "metadata": { "name": "www", "labels": labels, "annotations": { "a": "x".repeat(text) } },
            "spec": { "rules": [{ "host": "www.example.com", "http": { "paths": [{ "path": "/" }] } }] },
        });
        Route::read(kind_named("Ingress").unwrap(), &object, "shop-main")
    }

    #[test]
    fn route_that_moves_keeps_its_manifest_as_long_as_there_is_room() {
        let room = Room::default();
        let moves = json!({ "activestandby.lagoon.sh/migrate": "true" });
        assert!(room.trim(route(&moves, LARGEST_ROUTE)).is_too_large());
        let fitting = BOOK_LIMIT / LARGEST_ROUTE;
        for _ in 0..fitting {
            let kept = room.trim(route(&moves, LARGEST_ROUTE - 1000));
            assert!(!kept.is_too_large() && !kept.references.urls.is_empty());
        }
        let (small, large) = (room.trim(route(&moves, 10)), room.trim(route(&moves, LARGEST_ROUTE - 1000)));
        assert!(!small.is_too_large() && large.is_too_large());
    }

    #[test]
    fn route_that_stays_keeps_its_claims_as_long_as_there_is_room() {
        let room = Room { claims: AtomicUsize::new(1), ..Room::default() };
        let kept: Vec<Route> = (0..2).map(|_| room.trim(route(&json!({}), LARGEST_ROUTE))).collect();
        assert_eq!(kept.iter().map(|route| route.references.claims.len()).collect::<Vec<_>>(), [1, 0]);
        assert!(kept.iter().all(|route| !route.is_too_large() && route.references.urls.is_empty()));
    }
}
