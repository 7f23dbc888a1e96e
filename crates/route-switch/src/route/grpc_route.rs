//! The Gateway API's `GRPCRoute`.

use kube::api::ApiResource;
use serde_json::Value;

use crate::route::gateway;
use crate::route::kind::{Acceptance, RouteKind};
use crate::route::reference::Place;

/// `gateway.networking.k8s.io/v1` `GRPCRoute`.
pub(crate) struct GrpcRoute;

static PLACES: [&[Place]; 3] = [&gateway::PARENTS, &gateway::BACKENDS, &gateway::FILTERS];

impl RouteKind for GrpcRoute {
    fn resource(&self) -> ApiResource {
        gateway::resource("v1", "GRPCRoute", "grpcroutes")
    }

    fn older_versions(&self) -> &'static [&'static str] {
        &["v1alpha2"]
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
