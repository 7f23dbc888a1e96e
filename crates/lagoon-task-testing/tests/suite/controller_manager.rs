//! The real garbage collector.

use std::time::Instant;

use lagoon_task_testing::k8s_openapi::api::core::v1::ConfigMap;
use lagoon_task_testing::kube::ResourceExt;
use lagoon_task_testing::kube::api::{Api, DeleteParams, PostParams};
use lagoon_task_testing::{ControlPlane, ControllerManager, until_so};
use serde_json::{from_value, json};

#[tokio::test]
async fn garbage_collector_deletes_only_objects_whose_owners_are_gone() {
    // Its own: the garbage collector acts on all namespaces.
    let control_plane = ControlPlane::start().await.unwrap();
    let started = Instant::now();
    let _controller_manager = ControllerManager::start(&control_plane).await.unwrap();
    eprintln!("kube-controller-manager collects {:?} after its start.", started.elapsed());
    let config_maps = Api::<ConfigMap>::namespaced(control_plane.client().unwrap(), "default");
    let create = async |name: &str, owners: &[&ConfigMap]| {
        let owners: Vec<_> = owners
            .iter()
            .map(|owner| json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": owner.name_any(), "uid": owner.uid() }))
            .collect();
        let object = from_value(json!({ "metadata": { "name": name, "ownerReferences": owners } })).unwrap();
        config_maps.create(&PostParams::default(), &object).await.unwrap()
    };
    let (gone, alive) = (create("gone", &[]).await, create("alive", &[]).await);
    create("of-gone", &[&gone]).await;
    create("of-alive", &[&alive]).await;
    create("of-both", &[&gone, &alive]).await;

    config_maps.delete("gone", &DeleteParams::default()).await.unwrap();
    until_so(async || config_maps.get_opt("of-gone").await.unwrap().is_none()).await;
    // What has another owner left loses the reference: the garbage collector has looked at it.
    until_so(async || config_maps.get("of-both").await.unwrap().owner_references().len() == 1).await;
    for name in ["of-both", "of-alive"] {
        let kept = config_maps.get(name).await.unwrap();
        assert_eq!(kept.owner_references()[0].uid, alive.uid().unwrap(), "{name}");
        assert!(kept.metadata.deletion_timestamp.is_none(), "{name}");
    }
}
