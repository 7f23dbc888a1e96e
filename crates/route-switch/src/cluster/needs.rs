//! Looks for what routes need where they go: what they name, whether Services are ready, and what is granted elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join;
use k8s_openapi::api::core::v1;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ApiResource;
use serde_json::Value;

use crate::cluster::kinds::{Groups, allowed, gateway_api, none_of_unknown};
use crate::cluster::observe::{Looking, thing};
use crate::json::{at, text_at};
use crate::plan::observed::{Grant, Idling, Namespace, Observed, Thing};
use crate::route::{GATEWAY, Purpose, Route, SECRET, SERVICE, Target};
use crate::side::{Side, Sides};
use lagoon_task::cluster::{Cause, ClusterError, Metadata, ObjectName};

impl Looking<'_> {
    /// What is looked at only when a route makes it matter.
    pub(crate) async fn look_closer(&self, observed: &mut Observed, groups: &Groups) -> Result<(), ClusterError> {
        if Side::BOTH.iter().all(|side| observed.sides.of(*side).movers().next().is_none()) {
            return Ok(());
        }
        let sides = &observed.sides;
        let (standby, active) = try_join(self.ready(sides, Side::Standby), self.ready(sides, Side::Active)).await?;
        let destinations = self.destinations(sides).await?;
        let (things_standby, things_active) =
            try_join(self.things(sides, Side::Standby, groups), self.things(sides, Side::Active, groups)).await?;
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
        observed.sides.standby.things.extend(things_standby);
        observed.sides.active.things.extend(things_active);
        for side in Side::BOTH {
            if sleeps(&observed.sides, side) {
                observed.sides.of_mut(side).idling = self.idling(side).await?;
            }
        }
        Ok(())
    }

    /// Whether the environment of this side sleeps, as Lagoon's idler says in the namespace's labels. Where they may not be
    /// read, it may: then nothing is in the way.
    async fn idling(&self, side: Side) -> Result<Idling, ClusterError> {
        let name = self.names.of(side);
        let api: kube::Api<v1::Namespace> = kube::Api::all(self.cluster.client());
        let error = |cause| ClusterError::Read { object: ObjectName::new("Namespace", "", name), cause };
        let namespace = allowed(self.cluster.call(error, api.get_opt(name)).await)?;
        let Some(namespace) = namespace.flatten() else { return Ok(Idling::Idled) };
        Ok(idling(&namespace.metadata.labels.unwrap_or_default()))
    }

    /// Which Services have a ready endpoint, where a route sends requests to from the other side.
    async fn ready(
        &self,
        sides: &Sides<Namespace>,
        side: Side,
    ) -> Result<Option<BTreeMap<String, bool>>, ClusterError> {
        if sides.of(side.other()).movers().all(|route| route.references.services().next().is_none()) {
            return Ok(None);
        }
        let slices = self.cluster.objects(&ApiResource::erase::<EndpointSlice>(&()), self.names.of(side));
        let listed = slices.list(|slice| {
            let endpoints = slice.get("endpoints").and_then(Value::as_array);
            let ready = endpoints
                .into_iter()
                .flatten()
                .any(|endpoint| endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true));
            Some((Metadata::of(&slice).labels.remove("kubernetes.io/service-name")?, ready))
        });
        let mut services = BTreeMap::new();
        let Some(slices) = allowed(listed.await)? else { return Ok(None) };
        for (service, ready) in slices.into_iter().flatten() {
            *services.entry(service).or_default() |= ready;
        }
        Ok(Some(services))
    }

    /// Which of the things that routes of either side name in their own namespaces are on `side`, but for Services, which
    /// are known, and for the Secrets that move.
    async fn things(
        &self,
        sides: &Sides<Namespace>,
        side: Side,
        groups: &Groups,
    ) -> Result<BTreeMap<&'static Target, Option<BTreeMap<String, Thing>>>, ClusterError> {
        let mut named: BTreeMap<&'static Target, BTreeSet<String>> = BTreeMap::new();
        for route in Side::BOTH.iter().flat_map(|side| sides.of(*side).movers()) {
            let own = route.references.named.iter().filter(|one| one.namespace.is_none());
            for reference in own.filter(|one| one.purpose != Purpose::Certifies && *one.target != SERVICE) {
                named.entry(reference.target).or_default().insert(reference.name.clone());
            }
        }
        let mut found = BTreeMap::new();
        for (target, names) in named {
            let there = if *target == SECRET {
                let present = self.present_secrets(side, names).await;
                present.map(|present| present.into_iter().map(|secret| (secret.name, Thing::default())).collect())
            } else {
                self.all_of(target, side, groups).await
            };
            found.insert(target, allowed(there)?);
        }
        Ok(found)
    }

    /// All things of this kind, whichever of its API groups the cluster has.
    async fn all_of(
        &self,
        target: &'static Target,
        side: Side,
        groups: &Groups,
    ) -> Result<BTreeMap<String, Thing>, ClusterError> {
        let mut all = BTreeMap::new();
        for resource in target.resources().filter(|one| one.group.is_empty() || groups.contains(&one.group)) {
            let objects = self.cluster.objects(&resource, self.names.of(side));
            let listed = if *target == GATEWAY {
                objects.list(|object| (Metadata::of(&object).name, thing(target, &object))).await
            } else {
                let names = objects.list_metadata().await;
                names.map(|names| names.into_iter().map(|one| (one.name, Thing::default())).collect())
            };
            all.extend(none_of_unknown(listed)?);
        }
        Ok(all)
    }

    /// The `ReferenceGrants` of the namespaces that routes name.
    async fn grants(&self, observed: &mut Observed) -> Result<(), ClusterError> {
        let movers = Side::BOTH.iter().flat_map(|side| observed.sides.of(*side).movers());
        let namespaces: BTreeSet<String> = movers.flat_map(|route| elsewhere(route).map(str::to_owned)).collect();
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
}

