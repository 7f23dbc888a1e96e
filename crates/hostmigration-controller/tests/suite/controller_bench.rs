//! The controller as a process, with the rights that its manifest gives.
//!
//! It acts on the whole cluster, so its tests have a control plane of their own and take turns on it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use hostmigration::HostMigration;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Config, ResourceExt};
use lagoon_task_testing::{
    ControlPlane, Fault, FaultProxy, Finished, LagoonEnvironment, Launcher, Passing, ReservedPort, Running, Task,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use switch_testing::Shop;
use switch_testing::{Site, new_control_plane};

const CONTROLLER: &str = env!("CARGO_BIN_EXE_hostmigration-controller");
/// The name that the object gets in the tests' payloads.
pub const NAME: &str = "host-migration-c0n7r0";
/// The controller's user.
pub const USER: &str = "system:serviceaccount:lagoon:hostmigration-controller";
/// What an operator applies.
pub const MANIFEST: &str = include_str!("../../../../deploy/hostmigration-controller.yaml");

static CONTROL_PLANE: OnceCell<ControlPlane> = OnceCell::const_new();
static TURN: Mutex<()> = Mutex::const_new(());

/// One test's turn on the control plane.
pub struct Turn {
    pub control_plane: &'static ControlPlane,
    _turn: MutexGuard<'static, ()>,
}

impl Turn {
    /// Waits for this test's turn; nobody holds the Lease then.
    pub async fn take() -> Self {
        Self::take_on(&CONTROL_PLANE, with_manifest).await
    }

    /// The same on another control plane, which `new` makes where there is none yet.
    pub async fn take_on(control_plane: &'static OnceCell<ControlPlane>, new: impl AsyncFn() -> ControlPlane) -> Self {
        let turn = TURN.lock().await;
        let control_plane = control_plane.get_or_init(|| new()).await;
        let taken = Self { control_plane, _turn: turn };
        taken.delete_lease().await;
        taken
    }

    pub fn client(&self) -> kube::Client {
        self.control_plane.client().unwrap()
    }

    pub fn leases(&self) -> Api<Lease> {
        Api::namespaced(self.client(), "lagoon")
    }

    /// A replica that was killed leaves its Lease behind, and the next would wait until it has run out.
    pub async fn delete_lease(&self) {
        let deleted = self.leases().delete("hostmigration-controller", &DeleteParams::default()).await;
        assert!(deleted.is_ok() || matches!(&deleted, Err(kube::Error::Api(status)) if status.code == 404));
    }

    /// Starts a replica.
    pub async fn start(&self) -> Replica<'static> {
        self.start_with(&[]).await
    }

    /// Starts a replica with these arguments.
    pub async fn start_with(&self, arguments: &[&str]) -> Replica<'static> {
        self.start_at(self.control_plane.port(), arguments).await
    }

    /// Starts a replica whose requests pass through `proxy`.
    pub async fn start_through(&self, proxy: &FaultProxy) -> Replica<'static> {
        self.start_at(proxy.port(), &[]).await
    }

    /// Starts a replica with this fault planted in its engine.
    pub async fn start_with_mutant(&self, mutant: &str) -> Replica<'static> {
        self.launch(self.control_plane.port(), &[], |pod| pod.variable("ROUTE_SWITCH_MUTANT", mutant)).await
    }

    async fn start_at(&self, api_server: u16, arguments: &[&str]) -> Replica<'static> {
        self.launch(api_server, arguments, |pod| pod).await
    }

    async fn launch(
        &self,
        api_server: u16,
        arguments: &[&str],
        change: impl FnOnce(Task<'static>) -> Task<'static>,
    ) -> Replica<'static> {
        let port = ReservedPort::new().unwrap();
        let address = format!("127.0.0.1:{}", port.number());
        let lagoon = LagoonEnvironment { project: String::new(), name: String::new(), namespace: "lagoon".to_owned() };
        let pod = Launcher::new(self.control_plane).task(&lagoon, CONTROLLER);
        let pod = pod.service_account("hostmigration-controller").argument("--listen").argument(&address);
        let pod = pod.variable("KUBERNETES_SERVICE_PORT", api_server.to_string());
        let pod = arguments.iter().fold(pod, |pod, argument| pod.argument(*argument));
        Replica { running: change(pod).launch().await.unwrap(), address, _port: port }
    }

    /// Waits until `holds` is true of the object of this name.
    pub async fn until<K>(&self, namespace: &str, name: &str, holds: impl Fn(Option<&K>) -> bool)
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        let api = Api::<K>::namespaced(self.client(), namespace);
        let only = format!("metadata.name={name}");
        let parameters = WatchParams::default().fields(&only).timeout(120);
        // From how it is now on. Watched from any earlier state, it would show once more what has been and gone.
        let list = api.list(&ListParams::default().fields(&only)).await.unwrap();
        if holds(list.items.first()) {
            return;
        }
        let version = list.metadata.resource_version.unwrap();
        let mut events = pin!(api.watch(&parameters, &version).await.unwrap());
        while let Some(event) = events.next().await {
            match event.unwrap() {
                WatchEvent::Added(object) | WatchEvent::Modified(object) if holds(Some(&object)) => return,
                WatchEvent::Deleted(_) if holds(None) => return,
                _ => {}
            }
        }
        panic!("what was waited for has not happened to {name} in {namespace}");
    }

    /// Waits until the switch of the object has ended, and answers with the object.
    pub async fn until_ended(&self, shop: &Shop<'_>, name: &str) -> HostMigration {
        self.until::<HostMigration>(&shop.standby, name, |object| object.is_some_and(has_ended)).await;
        shop.site.migrations().get(name).await.unwrap()
    }

    /// Waits until the controller's journal of a switch that this namespace takes part in says that it is in this state.
    pub async fn until_journal(&self, namespace: &str, state: &str) {
        let wanted = format!("\"state\":\"{state}\"");
        let says = |journal: &ConfigMap| {
            let pair = journal.annotations().get("activestandby.lagoon.sh/namespaces");
            pair.is_some_and(|pair| pair.split(' ').any(|one| one == namespace))
                && journal.data.iter().flatten().any(|(_, text)| text.contains(&wanted))
        };
        let api = Api::<ConfigMap>::namespaced(self.client(), "lagoon");
        let list = api.list(&ListParams::default()).await.unwrap();
        if list.items.iter().any(says) {
            return;
        }
        let version = list.metadata.resource_version.unwrap();
        let mut events = pin!(api.watch(&WatchParams::default().timeout(120), &version).await.unwrap());
        while let Some(event) = events.next().await {
            match event.unwrap() {
                WatchEvent::Added(journal) | WatchEvent::Modified(journal) if says(&journal) => return,
                _ => {}
            }
        }
        panic!("no journal of {namespace} says {state}");
    }
}

