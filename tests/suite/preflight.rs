//! Every reason why a switch would harm the site is told at once, before anything has changed.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ResourceQuota, Service};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use lagoon_task_testing::{Finished, Request, TRAEFIK, ingress, tls_secret};
use serde_json::{Value, json};

use crate::evidence::{journals, writes};
use lagoon_task_testing::until_so;
use switch_testing::control_plane;
use switch_testing::{INGRESSES, Shop, host};

/// Switches a site that cannot be switched: the task must say these sentences and no other reason, and change nothing.
async fn refuses(shop: &Shop<'_>, reasons: &[&str]) -> Finished {
    let before = shop.content().await;
    let finished = shop.switch().await;
    assert_refused(shop, &finished, &before, reasons).await;
    finished
}

async fn assert_refused(shop: &Shop<'_>, finished: &Finished, before: &BTreeMap<String, Value>, reasons: &[&str]) {
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    for reason in reasons {
        assert!(finished.log.lines().any(|line| line == *reason), "{reason:?} in\n{}", finished.log);
    }
    let told = finished.log.lines().filter(|line| line.starts_with("- ")).count();
    assert_eq!(told, reasons.len(), "{}", finished.log);
    let count = if told == 1 { "one reason".to_owned() } else { format!("{told} reasons") };
    let sentence = format!("The switch cannot be carried out, for {count}:\n");
    assert!(finished.log.contains(&sentence), "{}", finished.log);
    assert_eq!(finished.log.lines().last(), Some("Nothing has changed."), "{}", finished.log);
    assert_eq!(writes(finished), Vec::<&Request>::new());
    assert_eq!(journals(shop).await, Vec::<String>::new());
    assert_eq!(shop.content().await, *before);
    assert_eq!(finished.annotation, None);
}

fn api(shop: &Shop<'_>, namespace: &str) -> Api<Ingress> {
    Api::namespaced(shop.site.client(), namespace)
}

/// A route that stays where it is.
fn staying(name: &str, secret: Option<&str>) -> Value {
    let mut route = ingress(name, &format!("{name}-stays.example.com"), "web", secret);
    route["metadata"].as_object_mut().unwrap().remove("labels");
    route
}

