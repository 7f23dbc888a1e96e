//! Tenants who do not trust each other: what somebody can do to other sites, and to the controller, who has nothing but the
//! rights of an environment's own deployer.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::events::v1::Event;
use kube::Client;
use kube::api::{Api, ListParams, PostParams};
use lagoon_task_testing::{Request, ingress, tls_secret, until_so};
use serde_json::{Value, json};

use crate::controller_bench::{NAME, Replica, Turn, USER, ask, client_of, conditions, last_words};
use switch_testing::forged::{self, FOREIGN, SWITCH, book, entry, foreign, foreign_secrets, head, journal};
use switch_testing::{INGRESSES, SECRETS, Shop, host};

/// A site whose owner means no good.
struct Tenant {
    shop: Shop<'static>,
    client: Client,
}

impl Tenant {
    async fn new(turn: &Turn, project: &str) -> Self {
        let shop = Shop::with_routes(turn.control_plane, project).await;
        let client = client_of(turn, &shop.standby, "lagoon-deployer").await;
        Self { shop, client }
    }

    /// Writes an object in the tenant's own namespace, with the tenant's own token.
    async fn write(&self, object: Value) {
        let object: kube::api::DynamicObject = serde_json::from_value(object).unwrap();
        let types = object.types.clone().unwrap();
        let (group, version) = types.api_version.split_once('/').unwrap_or(("", &types.api_version));
        let kind = kube::api::GroupVersionKind::gvk(group, version, &types.kind);
        let resource = kube::api::ApiResource::from_gvk(&kind);
        let api: Api<kube::api::DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.shop.standby, &resource);
        api.create(&PostParams::default(), &object).await.unwrap();
    }

    /// The text of the condition in which the tenant's switch has failed.
    async fn failed(&self, turn: &Turn) -> String {
        let object = turn.until_ended(&self.shop, NAME).await;
        assert_eq!(conditions(&object).last(), Some(&"failed"), "{object:#?}");
        last_words(&object).to_owned()
    }
}

/// Another tenant's switch is carried out as if nothing were.
async fn serves_others(turn: &Turn, project: &str) {
    let other = Shop::with_routes(turn.control_plane, project).await;
    ask(&other.site, NAME, &other.active).await;
    let object = turn.until_ended(&other, NAME).await;
    assert_eq!(conditions(&object), ["started", "completed"], "{object:#?}");
    other.assert_switched("another tenant").await;
}

/// The controller's requests in a namespace.
async fn requests(turn: &Turn, namespace: &str) -> Vec<Request> {
    turn.control_plane.requests(|request| request.user == USER && request.namespace == namespace).await.unwrap()
}

async fn leading(turn: &Turn) -> Replica<'static> {
    let controller = turn.start().await;
    controller.until_it_leads().await;
    controller
}

#[tokio::test]
async fn destination_that_does_not_exist_yet_is_never_reached() {
    let turn = Turn::take().await;
    let tenant = Tenant::new(&turn, "thief").await;
    let victim = "victim-of-the-thief";
    let stolen = ingress("www", "www.victim.example.com", "web", Some("www-tls"));
    let routes = [entry("active", &stolen)];
    tenant.write(journal(&head(&tenant.shop.standby, victim, 1), &book(&routes, &json!([])))).await;
    let controller = leading(&turn).await;
    ask(&tenant.shop.site, NAME, victim).await;
    let words = tenant.failed(&turn).await;
    assert!(words.contains("there is no namespace of that name"), "{words}");
    let namespaces = Api::<Namespace>::all(turn.client());
    let project = json!({ "metadata": { "name": victim, "labels": { "lagoon.sh/project": "victim" } } });
    namespaces.create(&PostParams::default(), &serde_json::from_value(project).unwrap()).await.unwrap();
    tenant.shop.add(victim, vec![tls_secret("www-tls", "the victim's"), stolen]).await;
    serves_others(&turn, "beside-the-thief").await;
    let seen = requests(&turn, victim).await;
    assert!(seen.iter().all(|request| request.resource == "namespaces"), "{seen:#?}");
    controller.stop().await;
}

