//! Ingresses of every legal shape move, and nothing of them is lost.

use lagoon_task_testing::{ingress, service, tls_secret};
use serde_json::{Value, json};

use crate::evidence::{steps, writes};
use switch_testing::control_plane;
use switch_testing::{INGRESSES, SECRETS, Shop, essence};

fn backend(service: &str) -> Value {
    json!({ "service": { "name": service, "port": { "number": 80 } } })
}

fn path(path: &str, backend: &Value) -> Value {
    json!({ "path": path, "pathType": "Prefix", "backend": backend })
}

/// An Ingress that moves, with this `spec`.
fn route(name: &str, spec: Value) -> Value {
    let mut route = ingress(name, "none.example.com", "web", None);
    route["spec"] = spec;
    route
}

/// The route of this name on a side.
async fn live(shop: &Shop<'_>, namespace: &str, name: &str) -> Value {
    let routes = shop.list(namespace, INGRESSES).await;
    let found = routes.into_iter().find(|route| route["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("{name} is not in {namespace}"))
}

/// Switches a site whose standby environment has these routes, and shows that they arrive as they were. Answers with
/// the URLs that Lagoon is told.
async fn arrive(shop: &Shop<'_>, routes: Vec<Value>) -> String {
    shop.add(&shop.standby, routes).await;
    let before: Vec<Value> = shop.list(&shop.standby, INGRESSES).await.into_iter().map(essence).collect();
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    let after: Vec<Value> = shop.list(&shop.active, INGRESSES).await.into_iter().map(essence).collect();
    assert_eq!(after, before);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, Vec::<String>::new());
    let result = finished.result.unwrap();
    assert_eq!(result["productionRoutes"], "", "{result}");
    result["standbyRoutes"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_route_with_several_rules_and_paths_arrives_whole() {
    let shop = Shop::empty(control_plane().await, "many-rules").await;
    for namespace in [&shop.standby, &shop.active] {
        shop.add(namespace, vec![service("shop")]).await;
    }
    let web = backend("web");
    let named_port = json!({ "service": { "name": "shop", "port": { "name": "http" } } });
    let urls = arrive(
        &shop,
        vec![route(
            "all",
            json!({
                "ingressClassName": "nginx",
                "defaultBackend": web,
                "tls": [{ "hosts": ["b.example.com"] }],
                "rules": [
                    { "host": "b.example.com", "http": { "paths": [path("/", &web), path("/shop", &named_port)] } },
                    { "host": "*.example.com", "http": { "paths": [path("/", &web)] } },
                    { "host": "a.example.com", "http": { "paths": [
                        { "path": "/exactly", "pathType": "Exact", "backend": web },
                        { "pathType": "ImplementationSpecific", "backend": web },
                    ] } },
                    { "host": "b.example.com", "http": { "paths": [path("/again", &web)] } },
                ],
            }),
        )],
    )
    .await;
    assert_eq!(urls, "https://b.example.com,https://*.example.com,https://a.example.com");
}

#[tokio::test]
async fn routes_without_rules_paths_hosts_or_services_arrive_too() {
    let shop = Shop::empty(control_plane().await, "odd-rules").await;
    let bucket = json!({ "resource": { "apiGroup": "k8s.example.com", "kind": "Bucket", "name": "pictures" } });
    let urls = arrive(
        &shop,
        vec![
            route("a-default-only", json!({ "defaultBackend": backend("web") })),
            route("b-default-resource", json!({ "defaultBackend": bucket })),
            route("c-no-http", json!({ "rules": [{ "host": "c.example.com" }] })),
            route("d-no-host", json!({ "rules": [{ "http": { "paths": [path("/", &backend("web"))] } }] })),
            route(
                "e-resource",
                json!({ "rules": [{ "host": "e.example.com", "http": { "paths": [path("/", &bucket)] } }] }),
            ),
        ],
    )
    .await;
    assert_eq!(urls, "http://c.example.com,http://e.example.com");
}

#[tokio::test]
async fn what_cannot_be_looked_up_is_noted_and_does_not_stop_the_switch() {
    let shop = Shop::empty(control_plane().await, "resource-note").await;
    let bucket = json!({ "resource": { "apiGroup": "k8s.example.com", "kind": "Bucket", "name": "pictures" } });
    shop.add(&shop.active, vec![route("pictures", json!({ "defaultBackend": bucket }))]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    let note = "Note: Ingress \"pictures\" in namespace \"resource-note-main\" names Bucket \"pictures\" (in \
                spec.defaultBackend.resource), which could not be looked up: make sure that namespace \"resource-note-develop\" has it too.\n";
    assert_eq!(finished.log.matches(note).count(), 1, "{}", finished.log);
}

#[tokio::test]
async fn several_tls_entries_arrive_and_each_secret_with_them() {
    let shop = Shop::empty(control_plane().await, "many-tls").await;
    shop.add(&shop.standby, vec![tls_secret("one", "one"), tls_secret("two", "two")]).await;
    let rule = |host: &str| json!({ "host": host, "http": { "paths": [path("/", &backend("web"))] } });
    let urls = arrive(
        &shop,
        vec![route(
            "www",
            json!({
                "tls": [
                    { "hosts": ["one.example.com"], "secretName": "one" },
                    { "hosts": ["two.example.com"], "secretName": "two" },
                    { "hosts": ["three.example.com"], "secretName": "not-issued-yet" },
                    { "hosts": ["four.example.com"] },
                    {},
                ],
                "rules": [rule("one.example.com"), rule("two.example.com")],
            }),
        )],
    )
    .await;
    assert_eq!(urls, "https://one.example.com,https://two.example.com");
    assert_eq!(shop.names(&shop.active, SECRETS).await, ["one", "two"]);
    assert_eq!(shop.names(&shop.standby, SECRETS).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_secret_of_several_routes_goes_along_once_and_stays_where_a_route_that_stays_needs_it() {
    let shop = Shop::empty(control_plane().await, "shared-secret").await;
    shop.add(&shop.standby, vec![tls_secret("shared", "shared"), tls_secret("half", "half")]).await;
    let mut stays = ingress("stays", "stays.example.com", "web", Some("half"));
    stays["metadata"].as_object_mut().unwrap().remove("labels");
    shop.add(
        &shop.standby,
        vec![
            ingress("one", "one.example.com", "web", Some("shared")),
            ingress("two", "two.example.com", "web", Some("shared")),
            ingress("three", "three.example.com", "web", Some("half")),
            stays,
        ],
    )
    .await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.active, SECRETS).await, ["half", "shared"]);
    assert_eq!(shop.names(&shop.standby, SECRETS).await, ["half"]);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["stays"]);
    let creates = finished.requests_in_short().iter().filter(|request| *request == "create secrets").count();
    assert_eq!(creates, 2, "{:#?}", finished.requests);
}

#[tokio::test]
async fn the_longest_names_move_and_come_back() {
    let shop = Shop::empty(control_plane().await, "long-names").await;
    // A label of a name holds 63 characters, a name 253.
    let part = "a".repeat(61);
    let longest =
        |last: &str| format!("{}{last}", format!("{part}.").repeat(4) + &"b".repeat(253 - 4 * 62 - last.len()));
    let (one, two) = (longest("1"), longest("2"));
    assert_eq!(one.len(), 253);
    shop.add(&shop.standby, vec![tls_secret(&one, "one")]).await;
    shop.add(&shop.standby, vec![ingress(&one, "one.example.com", "web", Some(&one))]).await;
    shop.add(&shop.active, vec![ingress(&two, "two.example.com", "web", None)]).await;
    let before = shop.content().await;
    let there = shop.switch().await;
    assert_eq!(there.exit_code, Some(0), "{}", there.log);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, [one.as_str()]);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, [two.as_str()]);
    assert_eq!(shop.names(&shop.active, SECRETS).await, [one.as_str()]);
    let back = shop.switch_back().await;
    assert_eq!(back.exit_code, Some(0), "{}", back.log);
    assert_eq!(shop.content().await, before);
}

#[tokio::test]
async fn annotations_labels_and_fields_of_others_are_kept() {
    let shop = Shop::empty(control_plane().await, "annotations").await;
    let mut www = ingress("www", "www.example.com", "web", None);
    www["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("Helm");
    www["metadata"]["annotations"] = json!({
        "kubectl.kubernetes.io/last-applied-configuration": "{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"Ingress\"}\n",
        "meta.helm.sh/release-namespace": "annotations-develop",
        "monitor.stakater.com/enabled": "true",
        "nginx.ingress.kubernetes.io/server-snippet": "location = /a {\n  return 204; # \"quoted\" \\ é \u{7}\n}\n",
        "empty": "",
    });
    for number in 0..200 {
        www["metadata"]["annotations"][format!("example.com/number-{number}")] = json!("x".repeat(500));
    }
    assert_eq!(arrive(&shop, vec![www]).await, "http://www.example.com");
}

#[tokio::test]
async fn a_moved_route_has_its_final_labels_and_no_owner_in_the_namespace_it_left() {
    let shop = Shop::empty(control_plane().await, "final-labels").await;
    let mut www = ingress("www", "www.example.com", "web", None);
    www["metadata"]["labels"]["example.com/kept"] = json!("yes");
    www["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "00000000-0000-4000-8000-000000000000",
        "controller": true, "blockOwnerDeletion": false,
    }]);
    shop.add(&shop.standby, vec![www]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    let moved = live(&shop, &shop.active, "www").await;
    assert_eq!(moved["metadata"].get("ownerReferences"), None, "{moved:#}");
    let mut labels = moved["metadata"]["labels"].clone();
    let switch = labels.as_object_mut().unwrap().remove("activestandby.lagoon.sh/switch").unwrap();
    assert!(!switch.as_str().unwrap().is_empty());
    assert_eq!(
        labels,
        json!({
            "activestandby.lagoon.sh/migrate": "true",
            "activestandby.lagoon.sh/migrated-from": "final-labels-develop",
            "activestandby.lagoon.sh/migrating": "false",
            "example.com/kept": "yes",
        })
    );
    assert_eq!(steps(&finished, &shop.standby, &shop.active), ["create", "delete"]);
    let of_routes: Vec<&str> = writes(&finished)
        .iter()
        .filter(|write| write.resource == "ingresses")
        .map(|write| write.verb.as_str())
        .collect();
    assert_eq!(of_routes, ["create", "delete", "patch"]);
}

#[tokio::test]
async fn the_label_of_older_sites_counts_and_is_replaced() {
    let shop = Shop::empty(control_plane().await, "older-label").await;
    let labelled = |name: &str, labels: Value| {
        let mut route = ingress(name, &format!("{name}.example.com"), "web", None);
        route["metadata"]["labels"] = labels;
        route
    };
    shop.add(
        &shop.standby,
        vec![
            labelled("older", json!({ "dioscuri.amazee.io/migrate": "true" })),
            labelled("older-stays", json!({ "dioscuri.amazee.io/migrate": "false" })),
            labelled("stays", json!({ "activestandby.lagoon.sh/migrate": "false" })),
            labelled("unlabelled", json!({})),
        ],
    )
    .await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(finished.result.unwrap()["standbyRoutes"], "http://older.example.com");
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["older-stays", "stays", "unlabelled"]);
    let labels = live(&shop, &shop.active, "older").await["metadata"]["labels"].clone();
    assert_eq!(labels["activestandby.lagoon.sh/migrate"], "true");
    assert_eq!(labels.get("dioscuri.amazee.io/migrate"), None, "{labels}");
}