#[tokio::test]
async fn every_missing_service_in_both_directions_is_told_at_once() {
    let shop = Shop::empty(control_plane().await, "no-services").await;
    let mut two = ingress("two", "two.example.com", "solr", None);
    two["spec"]["defaultBackend"] = json!({ "service": { "name": "varnish", "port": { "number": 80 } } });
    shop.add(&shop.standby, vec![two, ingress("fine", "fine.example.com", "web", None)]).await;
    shop.add(&shop.active, vec![ingress("one", "one.example.com", "nginx", None)]).await;
    let what_to_do = "Deploy the other environment so that it has this service, or remove the label \
                      activestandby.lagoon.sh/migrate from the route.";
    refuses(
        &shop,
        &[
            &format!(
                "- Ingress \"one\" in namespace \"no-services-main\": it sends requests to Service \"nginx\", and namespace \
                 \"no-services-develop\" has none. {what_to_do}"
            ),
            &format!(
                "- Ingress \"two\" in namespace \"no-services-develop\": it sends requests to Service \"solr\", and \
                 namespace \"no-services-main\" has none. {what_to_do}"
            ),
            &format!(
                "- Ingress \"two\" in namespace \"no-services-develop\": it sends requests to Service \"varnish\", and \
                 namespace \"no-services-main\" has none. {what_to_do}"
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn reasons_of_different_kinds_are_told_at_once() {
    let shop = Shop::empty(control_plane().await, "all-at-once").await;
    let mut www = ingress("www", "www.example.com", "nginx", Some("www-tls"));
    www["metadata"]["finalizers"] = json!(["example.com/keeps-it"]);
    shop.add(&shop.standby, vec![tls_secret("www-tls", "one")]).await;
    shop.add(&shop.active, vec![tls_secret("www-tls", "another")]).await;
    shop.add(&shop.standby, vec![www]).await;
    shop.add(&shop.active, vec![staying("www", None), staying("uses-it", Some("www-tls"))]).await;
    refuses(
        &shop,
        &[
            "- Ingress \"www\" in namespace \"all-at-once-develop\": it sends requests to Service \"nginx\", and namespace \
             \"all-at-once-main\" has none. Deploy the other environment so that it has this service, or remove the \
             label activestandby.lagoon.sh/migrate from the route.",
            "- Ingress \"www\" in namespace \"all-at-once-develop\": its finalizer \"example.com/keeps-it\" would keep it \
             from going, and nothing is known to remove it. Ask your Lagoon administrator what it is for and to remove it \
             from the route.",
            "- Ingress \"www\" in namespace \"all-at-once-develop\": namespace \"all-at-once-main\" has a route of the same \
             name, Ingress \"www\". Rename one of the two (routes are best named after their hosts), or delete the one \
             that is not needed.",
            "- Secret \"www-tls\" in namespace \"all-at-once-develop\": it should go along with its routes, but namespace \
             \"all-at-once-main\" has a Secret of that name with other content, which Ingress \"uses-it\" in namespace \
             \"all-at-once-main\" uses. Rename one of the two Secrets, or delete the one that is not needed.",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_secret_of_that_name_with_other_content_is_not_overwritten_even_if_nothing_uses_it() {
    let shop = Shop::empty(control_plane().await, "other-secret").await;
    shop.add(&shop.active, vec![tls_secret("www-tls", "one")]).await;
    shop.add(&shop.standby, vec![tls_secret("www-tls", "another")]).await;
    shop.add(&shop.active, vec![ingress("www", "www.example.com", "web", Some("www-tls"))]).await;
    refuses(
        &shop,
        &["- Secret \"www-tls\" in namespace \"other-secret-main\": it should go along with its routes, but namespace \
           \"other-secret-develop\" has a Secret of that name with other content, which cert-manager did not issue, so it \
           may be needed. Rename one of the two Secrets, or delete the one that is not needed."],
    )
    .await;
}

#[tokio::test]
async fn what_annotations_name_must_be_on_the_other_side_too() {
    let bench = control_plane().await;
    bench.apply(TRAEFIK).await.unwrap();
    let shop = Shop::empty(bench, "beside").await;
    let mut www = ingress("www", "www.example.com", "web", None);
    www["metadata"]["annotations"] = json!({
        "nginx.ingress.kubernetes.io/auth-secret": "passwords",
        "nginx.ingress.kubernetes.io/custom-headers": "beside-develop/headers",
        "nginx.ingress.kubernetes.io/auth-tls-secret": "beside-main/none-of-its-own",
        "nginx.ingress.kubernetes.io/proxy-ssl-secret": "missing-here-too",
        "traefik.ingress.kubernetes.io/router.middlewares": "beside-develop-limit@kubernetescrd, other@file",
    });
    let opaque = |name: &str| json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name } });
    let headers = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "headers" } });
    let limit = json!({ "apiVersion": "traefik.io/v1alpha1", "kind": "Middleware", "metadata": { "name": "limit" } });
    shop.add(&shop.standby, vec![opaque("passwords"), headers.clone(), limit.clone()]).await;
    shop.add(&shop.standby, vec![www]).await;
    let reason = |kind: &str, name: &str, annotation: &str| {
        format!(
            "- Ingress \"www\" in namespace \"beside-develop\": it names {kind} \"{name}\" (in {annotation}), and namespace \
             \"beside-main\" has none: it would answer errors there. Create {kind} \"{name}\" there too, or remove it from \
             the route."
        )
    };
    refuses(
        &shop,
        &[
            &reason("Secret", "passwords", "nginx.ingress.kubernetes.io/auth-secret"),
            &reason("ConfigMap", "headers", "nginx.ingress.kubernetes.io/custom-headers"),
            &reason("Middleware", "limit", "traefik.ingress.kubernetes.io/router.middlewares"),
        ],
    )
    .await;

    shop.add(&shop.active, vec![opaque("passwords"), headers, limit]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, ["www"]);
}

#[tokio::test]
async fn a_route_that_is_being_deleted_is_waited_for_by_a_person() {
    let shop = Shop::empty(control_plane().await, "being-deleted").await;
    let mut www = ingress("www", "www.example.com", "web", None);
    www["metadata"]["finalizers"] = json!(["example.com/keeps-it"]);
    shop.add(&shop.active, vec![www]).await;
    let routes = api(&shop, &shop.active);
    routes.delete("www", &DeleteParams::default()).await.unwrap();
    refuses(
        &shop,
        &["- Ingress \"www\" in namespace \"being-deleted-main\": it is being deleted. Wait until it is gone, or remove what \
           keeps it, then switch again."],
    )
    .await;
    let no_finalizers = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    routes.patch("www", &PatchParams::default(), &no_finalizers).await.unwrap();
}

#[tokio::test]
async fn a_destination_that_is_not_there_or_where_the_deployer_has_no_rights_is_told() {
    let shop = Shop::with_routes(control_plane().await, "no-binding").await;
    let reason = |namespace: &str| {
        format!(
            "- Namespace \"{namespace}\": there is no namespace of that name, or the deployer has no rights in it. Lagoon gives \
             these rights for the time of a switch and takes them away when one ends. Look in Lagoon which of the two \
             environments is active: if the switch is done, by another run, there is nothing left to do. If not, check that \
             both environments are deployed, then run the task again."
        )
    };
    shop.site.launcher.forbid_switch(&shop.site.standby, &shop.site.active).await.unwrap();
    refuses(&shop, &[&reason(&shop.active)]).await;

    let before = shop.content().await;
    let mut payload = shop.payload();
    payload["destinationNamespace"] = json!("no-such-namespace");
    let finished = shop.site.task(&payload).launch().await.unwrap().finish().await.unwrap();
    assert_refused(&shop, &finished, &before, &[&reason("no-such-namespace")]).await;
}

#[tokio::test]
async fn a_full_quota_is_told_with_the_clusters_words() {
    let shop = Shop::empty(control_plane().await, "quota").await;
    let counted = "count/ingresses.networking.k8s.io";
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "routes" },
        "spec": { "hard": { counted: "1" } },
    });
    shop.add(&shop.active, vec![staying("only-one", None), quota]).await;
    // The controller that counts does not run here.
    let counted = Patch::Merge(json!({ "status": { "hard": { counted: "1" }, "used": { counted: "1" } } }));
    let quotas: Api<ResourceQuota> = Api::namespaced(shop.site.client(), &shop.active);
    quotas.patch_status("routes", &PatchParams::default(), &counted).await.unwrap();
    until_refused(&shop, &shop.active, "exceeded quota").await;
    shop.add(&shop.standby, vec![ingress("www", "www.example.com", "web", None)]).await;
    let before = shop.content().await;
    let finished = shop.switch().await;
    let line = finished.log.lines().find(|line| line.starts_with("- ")).unwrap_or_else(|| panic!("{}", finished.log));
    assert!(
        line.contains("Ingress \"www\" in namespace \"quota-develop\": namespace \"quota-main\" does not take it"),
        "{line}"
    );
    assert!(line.contains("exceeded quota: routes"), "{line}");
    assert_refused(&shop, &finished, &before, &[line]).await;
}