#[tokio::test]
async fn kept_secret_with_odd_metadata_ends_one_switch_and_not_the_controller() {
    let turn = Turn::take().await;
    let tenant = Tenant::new(&turn, "boom").await;
    let name = route_switch::plan::manifest::kept_name(SWITCH, "www-tls");
    let mut kept = tls_secret(&name, "kept");
    kept["metadata"]["labels"] = json!({ "activestandby.lagoon.sh/switch": SWITCH });
    kept["metadata"]["annotations"] = json!({ "activestandby.lagoon.sh/metadata": "\"boom\"" });
    tenant.write(kept).await;
    let www = ingress("www", &host("boom", "www"), "web", Some("www-tls"));
    let head = head(&tenant.shop.standby, &tenant.shop.active, 0);
    tenant.write(journal(&head, &book(&[entry("active", &www)], &json!([])))).await;
    // The switch is undone, which puts back what was kept.
    let services: Api<k8s_openapi::api::core::v1::Service> =
        Api::namespaced(tenant.client.clone(), &tenant.shop.standby);
    services.delete("web", &kube::api::DeleteParams::default()).await.unwrap();
    let controller = leading(&turn).await;
    ask(&tenant.shop.site, NAME, &tenant.shop.active).await;
    let words = tenant.failed(&turn).await;
    assert!(words.contains("Service \"web\""), "{words}");
    serves_others(&turn, "beside-the-boom").await;
    controller.stop().await;
}

/// What a forged journal orders: to bring an unlabelled route of the active environment, one that nobody has, and an Opaque
/// Secret that no route names.
async fn forge_orders(turn: &Turn, project: &str, gaps: usize) -> Tenant {
    let tenant = Tenant::new(turn, project).await;
    let shop = &tenant.shop;
    let foreign = foreign(project);
    let admin = foreign[0].clone();
    shop.add(&shop.active, foreign.into()).await;
    let invented = ingress("invented", &host(project, "invented"), "web", Some("database"));
    let mut routes = vec![entry("active", &invented), entry("standby", &invented), entry("active", &admin)];
    routes[0]["secrets"] = json!(["database"]);
    tenant.write(journal(&head(&shop.standby, &shop.active, gaps), &book(&routes, &foreign_secrets()))).await;
    tenant
}

/// Nobody has touched what no switch of the pair would.
async fn assert_untouched(turn: &Turn, tenant: &Tenant) {
    let shop = &tenant.shop;
    for namespace in [&shop.standby, &shop.active] {
        let seen = requests(turn, namespace).await;
        let touched: Vec<&Request> = seen.iter().filter(|request| FOREIGN.contains(&request.name.as_str())).collect();
        assert!(touched.is_empty(), "{touched:#?}");
        let mut names = shop.names(namespace, INGRESSES).await;
        names.extend(shop.names(namespace, SECRETS).await);
        let is_foreign_here = |name: &String| FOREIGN.contains(&name.as_str());
        let expected: &[&str] = if *namespace == shop.active { &["admin", "admin-tls", "database"] } else { &[] };
        let found: Vec<String> = names.into_iter().filter(is_foreign_here).collect();
        assert_eq!(found, expected, "{namespace}");
    }
}

#[tokio::test]
async fn journal_that_orders_what_is_not_seen_is_refused() {
    let turn = Turn::take().await;
    let tenant = forge_orders(&turn, "orders", 3).await;
    let before = tenant.shop.content().await;
    let controller = leading(&turn).await;
    ask(&tenant.shop.site, NAME, &tenant.shop.active).await;
    let words = tenant.failed(&turn).await;
    assert!(words.contains("Nothing has changed") && words.contains("invented"), "{words}");
    assert_eq!(tenant.shop.content().await, before);
    assert_untouched(&turn, &tenant).await;
    controller.stop().await;
}

#[tokio::test]
async fn journal_that_says_nothing_is_offline_adds_nothing_to_a_switch() {
    let turn = Turn::take().await;
    let tenant = forge_orders(&turn, "adds-nothing", 0).await;
    let controller = leading(&turn).await;
    ask(&tenant.shop.site, NAME, &tenant.shop.active).await;
    let object = turn.until_ended(&tenant.shop, NAME).await;
    assert_eq!(conditions(&object).last(), Some(&"completed"), "{object:#?}");
    assert_eq!(tenant.shop.names(&tenant.shop.standby, INGRESSES).await, ["shop", "www"]);
    assert_untouched(&turn, &tenant).await;
    controller.stop().await;
}

