//! Applying manifests, and the part of the controller-manager that matters for rights.

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use futures::future::try_join_all;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::error::Error;

const FIELD_MANAGER: &str = "lagoon-task-testing";

/// A definition is served within a second or so.
const ESTABLISHED_WITHIN: Duration = Duration::from_secs(30);

/// The roles that the controller-manager fills, in the order in which one is part of the next.
const AGGREGATED: [&str; 3] = ["view", "edit", "admin"];

const DEFINITION: &str = "CustomResourceDefinition";

/// Applies each document of `manifests` with server-side apply. Definitions that follow each other are waited for
/// together, and before anything else is applied: each takes a second.
pub(super) async fn apply(client: &Client, manifests: &str) -> Result<(), Error> {
    let mut definitions = Vec::new();
    for document in manifests.split("\n---") {
        let text = document.trim_start_matches('-').trim();
        if text.lines().all(|line| line.trim().is_empty() || line.starts_with('#')) {
            continue;
        }
        let object: DynamicObject = serde_saphyr::from_str(text).map_err(|error| Error::Manifest(error.into()))?;
        let definition = object.types.as_ref().is_some_and(|types| types.kind == DEFINITION).then(|| object.name_any());
        if definition.is_none() {
            until_all_established(client, &mut definitions).await?;
        }
        apply_one(client, object).await?;
        definitions.extend(definition);
    }
    until_all_established(client, &mut definitions).await
}

async fn apply_one(client: &Client, object: DynamicObject) -> Result<(), Error> {
    let types = object.types.clone().ok_or_else(|| Error::Manifest("an object has no kind".into()))?;
    let name = object.name_any();
    let what = format!("Applying {} {name}", types.kind);
    let kind = GroupVersionKind::try_from(&types).map_err(|error| Error::Manifest(error.into()))?;
    let (resource, capabilities) = pinned_kind(client, &kind).await.map_err(Error::request(&what))?;
    let namespace = object.namespace().unwrap_or_else(|| "default".to_owned());
    let api: Api<DynamicObject> = match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => Api::namespaced_with(client.clone(), &namespace, &resource),
    };
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(&name, &parameters, &Patch::Apply(&object)).await.map_err(Error::request(&what))?;
    Ok(())
}

/// Waits until the API server serves all of these, and empties the list.
async fn until_all_established(client: &Client, names: &mut Vec<String>) -> Result<(), Error> {
    try_join_all(names.drain(..).map(async |name| until_established(client, &name).await)).await?;
    Ok(())
}

/// Watches a definition until the API server serves it.
async fn until_established(client: &Client, name: &str) -> Result<(), Error> {
    let what = format!("Waiting for CustomResourceDefinition {name}");
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let parameters = WatchParams::default().fields(&format!("metadata.name={name}"));
    // From version 0: the object as it is now comes first.
    let mut events = pin!(api.watch(&parameters, "0").await.map_err(Error::request(&what))?);
    let wait = async {
        while let Some(event) = events.next().await {
            if let Ok(WatchEvent::Added(definition) | WatchEvent::Modified(definition)) = event
                && is_established(&definition)
            {
                return Some(definition);
            }
        }
        None
    };
    match tokio::time::timeout(ESTABLISHED_WITHIN, wait).await {
        Ok(Some(definition)) => until_watchable(client, &definition).await,
        _ => Err(Error::Manifest(format!("{name} was applied but is not served").into())),
    }
}

/// Waits until lists of the new kind come from the API server's cache, since only then can it be watched.
async fn until_watchable(client: &Client, definition: &CustomResourceDefinition) -> Result<(), Error> {
    let (group, plural) = (&definition.spec.group, &definition.spec.names.plural);
    for version in definition.spec.versions.iter().filter(|version| version.served) {
        let url = format!("/apis/{group}/{}/{plural}", version.name);
        let what = format!("Listing {url}");
        let parameters = ListParams::default().match_any();
        let request = kube::core::Request::new(url).list(&parameters).map_err(kube::Error::BuildRequest);
        let request = request.map_err(Error::request(&what))?;
        client.request_text(request).await.map_err(Error::request(&what))?;
    }
    Ok(())
}

fn is_established(definition: &CustomResourceDefinition) -> bool {
    let conditions = definition.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Established" && condition.status == "True")
}

/// Fills the aggregated `ClusterRoles` with the rules of the roles that their selectors choose, as the controller-manager
/// would.
pub(super) async fn aggregate(client: &Client) -> Result<(), Error> {
    let api: Api<ClusterRole> = Api::all(client.clone());
    for name in AGGREGATED {
        let selector = format!("rbac.authorization.k8s.io/aggregate-to-{name}=true");
        let parts = api.list(&ListParams::default().labels(&selector)).await;
        let parts = parts.map_err(Error::request(format!("Reading the parts of ClusterRole {name}")))?;
        let mut rules: Vec<PolicyRule> = Vec::new();
        for rule in parts.into_iter().flat_map(|role| role.rules.unwrap_or_default()) {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
        let patch = Patch::Merge(json!({ "rules": rules }));
        let patched = api.patch(name, &PatchParams::default(), &patch).await;
        patched.map_err(Error::request(format!("Filling ClusterRole {name}")))?;
    }
    Ok(())
}
