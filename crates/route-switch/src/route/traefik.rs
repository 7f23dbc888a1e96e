//! What Traefik has beside its routes.

use crate::route::reference::Target;

const GROUPS: &[&str] = &["traefik.io", "traefik.containo.us"];

/// Changes requests.
pub(crate) static MIDDLEWARE: Target =
    Target { kind: "Middleware", groups: GROUPS, version: "v1alpha1", plural: "middlewares" };
/// Says how TLS is spoken.
pub(crate) static TLS_OPTION: Target =
    Target { kind: "TLSOption", groups: GROUPS, version: "v1alpha1", plural: "tlsoptions" };
/// Says how servers are spoken to.
pub(crate) static SERVERS_TRANSPORT: Target =
    Target { kind: "ServersTransport", groups: GROUPS, version: "v1alpha1", plural: "serverstransports" };
