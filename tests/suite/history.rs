//! What happens to the routes and Secrets of both namespaces, change by change, in the order in which the server makes
//! the changes: etcd gives each of them a greater `resourceVersion` than all before, whatever kind they are of.

use std::collections::BTreeMap;
use std::pin::pin;

use futures::StreamExt;
use futures::future::join_all;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, PostParams, WatchEvent, WatchParams,
};
use lagoon_task_testing::{ingress, tls_secret};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use switch_testing::Shop;

/// The name of what is created last, so that each watch knows when it has seen everything.
const END: &str = "end-of-history";

/// A kind's plural, a namespace and a name.
pub type Key = (&'static str, String, String);

/// Everything that is there at one moment.
pub type Moment = BTreeMap<Key, Value>;

/// The data of the Secret that each host is served with; nothing for a host without TLS.
type Certificates = BTreeMap<String, Option<Value>>;

struct Change {
    version: u64,
    key: Key,
    /// Nothing when it was deleted.
    object: Option<Value>,
}

/// Watches that are under way.
pub struct Recording {
    start: Moment,
    watches: Vec<(Api<DynamicObject>, Value, JoinHandle<Vec<Change>>)>,
}

/// What has happened, from the first moment to the last.
pub struct History {
    start: Moment,
    changes: Vec<Change>,
}

/// A kind's plural, the kind, and what is created last of it.
type Kind = (&'static str, ApiResource, Value);

fn resource(group: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural)
}

fn routes_and_secrets(namespace: &str) -> Vec<Kind> {
    vec![
        // Where hosts may not overlap neither may these.
        (
            "ingresses",
            resource("networking.k8s.io", "Ingress", "ingresses"),
            ingress(END, &format!("{namespace}.invalid"), "web", None),
        ),
        ("secrets", resource("", "Secret", "secrets"), tls_secret(END, "the end")),
    ]
}

/// The same with routes of the Gateway API, and with `ConfigMaps`, in which journals are.
fn all_kinds(namespace: &str) -> Vec<Kind> {
    let named = json!({ "metadata": { "name": END } });
    let mut kinds = routes_and_secrets(namespace);
    kinds.push(("configmaps", resource("", "ConfigMap", "configmaps"), named.clone()));
    let mut route = named;
    route["apiVersion"] = "gateway.networking.k8s.io/v1".into();
    route["kind"] = "HTTPRoute".into();
    route["spec"] = json!({ "hostnames": [format!("{namespace}.invalid")] });
    kinds.push(("httproutes", resource("gateway.networking.k8s.io", "HTTPRoute", "httproutes"), route));
    kinds
}

impl Recording {
    /// Watches Ingresses and Secrets from now on.
    pub async fn start(shop: &Shop<'_>) -> Self {
        Self::of(shop, routes_and_secrets).await
    }

    /// Watches also the routes of the Gateway API, which the cluster must have, and journals: those of tasks, and those of the
    /// controller in its namespace.
    pub async fn with_journals(shop: &Shop<'_>, controller_namespace: &str) -> Self {
        let mut recording = Self::of(shop, all_kinds).await;
        let end = json!({ "metadata": { "name": format!("{END}-of-{}", shop.standby) } });
        recording.watch(shop, controller_namespace, ("configmaps", resource("", "ConfigMap", "configmaps"), end)).await;
        recording
    }

    async fn of(shop: &Shop<'_>, kinds: fn(&str) -> Vec<Kind>) -> Self {
        let mut recording = Self { start: Moment::new(), watches: Vec::new() };
        for namespace in [&shop.standby, &shop.active] {
            for kind in kinds(namespace) {
                recording.watch(shop, namespace, kind).await;
            }
        }
        recording
    }

    async fn watch(&mut self, shop: &Shop<'_>, namespace: &str, (plural, resource, end): Kind) {
        let api: Api<DynamicObject> = Api::namespaced_with(shop.site.client(), namespace, &resource);
        let listed = api.list(&ListParams::default()).await.unwrap();
        let version = listed.metadata.resource_version.unwrap();
        let present = listed.items.into_iter().map(|object| read(plural, &object));
        self.start.extend(present.filter_map(|change| Some((change.key, change.object?))));
        let watch = tokio::spawn(watch(api.clone(), plural, version, name(&end).to_owned()));
        self.watches.push((api, end, watch));
    }

    /// Everything that has happened by now.
    pub async fn end(self) -> History {
        let Self { start, watches } = self;
        let ended = watches.into_iter().map(|(api, end, watch)| async move {
            let object = serde_json::from_value(end.clone()).unwrap();
            api.create(&PostParams::default(), &object).await.unwrap();
            let changes = watch.await.unwrap();
            api.delete(name(&end), &DeleteParams::default()).await.unwrap();
            changes
        });
        let mut changes: Vec<Change> = join_all(ended).await.into_iter().flatten().collect();
        changes.sort_by_key(|change| change.version);
        History { start, changes }
    }
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

async fn watch(api: Api<DynamicObject>, plural: &'static str, mut version: String, end: String) -> Vec<Change> {
    let mut changes = Vec::new();
    // The server ends each watch after some minutes.
    loop {
        let mut events = pin!(api.watch(&WatchParams::default(), &version).await.unwrap());
        while let Some(event) = events.next().await {
            let change = match event.unwrap() {
                WatchEvent::Added(object) if object.metadata.name.as_ref() == Some(&end) => return changes,
                WatchEvent::Added(object) | WatchEvent::Modified(object) => read(plural, &object),
                WatchEvent::Deleted(object) => Change { object: None, ..read(plural, &object) },
                WatchEvent::Bookmark(_) => continue,
                other @ WatchEvent::Error(_) => panic!("{other:?}"),
            };
            version = change.version.to_string();
            changes.push(change);
        }
    }
}

fn read(plural: &'static str, object: &DynamicObject) -> Change {
    let metadata = &object.metadata;
    Change {
        version: metadata.resource_version.as_ref().unwrap().parse().unwrap(),
        key: (plural, metadata.namespace.clone().unwrap(), metadata.name.clone().unwrap()),
        object: Some(serde_json::to_value(object).unwrap()),
    }
}

impl History {
    /// At every moment each host has a route, and each route serves its host's own certificate.
    pub fn assert_always_live(&self, why: &str) {
        let wanted = live(&self.start);
        self.replay(|after, moment| {
            let live = live(moment);
            assert!(wanted.keys().all(|host| live.contains_key(host)), "{why}: {after}: only {:?} live", live.keys());
        });
        self.assert_never_the_wrong_certificate(why);
        self.assert_no_key_is_ever_lost(why);
    }

    /// At every moment each route that is there serves its host's own certificate.
    pub fn assert_never_the_wrong_certificate(&self, why: &str) {
        let wanted = live(&self.start);
        self.replay(|after, moment| {
            for (host, secret) in live(moment) {
                assert!(wanted[&host] == secret, "{why}: {after}: {host} serves {secret:?}");
            }
        });
    }

    /// At every moment the content of each Secret that a route named at first is in a Secret somewhere.
    pub fn assert_no_key_is_ever_lost(&self, why: &str) {
        let wanted = live(&self.start);
        self.replay(|after, moment| {
            for (host, secret) in wanted.iter().filter(|(_, secret)| secret.is_some()) {
                let mut secrets = moment.iter().filter(|((plural, ..), _)| *plural == "secrets");
                assert!(secrets.any(|(_, it)| Some(&it["data"]) == secret.as_ref()), "{why}: {after}: {host}'s key");
            }
        });
    }

    /// Looks at every moment, the first included, in order: what happened last, and what is there.
    pub fn replay(&self, mut check: impl FnMut(&str, &Moment)) {
        let mut moment = self.start.clone();
        check("at first", &moment);
        for change in &self.changes {
            let (plural, namespace, name) = &change.key;
            let what = if change.object.is_some() { "written" } else { "deleted" };
            match &change.object {
                Some(object) => moment.insert(change.key.clone(), object.clone()),
                None => moment.remove(&change.key),
            };
            check(&format!("after {plural} {name} was {what} in {namespace} ({})", change.version), &moment);
        }
    }
}

/// The hosts that have a route, and what they are served with. Two routes of one host must serve the same.
fn live(moment: &Moment) -> Certificates {
    let mut live = Certificates::new();
    for ((_, namespace, name), route) in moment.iter().filter(|((plural, ..), _)| *plural == "ingresses") {
        let secret = route["spec"]["tls"][0]["secretName"].as_str().map(|secret| {
            let key = ("secrets", namespace.clone(), secret.to_owned());
            moment.get(&key).map_or(Value::Null, |secret| secret["data"].clone())
        });
        for rule in route["spec"]["rules"].as_array().unwrap() {
            let host = rule["host"].as_str().unwrap().to_owned();
            let other = live.insert(host.clone(), secret.clone());
            assert!(
                other.is_none_or(|other| other == secret),
                "{host}: {name} in {namespace} serves another certificate"
            );
        }
    }
    live
}
