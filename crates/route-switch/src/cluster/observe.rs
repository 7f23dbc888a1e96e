//! Looks at both namespaces: lists, not a read of each object. Secrets alone are read by name, only those that a route
//! names: their lists would hold secrets that are none of a switch's business.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::{join_all, try_join, try_join3};
use k8s_openapi::api::core::v1;
use kube::api::ApiResource;
use serde_json::{Value, json};

use crate::cluster::kinds::{CERT_MANAGER, Groups, allowed, certificate, kinds, none_of_unknown, not_moved, older};
use crate::cluster::room::Room;
use crate::cluster::{ensure, owners};
use crate::journal::LARGEST_ROUTE;
use crate::json::{at, text_at};
use crate::labels;
use crate::plan::manifest::OWN_WORDS;
use crate::plan::observed::{Certificate, Missing, Namespace, Observed, Rights, Thing};
use crate::plan::users;
use crate::route::{Route, RouteKind, SERVICE, Target};
use crate::side::{Side, Sides};
use lagoon_task::cluster::{Cause, Cluster, ClusterError, Listed, Metadata, ObjectName, Objects};

/// Bytes of a route that is read, at most, as the API server sends it: with the record of who has set which field, which can
/// be as large as the rest.
const LARGEST_LISTED: usize = 2 * LARGEST_ROUTE;

/// Both namespaces, and how to get at them.
#[derive(Clone, Copy)]
pub(crate) struct Looking<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) names: &'a Sides<String>,
}

impl<'a> Looking<'a> {
    /// Which routes there are, and the API groups that the cluster has. What the routes need [`look_closer`] adds.
    ///
    /// [`look_closer`]: Self::look_closer
    ///
    /// Who has taken the lock in a namespace need not ask whether it is there.
    pub(crate) async fn observe(&self, is_locked: bool) -> Result<(Observed, Groups), ClusterError> {
        let missing = async { if is_locked { Ok(None) } else { self.missing().await } };
        let (groups, missing) = try_join(self.groups(), missing).await?;
        if let Some(missing) = missing {
            let mut observed = Observed::default();
            observed.sides.standby.name.clone_from(&self.names.standby);
            observed.sides.active.name.clone_from(&self.names.active);
            observed.sides.active.missing = Some(missing);
            return Ok((observed, groups));
        }
        let namespaces = try_join(self.namespace(Side::Standby, &groups), self.namespace(Side::Active, &groups));
        let (standby, active) = Box::pin(namespaces).await?;
        Ok((Observed { sides: Sides { standby, active }, ..Observed::default() }, groups))
    }

    /// The routes of this kind.
    pub(crate) async fn routes(
        &self,
        side: Side,
        kind: &'static dyn RouteKind,
        read: fn(&'static dyn RouteKind, &Value, &str) -> Route,
    ) -> Result<Vec<Route>, ClusterError> {
        let namespace = self.names.of(side);
        let objects = self.cluster.objects(&kind.resource(), namespace);
        let room = Room::default();
        let take = |listed| match listed {
            Listed::Whole(object) => room.trim(read(kind, &object, namespace)),
            Listed::TooLarge(metadata) => Route::too_large(kind, metadata),
        };
        objects.list_up_to(LARGEST_LISTED, take).await
    }

    /// Looks for the routes of all kinds that the cluster has. Many clusters have the Gateway API and give the deployer no
    /// right to it, and some have a part of it or an old version.
    async fn all_routes(&self, side: Side, groups: &Groups, into: &mut Namespace) -> Result<(), ClusterError> {
        let lists = kinds(groups).map(|kind| async move { (kind, self.routes(side, kind, Route::read).await) });
        let mut not_moved: Vec<ApiResource> = not_moved().filter(|kind| groups.contains(&kind.group)).collect();
        for (kind, routes) in join_all(lists).await {
            match routes {
                Ok(routes) => into.routes.extend(routes),
                Err(error) if kind.is_built_in() => return Err(error),
                Err(error) => match error.cause() {
                    Cause::Forbidden(_) => into.unseen.push(kind.resource().kind),
                    Cause::KindUnknown => {
                        into.unknown.push(kind.resource().kind);
                        not_moved.extend(older(kind));
                    }
                    _ => return Err(error),
                },
            }
        }
        for stuck in join_all(not_moved.iter().map(|resource| self.stuck(side, resource))).await {
            into.stuck.extend(stuck?);
        }
        Ok(())
    }

    /// The objects of a kind that is not moved, with the label that has a route moved.
    async fn stuck(&self, side: Side, resource: &ApiResource) -> Result<Vec<(String, String)>, ClusterError> {
        let objects = self.cluster.objects(resource, self.names.of(side));
        let all = allowed(none_of_unknown(objects.list_metadata().await))?.unwrap_or_default();
        let labelled = all.into_iter().filter(|one| {
            [labels::MIGRATE, labels::LEGACY_MIGRATE]
                .iter()
                .any(|label| one.labels.get(*label).is_some_and(|value| value == "true"))
        });
        Ok(labelled.map(|one| (resource.kind.clone(), one.name)).collect())
    }

    async fn groups(&self) -> Result<Groups, ClusterError> {
        let error = |cause| ClusterError::List { kind: "APIGroup".to_owned(), namespace: String::new(), cause };
        let client = self.cluster.client();
        let groups = self.cluster.call(error, client.list_api_groups()).await?;
        Ok(groups.groups.into_iter().map(|group| group.name).collect())
    }

    /// What is seen on the side of the standby environment alone, where the other one cannot be looked at: its routes.
    pub(crate) async fn own_side(&self) -> Result<Observed, ClusterError> {
        let groups = self.groups().await?;
        let mut observed = Observed::default();
        self.all_routes(Side::Standby, &groups, &mut observed.sides.standby).await?;
        Ok(observed)
    }

    /// Whether the active environment's namespace is not there.
    pub(crate) async fn missing(&self) -> Result<Option<Missing>, ClusterError> {
        let name = &self.names.active;
        let api: kube::Api<v1::Namespace> = kube::Api::all(self.cluster.client());
        let error = |cause| ClusterError::Read { object: ObjectName::new("Namespace", "", name), cause };
        match self.cluster.call(error, api.get_opt(name)).await {
            Ok(Some(namespace)) if namespace.metadata.deletion_timestamp.is_some() => Ok(Some(Missing::Deleted)),
            Ok(Some(_)) => Ok(None),
            Ok(None) => Ok(Some(Missing::Absent)),
            Err(error) if matches!(error.cause(), Cause::Forbidden(_)) => Ok(Some(Missing::Hidden)),
            Err(error) => Err(error),
        }
    }

    async fn namespace(&self, side: Side, groups: &Groups) -> Result<Namespace, ClusterError> {
        let name = self.names.of(side);
        let mut namespace = Namespace { name: name.clone(), ..Namespace::default() };
        let ((), services) = try_join(self.all_routes(side, groups, &mut namespace), self.services(name)).await?;
        let (services, words): (BTreeMap<String, Thing>, Vec<BTreeMap<String, String>>) =
            services.into_iter().map(|(metadata, thing)| ((metadata.name.clone(), thing), own_words(metadata))).unzip();
        namespace.things.insert(&SERVICE, Some(services));
        namespace.own_words = agreed(words);
        let pods = self.pods(side);
        let builds = async { allowed(pods.list(|pod| users::build(&pod)).await) };
        let (certificates, rights, builds) =
            try_join3(self.certificates(name, groups), self.rights(name), builds).await?;
        namespace.certificates = certificates;
        namespace.rights = rights;
        namespace.builds = builds.into_iter().flatten().flatten().collect();
        Ok(namespace)
    }

    /// The Services, and what Lagoon writes on them.
    async fn services(&self, namespace: &str) -> Result<Vec<(Metadata, Thing)>, ClusterError> {
        let services = self.cluster.objects(&ApiResource::erase::<v1::Service>(&()), namespace);
        services.list(|service| (Metadata::of(&service), thing(&SERVICE, &service))).await
    }

    pub(crate) fn pods(&self, side: Side) -> Objects<'a> {
        self.cluster.objects(&ApiResource::erase::<v1::Pod>(&()), self.names.of(side))
    }

