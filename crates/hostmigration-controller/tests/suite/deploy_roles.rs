//! What the roles of `deploy/` give Lagoon's deployer and those who may view a namespace.

use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{Api, PostParams};
use lagoon_task_testing::until_so;
use serde_json::json;

use crate::controller_bench::Turn;
use switch_testing::Shop;

const VERBS: [&str; 7] = ["create", "get", "list", "watch", "update", "patch", "delete"];

/// The verbs that a user may use on the `HostMigrations` of a namespace.
async fn allowed(turn: &Turn, user: &str, namespace: &str) -> Vec<&'static str> {
    let reviews = Api::<SubjectAccessReview>::all(turn.client());
    let mut allowed = Vec::new();
    for verb in VERBS {
        let attributes = json!({
            "namespace": namespace, "verb": verb, "group": "dioscuri.amazee.io", "resource": "hostmigrations",
        });
        let review = json!({ "spec": { "user": user, "resourceAttributes": attributes } });
        let review: SubjectAccessReview = serde_json::from_value(review).unwrap();
        let answer = reviews.create(&PostParams::default(), &review).await.unwrap();
        if answer.status.unwrap().allowed {
            allowed.push(verb);
        }
    }
    allowed
}

#[tokio::test]
async fn deployer_creates_and_follows_migrations_of_its_namespace() {
    let turn = Turn::take().await;
    let shop = Shop::empty(turn.control_plane, "roles-deployer").await;
    let other = Shop::empty(turn.control_plane, "roles-other").await;
    let deployer = format!("system:serviceaccount:{}:lagoon-deployer", shop.standby);
    assert_eq!(allowed(&turn, &deployer, &shop.standby).await, ["create", "get", "list", "watch"]);
    assert!(allowed(&turn, &deployer, &other.standby).await.is_empty());
}

#[tokio::test]
async fn viewer_reads_migrations_and_changes_none() {
    let turn = Turn::take().await;
    let shop = Shop::empty(turn.control_plane, "roles-viewer").await;
    let binding = json!({
        "metadata": { "name": "viewer" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "viewer" }],
    });
    let bindings = Api::<RoleBinding>::namespaced(turn.client(), &shop.standby);
    bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();
    // The authorizer learns of the binding by a watch.
    until_so(async || !allowed(&turn, "viewer", &shop.standby).await.is_empty()).await;
    assert_eq!(allowed(&turn, "viewer", &shop.standby).await, ["get", "list", "watch"]);
}
