use serde_json::json;

use super::*;

#[test]
fn a_pod_has_ended_in_either_of_its_last_phases() {
    let cases = [
        ("Succeeded", true),
        ("Failed", true),
        ("Running", false),
        ("Pending", false),
        ("Unknown", false),
        ("succeeded", false),
    ];
    for (phase, ended) in cases {
        assert_eq!(pod_has_ended(&json!({ "status": { "phase": phase } })), ended, "{phase}");
    }
    for unknown in [json!({}), json!({ "status": {} }), json!({ "status": { "phase": null } }), json!(null)] {
        assert!(!pod_has_ended(&unknown), "{unknown}");
    }
}

#[test]
fn pod_with_a_sidecar_ends_with_its_task() {
    let pod = |task: Value, sidecar: Value| {
        let statuses = json!([{ "name": "proxy", "state": sidecar }, { "name": "lagoon-task", "state": task }]);
        json!({ "status": { "phase": "Running", "containerStatuses": statuses } })
    };
    let (running, terminated) = (|| json!({ "running": {} }), || json!({ "terminated": { "exitCode": 1 } }));
    assert!(pod_has_ended(&pod(terminated(), running())));
    assert!(!pod_has_ended(&pod(running(), terminated())), "the task goes on");
    assert!(!pod_has_ended(&pod(running(), running())));
    for malformed in [json!(null), json!({ "terminated": null }), json!({ "terminated": true }), json!([])] {
        assert!(!pod_has_ended(&pod(malformed.clone(), running())), "{malformed}");
    }
}

#[test]
fn a_migration_has_ended_by_the_last_condition_that_says_how_far_it_is() {
    let cases: &[(&[&str], bool)] = &[
        (&[], false),
        (&["started"], false),
        (&["started", "completed"], true),
        (&["started", "failed"], true),
        (&["started", "failed", "started"], false),
        (&["started", "completed", "waiting"], true),
        (&["waiting"], false),
        (&["Completed"], false),
    ];
    for (kinds, ended) in cases {
        let conditions: Vec<Value> = kinds.iter().map(|kind| json!({ "type": kind, "status": "True" })).collect();
        let migration = json!({ "status": { "conditions": conditions } });
        assert_eq!(migration_has_ended(&migration), *ended, "{kinds:?}");
    }
    for malformed in
        [json!(null), json!({ "status": { "conditions": {} } }), json!({ "status": { "conditions": [1, {}] } })]
    {
        assert!(!migration_has_ended(&malformed), "{malformed}");
    }
}

#[test]
fn a_later_object_of_the_holders_name_is_another_one() {
    let holder = |uid: &str| Holder { kind: "Pod".to_owned(), name: "task".to_owned(), uid: uid.to_owned() };
    let object = json!({ "metadata": { "name": "task", "uid": "one" } });
    assert!(is_same(&object, &holder("one")));
    assert!(!is_same(&object, &holder("two")));
    assert!(is_same(&object, &holder("")), "whose uid is not known is told by its name alone");
}