/// A control plane as an operator leaves it for the controller.
pub async fn with_manifest() -> ControlPlane {
    let control_plane = new_control_plane().await;
    let namespaces = Api::<Namespace>::all(control_plane.client().unwrap());
    let lagoon = serde_json::from_value(json!({ "metadata": { "name": "lagoon" } })).unwrap();
    namespaces.create(&PostParams::default(), &lagoon).await.unwrap();
    control_plane.apply(MANIFEST).await.unwrap();
    control_plane
}

/// A controller's process. Dropping it kills it.
pub struct Replica<'bench> {
    pub running: Running<'bench>,
    address: String,
    _port: ReservedPort,
}

impl Replica<'_> {
    pub async fn until_it_leads(&self) {
        self.running.wait_for_line("This replica holds the Lease.").await.unwrap();
    }

    pub async fn until_it_serves(&self) {
        self.running.wait_for_line("waits for the Lease.").await.unwrap();
    }

    /// A connection to its HTTP server.
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }

    /// What its HTTP server answers: the status, and the text.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let mut stream = self.connect().await;
        let request = format!("GET {path} HTTP/1.1\r\nHost: controller\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        (status, answer)
    }

    /// The value of one of its metrics.
    pub async fn metric(&self, name: &str) -> String {
        let (_, text) = self.get("/metrics").await;
        let wanted = format!("hostmigration_controller_{name} ");
        text.lines().find_map(|line| line.strip_prefix(&wanted)).unwrap_or_default().to_owned()
    }

    /// The most memory that it has had so far, in KiB.
    pub fn peak_memory(&self) -> u64 {
        let process = self.running.process_id().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Asks it to stop and waits until it has: by itself, and having asked for nothing that it has no right to.
    pub async fn stop(self) -> Finished {
        self.running.signal("TERM").await.unwrap();
        Box::pin(self.finish(0)).await
    }

    /// Waits until it has ended with this exit code, having asked for nothing that it has no right to.
    pub async fn finish(self, exit_code: i32) -> Finished {
        let finished = Box::pin(self.running.finish()).await.unwrap();
        assert_eq!(finished.exit_code, Some(exit_code), "{}", finished.log);
        let forbidden: Vec<_> = finished.requests.iter().filter(|request| request.status == Some(403)).collect();
        assert!(forbidden.is_empty(), "{forbidden:#?}");
        finished
    }

    pub async fn kill(mut self) {
        self.running.signal("KILL").await.unwrap();
        self.running.exit().await.unwrap();
    }
}

