//! The real admission webhook of ingress-nginx.

use std::time::Instant;

use lagoon_task_testing::k8s_openapi::api::core::v1::Namespace;
use lagoon_task_testing::k8s_openapi::api::networking::v1::Ingress;
use lagoon_task_testing::kube::Error;
use lagoon_task_testing::kube::api::{Api, DeleteParams, PostParams};
use lagoon_task_testing::{ControlPlane, IngressNginx, ingress, until_so};
use serde_json::{from_value, json};

#[tokio::test]
async fn real_webhook_refuses_a_host_and_path_that_another_ingress_has() {
    // Its own: the webhook is asked about every Ingress.
    let control_plane = ControlPlane::start().await.unwrap();
    let _ingress_nginx = IngressNginx::start(&control_plane).await.unwrap();
    let client = control_plane.client().unwrap();
    let namespaces = Api::<Namespace>::all(client.clone());
    for name in ["ns1", "ns2"] {
        let namespace = from_value(json!({ "metadata": { "name": name } })).unwrap();
        namespaces.create(&PostParams::default(), &namespace).await.unwrap();
    }
    let [first, second] = ["ns1", "ns2"].map(|name| Api::<Ingress>::namespaced(client.clone(), name));
    let [a, b] = ["a", "b"].map(|name| from_value(ingress(name, "shop.example.com", "nginx", None)).unwrap());

    first.create(&PostParams::default(), &a).await.unwrap();
    let create = async || second.create(&PostParams::default(), &b).await;
    // It hears of the first one some time after the API server has accepted it.
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    until_so(async || second.create(&dry_run, &b).await.is_err()).await;
    let Err(Error::Api(refusal)) = create().await else { panic!("the second one was created") };
    let reason = "host \"shop.example.com\" and path \"/\" is already defined in ingress ns1/a";
    assert!(refusal.message.contains(reason), "{}", refusal.message);

    first.delete("a", &DeleteParams::default()).await.unwrap();
    let deleted = Instant::now();
    until_so(async || create().await.is_ok()).await;
    eprintln!("ingress-nginx lets a host be used again {:?} after its Ingress was deleted.", deleted.elapsed());
}