#[tokio::test]
async fn secret_is_not_stolen_by_a_route_that_seems_to_have_arrived() {
    let turn = Turn::take().await;
    let tenant = Tenant::new(&turn, "arrived").await;
    let shop = &tenant.shop;
    shop.add(&shop.active, vec![tls_secret("admin-tls", "the admin's")]).await;
    let mut bait = ingress("bait", &host("arrived", "bait"), "web", Some("admin-tls"));
    bait["metadata"]["labels"] = json!({
        "activestandby.lagoon.sh/migrate": "true",
        "activestandby.lagoon.sh/switch": SWITCH,
        "activestandby.lagoon.sh/migrated-from": shop.active,
    });
    tenant.write(bait.clone()).await;
    tenant.write(journal(&head(&shop.standby, &shop.active, 0), &book(&[entry("active", &bait)], &json!([])))).await;
    let controller = leading(&turn).await;
    ask(&shop.site, NAME, &shop.active).await;
    turn.until_ended(shop, NAME).await;
    assert!(!shop.names(&shop.standby, SECRETS).await.contains(&"admin-tls".to_owned()), "it was stolen");
    assert!(shop.names(&shop.active, SECRETS).await.contains(&"admin-tls".to_owned()), "it was deleted");
    controller.stop().await;
}

#[tokio::test]
async fn journal_that_unpacks_to_much_more_ends_one_switch_and_not_the_controller() {
    let turn = Turn::take().await;
    let tenant = Tenant::new(&turn, "bomb").await;
    let head = head(&tenant.shop.standby, &tenant.shop.active, 0);
    // 250 MB, of which 250 KB are left when packed.
    tenant.write(journal(&head, &vec![b' '; 250_000_000])).await;
    let controller = leading(&turn).await;
    ask(&tenant.shop.site, NAME, &tenant.shop.active).await;
    let words = tenant.failed(&turn).await;
    assert!(words.contains("larger than any that this program writes"), "{words}");
    serves_others(&turn, "beside-the-bomb").await;
    controller.stop().await;
}

#[tokio::test]
async fn text_of_a_journal_reaches_no_condition_and_no_log() {
    let turn = Turn::take().await;
    let odd = "x\u{1b}[31m\n<script>\u{202e}";
    let mut journals = Vec::new();
    for field in ["switchId", "standbyNamespace", "activeNamespace", "holder"] {
        let mut head = head("STANDBY", "ACTIVE", 0);
        head[field] = if field == "holder" { json!({ "kind": odd, "name": odd }) } else { json!(odd) };
        journals.push((head, book(&[], &json!([]))));
    }
    for field in ["kind", "name", "urls", "manifest"] {
        let mut route = entry("active", &ingress("www", "www.example.com", "web", None));
        route[field] = if field == "urls" { json!([odd]) } else { json!(odd) };
        journals.push((head("STANDBY", "ACTIVE", 1), book(&[route], &json!([]))));
    }
    let controller = leading(&turn).await;
    for (number, (head, book)) in journals.into_iter().enumerate() {
        let tenant = Tenant::new(&turn, &format!("odd-text-{number}")).await;
        let text = head.to_string().replace("STANDBY", &tenant.shop.standby).replace("ACTIVE", &tenant.shop.active);
        tenant.write(forged::journal(&serde_json::from_str(&text).unwrap(), &book)).await;
        ask(&tenant.shop.site, NAME, &tenant.shop.active).await;
        let words = tenant.failed(&turn).await;
        assert!(!words.contains(['\u{1b}', '\u{202e}']) && !words.contains("<script>"), "{number}: {words}");
    }
    let finished = controller.stop().await;
    assert!(!finished.log.contains(['\u{1b}', '\u{202e}']) && !finished.log.contains("<script>"), "{}", finished.log);
}

