//! Who owns an object, and which of them it gets back when it is put back where it was.
//!
//! An object whose owner is gone is deleted by the cluster's garbage collector. So of the owners that it had, it gets back
//! those that are still the same objects. What an object or a journal says of its owners may be anybody's text: it chooses
//! neither a path of the API, nor what is read that the reader of the switch would not read anyway.

use std::collections::BTreeSet;

use kube::api::{ApiResource, GroupVersionKind};
use serde_json::Value;

use crate::cluster::kinds::certificate;
use crate::plan::manifest::with_metadata;
use crate::route::KINDS;
use lagoon_task::cluster::{Cluster, Metadata};
use lagoon_task::environment::{is_dns_label, is_dns_subdomain};

/// An owner's owners are looked at this far.
const GENERATIONS: u32 = 3;

/// Which kinds of owners are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnerKinds {
    /// All.
    Any,
    /// Those that a switch lists in both namespaces anyway: routes and Certificates.
    Listed,
}

/// The uids of an object's owners.
pub(crate) fn uids(object: &Value) -> BTreeSet<String> {
    references(object).filter_map(|owner| owner["uid"].as_str()).map(str::to_owned).collect()
}

/// `object`, which is about to be created in `namespace`, with those owners of `original` that still exist there.
pub(crate) async fn restore(
    cluster: &Cluster,
    kinds: OwnerKinds,
    namespace: &str,
    original: &Value,
    object: Value,
) -> Value {
    let living = living(cluster, kinds, namespace, original).await;
    if living.is_empty() { object } else { with_metadata(object, "ownerReferences", living.into()) }
}

/// Whether each owner of an object that is in `namespace` still exists.
pub(crate) async fn all_live(cluster: &Cluster, kinds: OwnerKinds, namespace: &str, object: &Value) -> bool {
    living(cluster, kinds, namespace, object).await.len() == references(object).count()
}

async fn living(cluster: &Cluster, kinds: OwnerKinds, namespace: &str, object: &Value) -> Vec<Value> {
    let mut living = Vec::new();
    for owner in references(object) {
        if lives(cluster, kinds, namespace, owner, GENERATIONS).await {
            living.push(owner.clone());
        }
    }
    living
}

fn references(object: &Value) -> impl Iterator<Item = &Value> {
    object.pointer("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten()
}

/// What cannot be looked up counts as gone: without the reference nothing is lost. So does an owner whose own owner is gone,
/// such as the Certificate of a deleted route: the garbage collector has only not come to it yet.
async fn lives(cluster: &Cluster, kinds: OwnerKinds, namespace: &str, owner: &Value, generations: u32) -> bool {
    let text = |field: &str| owner[field].as_str().unwrap_or_default();
    let (version, kind, name, uid) = (text("apiVersion"), text("kind"), text("name"), text("uid"));
    let Some(resource) = resource(cluster, kinds, version, kind).await else { return false };
    let Ok(Some(found)) = cluster.objects(&resource, namespace).get(name).await else { return false };
    let metadata = Metadata::of(&found);
    if metadata.uid != uid || metadata.deletion_timestamp.is_some() {
        return false;
    }
    for owner in references(&found) {
        if generations == 0 || !Box::pin(lives(cluster, kinds, namespace, owner, generations - 1)).await {
            return false;
        }
    }
    true
}

/// How objects of this kind are asked for, if they are.
async fn resource(cluster: &Cluster, kinds: OwnerKinds, api_version: &str, kind: &str) -> Option<ApiResource> {
    let mut listed = KINDS.iter().map(|kind| kind.resource()).chain([certificate()]);
    let found = listed.find(|resource| resource.api_version == api_version && resource.kind == kind);
    if found.is_some() || kinds == OwnerKinds::Listed || !is_api_version(api_version) {
        return found;
    }
    let plural = plural(cluster, api_version, kind).await?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    Some(ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), &plural))
}

/// Whether it has the form of a group and a version, or a version alone, which becomes a part of a path.
fn is_api_version(text: &str) -> bool {
    match text.split_once('/') {
        Some((group, version)) => is_dns_subdomain(group) && is_dns_label(version),
        None => is_dns_label(text),
    }
}

/// The plural of a kind, by which it is asked for.
async fn plural(cluster: &Cluster, version: &str, kind: &str) -> Option<String> {
    let client = cluster.client();
    let listed = if version.contains('/') {
        client.list_api_group_resources(version).await
    } else {
        client.list_core_api_resources(version).await
    };
    let resources = listed.ok()?.resources;
    resources.into_iter().find(|one| one.kind == kind && !one.name.contains('/')).map(|one| one.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_version_is_no_path() {
        for version in ["v1", "apps/v1", "networking.k8s.io/v1", "example.com/v1alpha1"] {
            assert!(is_api_version(version), "{version}");
        }
        let paths = [
            "",
            "/",
            "/v1",
            "apps/",
            "../v1",
            "apps/..",
            "v1?",
            "apps/v1#",
            "apps/v1/namespaces/victim/secrets/x",
            "A/v1",
        ];
        for path in paths {
            assert!(!is_api_version(path), "{path}");
        }
    }
}
