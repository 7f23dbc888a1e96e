//! `HTTPRoutes` of the Gateway API.

use std::pin::pin;

use futures::StreamExt;
use http::Method;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::ResourceExt;
use kube::api::{
    Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use lagoon_task_testing::{ControlPlane, Fault, FaultProxy, GATEWAY_API, Passing, service};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use crate::bench::{new_control_plane, until};
use crate::shop::Shop;

const HTTP_ROUTES: &str = "gateway.networking.k8s.io/v1/httproutes";
const CONTROLLER: &str = "example.com/gateway-controller";

static CONTROL_PLANE: OnceCell<ControlPlane> = OnceCell::const_new();

/// One of its own: a new kind of object changes what every run on a control plane asks for.
async fn control_plane() -> &'static ControlPlane {
    let start = async || {
        let control_plane = new_control_plane().await;
        control_plane.apply(GATEWAY_API).await.unwrap();
        control_plane
    };
    CONTROL_PLANE.get_or_init(start).await
}

fn api(shop: &Shop<'_>, namespace: &str, version: &str, kind: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("gateway.networking.k8s.io", version, kind));
    Api::namespaced_with(shop.site.client(), namespace, &resource)
}

fn routes(shop: &Shop<'_>, namespace: &str) -> Api<DynamicObject> {
    api(shop, namespace, "v1", "HTTPRoute")
}

fn http_route(name: &str, parent: &Value, backend: &Value) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": { "name": name, "labels": { "activestandby.lagoon.sh/migrate": "true" } },
        "spec": {
            "hostnames": [format!("{name}.example.com")],
            "parentRefs": [parent],
            "rules": [{ "backendRefs": [backend] }],
        },
    })
}

fn shared_gateway() -> Value {
    json!({ "name": "shared", "namespace": "gateways", "sectionName": "https" })
}

fn web() -> Value {
    json!({ "name": "web", "port": 80 })
}

/// A route each way, attached to a Gateway of a third namespace.
async fn with_http_routes(project: &str) -> Shop<'static> {
    let shop = Shop::empty(control_plane().await, project).await;
    shop.add(&shop.standby, vec![http_route("standby", &shared_gateway(), &web())]).await;
    shop.add(&shop.active, vec![http_route("www", &shared_gateway(), &web())]).await;
    shop
}

/// Plays the controller once: says of a route whether it takes it.
async fn answer(api: &Api<DynamicObject>, name: &str, accepted: bool) {
    let route = api.get(name).await.unwrap();
    let condition = json!({
        "type": "Accepted",
        "status": if accepted { "True" } else { "False" },
        "reason": "Test",
        "message": if accepted { "taken" } else { "no listener takes this namespace" },
        "observedGeneration": route.metadata.generation,
        "lastTransitionTime": "2026-11-23T12:00:00Z",
    });
    let parent = &route.data["spec"]["parentRefs"][0];
    let status =
        json!({ "parents": [{ "parentRef": parent, "controllerName": CONTROLLER, "conditions": [condition] }] });
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(json!({ "status": status }))).await.unwrap();
}

/// Both old routes are accepted.
async fn with_accepted_routes(project: &str) -> Shop<'static> {
    let shop = with_http_routes(project).await;
    answer(&routes(&shop, &shop.standby), "standby", true).await;
    answer(&routes(&shop, &shop.active), "www", true).await;
    shop
}

/// Plays the controller for one route in both namespaces, until it is aborted: at home it takes the route, on the other
/// side it says `accepted`. The old route must still be there then.
fn controller(shop: &Shop<'_>, home: &str, there: &str, name: &'static str, accepted: bool) -> [JoinHandle<()>; 2] {
    let (home, there) = (routes(shop, home), routes(shop, there));
    let old = home.clone();
    [tokio::spawn(answer_all(home, name, true, None)), tokio::spawn(answer_all(there, name, accepted, Some(old)))]
}

