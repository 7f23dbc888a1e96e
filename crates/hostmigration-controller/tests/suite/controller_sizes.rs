//! Objects as large as the API server takes them, and many of them: the controller reads what tenants write, in 128 MiB of
//! memory.

use std::fs;

use hostmigration::HostMigration;
use lagoon_task_testing::ingress;
use serde_json::{Value, json};
use switch_testing::{Shop, forged};

use crate::controller_bench::{NAME, Replica, Turn, ask, conditions, last_words};

/// Objects of each kind.
const MANY: usize = 60;

/// Bytes of a text that makes an object large: two of them in a `HostMigration`, one in a `ConfigMap`.
const TEXT: usize = 700_000;

/// Rules of an Ingress that is 1.4 MB large as JSON.
const RULES: usize = 9_000;

/// What the controller may need at most: its manifest limits it to 128 MiB.
const MOST_MEMORY: u64 = 100_000_000;

fn host_migration(number: usize, destination: &str) -> Value {
    let hosts = "a".repeat(TEXT);
    json!({
        "apiVersion": "dioscuri.amazee.io/v1",
        "kind": "HostMigration",
        "metadata": { "name": format!("fat-{number}"), "annotations": { "dioscuri.amazee.io/migrate": "false" } },
        "spec": { "destinationNamespace": destination, "hosts": { "activeHosts": hosts, "standbyHosts": hosts } },
    })
}

fn route(number: usize, moves: bool) -> Value {
    let mut route = ingress(&format!("fat-{number}"), "fat.example.com", "web", None);
    let rule = |rule| {
        let mut copy = route["spec"]["rules"][0].clone();
        copy["host"] = format!("r{rule}.h{number}.fat.example.com").into();
        copy
    };
    route["spec"]["rules"] = (0..RULES).map(rule).collect::<Vec<_>>().into();
    if !moves {
        route["metadata"]["labels"] = json!({});
    }
    route
}

/// A journal of nobody, which is large where it can be: in its book, and in its metadata.
fn journal(number: usize) -> Value {
    let mut journal = forged::journal(&json!({}), b"");
    journal["metadata"]["name"] = format!("fat-{number}").into();
    journal["metadata"]["annotations"] = json!({ "example.com/text": "a".repeat(250_000) });
    journal["data"]["text"] = "a".repeat(TEXT).into();
    journal
}

/// The most memory that the process has had, in bytes.
fn peak_memory(controller: &Replica<'_>) -> u64 {
    let process = controller.running.process_id().unwrap();
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Another tenant's switch is done meanwhile, and the controller has enough memory.
async fn is_served(turn: &Turn, controller: &Replica<'_>, project: &str) {
    let other = Shop::with_routes(turn.control_plane, project).await;
    ask(&other.site, NAME, &other.active).await;
    assert_eq!(conditions(&turn.until_ended(&other, NAME).await), ["started", "completed"]);
    let peak = peak_memory(controller);
    println!("{project}: {} MB at most", peak / 1_000_000);
    assert!(peak < MOST_MEMORY, "{peak} bytes");
    assert_eq!(controller.metric("leader").await, "1");
}

/// Nobody knows what such routes need, so their own site is not switched.
fn assert_too_large(object: &HostMigration) {
    assert_eq!(conditions(object), ["started", "failed"]);
    assert!(last_words(object).contains("it is too large to be moved"), "{}", last_words(object));
}

#[tokio::test]
async fn large_objects_in_numbers_leave_the_controller_its_memory_and_its_lease() {
    let turn = Turn::take().await;
    let fat = Shop::empty(turn.control_plane, "fat").await;
    for number in 0..MANY {
        fat.add(&fat.standby, vec![host_migration(number, &fat.active), journal(number), route(number, false)]).await;
    }
    let controller = turn.start().await;
    controller.until_it_leads().await;
    is_served(&turn, &controller, "beside-fat-objects").await;
    ask(&fat.site, NAME, &fat.active).await;
    assert_too_large(&turn.until_ended(&fat, NAME).await);
    is_served(&turn, &controller, "beside-fat-routes").await;

    for number in 0..MANY {
        fat.add(&fat.active, vec![route(number, true)]).await;
    }
    ask(&fat.site, "host-migration-fat", &fat.active).await;
    assert_too_large(&turn.until_ended(&fat, "host-migration-fat").await);
    is_served(&turn, &controller, "beside-fat-moves").await;
    controller.stop().await;
}
