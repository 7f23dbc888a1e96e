//! Routes of the Gateway API, on a cluster that has it.

use std::pin::pin;

use futures::StreamExt;
use http::Method;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, WatchEvent, WatchParams};
use lagoon_task_testing::{ControlPlane, Fault, FaultProxy, Finished, GATEWAY_API, Passing, Running, ingress, service};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use crate::evidence::writes;
use lagoon_task_testing::{held_or_ended, until};
use switch_testing::new_control_plane;
use switch_testing::{INGRESSES, Shop};

const HTTP_ROUTES: &str = "gateway.networking.k8s.io/v1/httproutes";

static CONTROL_PLANE: OnceCell<ControlPlane> = OnceCell::const_new();

/// Installing kinds changes what every switch on the cluster looks at, so these tests have a cluster of their own.
async fn control_plane() -> &'static ControlPlane {
    let new = async || {
        let control_plane = new_control_plane().await;
        control_plane.apply(GATEWAY_API).await.unwrap();
        control_plane
    };
    CONTROL_PLANE.get_or_init(new).await
}

fn http_route(name: &str, host: &str, backend: &Value) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": { "name": name, "labels": { "activestandby.lagoon.sh/migrate": "true" } },
        "spec": {
            "parentRefs": [{ "name": "public", "namespace": "gateways" }],
            "hostnames": [host],
            "rules": [{ "backendRefs": [backend], "timeouts": { "request": "10s" } }],
        },
    })
}

fn web() -> Value {
    json!({ "name": "web", "port": 80 })
}

fn api(shop: &Shop<'_>, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute");
    Api::namespaced_with(shop.site.client(), namespace, &ApiResource::from_gvk_with_plural(&kind, "httproutes"))
}

/// Writes what a Gateway's controller says to a route as it is now.
async fn say(api: &Api<DynamicObject>, name: &str, accepted: bool, message: &str) {
    let generation = api.get(name).await.unwrap().metadata.generation;
    let condition = json!({
        "type": "Accepted",
        "status": if accepted { "True" } else { "False" },
        "observedGeneration": generation,
        "reason": "ByTheTest",
        "message": message,
        "lastTransitionTime": "2026-11-23T12:00:00Z",
    });
    let status = json!({ "status": { "parents": [{
        "parentRef": { "name": "public", "namespace": "gateways" },
        "controllerName": "example.com/gateway",
        "conditions": [condition],
    }] } });
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
}

/// Plays the Gateway's controller in a namespace: answers the first route that comes.
fn controller(api: Api<DynamicObject>, accepted: bool, message: &'static str) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut events = pin!(api.watch(&WatchParams::default(), "0").await.unwrap());
        while let Some(event) = events.next().await {
            if let Ok(WatchEvent::Added(route)) = event {
                say(&api, &route.metadata.name.unwrap(), accepted, message).await;
                return;
            }
        }
    })
}

