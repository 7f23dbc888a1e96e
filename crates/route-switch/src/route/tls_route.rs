//! The Gateway API's `TLSRoute`: connections are told apart by the host that they ask for, and sent on as they are.

use kube::api::ApiResource;
use serde_json::Value;

use crate::route::gateway;
use crate::route::kind::{Acceptance, RouteKind};
use crate::route::reference::Place;

/// `gateway.networking.k8s.io/v1` `TLSRoute`.
pub(crate) struct TlsRoute;

static PLACES: [&[Place]; 2] = [&gateway::PARENTS, &gateway::BACKENDS];

impl RouteKind for TlsRoute {
    fn resource(&self) -> ApiResource {
        gateway::resource("v1", "TLSRoute", "tlsroutes")
    }

    fn older_versions(&self) -> &'static [&'static str] {
        &["v1alpha3", "v1alpha2"]
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
