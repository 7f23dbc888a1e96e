//! cert-manager's Certificates, and the Secrets that they keep supplied.

use http::Method;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, Patch, PatchParams};
use lagoon_task_testing::{CERT_MANAGER, ControlPlane, Fault, FaultProxy, GATEWAY_API, Passing, ingress, tls_secret};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::evidence::writes;
use switch_testing::new_control_plane;
use switch_testing::{INGRESSES, SECRETS, Shop};

pub const CERTIFICATES: &str = "cert-manager.io/v1/certificates";

static CONTROL_PLANE: OnceCell<ControlPlane> = OnceCell::const_new();

async fn control_plane() -> &'static ControlPlane {
    let new = async || {
        let control_plane = new_control_plane().await;
        control_plane.apply(CERT_MANAGER).await.unwrap();
        control_plane.apply(GATEWAY_API).await.unwrap();
        control_plane
    };
    CONTROL_PLANE.get_or_init(new).await
}

pub fn certificate(name: &str, host: &str) -> Value {
    json!({
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": { "name": name },
        "spec": { "secretName": name, "dnsNames": [host], "issuerRef": { "name": "letsencrypt" } },
    })
}

/// A Secret as cert-manager leaves it.
pub fn issued(name: &str, content: &str) -> Value {
    let mut secret = tls_secret(name, content);
    secret["metadata"]["labels"] = json!({ "controller.cert-manager.io/fao": "true" });
    secret["metadata"]["annotations"] = json!({
        "cert-manager.io/certificate-name": name,
        "cert-manager.io/issuer-name": "letsencrypt",
    });
    secret
}

/// A route of the active environment with its Secret.
pub async fn shop(project: &str) -> Shop<'static> {
    let shop = Shop::empty(control_plane().await, project).await;
    shop.add(&shop.active, vec![issued("www-tls", "www")]).await;
    shop.add(&shop.active, vec![ingress("www", "www.example.com", "web", Some("www-tls"))]).await;
    shop
}

#[tokio::test]
async fn a_certificate_that_a_route_owns_goes_and_its_secret_moves_as_cert_manager_reads_it() {
    let shop = shop("owned").await;
    let route = shop.list(&shop.active, INGRESSES).await.remove(0);
    let mut owned = certificate("www-tls", "www.example.com");
    owned["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "www", "uid": route["metadata"]["uid"],
    }]);
    shop.add(&shop.active, vec![owned]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    // cert-manager makes it anew for the new Ingress, and adopts the Secret by these.
    assert_eq!(shop.names(&shop.standby, CERTIFICATES).await, [""; 0]);
    assert_eq!(shop.names(&shop.active, CERTIFICATES).await, [""; 0]);
    let secret = shop.list(&shop.standby, SECRETS).await.remove(0);
    assert_eq!(secret["metadata"]["labels"]["controller.cert-manager.io/fao"], "true");
    assert_eq!(secret["metadata"]["annotations"], issued("www-tls", "www")["metadata"]["annotations"]);
    let deletes: Vec<_> = finished.requests.iter().filter(|request| request.verb == "delete").collect();
    let place = |resource: &str| deletes.iter().position(|request| request.resource == resource).unwrap();
    assert!(place("certificates") < place("secrets"), "{deletes:#?}");
}

#[tokio::test]
async fn an_independent_certificate_moves_and_comes_back() {
    let shop = shop("independent").await;
    shop.add(&shop.active, vec![certificate("www-tls", "www.example.com")]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.active, CERTIFICATES).await, [""; 0], "{}", finished.log);
    let moved = shop.list(&shop.standby, CERTIFICATES).await.remove(0);
    assert_eq!(moved["spec"], certificate("www-tls", "www.example.com")["spec"]);
    let back = shop.switch_back().await;
    assert_eq!(back.exit_code, Some(0), "{}", back.log);
    assert_eq!(shop.names(&shop.standby, CERTIFICATES).await, [""; 0], "{}", back.log);
    assert_eq!(shop.names(&shop.active, CERTIFICATES).await, ["www-tls"], "{}", back.log);
}

/// The Secrets of a namespace that are kept under another name.
async fn kept(shop: &Shop<'_>, namespace: &str) -> Vec<Value> {
    let mut secrets = shop.list(namespace, SECRETS).await;
    secrets.retain(|secret| secret["metadata"]["labels"]["activestandby.lagoon.sh/role"] == "kept");
    secrets
}

