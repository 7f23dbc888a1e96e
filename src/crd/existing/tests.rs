use serde_json::{Value, json};

use super::*;

const OWN_TASK: &str = "lagoon-task-a1b2c3";
const TIME: &str = "2026-11-23T12:00:00Z";

fn requested() -> Requested {
    let object = json!({
        "apiVersion": "dioscuri.amazee.io/v1",
        "kind": "HostMigration",
        "metadata": { "name": "host-migration-a1b2c3", "annotations": { MIGRATE: "true" } },
        "spec": { "destinationNamespace": "shop-main", "activeEnvironment": "main" },
    });
    let Value::Object(object) = object else { unreachable!() };
    Requested::from_payload(object, "shop-standby", OWN_TASK).unwrap()
}

/// An object of the same name with these annotations and conditions, which all hold.
fn existing(annotations: &Value, destination: &str, conditions: &[(&str, &str)]) -> DynamicObject {
    let conditions: Vec<Value> = conditions
        .iter()
        .map(|(kind, text)| json!({ "type": kind, "status": "True", "condition": text, "lastTransitionTime": TIME }))
        .collect();
    let object = json!({
        "apiVersion": "dioscuri.amazee.io/v1",
        "kind": "HostMigration",
        "metadata": { "name": "host-migration-a1b2c3", "annotations": annotations },
        "spec": { "destinationNamespace": destination },
        "status": { "conditions": conditions },
    });
    serde_json::from_value(object).unwrap()
}

fn deleted(mut object: DynamicObject) -> DynamicObject {
    object.metadata.deletion_timestamp = serde_json::from_value(json!(TIME)).unwrap();
    object
}

fn ended(task: Option<&str>, how: Progress) -> Existing {
    Existing::Refused(Refusal::Ended { task: task.map(str::to_owned), how, when: TIME.to_owned() })
}

#[test]
fn an_object_with_the_tasks_mark_is_its_own_however_far_it_is() {
    let marks = [json!({ TASK: OWN_TASK }), json!({ TASK: OWN_TASK, MIGRATE: "true" })];
    for annotations in marks {
        for conditions in [&[][..], &[("started", "")], &[("started", ""), ("completed", "")], &[("failed", "")]] {
            let object = existing(&annotations, "shop-main", conditions);
            assert_eq!(Existing::of(&object, &requested()), Existing::Own, "{object:?}");
            assert_eq!(Existing::of(&deleted(object), &requested()), Existing::Own);
        }
    }
}

#[test]
fn the_mark_on_an_object_of_another_switch_does_not_make_it_the_tasks() {
    let object = existing(&json!({ TASK: OWN_TASK }), "blog-main", &[]);
    assert_eq!(Existing::of(&object, &requested()), Existing::Refused(Refusal::AnotherSwitch));
}

#[test]
fn an_object_that_has_ended_is_refused_whatever_its_spec_is() {
    let marks = [(json!({ MIGRATE: "false" }), None), (json!({ TASK: "other" }), Some("other")), (json!(null), None)];
    for (annotations, task) in marks {
        for destination in ["shop-main", "blog-main"] {
            let object = existing(&annotations, destination, &[("started", ""), ("completed", "")]);
            assert_eq!(Existing::of(&object, &requested()), ended(task, Progress::Completed));
            let object = existing(&annotations, destination, &[("completed", ""), ("failed", ""), ("odd", "")]);
            assert_eq!(Existing::of(&deleted(object), &requested()), ended(task, Progress::Failed));
        }
    }
}

#[allow(clippy::type_complexity, reason = "a table")]
#[test]
fn an_unfinished_object_of_the_same_switch_is_waited_for_without_its_earlier_attempts() {
    let table: [(&str, &[(&str, &str)], usize); 6] = [
        ("true", &[], 0),
        ("false", &[], 0),
        ("false", &[("started", "")], 0),
        ("false", &[("started", ""), ("failed", ""), ("started", "")], 2),
        ("true", &[("started", ""), ("completed", "")], 2),
        ("true", &[("failed", ""), ("started", ""), ("failed", ""), ("odd", "")], 3),
    ];
    for (migrate, conditions, count) in table {
        let object = existing(&json!({ MIGRATE: migrate }), "shop-main", conditions);
        let before = Observed::from_object(&object.data).conditions[..count].to_vec();
        assert_eq!(Existing::of(&object, &requested()), Existing::Unfinished { before }, "{migrate} {conditions:?}");
    }
}

#[test]
fn an_unfinished_object_that_is_being_deleted_is_refused() {
    let table: [(&str, &[(&str, &str)]); 3] =
        [("true", &[]), ("false", &[("started", "")]), ("true", &[("failed", "")])];
    for (migrate, conditions) in table {
        let object = deleted(existing(&json!({ MIGRATE: migrate }), "shop-main", conditions));
        assert_eq!(Existing::of(&object, &requested()), Existing::Refused(Refusal::BeingDeleted { task: None }));
    }
}

#[test]
fn an_unfinished_object_of_another_switch_is_refused() {
    for conditions in [&[][..], &[("started", "")]] {
        let object = existing(&json!({ MIGRATE: "false" }), "blog-main", conditions);
        assert_eq!(Existing::of(&object, &requested()), Existing::Refused(Refusal::AnotherSwitch));
    }
}

#[test]
fn a_refusal_says_whose_the_object_is_on_one_line() {
    let (task, when) = (Some("other\n".to_owned()), "yes\u{1b}terday".to_owned());
    let table = [
        (
            Refusal::Ended { task: None, how: Progress::Completed, when: TIME.to_owned() },
            "It belongs to an earlier switch, which completed at 2026-11-23T12:00:00Z",
        ),
        (
            Refusal::Ended { task: task.clone(), how: Progress::Failed, when },
            r#"It belongs to an earlier switch (task "other\n"), which failed at yes\u{1b}terday"#,
        ),
        (
            Refusal::Ended { task: None, how: Progress::Completed, when: String::new() },
            "It belongs to an earlier switch, which completed",
        ),
        (Refusal::BeingDeleted { task: None }, "It belongs to an earlier switch and is being deleted"),
        (Refusal::AnotherSwitch, "It asks for another switch than this task does"),
    ];
    for (refusal, sentence) in table {
        assert_eq!(refusal.to_string(), sentence);
    }
}
