//! The Gateway API's `TLSRoute`: connections are told apart by the host that they ask for, and sent on as they are.

use crate::route::gateway::{self, GatewayKind};
use crate::route::reference::Place;

static PLACES: [&[Place]; 2] = [&gateway::PARENTS, &gateway::BACKENDS];

/// `gateway.networking.k8s.io/v1` `TLSRoute`.
pub(crate) static TLS_ROUTE: GatewayKind =
    GatewayKind { kind: "TLSRoute", plural: "tlsroutes", older: &["v1alpha3", "v1alpha2"], places: &PLACES };
