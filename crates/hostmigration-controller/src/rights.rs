//! What the controller needs of the cluster, and whether it is there.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::Api;
use kube::api::{ApiResource, PostParams};

use crate::health::{Health, Needs};
use hostmigration::{API_VERSION, GROUP};
use lagoon_task::cluster::{Cause, Cluster, ClusterError, ObjectName};
use route_switch::route::{KINDS, SECRET, Target};

/// Rights that are there are checked again after this long.
const EVERY: Duration = Duration::from_mins(5);

/// Rights that are missing or not known are.
const SOON: Duration = Duration::from_secs(10);

/// Questions at the same time.
const CONCURRENT: usize = 8;

/// Some verbs on a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// API group; empty for Kubernetes' core.
    pub group: Cow<'static, str>,
    /// The resource.
    pub resource: Cow<'static, str>,
    /// The one object that they hold for; empty for all.
    pub name: &'static str,
    /// What may be done.
    pub verbs: &'static [&'static str],
}

const fn rights(group: &'static str, resource: &'static str, verbs: &'static [&'static str]) -> Rights {
    named(group, resource, "", verbs)
}

/// The same for the one object of this name.
const fn named(
    group: &'static str,
    resource: &'static str,
    name: &'static str,
    verbs: &'static [&'static str],
) -> Rights {
    Rights { group: Cow::Borrowed(group), resource: Cow::Borrowed(resource), name, verbs }
}

const ROUTES: &[&str] = &["get", "list", "watch", "create", "update", "patch", "delete"];

/// The rights in all namespaces: those of the `ClusterRole` in `deploy/hostmigration-controller.yaml`.
#[must_use]
pub fn everywhere() -> Vec<Rights> {
    let of = |resource: ApiResource, verbs| Rights {
        group: resource.group.into(),
        resource: resource.plural.into(),
        name: "",
        verbs,
    };
    let routes = KINDS.into_iter().map(|kind| of(kind.resource(), ROUTES));
    // What routes name beside themselves, but for Secrets, which are read by their names alone.
    let places = KINDS.into_iter().flat_map(|kind| kind.places().iter().copied().flatten());
    let named: BTreeSet<&Target> = places.map(|place| place.target).filter(|target| **target != SECRET).collect();
    let listed = named.into_iter().flat_map(Target::resources).map(|resource| of(resource, &["list"]));
    let listed = listed.chain(route_switch::not_moved().map(|resource| of(resource, &["list"])));
    let known = |rights: &Rights| ALWAYS.iter().any(|one| one.group == rights.group && one.resource == rights.resource);
    ALWAYS.iter().cloned().chain(routes).chain(listed.filter(|rights| !known(rights))).collect()
}

/// Those that do not depend on the kinds of routes.
const ALWAYS: &[Rights] = &[
    rights(GROUP, "hostmigrations", &["get", "list", "watch", "patch"]),
    rights("", "namespaces", &["get"]),
    rights("", "pods", &["get", "list"]),
    rights("", "serviceaccounts", &["list"]),
    rights("coordination.k8s.io", "leases", &["create"]),
    named("coordination.k8s.io", "leases", "activestandby-switch", &["get", "update", "delete"]),
    rights("", "services", &["list"]),
    rights("discovery.k8s.io", "endpointslices", &["list"]),
    rights("", "secrets", &["get", "create", "delete"]),
    rights("", "configmaps", &["get", "list", "create", "update", "delete"]),
    rights("gateway.networking.k8s.io", "referencegrants", &["list"]),
    rights("cert-manager.io", "certificates", &["get", "list", "create", "delete"]),
    rights("events.k8s.io", "events", &["create", "patch"]),
];

/// What `--keep-finished` needs beside them.
pub const PRUNING: Rights = rights(GROUP, "hostmigrations", &["delete"]);

/// The rights in the controller's own namespace: those of the `Role` there.
const OWN: &[Rights] = &[
    rights("coordination.k8s.io", "leases", &["create"]),
    named("coordination.k8s.io", "leases", crate::election::LEASE, &["get", "update"]),
];

