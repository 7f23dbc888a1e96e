//! Many objects at once: who waits for whom, and what becomes of finished ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hostmigration::HostMigration;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use lagoon_task_testing::{ingress, service, until_so};
use serde_json::{Value, json};
use switch_testing::{Shop, completed};
use tokio::net::TcpListener;

use crate::controller_bench::{NAME, Turn, USER, conditions, create};
use crate::controller_rights::is_allowed;

const SITES: usize = 200;

/// Every fourth site is behind a webhook that does not answer.
fn is_blocked(site: usize) -> bool {
    site.is_multiple_of(4)
}

/// The namespaces of a site. The API server lists them by name, so the blocked ones come first.
fn namespaces(site: usize) -> [String; 2] {
    let group = if is_blocked(site) { "a" } else { "b" };
    ["develop", "main"].map(|environment| format!("burst-{group}-{site}-{environment}"))
}

/// A site with one route and the request to switch it.
async fn add_site(turn: &Turn, site: usize) {
    let [standby, active] = namespaces(site);
    let all = Api::<Namespace>::all(turn.client());
    for name in [&standby, &active] {
        let labels = json!({
            "lagoon.sh/project": format!("burst-{site}"),
            "lagoon.sh/environmentType": "production",
            "burst": if is_blocked(site) { "blocked" } else { "healthy" },
        });
        let namespace = json!({ "metadata": { "name": name, "labels": labels } });
        all.create(&PostParams::default(), &serde_json::from_value(namespace).unwrap()).await.unwrap();
        turn.control_plane.create_all(name, vec![service("web")]).await.unwrap();
    }
    let route = ingress("www", &format!("www.burst-{site}.example.com"), "web", None);
    turn.control_plane.create_all(&active, vec![route]).await.unwrap();
    turn.control_plane.create_all(&standby, vec![request(&active)]).await.unwrap();
}

fn request(active: &str) -> Value {
    json!({
        "apiVersion": "dioscuri.amazee.io/v1",
        "kind": "HostMigration",
        "metadata": { "name": NAME, "annotations": { "dioscuri.amazee.io/migrate": "true" } },
        "spec": { "destinationNamespace": active },
    })
}

/// A webhook for the routes of blocked sites: it breaks connections off until it is silenced; then it takes them, and
/// says nothing.
struct DeadWebhook {
    is_silent: Arc<AtomicBool>,
    configurations: Api<ValidatingWebhookConfiguration>,
}

impl DeadWebhook {
    const NAME: &str = "burst";

    async fn install(turn: &Turn) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_silent = Arc::new(AtomicBool::new(false));
        let keeps = Arc::clone(&is_silent);
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                if keeps.load(Ordering::SeqCst) {
                    kept.push(connection);
                }
            }
        });
        let configuration = json!({
            "metadata": { "name": Self::NAME },
            "webhooks": [{
                "name": "burst.example.com",
                "clientConfig": { "url": format!("https://127.0.0.1:{port}/") },
                "namespaceSelector": { "matchLabels": { "burst": "blocked" } },
                "rules": [{
                    "apiGroups": ["networking.k8s.io"], "apiVersions": ["v1"],
                    "operations": ["CREATE", "DELETE"], "resources": ["ingresses"],
                }],
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "timeoutSeconds": 30,
                "admissionReviewVersions": ["v1"],
            }],
        });
        let configurations = Api::<ValidatingWebhookConfiguration>::all(turn.client());
        configurations.create(&PostParams::default(), &serde_json::from_value(configuration).unwrap()).await.unwrap();
        let webhook = Self { is_silent, configurations };
        webhook.until(turn, true).await;
        webhook.is_silent.store(true, Ordering::SeqCst);
        webhook
    }

    async fn remove(&self, turn: &Turn) {
        self.configurations.delete(Self::NAME, &DeleteParams::default()).await.unwrap();
        self.is_silent.store(false, Ordering::SeqCst);
        self.until(turn, false).await;
    }

    /// Waits until the API server asks it, or no longer does.
    async fn until(&self, turn: &Turn, is_asked: bool) {
        let routes = Api::<Ingress>::namespaced(turn.client(), &namespaces(0)[0]);
        let route: Ingress = serde_json::from_value(ingress("asks", "asks.example.com", "web", None)).unwrap();
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        until_so(async || routes.create(&dry_run, &route).await.is_err() == is_asked).await;
    }
}

