//! The kinds that a cluster may have or not, and that the deployer may see or not.

use std::collections::BTreeSet;

use kube::api::{ApiResource, GroupVersionKind};

use crate::route::{KINDS, RouteKind};
use lagoon_task::cluster::{Cause, ClusterError};

/// The API groups that a cluster has.
pub(crate) type Groups = BTreeSet<String>;

/// The kinds of routes that this cluster has.
pub(crate) fn kinds(groups: &Groups) -> impl Iterator<Item = &'static dyn RouteKind> {
    KINDS.into_iter().filter(|kind| kind.is_built_in() || groups.contains(&kind.resource().group))
}

/// Kinds of routes that others have and a switch does not move: group, version, kind and plural.
const NOT_MOVED: [(&str, &str, &str, &str); 10] = [
    (GATEWAY_API, "v1alpha2", "TCPRoute", "tcproutes"),
    (GATEWAY_API, "v1alpha2", "UDPRoute", "udproutes"),
    ("traefik.io", "v1alpha1", "IngressRouteTCP", "ingressroutetcps"),
    ("traefik.io", "v1alpha1", "IngressRouteUDP", "ingressrouteudps"),
    ("traefik.containo.us", "v1alpha1", "IngressRoute", "ingressroutes"),
    ("projectcontour.io", "v1", "HTTPProxy", "httpproxies"),
    ("k8s.nginx.org", "v1", "VirtualServer", "virtualservers"),
    ("networking.istio.io", "v1", "VirtualService", "virtualservices"),
    ("route.openshift.io", "v1", "Route", "routes"),
    ("getambassador.io", "v2", "Mapping", "mappings"),
];

/// All kinds of routes that others have and a switch does not move: one that has the label is a problem.
pub fn not_moved() -> impl Iterator<Item = ApiResource> {
    NOT_MOVED.iter().map(|(group, version, kind, plural)| resource(group, version, kind, plural))
}

/// A kind of routes in the versions of older clusters.
pub(crate) fn older(kind: &dyn RouteKind) -> Vec<ApiResource> {
    let now = kind.resource();
    kind.older_versions().iter().map(|version| resource(&now.group, version, &now.kind, &now.plural)).collect()
}

fn resource(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

pub(crate) const CERT_MANAGER: &str = "cert-manager.io";
pub(crate) const GATEWAY_API: &str = "gateway.networking.k8s.io";

/// cert-manager's Certificate.
pub(crate) fn certificate() -> ApiResource {
    resource(CERT_MANAGER, "v1", "Certificate", "certificates")
}

pub(crate) fn gateway_api(version: &str, kind: &str, plural: &str) -> ApiResource {
    resource(GATEWAY_API, version, kind, plural)
}

/// `None` for what the deployer may not see.
pub(crate) fn allowed<T>(result: Result<T, ClusterError>) -> Result<Option<T>, ClusterError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.cause(), Cause::Forbidden(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Of a kind that the cluster does not know there are none: it may have a kind's API group and not the kind.
pub(crate) fn none_of_unknown<T>(listed: Result<Vec<T>, ClusterError>) -> Result<Vec<T>, ClusterError> {
    match listed {
        Err(error) if *error.cause() == Cause::KindUnknown => Ok(Vec::new()),
        other => other,
    }
}