#[tokio::test]
async fn http_routes_move_beside_ingresses_and_stand_in_the_result() {
    let shop = Shop::with_routes(control_plane().await, "both-kinds").await;
    shop.add(&shop.active, vec![http_route("api", "api.example.com", &web())]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    let routes = shop.list(&shop.standby, HTTP_ROUTES).await;
    assert_eq!(routes.len(), 1, "{}", finished.log);
    assert_eq!(routes[0]["spec"]["rules"][0]["timeouts"]["request"], "10s");
    assert_eq!(shop.list(&shop.active, HTTP_ROUTES).await, [Value::Null; 0]);
    shop.assert_switched(&finished.log).await;
    let result = finished.result.unwrap();
    assert!(result["productionRoutes"].as_str().unwrap().ends_with(",https://api.example.com"), "{result}");
}

/// The kinds of the Gateway API, and no rights to them.
async fn without_rights() -> ControlPlane {
    let control_plane = new_control_plane().await;
    let is_a_kind = |document: &&str| !document.contains("kind: ClusterRole");
    let kinds: Vec<&str> = GATEWAY_API.split("\n---\n").filter(is_a_kind).collect();
    control_plane.apply(&kinds.join("\n---\n")).await.unwrap();
    control_plane
}

#[tokio::test]
async fn routes_that_the_deployer_may_not_see_are_not_taken_for_none() {
    let control_plane = without_rights().await;
    let shop = Shop::empty(&control_plane, "unseen").await;
    shop.add(&shop.active, vec![http_route("api", "api.example.com", &web())]).await;
    let finished = shop.switch().await;
    assert_refused(&finished, &["the deployer may not see the HTTPRoute objects there", "\"unseen-main\""]);
    assert_eq!(finished.annotation, None);

    // A site with other routes may have none of these: it is switched, and told.
    shop.add(&shop.active, vec![ingress("own", "own.example.com", "web", None)]).await;
    let note = "Note: The deployer may not see the HTTPRoute, GRPCRoute, TLSRoute objects in namespace \"unseen-main\", so none of them moves.\n";
    let mut payload = shop.payload();
    payload["dryRun"] = true.into();
    let shown = shop.site.task(&payload).launch().await.unwrap().finish().await.unwrap();
    assert!(shown.log.contains(note), "{}", shown.log);
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert!(finished.log.contains(note), "{}", finished.log);
}

async fn switch_of_one(project: &str, route: Value) -> (Shop<'static>, Finished) {
    let shop = Shop::empty(control_plane().await, project).await;
    shop.add(&shop.active, vec![route]).await;
    let finished = shop.switch().await;
    (shop, finished)
}

fn assert_refused(finished: &Finished, says: &[&str]) {
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    for text in says {
        assert!(finished.log.contains(text), "{text:?} is not in\n{}", finished.log);
    }
    assert!(finished.log.trim_end().ends_with("Nothing has changed."), "{}", finished.log);
}

#[tokio::test]
async fn a_service_elsewhere_needs_a_grant_for_the_new_namespace() {
    let backend = json!({ "name": "search", "namespace": "granting-shared", "port": 80 });
    let shop = Shop::empty(control_plane().await, "granting").await;
    let shared = shop.site.launcher.environment("granting", "shared").await.unwrap();
    // The deployer may look there, as an operator can allow.
    shop.site.launcher.allow_switch(&shop.site.standby, &shared).await.unwrap();
    shop.add(&shared.namespace, vec![service("search")]).await;
    shop.add(&shop.active, vec![http_route("api", "api.example.com", &backend)]).await;
    let grant = |namespace: &str| {
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1beta1",
            "kind": "ReferenceGrant",
            "metadata": { "name": format!("from-{namespace}") },
            "spec": {
                "from": [{ "group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": namespace }],
                "to": [{ "group": "", "kind": "Service", "name": "search" }],
            },
        })
    };
    shop.add(&shared.namespace, vec![grant(&shop.active)]).await;
    let refused = shop.switch().await;
    assert_refused(&refused, &["HTTPRoute \"api\"", "\"search\"", "ReferenceGrant", &shop.standby]);

    shop.add(&shared.namespace, vec![grant(&shop.standby)]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, HTTP_ROUTES).await, ["api"]);
}

#[tokio::test]
async fn a_gateway_of_its_own_must_be_on_the_other_side_too() {
    let mut route = http_route("api", "api.example.com", &web());
    route["spec"]["parentRefs"] = json!([{ "name": "own" }]);
    let (shop, refused) = switch_of_one("own-gateway", route).await;
    assert_refused(&refused, &["HTTPRoute \"api\"", "Gateway \"own\"", &shop.standby]);
    let gateway = json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": { "name": "own" },
        "spec": { "gatewayClassName": "any", "listeners": [{ "name": "web", "port": 80, "protocol": "HTTP" }] },
    });
    shop.add(&shop.standby, vec![gateway]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
}

#[tokio::test]
async fn a_route_that_was_accepted_goes_only_when_the_new_one_is_accepted() {
    let shop = Shop::empty(control_plane().await, "accepted").await;
    shop.add(&shop.active, vec![http_route("api", "api.example.com", &web())]).await;
    say(&api(&shop, &shop.active), "api", true, "").await;
    let controller = controller(api(&shop, &shop.standby), true, "");
    let finished = shop.switch().await;
    controller.await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    let of_routes = finished.requests.iter().filter(|request| request.resource == "httproutes" && !request.dry_run);
    let verbs: Vec<&str> = of_routes.map(|request| request.verb.as_str()).skip_while(|verb| *verb == "list").collect();
    // It is looked at between the two, once or, if it was not accepted by then, with a watch.
    assert!(verbs.starts_with(&["create", "list"]), "{verbs:?}");
    let delete = verbs.iter().position(|verb| *verb == "delete").unwrap();
    assert!(delete >= 2, "{verbs:?}");
    assert_eq!(shop.names(&shop.standby, HTTP_ROUTES).await, ["api"]);
    assert_eq!(shop.names(&shop.active, HTTP_ROUTES).await, [""; 0]);
}

#[tokio::test]
async fn a_route_that_is_refused_on_the_other_side_stays_where_it_is() {
    let shop = Shop::with_routes(control_plane().await, "refused").await;
    shop.add(&shop.active, vec![http_route("api", "api.example.com", &web())]).await;
    say(&api(&shop, &shop.active), "api", true, "").await;
    let before = shop.content().await;
    let controller = controller(api(&shop, &shop.standby), false, "not from this namespace");
    let finished = shop.switch().await;
    controller.await.unwrap();
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("not from this namespace"), "{}", finished.log);
    assert!(finished.log.contains("nothing has changed"), "{}", finished.log);
    assert_eq!(shop.names(&shop.active, HTTP_ROUTES).await, ["api"], "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, HTTP_ROUTES).await, [""; 0], "{}", finished.log);
    assert_eq!(shop.content().await, before, "{}", finished.log);
}

