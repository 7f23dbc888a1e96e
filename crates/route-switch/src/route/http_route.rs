//! The Gateway API's `HTTPRoute`.

use kube::api::ApiResource;
use serde_json::Value;

use crate::route::gateway;
use crate::route::kind::{Acceptance, RouteKind};
use crate::route::reference::Place;

/// `gateway.networking.k8s.io/v1` `HTTPRoute`.
pub(crate) struct HttpRoute;

static PLACES: [&[Place]; 3] = [&gateway::PARENTS, &gateway::BACKENDS, &gateway::FILTERS];

impl RouteKind for HttpRoute {
    fn resource(&self) -> ApiResource {
        gateway::resource("v1", "HTTPRoute", "httproutes")
    }

    fn older_versions(&self) -> &'static [&'static str] {
        &["v1beta1"]
    }

    fn places(&self) -> &'static [&'static [Place]] {
        &PLACES
    }

    fn urls(&self, route: &Value) -> Vec<String> {
        gateway::urls(route)
    }

    fn needs_grants(&self) -> bool {
        true
    }

    fn acceptances(&self, route: &Value) -> Vec<Acceptance> {
        gateway::acceptances(route)
    }
}
