//! What many objects cost the controller.

use futures::future::join_all;
use hostmigration::HostMigration;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use lagoon_task_testing::until_so;
use serde_json::{Value, json};
use switch_testing::condition;

use crate::controller_bench::Turn;

/// So many finished objects, if `OBJECTS` says nothing else: more take a minute to create.
const OBJECTS: usize = 2_000;

/// Namespaces with finished objects.
const NAMESPACES: usize = 10;

/// In KiB.
const MOST_MEMORY: u64 = 40 * 1024;

/// One as a switch of a site with some hosts leaves it.
fn finished(number: usize) -> Value {
    let hosts =
        |kind: &str| (0..20).map(|host| format!("https://{kind}-{host}.example.com")).collect::<Vec<_>>().join(",");
    json!({
        "apiVersion": "dioscuri.amazee.io/v1",
        "kind": "HostMigration",
        "metadata": {
            "name": format!("host-migration-{number}"),
            "annotations": {
                "dioscuri.amazee.io/migrate": "false",
                "activestandby.lagoon.sh/begun": "2026-11-23T12:00:00Z",
            },
        },
        "spec": {
            "destinationNamespace": "finished-main",
            "activeEnvironment": "main",
            "hosts": { "activeHosts": hosts("active"), "standbyHosts": hosts("standby") },
        },
        "status": { "conditions": [
            condition("started", "The switch was begun."),
            condition("completed", &"moved 20 routes. ".repeat(20)),
        ] },
    })
}

#[tokio::test]
async fn finished_objects_take_little_memory() {
    let turn = Turn::take().await;
    let objects = std::env::var("OBJECTS").map_or(OBJECTS, |number| number.parse().unwrap());
    let names: Vec<String> = (0..NAMESPACES).map(|number| format!("finished-{number}-develop")).collect();
    let namespaces = Api::<Namespace>::all(turn.client());
    for name in &names {
        let namespace = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
        namespaces.create(&PostParams::default(), &namespace).await.unwrap();
        let numbers = 0..objects.div_ceil(NAMESPACES);
        turn.control_plane.create_all(name, numbers.map(finished).collect()).await.unwrap();
    }
    let controller = turn.start().await;
    controller.until_it_leads().await;
    let number: usize = names.len() * objects.div_ceil(NAMESPACES);
    until_so(async || {
        let seen = controller.metric("finished_objects").await;
        // Other tests leave some.
        seen.parse::<usize>().is_ok_and(|seen| seen >= number)
    })
    .await;
    let memory = controller.peak_memory();
    println!("{number} finished objects: {memory} KiB at most");
    assert!(memory < MOST_MEMORY, "{memory} KiB");
    controller.stop().await;
    join_all(names.iter().map(async |name| {
        let all: Api<HostMigration> = Api::namespaced(turn.client(), name);
        all.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
    }))
    .await;
}
