//! What shows that a switch has deleted a route, where the journal lies in a namespace that others write in too.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Context, SHA256};

use crate::journal::entries::{Book, Head, RouteEntry};

/// The digest of a route as a switch may recreate it: of the switch, its namespaces, the route and its manifest.
///
/// A run records it on the Lease in the active environment's namespace before it deletes the route. Who writes a journal of
/// their own in the standby environment's namespace cannot write there.
pub(crate) fn digest(head: &Head, route: &RouteEntry) -> String {
    let namespaces = head.namespaces();
    let places = [namespaces.standby, namespaces.active, namespaces.of(route.home)];
    let mut digest = Context::new(&SHA256);
    for part in places.into_iter().chain([&head.switch_id, &route.kind, &route.name, route.manifest.get()]) {
        // The length first, so that no two lists of parts are alike.
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    STANDARD.encode(digest.finish())
}

/// The digests of the routes in these places of a book that its run may recreate without a doubt.
pub(crate) fn digests(head: &Head, book: &Book, places: &BTreeSet<usize>) -> BTreeSet<String> {
    let routes = places.iter().filter_map(|place| book.routes.get(*place));
    routes.filter(|route| !route.is_unproven).map(|route| digest(head, route)).collect()
}
