//! Carries a world's plan out with the real programs.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Mutex;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams};
use lagoon_task_testing::{
    Fault, FaultProxy, Passing, Running, Task, built, held_or_ended, ingress, tls_secret, until,
};
use route_switch::side::Side;
use serde_json::{Value, json};
use switch_testing::Shop;
use tokio::task::JoinHandle;

use crate::worlds::content::{Content, Labelled, host, namespace};
use crate::worlds::plan::{Action, Deployment, Lost, Point, Run};

const HOST_MIGRATIONS: &str = "dioscuri.amazee.io/v1/hostmigrations";

/// What has been done to the runs of a world, or of all.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    pub runs: usize,
    pub faults: usize,
    pub kills: usize,
    pub stops: usize,
    pub deployments: usize,
    /// Runs that were started while another one was under way.
    pub beside: usize,
}

impl Counts {
    pub fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.faults += other.faults;
        self.kills += other.kills;
        self.stops += other.stops;
        self.deployments += other.deployments;
        self.beside += other.beside;
    }
}

/// Where a world's runs are.
pub struct Stage {
    pub shop: Shop<'static>,
    pub project: String,
    pub content: Content,
    pub counts: Mutex<Counts>,
    /// What was done, and the logs of the runs, for the reader of a failure.
    pub said: Mutex<Vec<String>>,
    beside: Mutex<Vec<JoinHandle<()>>>,
}

impl Stage {
    pub fn new(shop: Shop<'static>, project: String, content: Content) -> Rc<Self> {
        let (counts, said, beside) = Default::default();
        Rc::new(Self { shop, project, content, counts, said, beside })
    }

    pub fn count(&self, count: impl Fn(&mut Counts)) {
        count(&mut self.counts.lock().unwrap());
    }

    pub fn say(&self, text: String) {
        self.said.lock().unwrap().push(text);
    }

    /// Creates the content in its order.
    pub async fn create_content(&self) {
        let mut uids: BTreeMap<String, String> = BTreeMap::new();
        for (side, object) in &self.content.objects {
            let mut object = object.clone();
            if let Some(uid) = object.pointer_mut("/metadata/ownerReferences/0/uid") {
                *uid = uids[uid.as_str().unwrap()].as_str().into();
            }
            let namespace = namespace(&self.project, *side);
            let created = self.shop.control_plane.create_all(&namespace, vec![object.clone()]).await.unwrap().remove(0);
            let key = format!("@{}/{}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
            uids.insert(key, created.metadata.uid.unwrap());
        }
    }

    fn task(&self, run: &Run) -> Task<'static> {
        let shop = &self.shop;
        if !run.is_crd_way {
            return if run.is_back { shop.task_back() } else { shop.task() };
        }
        let mut payload = shop.site.payload(&format!("host-migration-{}", run.number));
        if !run.is_back {
            return shop.site.task(&payload);
        }
        payload["productionEnvironment"] = "develop".into();
        payload["standbyEnvironment"] = "main".into();
        payload["crd"]["spec"] = json!({ "destinationNamespace": shop.standby, "activeEnvironment": "develop" });
        shop.site.launcher.task(&shop.site.active, built("activestandby").unwrap()).payload(&payload)
    }

