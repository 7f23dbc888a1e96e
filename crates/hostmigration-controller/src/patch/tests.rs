use super::*;
use hostmigration::{HostMigrationSpec, HostMigrationStatus};

fn now() -> Timestamp {
    "2026-01-01T00:00:09.123456789Z".parse().unwrap()
}

fn object(conditions: &[(&str, &str)]) -> HostMigration {
    let condition = |&(kind, text): &(&str, &str)| Condition {
        kind: kind.to_owned(),
        status: "True".to_owned(),
        condition: text.to_owned(),
        last_transition_time: "2026-01-01T00:00:00Z".to_owned(),
    };
    let mut object = HostMigration::new("host-migration-abcde", HostMigrationSpec::default());
    object.metadata.resource_version = Some("7".to_owned());
    object.status = Some(HostMigrationStatus { conditions: Some(conditions.iter().map(condition).collect()) });
    object
}

fn switched() -> SwitchedHosts {
    SwitchedHosts {
        active_hosts: "https://a.example".to_owned(),
        standby_hosts: "https://b.example,https://c.example".to_owned(),
        summary: "Three routes moved.".to_owned(),
    }
}

#[test]
fn the_start_takes_the_request_back_and_says_so_in_one_patch() {
    assert_eq!(
        start(&object(&[]), now()),
        json!({
            "metadata": { "resourceVersion": "7", "annotations": {
                "dioscuri.amazee.io/migrate": "false", "activestandby.lagoon.sh/begun": "2026-01-01T00:00:09Z",
            } },
            "status": { "conditions": [{
                "type": "started", "status": "True", "condition": "The switch was begun.",
                "lastTransitionTime": "2026-01-01T00:00:09Z",
            }] },
        })
    );
}

#[test]
fn conditions_accumulate() {
    let patch = start(&object(&[("started", "a"), ("failed", "b"), ("waiting", "c")]), now());
    let kinds: Vec<_> = patch["status"]["conditions"].as_array().unwrap().iter().map(|c| c["type"].clone()).collect();
    assert_eq!(kinds, ["started", "failed", "waiting", "started"]);
    assert_eq!(patch["status"]["conditions"][1]["lastTransitionTime"], "2026-01-01T00:00:00Z");
}

#[test]
fn the_end_of_a_switch_names_the_hosts_in_the_same_patch() {
    assert_eq!(
        end(&object(&[]), &Ending::Completed(switched()), now()),
        json!({
            "metadata": { "resourceVersion": "7" },
            "status": { "conditions": [{
                "type": "completed", "status": "True", "condition": "Three routes moved.",
                "lastTransitionTime": "2026-01-01T00:00:09Z",
            }] },
            "spec": { "hosts": {
                "activeHosts": "https://a.example", "standbyHosts": "https://b.example,https://c.example",
            } },
        })
    );
}

#[test]
fn a_switch_that_failed_names_no_hosts() {
    let patch = end(&object(&[("started", "")]), &Ending::Failed("no such namespace".to_owned()), now());
    assert_eq!(patch.get("spec"), None);
    assert_eq!(patch["status"]["conditions"][1]["type"], "failed");
    assert_eq!(patch["status"]["conditions"][1]["condition"], "no such namespace");
}

#[test]
fn an_end_is_recorded_when_it_is_the_latest_condition() {
    let ending = Ending::Completed(switched());
    assert!(ending.is_recorded_on(&object(&[("started", ""), ("completed", "Three routes moved.")])));
    assert!(ending.is_recorded_on(&object(&[("completed", "Three routes moved."), ("waiting", "")])));
    assert!(!ending.is_recorded_on(&object(&[("completed", "Three routes moved."), ("started", "")])));
    assert!(!ending.is_recorded_on(&object(&[("started", ""), ("failed", "Three routes moved.")])));
    assert!(!ending.is_recorded_on(&object(&[("started", ""), ("completed", "Two routes moved.")])));
    assert!(!ending.is_recorded_on(&object(&[])));
}

#[test]
fn a_reason_without_end_is_cut_also_when_it_is_compared() {
    let ending = Ending::Failed("ä".repeat(LONGEST_TEXT));
    assert_eq!(ending.text().len(), LONGEST_TEXT);
    assert!(ending.is_recorded_on(&object(&[("failed", ending.text())])));
}

#[test]
fn only_the_archived_controllers_finalizer_is_taken_off() {
    let mut object = object(&[]);
    object.metadata.finalizers = Some(vec!["other/one".to_owned(), FINALIZER.to_owned(), "other/two".to_owned()]);
    let expected = json!({ "metadata": { "resourceVersion": "7", "finalizers": ["other/one", "other/two"] } });
    assert_eq!(remove_finalizer(&object), expected);
    object.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    assert_eq!(remove_finalizer(&object)["metadata"]["finalizers"], json!([]));
}

#[test]
fn oldest_conditions_go_where_there_are_too_many() {
    let texts: Vec<String> = (0..MOST_CONDITIONS + 7).map(|number| number.to_string()).collect();
    let failed: Vec<(&str, &str)> = texts.iter().map(|text| ("failed", text.as_str())).collect();
    let written = start(&object(&failed), now())["status"]["conditions"].as_array().unwrap().clone();
    assert_eq!(written.len(), MOST_CONDITIONS);
    assert_eq!((&written[0]["condition"], &written[MOST_CONDITIONS - 1]["type"]), (&json!("8"), &json!("started")));
}
