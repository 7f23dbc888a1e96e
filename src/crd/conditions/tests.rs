use proptest::prelude::*;
use serde_json::json;

use super::*;

fn seen(kind: &str, status: &str, text: &str) -> Seen {
    Seen { kind: kind.to_owned(), status: status.to_owned(), text: text.to_owned(), time: String::new() }
}

fn at(time: &str, condition: Seen) -> Seen {
    Seen { time: time.to_owned(), ..condition }
}

fn observed(conditions: &[(&str, &str, &str)]) -> Observed {
    let conditions = conditions.iter().map(|(kind, status, text)| seen(kind, status, text)).collect();
    Observed { conditions, ..Observed::default() }
}

#[test]
fn an_object_is_read_with_its_conditions_in_order_and_its_hosts() {
    let object = json!({
        "spec": {
            "destinationNamespace": "shop-main",
            "hosts": { "activeHosts": "https://a.example,https://b.example", "standbyHosts": "" },
        },
        "status": { "conditions": [
            { "type": "started", "status": "True", "condition": "on it", "lastTransitionTime": "2026-01-01T00:00:00Z" },
            { "type": "completed", "status": "True", "condition": "done", "lastTransitionTime": "2026-01-01T00:00:09Z" },
        ] },
    });
    assert_eq!(
        Observed::from_object(&object),
        Observed {
            conditions: vec![
                at("2026-01-01T00:00:00Z", seen("started", "True", "on it")),
                at("2026-01-01T00:00:09Z", seen("completed", "True", "done")),
            ],
            active_hosts: Some("https://a.example,https://b.example".to_owned()),
            standby_hosts: Some(String::new()),
        }
    );
}

#[test]
fn what_is_missing_or_of_another_type_counts_as_not_there() {
    let objects = [
        json!(null),
        json!("completed"),
        json!([]),
        json!({}),
        json!({ "spec": null, "status": null }),
        json!({ "spec": [], "status": "completed" }),
        json!({ "spec": { "hosts": "https://a.example" }, "status": { "conditions": null } }),
        json!({ "spec": { "hosts": { "activeHosts": ["https://a.example"], "standbyHosts": 1 } } }),
        json!({ "status": { "conditions": { "type": "completed", "status": "True" } } }),
    ];
    for object in objects {
        assert_eq!(Observed::from_object(&object), Observed::default(), "{object}");
    }
}

#[test]
fn a_condition_that_lacks_a_field_or_is_no_object_is_one_with_empty_text() {
    let object = json!({ "status": { "conditions": [
        { "type": "failed", "status": "True" }, { "type": 1, "status": true, "condition": ["x"] }, "completed", null,
    ] } });
    let observed = Observed::from_object(&object);
    let nothing = seen("", "", "");
    assert_eq!(observed.conditions, [seen("failed", "True", ""), nothing.clone(), nothing.clone(), nothing]);
    assert_eq!(observed.phase(), Phase::Failed(String::new()));
}

#[allow(clippy::type_complexity, reason = "a table")]
#[test]
fn the_last_condition_that_ends_a_switch_counts() {
    let failed = |text: &str| Phase::Failed(text.to_owned());
    let table: &[(&[(&str, &str, &str)], Phase)] = &[
        (&[], Phase::Waiting),
        (&[("started", "True", "")], Phase::Waiting),
        (&[("started", "True", ""), ("completed", "True", "")], Phase::Completed),
        (&[("started", "True", ""), ("failed", "True", "no route")], failed("no route")),
        (&[("failed", "True", "first"), ("completed", "True", "")], Phase::Completed),
        (&[("completed", "True", ""), ("failed", "True", "then")], failed("then")),
        (&[("failed", "True", "first"), ("failed", "True", "second")], failed("second")),
        // One that started after an end is another attempt, which has not ended.
        (&[("completed", "True", ""), ("started", "True", "")], Phase::Waiting),
        (&[("failed", "True", "first"), ("started", "True", ""), ("odd", "True", "")], Phase::Waiting),
        (&[("failed", "True", "first"), ("started", "True", ""), ("completed", "True", "")], Phase::Completed),
        // What else follows an end does not undo it.
        (&[("completed", "True", ""), ("started", "False", "")], Phase::Completed),
        (&[("completed", "True", ""), ("cleaned", "True", "")], Phase::Completed),
        (&[("completed", "True", ""), ("failed", "False", "no")], Phase::Completed),
    ];
    for (conditions, phase) in table {
        assert_eq!(observed(conditions).phase(), *phase, "{conditions:?}");
    }
}

#[test]
fn conditions_of_an_earlier_attempt_are_left_out_also_when_the_list_was_replaced() {
    let (started, failed) = (at("1", seen("started", "True", "")), at("1", seen("failed", "True", "")));
    let again = at("2", started.clone());
    let before = [started.clone(), failed.clone()];
    let since = |conditions: Vec<Seen>| Observed { conditions, ..Observed::default() }.since(&before).conditions;
    let table = [
        (vec![started.clone(), failed.clone()], vec![]),
        (vec![started.clone(), failed.clone(), again.clone()], vec![again.clone()]),
        // Within the same second.
        (vec![started.clone(), failed.clone(), started.clone()], vec![started.clone()]),
        (vec![again.clone()], vec![again.clone()]),
        (vec![failed, again.clone()], vec![again]),
        (vec![], vec![]),
    ];
    for (conditions, left) in table {
        assert_eq!(since(conditions.clone()), left, "{conditions:?}");
    }
}