#[tokio::test]
async fn an_environment_without_any_service_is_told_so() {
    let shop = Shop::empty(control_plane().await, "empty-list").await;
    let services: Api<Service> = Api::namespaced(shop.site.client(), &shop.active);
    services.delete("web", &DeleteParams::default()).await.unwrap();
    shop.add(&shop.standby, vec![ingress("www", "www.example.com", "web", None)]).await;
    refuses(
        &shop,
        &["- Ingress \"www\" in namespace \"empty-list-develop\": it sends requests to Service \"web\", and namespace \
           \"empty-list-main\" has none. Deploy the other environment so that it has this service, or remove the label \
           activestandby.lagoon.sh/migrate from the route."],
    )
    .await;
}

/// Waits until the API server, which learns of quotas and policies by watches of its own, refuses an Ingress in the
/// namespace in these words.
async fn until_refused(shop: &Shop<'_>, namespace: &str, words: &str) {
    let trial: Ingress = serde_json::from_value(staying("trial", None)).unwrap();
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    until_so(async || {
        let tried = api(shop, namespace).create(&dry_run, &trial).await;
        matches!(tried, Err(kube::Error::Api(status)) if status.message.contains(words))
    })
    .await;
}

/// A policy of the cluster for the Ingresses of one namespace, which refuses them in these words. Waits until it is in
/// force.
async fn refuse_ingresses(shop: &Shop<'_>, namespace: &str, words: &str) {
    shop.add_policy(namespace, "CREATE", "false", words).await;
    until_refused(shop, namespace, words).await;
}