#[tokio::test]
async fn a_service_of_the_namespace_that_the_route_goes_to_needs_no_grant() {
    let backend = json!({ "name": "web", "namespace": "at-home-there-develop", "port": 80 });
    let (shop, finished) = switch_of_one("at-home-there", http_route("api", "api.example.com", &backend)).await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, HTTP_ROUTES).await, ["api"]);
}

#[tokio::test]
async fn http_routes_of_equal_name_are_refused() {
    let shop = Shop::empty(control_plane().await, "http-one-name").await;
    for (namespace, host) in [(&shop.standby, "standby.example.com"), (&shop.active, "www.example.com")] {
        shop.add(namespace, vec![http_route("www", host, &web())]).await;
        say(&api(&shop, namespace), "www", true, "").await;
    }
    let routes = async || [shop.list(&shop.standby, HTTP_ROUTES).await, shop.list(&shop.active, HTTP_ROUTES).await];
    let before = (routes().await, shop.content().await);
    let refused = shop.switch().await;
    let reason = |from: &str, to: &str| {
        format!(
            "- HTTPRoute \"www\" in namespace \"{from}\": namespace \"{to}\" has a route of the same name, HTTPRoute \
             \"www\". Rename one of the two "
        )
    };
    assert_refused(&refused, &[&reason(&shop.standby, &shop.active), &reason(&shop.active, &shop.standby)]);
    assert!(writes(&refused).is_empty(), "{:#?}", writes(&refused));
    assert_eq!((routes().await, shop.content().await), before);
}

/// Names are taken by kind: these two could be in one namespace.
#[tokio::test]
async fn an_ingress_and_an_http_route_of_equal_name_move() {
    let shop = Shop::empty(control_plane().await, "two-kinds").await;
    shop.add(&shop.standby, vec![http_route("www", "standby.example.com", &web())]).await;
    shop.add(&shop.active, vec![ingress("www", "www.example.com", "web", None)]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.active, HTTP_ROUTES).await, ["www"]);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["www"]);
    for (namespace, resource) in [(&shop.standby, HTTP_ROUTES), (&shop.active, INGRESSES)] {
        assert_eq!(shop.names(namespace, resource).await, [""; 0], "{}", finished.log);
    }
}

fn creates_route(passing: &Passing) -> bool {
    passing.method == Method::POST && passing.uri.contains("/httproutes") && !passing.uri.contains("dryRun")
}

/// Kills a run at the first route that it has created, before anybody has accepted that; answers when the next run
/// waits for it.
async fn waits_again<'bench>(shop: &Shop<'bench>) -> (FaultProxy, Running<'bench>) {
    let first = |wanted: fn(&Passing) -> bool| {
        let mut is_over = false;
        move |passing: &Passing| {
            let is_held = !is_over && wanted(passing);
            is_over |= is_held;
            if is_held { Fault::AnswerHeld } else { Fault::None }
        }
    };
    let proxy = FaultProxy::start(shop.control_plane, first(creates_route)).await.unwrap();
    let killed = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    killed.signal("KILL").await.unwrap();
    killed.finish().await.unwrap();
    until(|| proxy.held() == 0).await;

    let proxy = FaultProxy::start(shop.control_plane, first(Passing::is_watch)).await.unwrap();
    let mut running = shop.task_through(&proxy).launch().await.unwrap();
    let waits = held_or_ended(&proxy, &mut running).await.unwrap().is_some();
    assert!(waits, "{}", running.finish().await.unwrap().log);
    (proxy, running)
}

#[tokio::test]
async fn a_run_that_goes_on_waits_too_until_the_new_route_is_accepted() {
    let shop = Shop::empty(control_plane().await, "accepted-later").await;
    shop.add(&shop.active, vec![http_route("api", "api.example.com", &web())]).await;
    say(&api(&shop, &shop.active), "api", true, "").await;
    let (proxy, running) = waits_again(&shop).await;
    assert_eq!(shop.names(&shop.active, HTTP_ROUTES).await, ["api"]);
    say(&api(&shop, &shop.standby), "api", true, "").await;
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, HTTP_ROUTES).await, ["api"]);
    assert_eq!(shop.names(&shop.active, HTTP_ROUTES).await, [""; 0]);
}

#[tokio::test]
async fn a_cluster_that_has_only_a_part_of_the_gateway_api_is_switched_too() {
    let control_plane = new_control_plane().await;
    let parts: Vec<&str> = GATEWAY_API.split("\n---").filter(|part| !part.contains("kind: HTTPRoute")).collect();
    control_plane.apply(&parts.join("\n---")).await.unwrap();
    let shop = Shop::with_routes(&control_plane, "half-installed").await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    shop.assert_switched(&finished.log).await;
}