/// Checks again and again whether what the controller needs is there.
pub(crate) async fn keep_checking(cluster: Cluster, namespace: String, prunes: bool, health: &Health) {
    loop {
        let pause = match check(&cluster, &namespace, prunes).await {
            Ok(needs) => {
                health.needs_checked(&needs);
                if needs.are_met() { EVERY } else { SOON }
            }
            Err(error) => {
                health.needs_unchecked(&error.to_string());
                SOON
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn check(cluster: &Cluster, namespace: &str, prunes: bool) -> Result<Needs, ClusterError> {
    let answers: Vec<_> = stream::iter(questions(namespace, prunes))
        .map(|question| is_missing(cluster.clone(), question))
        .buffered(CONCURRENT)
        .try_collect()
        .await?;
    // Two rules may grant parts of one resource: each missing right is named once.
    let missing: BTreeSet<String> = answers.into_iter().flatten().collect();
    let is_definition_missing = is_definition_missing(cluster).await?;
    Ok(Needs { rights_missing: missing.into_iter().collect(), is_definition_missing })
}

/// All rights that the controller needs, one by one.
fn questions(namespace: &str, prunes: bool) -> Vec<ResourceAttributes> {
    let mut questions = Vec::new();
    for rights in everywhere().iter().chain(prunes.then_some(&PRUNING)) {
        questions.extend(rights.verbs.iter().map(|verb| question(rights, verb, "")));
    }
    for rights in OWN {
        questions.extend(rights.verbs.iter().map(|verb| question(rights, verb, namespace)));
    }
    questions
}

fn question(rights: &Rights, verb: &str, namespace: &str) -> ResourceAttributes {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    ResourceAttributes {
        group: text(&rights.group),
        resource: text(&rights.resource),
        name: text(rights.name),
        verb: text(verb),
        namespace: text(namespace),
        ..ResourceAttributes::default()
    }
}

/// Asks the API server; the answer names the right if it is missing.
async fn is_missing(cluster: Cluster, asked: ResourceAttributes) -> Result<Option<String>, ClusterError> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(cluster.client());
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(asked.clone()), ..Default::default() };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let error = |cause| ClusterError::Create { object: ObjectName::new("SelfSubjectAccessReview", "", ""), cause };
    let answer = cluster.call(error, reviews.create(&PostParams::default(), &review)).await?;
    Ok((!answer.status.is_some_and(|status| status.allowed)).then(|| in_words(&asked)))
}

fn in_words(asked: &ResourceAttributes) -> String {
    let part = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut words = format!("{} {}", part(&asked.verb), part(&asked.resource));
    for (before, text) in [(".", &asked.group), (" named ", &asked.name), (" in namespace ", &asked.namespace)] {
        if let Some(text) = text {
            words.push_str(before);
            words.push_str(text);
        }
    }
    words
}

/// Whether the API server does not serve `HostMigration` objects. Everybody may ask for what it serves.
async fn is_definition_missing(cluster: &Cluster) -> Result<bool, ClusterError> {
    let error = |cause| ClusterError::List { kind: "APIResource".to_owned(), namespace: String::new(), cause };
    let client = cluster.client();
    match cluster.call(error, client.list_api_group_resources(API_VERSION)).await {
        Ok(served) => Ok(!served.resources.iter().any(|resource| resource.name == "hostmigrations")),
        Err(error) if matches!(error.cause(), Cause::KindUnknown | Cause::NotFound(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_in_words_says_what_may_not_be_done_where() {
        let words = |rights: &Rights, namespace| in_words(&question(rights, rights.verbs[0], namespace));
        assert_eq!(words(&rights("", "secrets", &["create"]), ""), "create secrets");
        assert_eq!(words(&PRUNING, ""), "delete hostmigrations.dioscuri.amazee.io");
        let says = "get leases.coordination.k8s.io named hostmigration-controller in namespace lagoon";
        assert_eq!(words(&OWN[1], "lagoon"), says);
    }
}