    /// Carries out a run, and what happens while its requests are held.
    pub fn carry_out(self: Rc<Self>, run: Run) -> LocalBoxFuture<'static, ()> {
        async move { self.carry_out_run(run).await }.boxed_local()
    }

    async fn carry_out_run(self: &Rc<Self>, mut run: Run) {
        self.count(|counts| counts.runs += 1);
        let mut plan = BTreeMap::new();
        let mut held = BTreeMap::new();
        for (place, point) in std::mem::take(&mut run.points) {
            match point {
                Point::Fault(fault) => drop(plan.insert(place, fault)),
                Point::Held(is_answer, actions) => {
                    plan.insert(place, if is_answer { Fault::AnswerHeld } else { Fault::RequestHeld });
                    held.insert(place, actions);
                }
            }
        }
        let plan =
            move |passing: &lagoon_task_testing::Passing| plan.get(&passing.number).copied().unwrap_or(Fault::None);
        let proxy = FaultProxy::start(self.shop.control_plane, plan).await.unwrap();
        let task = self.task(&run).variable("KUBERNETES_SERVICE_PORT", proxy.port().to_string());
        let mut running = task.launch().await.unwrap();
        let pod = running.pod_name();
        let what = format!("run {} ({pod}, back: {}, CRD way: {})", run.number, run.is_back, run.is_crd_way);
        self.say(format!("{what} starts"));
        let mut is_pod_gone = false;
        while let Some(passing) = self.held_or_ended(&proxy, &mut running).await {
            self.say(format!("{what} is held at {passing:?}"));
            let mut is_killed = false;
            for action in held.remove(&passing.number).unwrap_or_default() {
                match action {
                    Action::Kill => {
                        running.signal("KILL").await.unwrap();
                        running.exit().await.unwrap();
                        until(|| proxy.held() == 0).await;
                        self.count(|counts| counts.kills += 1);
                        is_killed = true;
                    }
                    Action::Stop(lost, meanwhile) => {
                        is_pod_gone |= matches!(lost, Lost::Gone);
                        self.stop(&running, lost, meanwhile).await;
                    }
                    other => self.act(other).await,
                }
            }
            if is_killed {
                break;
            }
            proxy.release();
        }
        let finished = running.finish().await.unwrap();
        self.count(|counts| {
            let held = |fault: &Fault| matches!(fault, Fault::RequestHeld | Fault::AnswerHeld);
            counts.faults += proxy.injected().iter().filter(|(_, fault)| !held(fault)).count();
        });
        self.say(format!(
            "{what}, faults {:?}, ended with {:?}:\n{}",
            proxy.injected(),
            finished.exit_code,
            finished.log
        ));
        if finished.signal.is_none() && !is_pod_gone {
            let is_told = finished.result.is_some();
            assert_eq!(finished.exit_code == Some(0), is_told, "{what}: the result on the pod\n{}", self.story());
        }
    }

    async fn held_or_ended(&self, proxy: &FaultProxy, running: &mut Running<'_>) -> Option<Passing> {
        match held_or_ended(proxy, running).await {
            Ok(held) => held,
            Err(error) => {
                let shop = &self.shop;
                let mut asked = shop.list(&shop.standby, HOST_MIGRATIONS).await;
                asked.extend(shop.list(&shop.active, HOST_MIGRATIONS).await);
                panic!("{error}\n{}\n{asked:#?}", self.story());
            }
        }
    }

    async fn stop(self: &Rc<Self>, running: &Running<'_>, lost: Lost, meanwhile: Vec<Action>) {
        running.signal("STOP").await.unwrap();
        self.say(format!("{} is stopped, {lost:?}", running.pod_name()));
        match lost {
            Lost::No => {}
            Lost::Failed => {
                let pods: Api<Pod> = Api::namespaced(self.shop.site.client(), &running.namespace());
                let failed = Patch::Merge(json!({ "status": { "phase": "Failed" } }));
                let patched = pods.patch_status(&running.pod_name(), &PatchParams::default(), &failed).await;
                ended_well(patched.map(drop));
            }
            // It may be gone since an earlier stop.
            Lost::Gone => drop(running.delete_pod().await),
        }
        for action in meanwhile {
            self.act(action).await;
        }
        running.signal("CONT").await.unwrap();
        self.say(format!("{} is continued", running.pod_name()));
        self.count(|counts| counts.stops += 1);
    }

    async fn act(self: &Rc<Self>, action: Action) {
        match action {
            Action::Deploy(deployment) => self.deploy(&deployment).await,
            Action::Launch(run) => {
                self.count(|counts| counts.beside += 1);
                let started = tokio::task::spawn_local(self.clone().carry_out(run));
                self.beside.lock().unwrap().push(started);
            }
            Action::Finish(run) => {
                self.count(|counts| counts.beside += 1);
                self.clone().carry_out(run).await;
            }
            Action::Kill | Action::Stop(..) => {}
        }
    }

    /// Waits until the runs that were started beside others have ended.
    pub async fn until_all_have_ended(&self) {
        loop {
            let Some(started) = self.beside.lock().unwrap().pop() else { return };
            started.await.unwrap();
        }
    }

    async fn deploy(&self, deployment: &Deployment) {
        self.count(|counts| counts.deployments += 1);
        self.say(format!("a deployment: {deployment:?}"));
        match deployment {
            Deployment::Add(side, name) => {
                let (namespace, host) = (namespace(&self.project, *side), host(&self.project, name));
                let secret = format!("{name}-tls");
                self.shop.add(&namespace, vec![tls_secret(&secret, &host)]).await;
                self.shop.add(&namespace, vec![ingress(name, &host, "web", Some(&secret))]).await;
            }
            Deployment::Delete(route) => {
                let route = self.route(*route);
                for api in self.routes(route) {
                    ended_well(api.delete(&route.name, &DeleteParams::default()).await.map(drop));
                }
            }
            Deployment::Renew(route) => {
                let route = self.route(*route);
                let Some(secret) = &route.own_secret else { return };
                let data = json!({ "data": renewed(secret, &host(&self.project, &route.name))["data"] });
                for side in [route.home, route.home.other()] {
                    let namespace = namespace(&self.project, side);
                    let secrets: Api<Secret> = Api::namespaced(self.shop.site.client(), &namespace);
                    if ended_well(secrets.patch(secret, &PatchParams::default(), &Patch::Merge(&data)).await.map(drop))
                    {
                        return;
                    }
                }
            }
            Deployment::Change(route) => {
                let route = self.route(*route);
                let change = json!({ "metadata": { "annotations": { "example.com/changed": "true" } } });
                for api in self.routes(route) {
                    let changed = api.patch(&route.name, &PatchParams::default(), &Patch::Merge(&change)).await;
                    ended_well(changed.map(drop));
                }
            }
            Deployment::Annotate => {
                for namespace in [&self.shop.standby, &self.shop.active] {
                    let maps: Api<ConfigMap> = Api::namespaced(self.shop.site.client(), namespace);
                    let note = Patch::Merge(json!({ "metadata": { "annotations": { "example.com/seen": "true" } } }));
                    ended_well(maps.patch("activestandby-journal", &PatchParams::default(), &note).await.map(drop));
                }
            }
        }
    }

    fn route(&self, place: usize) -> &Labelled {
        &self.content.routes[place]
    }

    /// Where a route may be.
    fn routes(&self, route: &Labelled) -> [Api<DynamicObject>; 2] {
        let (group, kind) = match route.kind {
            "ingresses" => ("networking.k8s.io", "Ingress"),
            _ => ("gateway.networking.k8s.io", "HTTPRoute"),
        };
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), route.kind);
        [&self.shop.standby, &self.shop.active]
            .map(|namespace| Api::namespaced_with(self.shop.site.client(), namespace, &resource))
    }

    /// All that has happened, for the reader of a failure.
    pub fn story(&self) -> String {
        self.said.lock().unwrap().join("\n")
    }
}

/// The Secret with its key renewed.
pub fn renewed(secret: &str, host: &str) -> Value {
    tls_secret(secret, &format!("{host}, renewed"))
}

/// Whether it was done; what is not there cannot be changed.
fn ended_well(done: Result<(), kube::Error>) -> bool {
    match done {
        Ok(()) => true,
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => false,
        Err(error) => panic!("{error}"),
    }
}

/// Where a route of this name stands, by sides.
pub fn standing(routes: &BTreeMap<(Side, &'static str), Vec<String>>, route: &Labelled) -> Vec<Side> {
    Side::BOTH.into_iter().filter(|side| routes[&(*side, route.kind)].contains(&route.name)).collect()
}
