//! Puts a world into the cluster, and takes it out again.

use std::collections::BTreeMap;

use futures::future::{join, join_all};
use hostmigration::HostMigration;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::api::events::v1::Event;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
};
use kube::{Client, ResourceExt};
use lagoon_task_testing::{Launcher, until_so};
use serde_json::{Value, json};

use super::world::{Ask, OWN_UID, World, request};
use crate::controller_bench::{Turn, client_of};

/// What is compared: the plurals, and how they are listed.
const KINDS: [(&str, &str); 7] = [
    ("ingresses", "networking.k8s.io/v1/ingresses"),
    ("httproutes", "gateway.networking.k8s.io/v1/httproutes"),
    ("secrets", "v1/secrets"),
    ("configmaps", "v1/configmaps"),
    ("certificates", "cert-manager.io/v1/certificates"),
    ("leases", "coordination.k8s.io/v1/leases"),
    ("services", "v1/services"),
];

/// An object's place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    pub namespace: String,
    pub plural: &'static str,
    pub name: String,
}

/// A world in the cluster.
pub struct Stage<'a> {
    turn: &'a Turn,
    pub world: World,
    /// The tenant's clients, by the namespace whose deployer's token they have.
    clients: BTreeMap<String, Client>,
    /// How many of the tenant's objects the API server has taken.
    pub taken: usize,
}

impl<'a> Stage<'a> {
    /// Creates the namespaces, what is deployed there, and what the tenant writes.
    pub async fn new(turn: &'a Turn, world: World) -> Self {
        let launcher = Launcher::new(turn.control_plane);
        let project = &world.project;
        let environments = join(launcher.environment(project, "develop"), launcher.environment(project, "main"));
        let (standby, active) = environments.await;
        assert!(standby.is_ok() && active.is_ok(), "{standby:?} {active:?}");
        let namespaces = Api::<Namespace>::all(turn.client());
        let labels =
            json!({ "lagoon.sh/project": format!("victim-{}", world.seed), "lagoon.sh/environmentType": "production" });
        let victim = json!({ "metadata": { "name": world.victim, "labels": labels } });
        namespaces.create(&PostParams::default(), &serde_json::from_value(victim).unwrap()).await.unwrap();
        if world.uses_feature() {
            launcher.environment(project, "feature").await.unwrap();
            let labels = json!({ "metadata": { "labels": { "lagoon.sh/environmentType": "development" } } });
            namespaces.patch(&world.feature, &PatchParams::default(), &Patch::Merge(labels)).await.unwrap();
        }
        let mut stage = Self { turn, world, clients: BTreeMap::new(), taken: 0 };
        stage.deploy().await;
        stage.log_in().await;
        stage.ask(true).await;
        stage.write().await;
        stage
    }

    async fn deploy(&self) {
        let places = [&self.world.standby, &self.world.active, &self.world.victim];
        join_all(places.map(async |place| {
            let objects = self.world.deployed.iter().filter(|(of, _)| of == place).map(|(_, object)| object.clone());
            self.turn.control_plane.create_all(place, objects.collect()).await.unwrap();
        }))
        .await;
    }