/// The namespaces of the Services that the route names elsewhere and must be granted.
fn elsewhere(route: &Route) -> impl Iterator<Item = &str> {
    let needed = route.kind.needs_grants();
    let services = route.references.named.iter().filter(move |one| needed && *one.target == SERVICE);
    services.filter_map(|one| one.namespace.as_deref())
}

/// Whether a route is to send requests to a Service of this side that has no ready endpoint.
fn sleeps(sides: &Sides<Namespace>, side: Side) -> bool {
    let Some(ready) = &sides.of(side).ready else { return false };
    sides.of(side.other()).movers().any(|route| route.references.services().any(|name| ready.get(name) == Some(&false)))
}

/// The labels of a namespace of Lagoon's idler, of both its names.
fn idling(labels: &BTreeMap<String, String>) -> Idling {
    let says = |word: &str| {
        ["idling.amazee.io/", "idling.lagoon.sh/"]
            .iter()
            .any(|prefix| labels.get(&format!("{prefix}{word}")).is_some_and(|value| value == "true"))
    };
    match (says("force-scaled"), says("idled") || says("force-idled")) {
        (true, _) => Idling::ForceScaled,
        (false, true) => Idling::Idled,
        (false, false) => Idling::Awake,
    }
}

fn grant(object: &Value) -> Grant {
    let entries = |field: &str| at(object, &["spec", field]).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |entry: &Value, field: &str| text_at(entry, &[field]).map(str::to_owned);
    let from = entries("from").into_iter();
    let to = entries("to").into_iter().filter(|entry| text_at(entry, &["kind"]) == Some("Service"));
    Grant {
        namespace: object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default().to_owned(),
        from: from.filter_map(|entry| Some((text(&entry, "kind")?, text(&entry, "namespace")?))).collect(),
        services: to.map(|entry| text(&entry, "name")).collect(),
    }
}

#[cfg(test)]
mod tests;
