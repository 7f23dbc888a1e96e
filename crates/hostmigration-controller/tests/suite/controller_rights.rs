//! The controller's rights: those that it uses, and no others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hostmigration_controller::rights;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use lagoon_task_testing::{CERT_MANAGER, Fault, FaultProxy, GATEWAY_API, Passing, Request, TRAEFIK, tls_secret};
use serde_json::{Value, json};

use crate::controller_bench::{NAME, Turn, USER, ask, conditions};
use lagoon_task_testing::until;
use switch_testing::{SECRETS, Shop};

/// What the role grants and a switch that goes well does not use, each with its reason.
const ONLY_AFTER_A_FAULT: [&str; 13] = [
    // A create whose answer was lost: is what is there our own?
    "get networking.k8s.io/ingresses",
    "get gateway.networking.k8s.io/httproutes",
    // A route whose finalizer takes its time, and the controller that has to accept it.
    "watch networking.k8s.io/ingresses",
    "watch gateway.networking.k8s.io/httproutes",
    // A route that somebody has changed after its copy was made.
    "update networking.k8s.io/ingresses",
    "update gateway.networking.k8s.io/httproutes",
    // A switch that a task has left unfinished is ended by the journal with the site.
    "create /configmaps",
    "update /configmaps",
    "delete /configmaps",
    // Does the task's pod that holds the journal still run?
    "get /pods",
    // The lock of a run that was killed is taken over.
    "update coordination.k8s.io/leases",
    // An Event that is repeated.
    "patch events.k8s.io/events",
    // Only where a route names one.
    "list gateway.networking.k8s.io/referencegrants",
];

#[tokio::test]
async fn the_controllers_role_grants_what_a_switch_uses_and_what_a_fault_may_ask_for() {
    let turn = Turn::take().await;
    for definitions in [GATEWAY_API, CERT_MANAGER, TRAEFIK] {
        turn.control_plane.apply(definitions).await.unwrap();
    }
    let shop = Shop::with_routes(turn.control_plane, "rights").await;
    shop.add(&shop.standby, vec![http_route("docs"), certificate("standby")]).await;
    let controller = turn.start().await;
    ask(&shop.site, NAME, &shop.active).await;
    let object = turn.until_ended(&shop, NAME).await;
    assert_eq!(conditions(&object), ["started", "completed"], "{object:#?}");
    turn.until_journal(&shop.standby, "reported").await;
    // Asks for nothing that is refused.
    let finished = controller.stop().await;

    let used: BTreeSet<String> = finished.requests.iter().filter_map(right).collect();
    let granted = granted(&turn).await;
    let faults: BTreeSet<String> = ONLY_AFTER_A_FAULT.map(str::to_owned).into();
    let mut unused: BTreeSet<String> = granted.difference(&used).cloned().collect();
    // Whether the lock is still held is asked only in a switch that takes longer than half a second.
    unused.remove("get coordination.k8s.io/leases");
    // This site has neither routes of these kinds nor names things of them, and the cluster does not know most of them.
    let is_of_this_site = |right: &String| {
        ["ingresses", "httproutes", "configmaps", "pods", "leases", "events", "referencegrants"]
            .iter()
            .any(|resource| right.ends_with(&format!("/{resource}")))
    };
    unused.retain(is_of_this_site);
    assert_eq!(unused, faults);
}

#[tokio::test]
async fn a_secret_that_a_finalizer_keeps_for_a_while_is_waited_for_without_more_rights() {
    let turn = Turn::take().await;
    let shop = Shop::with_routes(turn.control_plane, "kept").await;
    // cert-manager has issued it earlier and nothing uses it, so it makes way; and its finalizer takes its time.
    let mut old = tls_secret("www-tls", "old");
    old["metadata"]["annotations"] = json!({ "cert-manager.io/certificate-name": "www-tls" });
    old["metadata"]["finalizers"] = json!(["example.com/takes-its-time"]);
    shop.add(&shop.standby, vec![old]).await;

    let path = format!("/api/v1/namespaces/{}/secrets", shop.standby);
    let looks = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&looks);
    let mut is_refused = false;
    let proxy = FaultProxy::start(turn.control_plane, move |passing: &Passing| {
        is_refused |= passing.method == http::Method::POST && passing.uri.starts_with(&path);
        if is_refused && passing.method == http::Method::GET && passing.uri.starts_with(&format!("{path}/www-tls")) {
            count.fetch_add(1, Ordering::SeqCst);
        }
        Fault::None
    });
    let proxy = proxy.await.unwrap();
    let controller = turn.start_through(&proxy).await;
    ask(&shop.site, NAME, &shop.active).await;
    tokio::select! {
        () = until(|| looks.load(Ordering::SeqCst) > 2) => {}
        object = turn.until_ended(&shop, NAME) => panic!("it has not waited: {object:#?}"),
    }
    let secrets = Api::<Secret>::namespaced(turn.client(), &shop.standby);
    let no_finalizers = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    secrets.patch("www-tls", &PatchParams::default(), &no_finalizers).await.unwrap();
    let object = turn.until_ended(&shop, NAME).await;
    assert_eq!(conditions(&object), ["started", "completed"], "{object:#?}");
    // Its content is kept under another name.
    let all = shop.names(&shop.standby, SECRETS).await;
    let kept: Vec<&String> = all.iter().filter(|name| name.starts_with("activestandby-")).collect();
    assert_eq!(kept.len(), 1, "{all:?}");
    secrets.delete(kept[0], &DeleteParams::default()).await.unwrap();
    shop.assert_switched("the Secret has gone").await;
    controller.stop().await;
}