#[tokio::test]
async fn owners_that_a_journal_names_are_looked_up_in_no_other_namespace_and_among_no_secrets() {
    let turn = Turn::take().await;
    let victim = Shop::with_routes(turn.control_plane, "owners-victim").await;
    let tenant = Tenant::new(&turn, "owners").await;
    let shop = &tenant.shop;
    shop.add(&shop.active, foreign("owners").into()).await;
    let mut claimed = ingress("bait", &host("owners", "bait"), "web", None);
    let mut bait = claimed.clone();
    bait["metadata"]["labels"] = json!({
        "activestandby.lagoon.sh/migrate": "true",
        "activestandby.lagoon.sh/switch": SWITCH,
        "activestandby.lagoon.sh/migrated-from": shop.active,
    });
    tenant.write(bait).await;
    let path = format!("networking.k8s.io/v1/namespaces/{}/ingresses/www?", victim.active);
    claimed["metadata"]["ownerReferences"] = json!([
        { "apiVersion": path, "kind": "Ingress", "name": "www", "uid": "1" },
        { "apiVersion": "v1", "kind": "Secret", "name": "database", "uid": "1" },
    ]);
    tenant.write(journal(&head(&shop.standby, &shop.active, 0), &book(&[entry("active", &claimed)], &json!([])))).await;
    // The switch is undone, which puts the route back where it was, with its owners.
    let services: Api<k8s_openapi::api::core::v1::Service> = Api::namespaced(tenant.client.clone(), &shop.standby);
    services.delete("web", &kube::api::DeleteParams::default()).await.unwrap();
    let controller = leading(&turn).await;
    ask(&shop.site, NAME, &shop.active).await;
    tenant.failed(&turn).await;
    assert_eq!(requests(&turn, &victim.active).await, []);
    assert_untouched(&turn, &tenant).await;
    controller.stop().await;
}

#[tokio::test]
async fn part_of_a_journal_is_no_other_object() {
    let turn = Turn::take().await;
    let tenant = Tenant::new(&turn, "parts").await;
    let shop = &tenant.shop;
    let settings = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings" } });
    shop.add(&shop.standby, vec![settings]).await;
    let mut head = head(&shop.standby, &shop.active, 0);
    head["parts"] = json!(["settings"]);
    tenant.write(journal(&head, &book(&[], &json!([])))).await;
    let controller = leading(&turn).await;
    ask(&shop.site, NAME, &shop.active).await;
    let words = tenant.failed(&turn).await;
    assert!(words.contains("has a name or an id that is none"), "{words}");
    let seen = requests(&turn, &shop.standby).await;
    assert!(seen.iter().all(|request| request.name != "settings"), "{seen:#?}");
    controller.stop().await;
}

#[tokio::test]
async fn lease_has_nobody_look_into_another_namespace() {
    let turn = Turn::take().await;
    let victim = "victim-of-the-lease";
    let controller = leading(&turn).await;
    for kind in ["Pod", "HostMigration"] {
        let tenant = Tenant::new(&turn, &format!("lease-{}", kind.to_lowercase())).await;
        tenant
            .write(json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": { "name": "activestandby-switch" },
                "spec": { "holderIdentity": format!("{kind}/{victim}/db-0//run") },
            }))
            .await;
        ask(&tenant.shop.site, NAME, &tenant.shop.active).await;
        // It is tried again, in words that do not tell whether there is anything.
        let words = format!("\\\"{kind}/{victim}/db-0//run\\\", and whether that still runs cannot be told");
        controller.running.wait_for_line(&words).await.unwrap();
    }
    assert_eq!(requests(&turn, victim).await, []);
    controller.stop().await;
}

#[tokio::test]
async fn text_of_a_request_reaches_no_event() {
    let turn = Turn::take().await;
    let tenant = Tenant::new(&turn, "odd-request").await;
    let controller = leading(&turn).await;
    ask(&tenant.shop.site, NAME, "x\u{1b}[31m<script>\u{202e}").await;
    tenant.failed(&turn).await;
    let events: Api<Event> = Api::namespaced(turn.client(), &tenant.shop.standby);
    // The last is written after the condition.
    until_so(async || events.list(&ListParams::default()).await.unwrap().items.len() == 2).await;
    for event in events.list(&ListParams::default()).await.unwrap() {
        let note = event.note.unwrap();
        assert!(!note.contains(['\u{1b}', '\u{202e}', '<']), "{note:?}");
    }
    controller.stop().await;
}
