//! The real cert-manager, and what becomes of its Secrets.

use std::sync::Arc;
use std::time::Instant;

use lagoon_task_testing::k8s_openapi::api::core::v1::Secret;
use lagoon_task_testing::k8s_openapi::api::networking::v1::Ingress;
use lagoon_task_testing::kube::ResourceExt;
use lagoon_task_testing::kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind};
use lagoon_task_testing::{CertManager, ControlPlane, ControllerManager, ingress, until_so};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::json;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::ring::default_provider;

#[tokio::test]
async fn ingress_gets_a_certificate_and_only_an_owned_secret_goes_with_it() {
    // Its own: cert-manager acts on all namespaces.
    let control_plane = ControlPlane::start().await.unwrap();
    let started = Instant::now();
    let cert_manager = CertManager::start(&control_plane).await.unwrap();
    eprintln!("cert-manager is ready {:?} after its start.", started.elapsed());
    // The kinds that it is to collect have to be there.
    let _controller_manager = ControllerManager::start(&control_plane).await.unwrap();
    let client = control_plane.client().unwrap();
    let (ingresses, secrets) =
        (Api::<Ingress>::default_namespaced(client.clone()), Api::<Secret>::default_namespaced(client));
    let delete = async |name: &str| {
        ingresses.delete(name, &DeleteParams::default()).await.unwrap();
        until_so(async || certificates(&control_plane).get_opt(name).await.unwrap().is_none()).await;
    };

    let annotation = ("cert-manager.io/cluster-issuer", CertManager::ISSUER);
    let (_, secret) = issued(&control_plane, "kept", annotation, &cert_manager).await;
    assert_eq!(secret.owner_references(), []);
    delete("kept").await;
    drop(cert_manager);

    let cert_manager = CertManager::start_with_certificate_owner_ref(&control_plane).await.unwrap();
    let (certificate, secret) =
        issued(&control_plane, "owned", ("kubernetes.io/tls-acme", "true"), &cert_manager).await;
    let [owner] = secret.owner_references() else { panic!("not one owner: {:?}", secret.owner_references()) };
    assert_eq!((owner.kind.as_str(), Some(&owner.uid)), ("Certificate", certificate.metadata.uid.as_ref()));
    delete("owned").await;
    until_so(async || secrets.get_opt("owned").await.unwrap().is_none()).await;
    assert_eq!(secrets.get("kept").await.unwrap().metadata.deletion_timestamp, None);
}

/// Creates an Ingress with the annotation; answers its ready Certificate and the Secret, whose content is checked.
async fn issued(
    control_plane: &ControlPlane,
    name: &str,
    (annotation, value): (&str, &str),
    cert_manager: &CertManager,
) -> (DynamicObject, Secret) {
    let host = format!("{name}.example.com");
    let mut object = ingress(name, &host, "nginx", Some(name));
    object["metadata"]["annotations"] = json!({ annotation: value });
    control_plane.create_all("default", vec![object]).await.unwrap();
    let created = Instant::now();
    let certificates = certificates(control_plane);
    until_so(async || certificates.get_opt(name).await.unwrap().is_some_and(|certificate| is_ready(&certificate)))
        .await;
    eprintln!("cert-manager issues a certificate {:?} after its Ingress was created.", created.elapsed());
    let secrets = Api::<Secret>::default_namespaced(control_plane.client().unwrap());
    let secret = secrets.get(name).await.unwrap();
    assert_valid(&secret, &host, cert_manager.certificate_authority());
    (certificates.get(name).await.unwrap(), secret)
}

/// A client that trusts the authority would accept the Secret's certificate for the host.
fn assert_valid(secret: &Secret, host: &str, authority: &str) {
    let chain = &secret.data.as_ref().unwrap()["tls.crt"].0;
    let chain: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()));
    let name = ServerName::try_from(host).unwrap();
    verifier.build().unwrap().verify_server_cert(&chain[0], &chain[1..], &name, &[], UnixTime::now()).unwrap();
}

fn certificates(control_plane: &ControlPlane) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("cert-manager.io", "v1", "Certificate");
    let kind = ApiResource::from_gvk_with_plural(&kind, "certificates");
    Api::default_namespaced_with(control_plane.client().unwrap(), &kind)
}

fn is_ready(certificate: &DynamicObject) -> bool {
    let conditions = certificate.data.pointer("/status/conditions").and_then(|conditions| conditions.as_array());
    conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