#[test]
fn a_condition_holds_only_with_the_status_true_in_any_case() {
    for status in ["True", "true", "TRUE"] {
        assert_eq!(observed(&[("completed", status, "")]).phase(), Phase::Completed, "{status:?}");
    }
    for status in ["False", "false", "Unknown", "", "1", "yes"] {
        assert_eq!(observed(&[("completed", status, "")]).phase(), Phase::Waiting, "{status:?}");
        assert_eq!(observed(&[("failed", status, "why")]).phase(), Phase::Waiting, "{status:?}");
    }
}

#[test]
fn types_are_known_in_any_case_and_others_end_nothing() {
    for kind in ["completed", "Completed", "COMPLETED"] {
        assert_eq!(observed(&[(kind, "True", "")]).phase(), Phase::Completed, "{kind:?}");
    }
    for kind in ["failed", "Failed", "FAILED"] {
        assert_eq!(observed(&[(kind, "True", "why")]).phase(), Phase::Failed("why".to_owned()), "{kind:?}");
    }
    for kind in ["", "complete", "completed2", "not completed", "failure", "Ready"] {
        assert_eq!(observed(&[(kind, "True", "")]).phase(), Phase::Waiting, "{kind:?}");
    }
}

#[test]
fn a_condition_in_words_is_one_line_without_control_characters() {
    let table = [
        (seen("started", "True", ""), "started"),
        (seen("started", "true", "  \n"), "started"),
        (seen("failed", "True", " no route \n"), "failed: no route"),
        (seen("failed", "True", "one\ntwo\u{1b}[2J"), r"failed: one\ntwo\u{1b}[2J"),
        (seen("com\npleted", "True", ""), r"com\npleted"),
        (seen("completed", "Fal\rse", "not yet"), r"completed (Fal\rse): not yet"),
        (seen("completed", "", ""), "completed (no status)"),
        (seen("", "True", "text"), "(no type): text"),
        (seen("", "", ""), "(no type) (no status)"),
    ];
    for (condition, words) in table {
        assert_eq!(condition.in_words(), words, "{condition:?}");
    }
}

#[test]
fn the_last_words_are_those_of_the_latest_condition_whatever_it_is() {
    assert_eq!(observed(&[]).last_words(), "The controller has not said anything yet; it may not be running");
    assert_eq!(
        observed(&[("started", "True", "on it"), ("waiting", "False", "for\na lock")]).last_words(),
        r"The last that the controller said was: waiting (False): for\na lock"
    );
}

#[test]
fn each_condition_is_fresh_once_however_often_it_is_observed() {
    let mut shown = Shown::default();
    let kinds = |fresh: Vec<&Seen>| fresh.iter().map(|seen| seen.in_words()).collect::<Vec<_>>();

    let first = observed(&[("started", "True", ""), ("moving", "True", "1 of 2")]);
    assert_eq!(kinds(shown.fresh(&first)), ["started", "moving: 1 of 2"]);
    assert!(shown.fresh(&first).is_empty());

    let more = observed(&[
        ("started", "True", ""),
        ("moving", "True", "2 of 2"),
        ("moving", "False", "2 of 2"),
        ("started", "True", ""),
        ("completed", "True", ""),
        ("completed", "True", ""),
    ]);
    assert_eq!(kinds(shown.fresh(&more)), ["moving: 2 of 2", "moving (False): 2 of 2", "completed"]);
    assert!(shown.fresh(&more).is_empty());
    assert!(shown.fresh(&first).is_empty(), "the older words are still known");
    let renewed = Observed { conditions: vec![at("later", seen("started", "True", ""))], ..Observed::default() };
    assert!(shown.fresh(&renewed).is_empty(), "a time alone is no news");
}

fn any_text() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec!["completed", "FAILED", "True", "false", "started"]).prop_map(str::to_owned);
    let anything = prop::collection::vec(any::<char>(), 0..12).prop_map(|characters| characters.into_iter().collect());
    prop_oneof![words, anything]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    let names = ["type", "status", "condition", "conditions", "spec", "hosts", "activeHosts", "standbyHosts"];
    let names = prop::sample::select(names.to_vec());
    leaf.prop_recursive(4, 32, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((names.clone().prop_map(str::to_owned), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_object_is_read_without_a_panic_and_told_on_one_line(
        object in any_json(),
        conditions in prop::collection::vec(any_json(), 0..5),
    ) {
        let wrapped = json!({ "spec": object.clone(), "status": { "conditions": conditions.clone() } });
        prop_assert_eq!(Observed::from_object(&wrapped).conditions.len(), conditions.len());
        for observed in [Observed::from_object(&object), Observed::from_object(&wrapped)] {
            prop_assert!(!observed.last_words().contains(|one: char| one.is_control() && one != '\t'));
            if observed.conditions.is_empty() {
                prop_assert_eq!(observed.phase(), Phase::Waiting);
            }
            let mut shown = Shown::default();
            prop_assert!(shown.fresh(&observed).len() <= observed.conditions.len());
            prop_assert!(shown.fresh(&observed).is_empty());
        }
    }
}