    /// Gets the tenant its tokens, and waits until they have their rights.
    async fn log_in(&mut self) {
        let mut places = vec![self.world.standby.clone()];
        let asks_in = |place: &String| self.world.asks.iter().any(|ask| ask.namespace == *place);
        places.extend(Some(self.world.active.clone()).filter(|place| self.world.reaches_active || asks_in(place)));
        places.extend(Some(self.world.feature.clone()).filter(asks_in));
        for place in places {
            let client = client_of(self.turn, &place, "lagoon-deployer").await;
            let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &place);
            let dry_run = PostParams { dry_run: true, ..PostParams::default() };
            let map: ConfigMap = serde_json::from_value(json!({ "metadata": { "name": "may-i" } })).unwrap();
            until_so(async || maps.create(&dry_run, &map).await.is_ok()).await;
            self.clients.insert(place, client);
        }
    }

    /// Creates the requests that are early, or those that are not.
    pub async fn ask(&self, is_early: bool) {
        for ask in self.world.asks.iter().filter(|ask| ask.is_early == is_early) {
            let object = serde_json::from_value(request(ask)).unwrap();
            let client = self.clients[&ask.namespace].clone();
            let api: Api<HostMigration> = Api::namespaced(client, &ask.namespace);
            let created = api.create(&PostParams::default(), &object).await;
            assert!(created.is_ok(), "{created:?}\n{}", self.world.story());
        }
    }

    /// Deletes what the tenant does not leave there. Its token may not: whoever administers the site does it.
    pub async fn withdraw(&self) {
        for ask in self.world.asks.iter().filter(|ask| ask.is_deleted) {
            self.migrations(&ask.namespace).delete(&ask.name, &DeleteParams::default()).await.unwrap();
        }
    }

    fn migrations(&self, namespace: &str) -> Api<HostMigration> {
        Api::namespaced(self.turn.client(), namespace)
    }

    /// Writes the tenant's objects, with its own token. Some the API server refuses, as it would anybody's.
    async fn write(&mut self) {
        let own = &self.world.asks[0];
        let uid = self.migrations(&own.namespace).get_opt(&own.name).await.unwrap().and_then(|own| own.uid());
        let uid = uid.unwrap_or_else(|| "unknown".to_owned());
        for (place, object) in &self.world.written {
            let object: Value = serde_json::from_str(&object.to_string().replace(OWN_UID, &uid)).unwrap();
            let written = create(self.clients[place].clone(), place, object).await;
            match written {
                Ok(()) => self.taken += 1,
                Err(kube::Error::Api(status)) if [400, 409, 413, 422].contains(&status.code) => {}
                Err(error) => panic!("{error}\n{}", self.world.story()),
            }
        }
    }

    /// Everything that is compared, as it is now.
    pub async fn everything(&self) -> BTreeMap<Seen, Value> {
        let mut places = vec![&self.world.standby, &self.world.active, &self.world.victim];
        places.extend(Some(&self.world.feature).filter(|_| self.world.uses_feature()));
        let lists = places.into_iter().flat_map(|place| KINDS.map(|(plural, resource)| (place, plural, resource)));
        let lists = lists.map(async |(place, plural, resource)| {
            let listed = self.turn.control_plane.list_all(place, resource).await.unwrap();
            listed.into_iter().map(move |object| {
                let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                (Seen { namespace: place.clone(), plural, name }, object)
            })
        });
        join_all(lists).await.into_iter().flatten().collect()
    }

    /// The requests that are still there, and what people read about them.
    pub async fn answers(&self) -> Vec<(Ask, HostMigration, Vec<String>)> {
        let mut answers = Vec::new();
        for ask in self.world.asks.iter().filter(|ask| !ask.is_deleted) {
            let object = self.migrations(&ask.namespace).get(&ask.name).await.unwrap();
            let events: Api<Event> = Api::namespaced(self.turn.client(), &ask.namespace);
            let events = events.list(&ListParams::default()).await.unwrap();
            let notes = events.items.into_iter().filter_map(|event| event.note).collect();
            answers.push((ask.clone(), object, notes));
        }
        answers
    }

    /// Takes away what a later controller would look at: the next round is about other worlds.
    pub async fn clear(&self) {
        let places = [Some(&self.world.standby), Some(&self.world.active), Some(&self.world.feature)];
        for place in
            places.into_iter().flatten().filter(|place| **place != self.world.feature || self.world.uses_feature())
        {
            let (parameters, all) = (DeleteParams::default(), ListParams::default());
            self.migrations(place).delete_collection(&parameters, &all).await.unwrap();
            let maps: Api<ConfigMap> = Api::namespaced(self.turn.client(), place);
            maps.delete_collection(&parameters, &all.labels("activestandby.lagoon.sh/role=journal")).await.unwrap();
        }
    }
}

async fn create(client: Client, namespace: &str, object: Value) -> Result<(), kube::Error> {
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let kind = GroupVersionKind::try_from(object.types.as_ref().unwrap()).unwrap();
    let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, &ApiResource::from_gvk(&kind));
    api.create(&PostParams::default(), &object).await.map(drop)
}
