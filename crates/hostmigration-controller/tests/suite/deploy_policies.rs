//! What `deploy/` refuses the controller beyond its roles, and in which words.

use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Client;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, PostParams};
use lagoon_task_testing::{CERT_MANAGER, GATEWAY_API, ingress, tls_secret, until_so};
use serde_json::{Value, json};

use crate::controller_bench::{NAME, Turn, ask, client_of, conditions, last_words};
use switch_testing::Shop;

const OWN: &str = "lagoon";
const ROLE: &str = "activestandby.lagoon.sh/role";

const ONLY_ITS_OWN: &str = "in its own namespace it writes only its journals and its Lease";
const NO_PROJECT: &str = "the namespace belongs to no Lagoon project (label lagoon.sh/project)";
const NO_JOURNAL: &str = "it writes only journals there (label activestandby.lagoon.sh/role=journal)";
const NO_LOCK: &str = "it writes only the lock of a switch there (Lease activestandby-switch)";

/// A request of the controller: to create, update or delete an object.
struct Attempt {
    namespace: String,
    /// The object before the request; none for a create.
    stored: Option<Value>,
    /// The object as it is sent; none for a delete.
    sent: Option<Value>,
}

impl Attempt {
    fn create(namespace: &str, object: Value) -> Self {
        Self { namespace: namespace.to_owned(), stored: None, sent: Some(object) }
    }

    fn update(namespace: &str, stored: Value, sent: Value) -> Self {
        Self { namespace: namespace.to_owned(), stored: Some(stored), sent: Some(sent) }
    }

    fn delete(namespace: &str, object: Value) -> Self {
        Self { namespace: namespace.to_owned(), stored: Some(object), sent: None }
    }

    fn verb(&self) -> &'static str {
        match (&self.stored, &self.sent) {
            (None, _) => "create",
            (_, None) => "delete",
            _ => "update",
        }
    }

    fn object(&self) -> &Value {
        self.sent.as_ref().or(self.stored.as_ref()).unwrap()
    }

    fn name(&self) -> &str {
        self.object()["metadata"]["name"].as_str().unwrap()
    }

    /// The verb, the kind, the name and the namespace, as the policy words them.
    fn words(&self) -> String {
        let kind = self.object()["kind"].as_str().unwrap();
        format!("{} {kind} \"{}\" in namespace \"{}\"", self.verb(), self.name(), self.namespace)
    }

    /// Sends it as a dry run, with what it needs there meanwhile, and answers with the message of the refusal.
    async fn dry_run(&self, admin: &Client, controller: &Client) -> Result<(), String> {
        let (admin, controller) = (self.api(admin), self.api(controller));
        let (real, dry) = (PostParams::default(), PostParams { dry_run: true, ..PostParams::default() });
        if let Some(stored) = &self.stored {
            admin.create(&real, &as_object(stored)).await.unwrap();
        }
        let answer = match (&self.stored, &self.sent) {
            (None, Some(sent)) => controller.create(&dry, &as_object(sent)).await.map(drop),
            (_, Some(sent)) => controller.replace(self.name(), &dry, &as_object(sent)).await.map(drop),
            (_, None) => controller.delete(self.name(), &DeleteParams::default().dry_run()).await.map(drop),
        };
        if self.stored.is_some() {
            admin.delete(self.name(), &DeleteParams::default()).await.unwrap();
        }
        answer.map_err(|error| match error {
            kube::Error::Api(status) => status.message.clone(),
            other => panic!("{}: {other}", self.words()),
        })
    }

    fn api(&self, client: &Client) -> Api<DynamicObject> {
        let text = |field: &str| self.object()[field].as_str().unwrap();
        let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
        let plural = match text("kind").to_lowercase() {
            singular if singular.ends_with('s') => format!("{singular}es"),
            singular => format!("{singular}s"),
        };
        let kind = GroupVersionKind::gvk(group, version, text("kind"));
        let resource = ApiResource::from_gvk_with_plural(&kind, &plural);
        Api::namespaced_with(client.clone(), &self.namespace, &resource)
    }
}

fn as_object(object: &Value) -> DynamicObject {
    serde_json::from_value(object.clone()).unwrap()
}

/// A control plane where the policy is in force, and the controller's part on it.
struct Guarded {
    turn: Turn,
    shop: Shop<'static>,
    admin: Client,
    controller: Client,
}

impl Guarded {
    async fn site(project: &str) -> Self {
        let turn = Turn::take().await;
        let shop = Shop::empty(turn.control_plane, project).await;
        let (admin, controller) = (turn.client(), client_of(&turn, OWN, "hostmigration-controller").await);
        // The API server learns of a new policy by a watch.
        let refused = Attempt::create(&shop.standby, secret("Opaque"));
        until_so(async || refused.dry_run(&admin, &controller).await.is_err()).await;
        Self { turn, shop, admin, controller }
    }

    async fn dry_run(&self, attempt: &Attempt) -> Result<(), String> {
        attempt.dry_run(&self.admin, &self.controller).await
    }
}