#[tokio::test]
async fn a_policy_that_refuses_a_route_is_told_in_its_own_words() {
    let shop = Shop::with_routes(control_plane().await, "policy").await;
    refuse_ingresses(&shop, &shop.active, "every Ingress needs the annotation example.com/owner").await;
    let reason = |route: &str| {
        format!(
            "- Ingress \"{route}\" in namespace \"policy-develop\": namespace \"policy-main\" does not take it: a policy of \
             the cluster refuses it: every Ingress needs the annotation example.com/owner. Remove the reason, or ask your \
             Lagoon administrator."
        )
    };
    refuses(&shop, &[&reason("preview"), &reason("standby")]).await;
}

/// A shop whose Service in the active environment has no ready endpoint.
async fn with_a_broken_service(project: &str) -> Shop<'static> {
    let shop = Shop::empty(control_plane().await, project).await;
    let slice = |name: &str, ready: &Value| {
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": { "name": name, "labels": { "kubernetes.io/service-name": "web" } },
            "endpoints": [{ "addresses": ["192.0.2.1"], "conditions": { "ready": ready } }],
        })
    };
    shop.add(&shop.standby, vec![slice("web-1", &json!(false)), slice("web-2", &json!(true))]).await;
    shop.add(&shop.active, vec![slice("web-1", &json!(false))]).await;
    shop.add(&shop.standby, vec![ingress("standby", &host(project, "standby"), "web", None)]).await;
    shop.add(&shop.active, vec![ingress("www", &host(project, "www"), "web", None)]).await;
    shop
}

#[tokio::test]
async fn service_that_is_not_ready_and_not_idle_stops_the_switch() {
    let shop = with_a_broken_service("broken").await;
    let problem = "- Service \"web\" in namespace \"broken-main\": it has no ready endpoint, and its environment is not \
                   idle: visitors would get errors. Look in Lagoon why the service does not run, deploy the environment \
                   again, then switch again.";
    refuses(&shop, &[problem]).await;
    shop.label_namespace(&shop.active, "idling.amazee.io/force-scaled", "true").await;
    shop.label_namespace(&shop.active, "idling.amazee.io/idled", "true").await;
    let problem = "- Service \"web\" in namespace \"broken-main\": it has no ready endpoint: its environment was scaled down \
                   by force, and no request wakes it. Start the environment in Lagoon, then switch again.";
    refuses(&shop, &[problem]).await;
}

#[tokio::test]
async fn service_of_an_idle_environment_is_noted_and_the_switch_goes_on() {
    let shop = with_a_broken_service("idle").await;
    shop.label_namespace(&shop.active, "idling.amazee.io/idled", "true").await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    let note = |namespace: &str| {
        format!(
            "Note: Service \"web\" in namespace \"{namespace}\" has no ready endpoint: its environment is idle, and Lagoon \
             wakes it at the first request.\n"
        )
    };
    assert_eq!(finished.log.matches(&note("idle-main")).count(), 1, "{}", finished.log);
    assert_eq!(finished.log.matches(&note("idle-develop")).count(), 0, "{}", finished.log);
}