#[tokio::test]
async fn a_leftover_of_cert_manager_that_nothing_uses_makes_way_and_is_kept() {
    let shop = shop("leftover").await;
    shop.add(&shop.standby, vec![issued("www-tls", "an old certificate")]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    let kept = self::kept(&shop, &shop.standby).await;
    assert_eq!(kept.len(), 1, "{kept:#?}");
    let metadata = &kept[0]["metadata"];
    let (name, switch) = (metadata["name"].as_str().unwrap(), &metadata["labels"]["activestandby.lagoon.sh/switch"]);
    assert!(name.starts_with(&format!("activestandby-{}-", switch.as_str().unwrap())), "{name}");
    assert_eq!(kept[0]["data"], issued("www-tls", "an old certificate")["data"]);
    let says = format!(
        "Secret \"www-tls\" in namespace \"{}\" makes way for another of its name; its content is kept as Secret \
         \"{name}\" there.\n",
        shop.standby
    );
    assert_eq!(finished.log.matches(&says).count(), 1, "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, SECRETS).await, [name, "www-tls"]);
    let moved = shop.list(&shop.standby, SECRETS).await.remove(1);
    assert_eq!(moved["data"], issued("www-tls", "www")["data"]);
    assert_eq!(shop.names(&shop.active, SECRETS).await, [""; 0]);

    // It is the site's own from now on: no later switch touches it.
    let back = shop.switch_back().await;
    assert_eq!(back.exit_code, Some(0), "{}", back.log);
    assert_eq!(self::kept(&shop, &shop.standby).await, kept, "{}", back.log);
    assert_eq!(shop.names(&shop.standby, SECRETS).await, [name]);
    assert_eq!(shop.names(&shop.active, SECRETS).await, ["www-tls"]);
}

#[tokio::test]
async fn a_secret_that_a_route_left_behind_names_stays_too() {
    let shop = shop("shared").await;
    let mut stays = ingress("stays", "stays.example.com", "web", Some("www-tls"));
    stays["metadata"]["labels"] = json!({});
    shop.add(&shop.active, vec![stays]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    for namespace in [&shop.standby, &shop.active] {
        assert_eq!(shop.names(namespace, SECRETS).await, ["www-tls"], "{}", finished.log);
    }
}

#[tokio::test]
async fn a_leftover_that_has_made_way_is_put_back_when_the_switch_is_undone() {
    let shop = shop("put-back").await;
    shop.add(&shop.standby, vec![issued("www-tls", "an old certificate")]).await;
    let before = shop.content().await;
    let plan = |passing: &Passing| {
        let creates = passing.method == Method::POST && passing.uri.contains("/ingresses");
        if creates && !passing.uri.contains("dryRun") { Fault::AnsweredInstead(403, None) } else { Fault::None }
    };
    let proxy = FaultProxy::start(shop.control_plane, plan).await.unwrap();
    let finished = shop.task_through(&proxy).launch().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("The switch was undone"), "{}", finished.log);
    assert_eq!(shop.content().await, before);
}

/// Somebody renews the leftover between the moment in which its content was kept and the one in which it is deleted.
#[tokio::test]
async fn a_leftover_that_is_renewed_while_it_makes_way_stays_and_the_switch_is_undone() {
    let shop = shop("renewed-leftover").await;
    shop.add(&shop.standby, vec![issued("www-tls", "an old certificate")]).await;
    let mut is_over = false;
    let plan = move |passing: &Passing| {
        let deletes = passing.method == Method::DELETE && passing.uri.contains("/secrets/www-tls");
        let is_held = !is_over && deletes && !passing.uri.contains("dryRun");
        is_over |= is_held;
        if is_held { Fault::RequestHeld } else { Fault::None }
    };
    let proxy = FaultProxy::start(shop.control_plane, plan).await.unwrap();
    let running = shop.task_through(&proxy).launch().await.unwrap();
    proxy.until_held().await.unwrap();
    let secrets: Api<Secret> = Api::namespaced(shop.site.client(), &shop.standby);
    let renewed = Patch::Merge(json!({ "data": issued("www-tls", "renewed")["data"] }));
    secrets.patch("www-tls", &PatchParams::default(), &renewed).await.unwrap();
    proxy.release();
    let finished = running.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    let there = secrets.get("www-tls").await.unwrap();
    assert_eq!(json!(there.data), issued("www-tls", "renewed")["data"], "{}", finished.log);
    assert!(finished.log.contains("The switch was undone"), "{}", finished.log);

    let next = shop.switch().await;
    assert_eq!(next.exit_code, Some(0), "{}", next.log);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["www"], "{}", next.log);
    let kept = kept(&shop, &shop.standby).await;
    let renewed = issued("www-tls", "renewed")["data"].clone();
    assert!(kept.iter().any(|secret| secret["data"] == renewed), "{kept:#?} {}", next.log);
}

#[tokio::test]
async fn a_leftover_that_cert_manager_did_not_issue_or_still_supplies_is_in_the_way() {
    for (project, there) in [
        ("foreign", vec![tls_secret("www-tls", "somebody else")]),
        ("supplied", vec![issued("www-tls", "another"), certificate("www-tls", "another.example.com")]),
    ] {
        let shop = shop(project).await;
        shop.add(&shop.standby, there).await;
        let before = shop.content().await;
        let finished = shop.switch().await;
        assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
        assert!(finished.log.contains("a Secret of that name with other content"), "{}", finished.log);
        assert_eq!(shop.content().await, before);
    }
}

/// Certificates of both environments, ten times there and back.
#[tokio::test]
async fn certificates_go_there_and_come_back_ten_times() {
    let shop = shop("certificates").await;
    let own = certificate("own-tls", "own.example.com");
    let route = ingress("own", "own.example.com", "web", Some("own-tls"));
    shop.add(&shop.standby, vec![issued("own-tls", "own"), route, own]).await;
    shop.add(&shop.active, vec![certificate("www-tls", "www.example.com")]).await;
    let (before, specifications) = (shop.content().await, specifications(&shop).await);
    let [at_standby, at_active] = &specifications;
    for time in 1..=10 {
        let there = shop.switch().await;
        assert_eq!(there.exit_code, Some(0), "time {time}: {}", there.log);
        assert_eq!(self::specifications(&shop).await, [at_active.clone(), at_standby.clone()], "time {time}");
        let back = shop.switch_back().await;
        assert_eq!(back.exit_code, Some(0), "time {time}: {}", back.log);
        assert_eq!(self::specifications(&shop).await, specifications, "time {time}");
        assert_eq!(shop.content().await, before, "time {time}");
    }
}

#[tokio::test]
async fn certificates_of_equal_name_are_refused() {
    let shop = shop("one-certificate").await;
    // Their Secrets hold the same, so those are no reason.
    let standby = ingress("standby", "standby.example.com", "web", Some("www-tls"));
    shop.add(&shop.standby, vec![issued("www-tls", "www"), standby]).await;
    shop.add(&shop.standby, vec![certificate("www-tls", "standby.example.com")]).await;
    shop.add(&shop.active, vec![certificate("www-tls", "www.example.com")]).await;
    let all = async || [shop.list(&shop.standby, CERTIFICATES).await, shop.list(&shop.active, CERTIFICATES).await];
    let before = (all().await, shop.content().await);
    let refused = shop.switch().await;
    assert_eq!(refused.exit_code, Some(1), "{}", refused.log);
    let listed: Vec<&str> = refused.log.lines().filter(|line| line.starts_with("- ")).collect();
    let reason = |from: &str, to: &str| {
        format!(
            "- Certificate \"www-tls\" in namespace \"{from}\": it should go along with its routes, but namespace \"{to}\" \
             has another Certificate of that name. Rename one of the two Certificates, or delete the one that is not \
             needed."
        )
    };
    assert_eq!(listed, [reason(&shop.standby, &shop.active), reason(&shop.active, &shop.standby)], "{}", refused.log);
    assert!(refused.log.trim_end().ends_with("Nothing has changed."), "{}", refused.log);
    assert!(writes(&refused).is_empty(), "{:#?}", writes(&refused));
    assert_eq!((all().await, shop.content().await), before);
}

/// What the Certificates of either namespace are for.
async fn specifications(shop: &Shop<'_>) -> [Vec<Value>; 2] {
    let of = async |namespace: &str| {
        let all = shop.list(namespace, CERTIFICATES).await;
        all.into_iter().map(|certificate| certificate["spec"].clone()).collect()
    };
    [of(&shop.standby).await, of(&shop.active).await]
}

#[tokio::test]
async fn a_secret_that_a_certificate_left_behind_keeps_supplied_stays_too() {
    let shop = shop("both-supplied").await;
    for namespace in [&shop.standby, &shop.active] {
        shop.add(namespace, vec![certificate("www-tls", "www.example.com")]).await;
    }
    shop.add(&shop.standby, vec![issued("www-tls", "issued there")]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    for namespace in [&shop.standby, &shop.active] {
        assert_eq!(shop.names(namespace, CERTIFICATES).await, ["www-tls"], "{}", finished.log);
        let mut secrets = shop.list(namespace, SECRETS).await;
        // What made way is kept beside it.
        secrets.retain(|secret| secret["metadata"]["name"] == "www-tls");
        assert_eq!(secrets.len(), 1, "{}", finished.log);
        assert_eq!(secrets[0]["data"], issued("www-tls", "www")["data"], "{}", finished.log);
    }
}