fn secret(kind: &str) -> Value {
    let mut secret = tls_secret("policy-tls", "policy");
    secret["type"] = kind.into();
    if kind == "kubernetes.io/service-account-token" {
        secret["metadata"]["annotations"] = json!({ "kubernetes.io/service-account.name": "lagoon-deployer" });
    }
    secret
}

fn tls() -> Value {
    secret("kubernetes.io/tls")
}

fn config_map(name: &str, labels: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "labels": labels } })
}

fn settings() -> Value {
    config_map("policy-settings", &json!({ "app": "web" }))
}

fn journal(name: &str) -> Value {
    config_map(name, &json!({ ROLE: "journal" }))
}

fn lease(name: &str) -> Value {
    json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": name } })
}

fn route() -> Value {
    ingress("policy", "policy.example.com", "web", None)
}

fn http_route() -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": { "name": "policy" },
        "spec": { "hostnames": ["policy.example.com"] },
    })
}

fn certificate() -> Value {
    json!({
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": { "name": "policy" },
        "spec": { "secretName": "policy-tls", "dnsNames": ["policy.example.com"] },
    })
}

/// What the policy says of a Secret of this type.
fn no_tls(kind: &str) -> String {
    format!("it moves only Secrets of type kubernetes.io/tls, and this one is of type {kind}")
}

#[tokio::test]
async fn writes_that_no_switch_needs_are_refused_in_plain_words() {
    let guarded = Guarded::site("policy-refuses").await;
    for definitions in [GATEWAY_API, CERT_MANAGER] {
        guarded.turn.control_plane.apply(definitions).await.unwrap();
    }
    let site = guarded.shop.standby.as_str();
    let mut refused = Vec::new();
    for kind in ["Opaque", "kubernetes.io/service-account-token"] {
        refused.push((Attempt::create(site, secret(kind)), no_tls(kind)));
        refused.push((Attempt::delete(site, secret(kind)), no_tls(kind)));
    }
    for object in [tls(), journal("activestandby-journal"), lease("activestandby-switch"), route(), http_route()] {
        refused.push((Attempt::create("default", object), NO_PROJECT.to_owned()));
    }
    let reasons = [
        (Attempt::create("default", certificate()), NO_PROJECT),
        (Attempt::delete("default", route()), NO_PROJECT),
        (Attempt::delete("default", tls()), NO_PROJECT),
        (Attempt::update("default", route(), route()), NO_PROJECT),
        (Attempt::create("kube-system", tls()), NO_PROJECT),
        (Attempt::delete("kube-system", settings()), NO_PROJECT),
        (Attempt::create(site, settings()), NO_JOURNAL),
        (Attempt::delete(site, settings()), NO_JOURNAL),
        (Attempt::update(site, settings(), journal("policy-settings")), NO_JOURNAL),
        (Attempt::update(site, journal("policy-settings"), settings()), NO_JOURNAL),
        (Attempt::create(site, lease("policy")), NO_LOCK),
        (Attempt::create(OWN, tls()), ONLY_ITS_OWN),
        (Attempt::delete(OWN, tls()), ONLY_ITS_OWN),
        (Attempt::create(OWN, route()), ONLY_ITS_OWN),
        (Attempt::create(OWN, certificate()), ONLY_ITS_OWN),
        (Attempt::create(OWN, journal("policy-settings")), ONLY_ITS_OWN),
        (Attempt::create(OWN, config_map("activestandby-journal-1", &json!({}))), ONLY_ITS_OWN),
        (Attempt::update(OWN, settings(), settings()), ONLY_ITS_OWN),
        (Attempt::delete(OWN, settings()), ONLY_ITS_OWN),
        (Attempt::create(OWN, lease("activestandby-switch")), ONLY_ITS_OWN),
    ];
    refused.extend(reasons.map(|(attempt, reason)| (attempt, reason.to_owned())));
    for (attempt, reason) in refused {
        let sentence = format!("denied request: the controller may not {}: {reason}", attempt.words());
        let answer = guarded.dry_run(&attempt).await;
        assert!(answer.as_ref().is_err_and(|message| message.ends_with(&sentence)), "{sentence}\n{answer:?}");
    }
}

