//! What others do to a site is told before the first write: a build of Lagoon, a policy that keeps routes where they are. And
//! what others use stays.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, DeleteParams, PostParams};
use lagoon_task_testing::{tls_secret, until_so};
use serde_json::json;

use crate::evidence::writes;
use switch_testing::{INGRESSES, SECRETS, Shop, control_plane, pod};

#[tokio::test]
async fn running_build_of_lagoon_is_a_problem_before_the_first_write() {
    let shop = Shop::with_routes(control_plane().await, "build").await;
    let before = shop.content().await;
    shop.add(&shop.active, vec![pod("lagoon-build-1", &json!({ "lagoon.sh/jobType": "build" }), &json!([]))]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    let problem = "Pod \"lagoon-build-1\" in namespace \"build-main\": it is a build of Lagoon that runs";
    assert!(finished.log.contains(problem), "{}", finished.log);
    assert!(writes(&finished).is_empty(), "{:#?}", writes(&finished));
    assert_eq!(shop.content().await, before);
}

#[tokio::test]
async fn policy_that_forbids_deletes_is_a_problem_before_the_first_write() {
    let shop = Shop::with_routes(control_plane().await, "no-deletes").await;
    let before = shop.content().await;
    shop.add_policy(&shop.active, "DELETE", "false", "routes are for ever").await;
    let routes: Api<Ingress> = Api::namespaced(shop.site.client(), &shop.active);
    let dry_run = DeleteParams { dry_run: true, ..DeleteParams::default() };
    until_so(async || routes.delete("www", &dry_run).await.is_err()).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    let problem = "Ingress \"www\" in namespace \"no-deletes-main\": the cluster does not let it be deleted";
    assert!(finished.log.contains(problem) && finished.log.contains("routes are for ever"), "{}", finished.log);
    assert!(writes(&finished).is_empty(), "{:#?}", writes(&finished));
    assert_eq!(shop.content().await, before);
}

#[tokio::test]
async fn secret_that_a_pod_mounts_stays_and_the_log_says_so() {
    let shop = Shop::with_routes(control_plane().await, "mounted").await;
    let volumes = json!([{ "name": "tls", "secret": { "secretName": "www-tls" } }]);
    shop.add(&shop.active, vec![pod("varnish-0", &json!({}), &volumes)]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["shop", "www"], "{}", finished.log);
    assert_eq!(shop.names(&shop.active, SECRETS).await, ["preview-tls", "standby-tls", "www-tls"], "{}", finished.log);
    assert!(finished.log.contains("too: Pod \"varnish-0\" uses it there"), "{}", finished.log);
}

/// Has a policy of the cluster put another certificate into each Secret that is created in the namespace.
async fn change_new_secrets(shop: &Shop<'_>, namespace: &str) {
    let patch = r#"[JSONPatch{op: "replace", path: "/data/tls.crt", value: "b3RoZXI="}]"#;
    shop.add_mutating_policy(namespace, ("", "secrets"), &["CREATE"], patch).await;
    let secrets: Api<Secret> = Api::namespaced(shop.site.client(), namespace);
    let question: Secret = serde_json::from_value(tls_secret("question", "question")).unwrap();
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    until_so(async || secrets.create(&dry_run, &question).await.unwrap().data != question.data).await;
}

#[tokio::test]
async fn policy_that_changes_copied_secrets_undoes_the_switch() {
    let shop = Shop::with_routes(control_plane().await, "changed-copies").await;
    change_new_secrets(&shop, &shop.standby).await;
    let before = shop.content().await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("its copy is not like the original"), "{}", finished.log);
    assert!(!writes(&finished).iter().any(|write| write.resource == "ingresses"), "{}", finished.log);
    for (name, object) in before {
        assert_eq!(shop.content().await.get(&name), Some(&object), "{}", finished.log);
    }
}
