//! The Gateway API's `GRPCRoute`.

use crate::route::gateway::{self, GatewayKind};
use crate::route::reference::Place;

static PLACES: [&[Place]; 3] = [&gateway::PARENTS, &gateway::BACKENDS, &gateway::FILTERS];

/// `gateway.networking.k8s.io/v1` `GRPCRoute`.
pub(crate) static GRPC_ROUTE: GatewayKind =
    GatewayKind { kind: "GRPCRoute", plural: "grpcroutes", older: &["v1alpha2"], places: &PLACES };
