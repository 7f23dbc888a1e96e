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

pub(crate) const CERT_MANAGER: &str = "cert-manager.io";
pub(crate) const GATEWAY_API: &str = "gateway.networking.k8s.io";

/// cert-manager's Certificate.
pub(crate) fn certificate() -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(CERT_MANAGER, "v1", "Certificate"), "certificates")
}

pub(crate) fn gateway_api(version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GATEWAY_API, version, kind), plural)
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