    pub(crate) fn secrets(&self, side: Side) -> Objects<'a> {
        self.cluster.objects(&ApiResource::erase::<v1::Secret>(&()), self.names.of(side))
    }

    async fn certificates(&self, namespace: &str, groups: &Groups) -> Result<Vec<Certificate>, ClusterError> {
        if !groups.contains(CERT_MANAGER) {
            return Ok(Vec::new());
        }
        let certificates = self.cluster.objects(&certificate(), namespace);
        let listed = certificates.list(|object| Certificate {
            metadata: Metadata::of(&object),
            secret: object.pointer("/spec/secretName").and_then(Value::as_str).unwrap_or_default().to_owned(),
            owners: owners::uids(&object),
            manifest: object.to_string(),
        });
        // Where the deployer may not see them, they are none of its business.
        Ok(allowed(none_of_unknown(listed.await))?.unwrap_or_default())
    }

    /// What the deployer may do in the namespace. One question a namespace, where a `SelfSubjectAccessReview` would be
    /// one a right; where the answer says that it is not complete, the requests themselves will show.
    async fn rights(&self, namespace: &str) -> Result<Rights, ClusterError> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": { "namespace": namespace },
        });
        let client = self.cluster.client();
        let object = ObjectName::new("SelfSubjectRulesReview", namespace, "");
        let ask = || async {
            let request = http::Request::post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews")
                .header(http::header::CONTENT_TYPE, "application/json")
                .body(review.to_string().into_bytes());
            let error = |cause| ClusterError::Read { object: object.clone(), cause };
            match request {
                Ok(request) => self.cluster.call(error, client.request::<Value>(request)).await,
                Err(_) => Err(error(Cause::NotUnderstood)),
            }
        };
        Ok(Rights::of(ensure::ask(ask).await?.get("status").unwrap_or(&Value::Null)))
    }
}

/// What of a thing can be named: the ports of a Service, the listeners of a Gateway.
pub(super) fn thing(target: &Target, object: &Value) -> Thing {
    let (list, fields) = if *target == SERVICE { ("ports", ["name", "port"]) } else { ("listeners", ["name", "name"]) };
    let items = at(object, &["spec", list]).and_then(Value::as_array).into_iter().flatten();
    let parts = items
        .flat_map(|item| fields.map(|field| item.get(field)))
        .flatten()
        .filter_map(|part| part.as_str().map(str::to_owned).or_else(|| part.as_i64().map(|number| number.to_string())));
    Thing { parts: parts.collect(), is_external: text_at(object, &["spec", "type"]) == Some("ExternalName") }
}

/// With which labels and annotations Lagoon tells this object's environment from others.
fn own_words(metadata: Metadata) -> BTreeMap<String, String> {
    let all = metadata.labels.into_iter().chain(metadata.annotations);
    all.filter(|(word, _)| OWN_WORDS.contains(&word.as_str())).collect()
}

/// What all objects that have a word agree on.
fn agreed(words: Vec<BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (word, value) in words.into_iter().flatten() {
        found.entry(word).or_default().insert(value);
    }
    found
        .into_iter()
        .filter_map(|(word, mut values)| Some((word, values.pop_first().filter(|_| values.is_empty())?)))
        .collect()
}

#[cfg(test)]
mod tests;