async fn answer_all(api: Api<DynamicObject>, name: &'static str, accepted: bool, old: Option<Api<DynamicObject>>) {
    let parameters = WatchParams::default().fields(&format!("metadata.name={name}"));
    let mut events = pin!(api.watch(&parameters, "0").await.unwrap());
    while let Some(event) = events.next().await {
        let WatchEvent::Added(route) = event.unwrap() else { continue };
        if let Some(old) = &old {
            assert!(old.get_opt(name).await.unwrap().is_some(), "{name} left before it was accepted");
        }
        if route.data.get("status").is_none() {
            answer(&api, name, accepted).await;
        }
    }
}

/// Ends the controllers; none of them has complained.
async fn end(controllers: impl IntoIterator<Item = JoinHandle<()>>) {
    for controller in controllers {
        controller.abort();
        assert!(controller.await.is_err_and(|error| error.is_cancelled()));
    }
}

async fn names(shop: &Shop<'_>) -> (Vec<String>, Vec<String>) {
    (shop.names(&shop.standby, HTTP_ROUTES).await, shop.names(&shop.active, HTTP_ROUTES).await)
}

fn switched() -> (Vec<String>, Vec<String>) {
    (vec!["www".to_owned()], vec!["standby".to_owned()])
}

fn unchanged() -> (Vec<String>, Vec<String>) {
    (vec!["standby".to_owned()], vec!["www".to_owned()])
}

#[tokio::test]
async fn http_routes_change_places_and_are_in_the_result() {
    let shop = with_http_routes("http").await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(names(&shop).await, switched());
    let result = finished.result.unwrap();
    assert_eq!(result["productionRoutes"], "https://www.example.com");
    assert_eq!(result["standbyRoutes"], "https://standby.example.com");
    let moved = routes(&shop, &shop.standby).get("www").await.unwrap();
    assert_eq!(moved.data["spec"], http_route("www", &shared_gateway(), &web())["spec"]);
    assert_eq!(moved.labels()["activestandby.lagoon.sh/migrated-from"], shop.active);
}

#[tokio::test]
async fn http_routes_of_one_name_change_places() {
    let shop = Shop::empty(control_plane().await, "http-one-name").await;
    for (namespace, host) in [(&shop.standby, "standby.example.com"), (&shop.active, "www.example.com")] {
        let mut route = http_route("www", &shared_gateway(), &web());
        route["spec"]["hostnames"] = json!([host]);
        shop.add(namespace, vec![route]).await;
    }
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    for (namespace, host) in [(&shop.active, "standby.example.com"), (&shop.standby, "www.example.com")] {
        let all = shop.list(namespace, HTTP_ROUTES).await;
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!(all[0]["spec"]["hostnames"], json!([host]));
    }
}

async fn assert_problem(shop: &Shop<'_>, text: &str) {
    let before = names(shop).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(finished.log.contains(text), "{}", finished.log);
    assert_eq!(names(shop).await, before);
}

#[tokio::test]
async fn a_service_elsewhere_needs_a_grant_for_the_new_namespace() {
    let shop = Shop::empty(control_plane().await, "granted").await;
    let elsewhere = shop.site.launcher.environment("granted", "shared").await.unwrap();
    shop.add(&elsewhere.namespace, vec![service("api")]).await;
    let reads = json!({
        "metadata": { "name": "deployer" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin" },
        "subjects": [{ "kind": "ServiceAccount", "name": "lagoon-deployer", "namespace": shop.standby }],
    });
    let bindings: Api<RoleBinding> = Api::namespaced(shop.site.client(), &elsewhere.namespace);
    bindings.create(&PostParams::default(), &serde_json::from_value(reads).unwrap()).await.unwrap();

    let backend = json!({ "name": "api", "namespace": elsewhere.namespace, "port": 80 });
    shop.add(&shop.active, vec![http_route("www", &shared_gateway(), &backend)]).await;
    assert_problem(&shop, "where no ReferenceGrant allows that").await;

    let grant = |from: &str| {
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1beta1",
            "kind": "ReferenceGrant",
            "metadata": { "name": from },
            "spec": {
                "from": [{ "group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": from }],
                "to": [{ "group": "", "kind": "Service" }],
            },
        })
    };
    // One for the namespace that the route comes from does not do.
    shop.add(&elsewhere.namespace, vec![grant(&shop.active)]).await;
    assert_problem(&shop, "where no ReferenceGrant allows that").await;
    shop.add(&elsewhere.namespace, vec![grant(&shop.standby)]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, HTTP_ROUTES).await, ["www"]);
}