#[tokio::test]
async fn sites_behind_a_dead_webhook_hold_up_no_other_one() {
    let turn = Turn::take().await;
    for site in 0..SITES {
        add_site(&turn, site).await;
    }
    let webhook = DeadWebhook::install(&turn).await;
    let controller = turn.start().await;
    controller.until_it_serves().await;
    let blocked = SITES.div_ceil(4);
    let healthy = (SITES - blocked).to_string();
    until_so(async || controller.metric("switches_completed_total").await == healthy).await;
    assert_eq!(controller.metric("queue_waiting").await, "0");
    for site in 0..SITES {
        let [standby, _] = namespaces(site);
        let object = Api::<HostMigration>::namespaced(turn.client(), &standby).get(NAME).await.unwrap();
        let expected: &[&str] = if is_blocked(site) { &["started"] } else { &["started", "completed"] };
        assert_eq!(conditions(&object), expected, "{standby}");
    }
    until_so(async || controller.metric("switches_blocked").await != "0").await;
    assert_eq!(controller.metric("switches_unended").await, "0");

    webhook.remove(&turn).await;
    until_so(async || controller.metric("switches_completed_total").await == SITES.to_string()).await;
    until_so(async || controller.metric("switches_blocked").await == "0").await;
    let stopped = controller.stop().await;
    assert!(!stopped.log.contains("crashed"), "{}", stopped.log);
}

#[tokio::test]
async fn finished_objects_are_deleted_but_for_the_newest_that_an_operator_keeps() {
    let turn = Turn::take().await;
    let shop = Shop::empty(turn.control_plane, "pruned").await;
    for number in 0..5 {
        let name = format!("host-migration-{number}");
        let mut object = shop.site.payload(&name)["crd"].take();
        object["metadata"]["annotations"]["dioscuri.amazee.io/migrate"] = "false".into();
        create(&shop.site, object).await;
        shop.site.patch(&name, completed()).await;
    }
    // Nobody has asked for this one yet, so it has not ended.
    let mut unasked = shop.site.payload("host-migration-unasked")["crd"].take();
    unasked["metadata"]["annotations"]["dioscuri.amazee.io/migrate"] = "false".into();
    create(&shop.site, unasked).await;

    let rights = MayDelete::give(&turn).await;
    let controller = turn.start_with(&["--keep-finished", "2"]).await;
    let names = async || {
        let all = shop.site.migrations().list(&ListParams::default()).await.unwrap();
        all.into_iter().filter_map(|object| object.metadata.name).collect::<Vec<_>>()
    };
    let kept = ["host-migration-3", "host-migration-4", "host-migration-unasked"];
    until_so(async || names().await == kept).await;
    controller.stop().await;
    rights.take_back(&turn).await;
}

/// The right that `--keep-finished` needs.
struct MayDelete;

impl MayDelete {
    const NAME: &str = "burst-may-delete";

    async fn give(turn: &Turn) -> Self {
        let metadata = json!({ "name": Self::NAME });
        let may_delete =
            json!({ "apiGroups": ["dioscuri.amazee.io"], "resources": ["hostmigrations"], "verbs": ["delete"] });
        let role = json!({ "metadata": metadata, "rules": [may_delete] });
        let binding = json!({
            "metadata": metadata,
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": Self::NAME },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER }],
        });
        let (roles, bindings) = Self::apis(turn);
        roles.create(&PostParams::default(), &serde_json::from_value(role).unwrap()).await.unwrap();
        bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();
        until_so(async || is_allowed(turn, "delete", "dioscuri.amazee.io", "hostmigrations").await).await;
        Self
    }

    async fn take_back(self, turn: &Turn) {
        let (roles, bindings) = Self::apis(turn);
        bindings.delete(Self::NAME, &DeleteParams::default()).await.unwrap();
        roles.delete(Self::NAME, &DeleteParams::default()).await.unwrap();
        until_so(async || !is_allowed(turn, "delete", "dioscuri.amazee.io", "hostmigrations").await).await;
    }

    fn apis(turn: &Turn) -> (Api<ClusterRole>, Api<ClusterRoleBinding>) {
        (Api::all(turn.client()), Api::all(turn.client()))
    }
}
