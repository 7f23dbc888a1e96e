//! cert-manager's Certificates, and the Secrets that they keep supplied.

use lagoon_task_testing::{CERT_MANAGER, ControlPlane, ingress, tls_secret};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::bench::new_control_plane;
use crate::shop::{INGRESSES, SECRETS, Shop};

const CERTIFICATES: &str = "cert-manager.io/v1/certificates";

static CONTROL_PLANE: OnceCell<ControlPlane> = OnceCell::const_new();

async fn control_plane() -> &'static ControlPlane {
    let new = async || {
        let control_plane = new_control_plane().await;
        control_plane.apply(CERT_MANAGER).await.unwrap();
        control_plane
    };
    CONTROL_PLANE.get_or_init(new).await
}

fn certificate(name: &str, host: &str) -> Value {
    json!({
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": { "name": name },
        "spec": { "secretName": name, "dnsNames": [host], "issuerRef": { "name": "letsencrypt" } },
    })
}

/// A Secret as cert-manager leaves it.
fn issued(name: &str, content: &str) -> Value {
    let mut secret = tls_secret(name, content);
    secret["metadata"]["labels"] = json!({ "controller.cert-manager.io/fao": "true" });
    secret["metadata"]["annotations"] = json!({
        "cert-manager.io/certificate-name": name,
        "cert-manager.io/issuer-name": "letsencrypt",
    });
    secret
}

/// A route of the active environment with its Secret.
async fn shop(project: &str) -> Shop<'static> {
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

#[tokio::test]
async fn a_leftover_of_cert_manager_that_nothing_uses_makes_way() {
    let shop = shop("leftover").await;
    shop.add(&shop.standby, vec![issued("www-tls", "an old certificate")]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    let secrets = shop.list(&shop.standby, SECRETS).await;
    assert_eq!(secrets.len(), 1, "{secrets:#?}");
    assert_eq!(secrets[0]["data"], issued("www-tls", "www")["data"]);
    assert_eq!(shop.names(&shop.active, SECRETS).await, [""; 0]);
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
