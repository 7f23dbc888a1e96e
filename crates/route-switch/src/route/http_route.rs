//! The Gateway API's `HTTPRoute`.

use crate::route::gateway::{self, GatewayKind};
use crate::route::reference::Place;

static PLACES: [&[Place]; 3] = [&gateway::PARENTS, &gateway::BACKENDS, &gateway::FILTERS];

/// `gateway.networking.k8s.io/v1` `HTTPRoute`.
pub(crate) static HTTP_ROUTE: GatewayKind =
    GatewayKind { kind: "HTTPRoute", plural: "httproutes", older: &["v1beta1"], places: &PLACES };
