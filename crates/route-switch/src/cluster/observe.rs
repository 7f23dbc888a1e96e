//! Looks at both namespaces: lists, not a read of each object. Secrets alone are read by name, only those that a route
//! names: their lists would hold secrets that are none of a switch's business.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::{join_all, try_join, try_join3};
use k8s_openapi::api::core::v1;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::cluster::kinds::{CERT_MANAGER, Groups, allowed, certificate, gateway_api, kinds, none_of_unknown};
use crate::cluster::room::Room;
use crate::cluster::{ensure, owners};
use crate::json::{at, text_at};
use crate::plan::LARGEST_ROUTE;
use crate::plan::observed::{Certificate, Grant, Missing, Namespace, Observed, Rights};
use crate::plan::users;
use crate::route::{BesideKind, Route, RouteKind};
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
        for (kind, routes) in join_all(lists).await {
            match routes {
                Ok(routes) => into.routes.extend(routes),
                Err(error) if kind.is_built_in() => return Err(error),
                Err(error) => match error.cause() {
                    Cause::Forbidden(_) => into.unseen.push(kind.resource().kind),
                    Cause::KindUnknown => into.unknown.push(kind.resource().kind),
                    _ => return Err(error),
                },
            }
        }
        Ok(())
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
        let services = async {
            let services = self.cluster.objects(&ApiResource::erase::<v1::Service>(&()), name);
            services.list_metadata().await
        };
        let mut namespace = Namespace { name: name.clone(), ..Namespace::default() };
        let ((), services) = try_join(self.all_routes(side, groups, &mut namespace), services).await?;
        namespace.services = services.into_iter().map(|service| service.name).collect();
        let pods = self.pods(side);
        let builds = async { allowed(pods.list(|pod| users::build(&pod)).await) };
        let (certificates, rights, builds) =
            try_join3(self.certificates(name, groups), self.rights(name), builds).await?;
        namespace.certificates = certificates;
        namespace.rights = rights;
        namespace.builds = builds.into_iter().flatten().flatten().collect();
        Ok(namespace)
    }

    /// What is looked at only when a route makes it matter.
    pub(crate) async fn look_closer(&self, observed: &mut Observed, groups: &Groups) -> Result<(), ClusterError> {
        if Side::BOTH.iter().all(|side| observed.sides.of(*side).movers().next().is_none()) {
            return Ok(());
        }
        let sides = &observed.sides;
        let (standby, active) = try_join(self.ready(sides, Side::Standby), self.ready(sides, Side::Active)).await?;
        let destinations = self.destinations(sides).await?;
        let mut beside = Vec::new();
        for side in Side::BOTH {
            beside.push((side, self.beside(sides, side, groups).await?));
        }
        let mut gateways = Vec::new();
        for side in Side::BOTH {
            gateways.push((side, self.gateways(sides, side).await?));
        }
        self.grants(observed).await?;
        let differing: BTreeSet<Side> = destinations
            .iter()
            .filter(|(_, there)| there.same == Some(false))
            .map(|((home, _), _)| home.other())
            .collect();
        for side in differing {
            observed.sides.of_mut(side).users = self.secret_users(side, groups, false).await?;
        }
        observed.sides.standby.ready = standby;
        observed.sides.active.ready = active;
        observed.destinations = destinations;
        for (side, found) in beside {
            observed.sides.of_mut(side).beside = found;
        }
        for (side, found) in gateways {
            observed.sides.of_mut(side).gateways = found;
        }
        Ok(())
    }

    /// The Services with a ready endpoint, where a route sends requests to from the other side.
    async fn ready(&self, sides: &Sides<Namespace>, side: Side) -> Result<Option<BTreeSet<String>>, ClusterError> {
        if sides.of(side.other()).movers().all(|route| route.references.services.is_empty()) {
            return Ok(None);
        }
        let slices = self.cluster.objects(&ApiResource::erase::<EndpointSlice>(&()), self.names.of(side));
        let listed = slices.list(|slice| {
            let endpoints = slice.get("endpoints").and_then(Value::as_array);
            let ready = endpoints
                .into_iter()
                .flatten()
                .any(|endpoint| endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true));
            Metadata::of(&slice).labels.remove("kubernetes.io/service-name").filter(|_| ready)
        });
        allowed(listed.await.map(|services| services.into_iter().flatten().collect()))
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

    /// Which of the things that routes of either side name beside them are on `side`.
    async fn beside(
        &self,
        sides: &Sides<Namespace>,
        side: Side,
        groups: &Groups,
    ) -> Result<BTreeMap<BesideKind, Option<BTreeSet<String>>>, ClusterError> {
        let mut named: BTreeMap<BesideKind, BTreeSet<String>> = BTreeMap::new();
        for route in Side::BOTH.iter().flat_map(|side| sides.of(*side).movers()) {
            for beside in &route.references.beside {
                named.entry(beside.kind).or_default().insert(beside.name.clone());
            }
        }
        let mut found = BTreeMap::new();
        for (kind, names) in named {
            let there = match kind {
                BesideKind::Service => continue,
                BesideKind::Secret => {
                    let present = self.present_secrets(side, names).await;
                    present.map(|present| present.into_iter().map(|secret| secret.name).collect())
                }
                BesideKind::ConfigMap => {
                    let config_maps = ApiResource::erase::<v1::ConfigMap>(&());
                    self.names_of(&self.cluster.objects(&config_maps, self.names.of(side))).await
                }
                BesideKind::Middleware => self.middlewares(side, groups).await,
            };
            found.insert(kind, allowed(there)?);
        }
        Ok(found)
    }

    async fn middlewares(&self, side: Side, groups: &Groups) -> Result<BTreeSet<String>, ClusterError> {
        let mut all = BTreeSet::new();
        for group in ["traefik.io", "traefik.containo.us"].into_iter().filter(|group| groups.contains(*group)) {
            let kind = GroupVersionKind::gvk(group, "v1alpha1", "Middleware");
            let resource = ApiResource::from_gvk_with_plural(&kind, "middlewares");
            all.extend(self.names_of(&self.cluster.objects(&resource, self.names.of(side))).await?);
        }
        Ok(all)
    }

    async fn gateways(&self, sides: &Sides<Namespace>, side: Side) -> Result<Option<BTreeSet<String>>, ClusterError> {
        let mut movers = sides.of(side.other()).movers();
        if !movers.any(|route| route.references.gateways.iter().any(|gateway| gateway.namespace.is_none())) {
            return Ok(None);
        }
        let gateways = self.cluster.objects(&gateway_api("v1", "Gateway", "gateways"), self.names.of(side));
        allowed(self.names_of(&gateways).await)
    }

    /// The `ReferenceGrants` of the namespaces that routes name.
    async fn grants(&self, observed: &mut Observed) -> Result<(), ClusterError> {
        let movers = Side::BOTH.iter().flat_map(|side| observed.sides.of(*side).movers());
        let namespaces: BTreeSet<String> =
            movers.flat_map(|route| route.references.granted.iter().map(|wanted| wanted.namespace.clone())).collect();
        for namespace in namespaces {
            match allowed(self.grants_in(&namespace).await)? {
                Some(grants) => observed.grants.extend(grants),
                None => {
                    observed.unreadable_grants.insert(namespace);
                }
            }
        }
        Ok(())
    }

    async fn grants_in(&self, namespace: &str) -> Result<Vec<Grant>, ClusterError> {
        let list = |version| {
            let resource = gateway_api(version, "ReferenceGrant", "referencegrants");
            let grants = self.cluster.objects(&resource, namespace);
            async move { grants.list(|object| grant(&object)).await }
        };
        match list("v1beta1").await {
            Err(error) if *error.cause() == Cause::KindUnknown => none_of_unknown(list("v1").await),
            other => other,
        }
    }

    async fn names_of(&self, objects: &Objects<'_>) -> Result<BTreeSet<String>, ClusterError> {
        let all = none_of_unknown(objects.list_metadata().await)?;
        Ok(all.into_iter().map(|metadata| metadata.name).collect())
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

fn grant(object: &Value) -> Grant {
    let entries = |field: &str| at(object, &["spec", field]).and_then(Value::as_array).cloned().unwrap_or_default();
    let from = entries("from").into_iter().filter(|entry| text_at(entry, &["kind"]) == Some("HTTPRoute"));
    let to = entries("to").into_iter().filter(|entry| text_at(entry, &["kind"]) == Some("Service"));
    Grant {
        namespace: object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default().to_owned(),
        from: from.filter_map(|entry| text_at(&entry, &["namespace"]).map(str::to_owned)).collect(),
        services: to.map(|entry| text_at(&entry, &["name"]).map(str::to_owned)).collect(),
    }
}

#[cfg(test)]
mod tests;