#[tokio::test]
async fn writes_that_a_switch_needs_are_allowed() {
    let guarded = Guarded::site("policy-allows").await;
    for definitions in [GATEWAY_API, CERT_MANAGER] {
        guarded.turn.control_plane.apply(definitions).await.unwrap();
    }
    let site = guarded.shop.standby.as_str();
    let event = json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": { "name": "policy" },
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "policy",
        "reportingInstance": "policy",
        "action": "Switch",
        "reason": "Started",
        "type": "Normal",
        "regarding": { "namespace": "default", "name": "policy" },
    });
    for attempt in [
        Attempt::create(site, tls()),
        Attempt::delete(site, tls()),
        Attempt::create(site, journal("activestandby-journal-1")),
        Attempt::update(site, journal("activestandby-journal-1"), journal("activestandby-journal-1")),
        Attempt::delete(site, journal("activestandby-journal-1")),
        Attempt::create(site, lease("activestandby-switch")),
        Attempt::delete(site, lease("activestandby-switch")),
        Attempt::create(site, route()),
        Attempt::update(site, route(), route()),
        Attempt::delete(site, route()),
        Attempt::create(site, http_route()),
        Attempt::create(site, certificate()),
        Attempt::delete(site, certificate()),
        Attempt::create(OWN, journal("activestandby-journal-1")),
        Attempt::update(OWN, journal("activestandby-journal-1"), journal("activestandby-journal-1")),
        Attempt::delete(OWN, journal("activestandby-journal-1")),
        Attempt::create(OWN, lease("hostmigration-controller")),
        // A HostMigration may lie anywhere, and so do the Events about it.
        Attempt::create("default", event),
    ] {
        assert_eq!(guarded.dry_run(&attempt).await, Ok(()), "{}", attempt.words());
    }
}

#[tokio::test]
async fn switch_under_the_policy_completes() {
    let turn = Guarded::site("policy-in-force").await.turn;
    let shop = Shop::with_routes(turn.control_plane, "policy-switch").await;
    let controller = turn.start().await;
    ask(&shop.site, NAME, &shop.active).await;
    let object = turn.until_ended(&shop, NAME).await;
    assert_eq!(conditions(&object), ["started", "completed"], "{}", last_words(&object));
    shop.assert_switched("under the policy").await;
    controller.stop().await;
}

/// A site owner could have the controller carry any Secret of the site to the other environment, named as a route's.
#[tokio::test]
async fn route_naming_an_opaque_secret_is_not_switched() {
    let guarded = Guarded::site("policy-opaque").await;
    let (turn, shop) = (&guarded.turn, &guarded.shop);
    let route = ingress("policy", "policy.example.com", "web", Some("policy-tls"));
    shop.add(&shop.standby, vec![secret("Opaque"), route]).await;
    let before = shop.content().await;
    let controller = turn.start().await;
    ask(&shop.site, NAME, &shop.active).await;
    let object = turn.until_ended(shop, NAME).await;
    assert_eq!(conditions(&object), ["started", "failed"], "{}", last_words(&object));
    assert!(last_words(&object).contains("othing has changed."), "{}", last_words(&object));
    assert_eq!(shop.content().await, before);
    controller.stop().await;
}

/// A right that is added to the role must not go past the policy unnoticed.
#[tokio::test]
async fn policy_matches_every_resource_that_the_role_writes() {
    let turn = Turn::take().await;
    let name = "lagoon-task-hostmigration-controller";
    let role = Api::<ClusterRole>::all(turn.client()).get(name).await.unwrap();
    let policy = Api::<ValidatingAdmissionPolicy>::all(turn.client()).get(name).await.unwrap();
    let rules = policy.spec.unwrap().match_constraints.unwrap().resource_rules.unwrap();
    let is_matched = |group: &String, resource: &String| {
        rules.iter().any(|rule| {
            rule.api_groups.iter().flatten().any(|matched| matched == group)
                && rule.resources.iter().flatten().any(|matched| matched == resource)
        })
    };
    let mut left_to_rbac = Vec::new();
    for rule in role.rules.unwrap() {
        if rule.verbs.iter().all(|verb| ["get", "list", "watch"].contains(&verb.as_str())) {
            continue;
        }
        let (groups, resources) = (rule.api_groups.unwrap(), rule.resources.unwrap());
        let pairs = groups.iter().flat_map(|group| resources.iter().map(move |resource| (group, resource)));
        left_to_rbac.extend(pairs.filter(|(group, resource)| !is_matched(group, resource)).map(|pair| pair.1.clone()));
    }
    assert_eq!(left_to_rbac, ["hostmigrations", "events"]);
}

#[tokio::test]
async fn network_policy_covers_the_pods_and_their_port() {
    let turn = Turn::take().await;
    let policies = Api::<NetworkPolicy>::namespaced(turn.client(), OWN);
    let policy = policies.get("hostmigration-controller").await.unwrap().spec.unwrap();
    let deployments = Api::<Deployment>::namespaced(turn.client(), OWN);
    let deployment = deployments.get("hostmigration-controller").await.unwrap().spec.unwrap();
    let selected = policy.pod_selector.unwrap().match_labels.unwrap();
    let labels = deployment.template.metadata.unwrap().labels.unwrap();
    assert!(selected.iter().all(|label| labels.get(label.0) == Some(label.1)), "{selected:?} {labels:?}");

    let served = deployment.template.spec.unwrap().containers.remove(0).ports.unwrap()[0].container_port;
    let open = policy.ingress.unwrap().remove(0).ports.unwrap();
    assert_eq!(json!(open), json!([{ "protocol": "TCP", "port": served }]));
    assert_eq!(policy.policy_types.unwrap(), ["Ingress", "Egress"]);
}