#[tokio::test]
async fn a_service_of_the_namespace_that_the_route_goes_to_needs_no_grant() {
    let shop = Shop::empty(control_plane().await, "at-home-there").await;
    let backend = json!({ "name": "web", "namespace": shop.standby, "port": 80 });
    shop.add(&shop.active, vec![http_route("www", &shared_gateway(), &backend)]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
}

#[tokio::test]
async fn a_gateway_of_its_own_namespace_must_be_in_the_other_too() {
    let shop = Shop::empty(control_plane().await, "own-gateway").await;
    shop.add(&shop.active, vec![http_route("www", &json!({ "name": "front" }), &web())]).await;
    assert_problem(&shop, "it is attached to Gateway \"front\" of its own namespace").await;
    let gateway = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": { "name": "front" }, "spec": {},
    });
    shop.add(&shop.standby, vec![gateway]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
}

#[tokio::test]
async fn a_route_leaves_only_when_the_new_one_is_accepted() {
    let shop = with_accepted_routes("accepted").await;
    let controllers = [
        controller(&shop, &shop.active, &shop.standby, "www", true),
        controller(&shop, &shop.standby, &shop.active, "standby", true),
    ];
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    end(controllers.into_iter().flatten()).await;
    assert_eq!(names(&shop).await, switched());
}

#[tokio::test]
async fn a_route_that_is_refused_is_moved_back_and_the_reason_is_shown() {
    let shop = with_accepted_routes("refused").await;
    let controllers = [
        controller(&shop, &shop.active, &shop.standby, "www", false),
        controller(&shop, &shop.standby, &shop.active, "standby", true),
    ];
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("no listener takes this namespace"), "{}", finished.log);
    assert!(finished.log.contains("All routes are back where they were"), "{}", finished.log);
    assert_eq!(names(&shop).await, unchanged());
    end(controllers.into_iter().flatten()).await;
}

#[tokio::test]
async fn a_run_that_goes_on_waits_too_until_the_new_route_is_accepted() {
    let shop = with_accepted_routes("accepted-later").await;
    let mut left = 2;
    let plan = move |passing: &Passing| {
        let creates = passing.method == Method::POST && passing.uri.contains("/httproutes");
        if left == 0 || !creates || passing.uri.contains("dryRun") {
            return Fault::None;
        }
        left -= 1;
        Fault::AnswerHeld
    };
    let proxy = FaultProxy::start(shop.control_plane, plan).await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    proxy.until_held().await.unwrap();
    running.signal("KILL").await.unwrap();
    running.finish().await.unwrap();
    until(|| proxy.held() == 0).await;

    // The new routes are there and nobody has looked at them yet.
    let watches = |passing: &Passing| if passing.is_watch() { Fault::AnswerHeld } else { Fault::None };
    let proxy = FaultProxy::start(shop.control_plane, watches).await.unwrap();
    let mut running = shop.task_through(&proxy).launch().await.unwrap();
    for _ in 0..2 {
        tokio::select! {
            held = proxy.until_held() => drop(held.unwrap()),
            _ = running.exit() => panic!("it did not wait"),
        }
    }
    assert_eq!(shop.names(&shop.active, HTTP_ROUTES).await, ["standby", "www"]);
    answer(&routes(&shop, &shop.standby), "www", true).await;
    answer(&routes(&shop, &shop.active), "standby", true).await;
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(names(&shop).await, switched());
}
