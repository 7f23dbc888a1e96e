//! Who owns an object, and which of them it gets back when it is put back where it was.
//!
//! An object whose owner is gone is deleted by the cluster's garbage collector. So of the owners that it had, it gets back
//! those that are still the same objects.

use std::collections::BTreeSet;

use kube::api::{ApiResource, GroupVersionKind};
use serde_json::Value;

use crate::plan::manifest::with_metadata;
use lagoon_task::cluster::{Cluster, Metadata};

/// An owner's owners are looked at this far.
const GENERATIONS: u32 = 3;

/// The uids of an object's owners.
pub(crate) fn uids(object: &Value) -> BTreeSet<String> {
    references(object).filter_map(|owner| owner["uid"].as_str()).map(str::to_owned).collect()
}

/// `object`, which is about to be created in `namespace`, with those owners of `original` that still exist there.
pub(crate) async fn restore(cluster: &Cluster, namespace: &str, original: &Value, object: Value) -> Value {
    let living = living(cluster, namespace, original).await;
    if living.is_empty() { object } else { with_metadata(object, "ownerReferences", living.into()) }
}

/// Whether each owner of an object that is in `namespace` still exists.
pub(crate) async fn all_live(cluster: &Cluster, namespace: &str, object: &Value) -> bool {
    living(cluster, namespace, object).await.len() == references(object).count()
}

async fn living(cluster: &Cluster, namespace: &str, object: &Value) -> Vec<Value> {
    let mut living = Vec::new();
    for owner in references(object) {
        if lives(cluster, namespace, owner, GENERATIONS).await {
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
async fn lives(cluster: &Cluster, namespace: &str, owner: &Value, generations: u32) -> bool {
    let text = |field: &str| owner[field].as_str().unwrap_or_default();
    let (version, kind, name, uid) = (text("apiVersion"), text("kind"), text("name"), text("uid"));
    let Some(plural) = plural(cluster, version, kind).await else { return false };
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), &plural);
    let Ok(Some(found)) = cluster.objects(&resource, namespace).get(name).await else { return false };
    let metadata = Metadata::of(&found);
    if metadata.uid != uid || metadata.deletion_timestamp.is_some() {
        return false;
    }
    for owner in references(&found) {
        if generations == 0 || !Box::pin(lives(cluster, namespace, owner, generations - 1)).await {
            return false;
        }
    }
    true
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