/// A client with a token of this service account, and no other right.
pub async fn client_of(turn: &Turn, namespace: &str, account: &str) -> kube::Client {
    let accounts = Api::<ServiceAccount>::namespaced(turn.client(), namespace);
    let (parameters, request) = (PostParams::default(), TokenRequest::default());
    let answer = accounts.create_token_request(account, &parameters, &request).await.unwrap();
    let text = std::fs::read_to_string(turn.control_plane.kubeconfig()).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
    kubeconfig["users"][0]["user"] = json!({ "token": answer.status.unwrap().token });
    let kubeconfig: Kubeconfig = serde_json::from_value(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    kube::Client::try_from(config).unwrap()
}

/// Creates the site's `HostMigration`, as the task does.
pub async fn ask(site: &Site<'_>, name: &str, destination: &str) {
    let mut object = site.payload(name)["crd"].take();
    object["spec"]["destinationNamespace"] = destination.into();
    create(site, object).await;
}

pub async fn create(site: &Site<'_>, object: Value) {
    let object = serde_json::from_value(object).unwrap();
    site.migrations().create(&PostParams::default(), &object).await.unwrap();
}

/// Asks for the switch of an object that is there once more.
pub async fn ask_again(site: &Site<'_>, name: &str) {
    site.patch(name, json!({ "metadata": { "annotations": { "dioscuri.amazee.io/migrate": "true" } } })).await;
}

pub async fn delete(site: &Site<'_>, name: &str) {
    site.migrations().delete(name, &DeleteParams::default()).await.unwrap();
}

/// The types of the object's conditions, oldest first.
pub fn conditions(object: &HostMigration) -> Vec<&str> {
    all_conditions(object).map(|condition| condition.kind.as_str()).collect()
}

/// The text of the object's last condition.
pub fn last_words(object: &HostMigration) -> &str {
    all_conditions(object).last().map(|condition| condition.condition.as_str()).unwrap_or_default()
}

fn all_conditions(object: &HostMigration) -> impl Iterator<Item = &hostmigration::Condition> {
    object.status.iter().filter_map(|status| status.conditions.as_ref()).flatten()
}

/// Nobody asks for a switch any more, and the last one has ended.
fn has_ended(object: &HostMigration) -> bool {
    let asked = object.metadata.annotations.iter().flatten().any(|(_, value)| value == "true");
    !asked && conditions(object).last().is_some_and(|last| ["completed", "failed"].contains(last))
}

/// Holds the answer to one request of a switch, counted from when it is set.
#[derive(Clone, Default)]
pub struct Trap {
    left: Arc<AtomicUsize>,
}

impl Trap {
    /// Holds the answer to the request of this number from now, the first being 1.
    pub fn set(&self, number: usize) {
        self.left.store(number, Ordering::SeqCst);
    }

    pub fn is_set(&self) -> bool {
        self.left.load(Ordering::SeqCst) > 0
    }

    /// A proxy with this trap.
    pub async fn proxy(&self, turn: &Turn) -> FaultProxy {
        let left = self.left.clone();
        let plan = move |passing: &Passing| {
            let count = |left: usize| is_of_a_switch(passing).then(|| left.checked_sub(1)).flatten();
            match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count) {
                Ok(1) => Fault::AnswerHeld,
                _ => Fault::None,
            }
        };
        FaultProxy::start(turn.control_plane, plan).await.unwrap()
    }
}

/// Whether a request is made because of a switch, and not to hold the Lease, to check rights or to learn of objects.
fn is_of_a_switch(passing: &Passing) -> bool {
    let of_no_switch = ["/leases", "v1/hostmigrations?", "labelSelector=", "/selfsubjectaccessreviews"];
    let is_discovery = passing.uri.trim_end_matches('?').ends_with("/apis/dioscuri.amazee.io/v1");
    // A new leader reads all journals there are, and writes an Event on those that it cannot read.
    let is_search = passing.method == http::Method::GET && passing.uri.contains("/configmaps/")
        || passing.method == http::Method::POST && passing.uri.contains("/events");
    !is_discovery && !is_search && !of_no_switch.iter().any(|part| passing.uri.contains(part))
}

/// Holds the answer to the first create of a route; from then on it does what `then` says.
pub async fn holding_the_first_route(
    turn: &Turn,
    mut then: impl FnMut(&Passing) -> Fault + Send + 'static,
) -> FaultProxy {
    let mut is_held = false;
    let plan = move |passing: &Passing| {
        if is_held {
            return then(passing);
        }
        let is_create = passing.method == http::Method::POST && !passing.uri.contains("dryRun");
        if !is_create || !passing.uri.contains("/ingresses") {
            return Fault::None;
        }
        is_held = true;
        Fault::AnswerHeld
    };
    FaultProxy::start(turn.control_plane, plan).await.unwrap()
}

/// Refuses to have this many writes of a journal that is there: its switch cannot be ended then.
pub async fn refusing_the_journal(turn: &Turn, mut times: usize) -> FaultProxy {
    let plan = move |passing: &Passing| {
        let is_write = passing.method == http::Method::PUT && passing.uri.contains("/configmaps/activestandby-journal");
        if times == 0 || !is_write {
            return Fault::None;
        }
        times -= 1;
        Fault::AnsweredInstead(422, None)
    };
    FaultProxy::start(turn.control_plane, plan).await.unwrap()
}

/// Changes who holds the Lease.
pub async fn give_lease_to(turn: &Turn, identity: &str) {
    let patch = Patch::Merge(json!({ "spec": { "holderIdentity": identity } }));
    turn.leases().patch("hostmigration-controller", &PatchParams::default(), &patch).await.unwrap();
}