/// The right that a request needs, where the controller's `ClusterRole` has to give it.
fn right(request: &Request) -> Option<String> {
    let group = request.uri.strip_prefix("/apis/").map_or("", |path| path.split('/').next().unwrap_or_default());
    // The Lease of the replicas is in the controller's own namespace, where a `Role` gives the right.
    let is_election = group == "coordination.k8s.io" && request.namespace == "lagoon";
    // So are its journals.
    let is_own_journal = request.resource == "configmaps" && request.namespace == "lagoon";
    let by_others = is_election || is_own_journal || group == "authorization.k8s.io" || request.resource.is_empty();
    (!by_others).then(|| format!("{} {group}/{}", request.verb, request.resource))
}

/// A controller without one of its rights says so; with too long a list it would never be ready.
#[tokio::test]
async fn the_controller_checks_the_rights_that_its_role_grants() {
    let turn = Turn::take().await;
    let checked = rights::everywhere();
    let checked = checked
        .iter()
        .flat_map(|rights| rights.verbs.iter().map(|verb| format!("{verb} {}/{}", rights.group, rights.resource)));
    assert_eq!(checked.collect::<BTreeSet<_>>(), granted(&turn).await);
}

async fn granted(turn: &Turn) -> BTreeSet<String> {
    let roles = Api::<ClusterRole>::all(turn.client());
    let role = roles.get("lagoon-task-hostmigration-controller").await.unwrap();
    let mut granted = BTreeSet::new();
    for rule in role.rules.unwrap() {
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                granted.extend(rule.verbs.iter().map(|verb| format!("{verb} {group}/{resource}")));
            }
        }
    }
    granted
}

#[tokio::test]
async fn the_controller_may_neither_list_secrets_nor_touch_what_runs() {
    let turn = Turn::take().await;
    for (verb, group, resource) in [
        ("list", "", "secrets"),
        ("watch", "", "secrets"),
        ("create", "", "pods"),
        ("delete", "", "namespaces"),
        ("update", "apps", "deployments"),
        ("create", "", "serviceaccounts/token"),
        ("create", "rbac.authorization.k8s.io", "rolebindings"),
        ("create", "dioscuri.amazee.io", "hostmigrations"),
        ("delete", "dioscuri.amazee.io", "hostmigrations"),
    ] {
        assert!(!is_allowed(&turn, verb, group, resource).await, "{verb} {group}/{resource}");
    }
    assert!(is_allowed(&turn, "get", "", "secrets").await);
}

pub async fn is_allowed(turn: &Turn, verb: &str, group: &str, resource: &str) -> bool {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let attributes = json!({
        "namespace": "default", "verb": verb, "group": group, "resource": resource, "subresource": subresource,
    });
    let review = json!({ "spec": { "user": USER, "resourceAttributes": attributes } });
    let review: SubjectAccessReview = serde_json::from_value(review).unwrap();
    let reviews = Api::<SubjectAccessReview>::all(turn.client());
    reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap().allowed
}

fn http_route(name: &str) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": { "name": name, "labels": { "activestandby.lagoon.sh/migrate": "true" } },
        "spec": {
            "hostnames": [format!("{name}.rights.example.com")],
            "parentRefs": [{ "name": "shared", "namespace": "gateways" }],
            "rules": [{ "backendRefs": [{ "name": "web", "port": 80 }] }],
        },
    })
}

fn certificate(route: &str) -> Value {
    json!({
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": { "name": format!("{route}-tls") },
        "spec": { "secretName": format!("{route}-tls"), "dnsNames": [format!("{route}.rights.example.com")] },
    })
}
