use serde_json::{Value, json};

use super::*;

fn payload(extra: &Value) -> serde_json::Result<SwitchPayload> {
    let mut payload = json!({ "productionEnvironment": "main", "standbyEnvironment": "standby" });
    payload.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    serde_json::from_value(payload)
}

#[test]
fn a_dry_run_is_asked_for_by_true_and_nothing_else() {
    let cases = [
        (json!({}), false),
        (json!({ "dryRun": null }), false),
        (json!({ "dryRun": false }), false),
        (json!({ "dryRun": true }), true),
        (json!({ "dryRun": "true" }), true),
        (json!({ "dryRun": "false" }), false),
        (json!({ "dryRun": "" }), false),
    ];
    for (extra, dry_run) in cases {
        assert_eq!(payload(&extra).unwrap().dry_run, dry_run, "{extra}");
    }
}

#[test]
fn a_flag_that_is_neither_yes_nor_no_is_refused_without_its_value() {
    for wrong in
        [json!("MARKER"), json!("True"), json!(" true"), json!("yes"), json!(1), json!(0), json!([]), json!({})]
    {
        let error = payload(&json!({ "dryRun": wrong })).unwrap_err().to_string();
        assert!(error.contains("a value of another type, expected true or false"), "{wrong}: {error}");
        assert!(!error.contains("MARKER"), "{error}");
    }
}

#[test]
fn each_ways_own_fields_may_be_absent() {
    let bare = payload(&json!({})).unwrap();
    assert_eq!((bare.production_environment.as_str(), bare.standby_environment.as_str()), ("main", "standby"));
    assert!(bare.crd.is_none() && bare.source_namespace.is_none() && bare.destination_namespace.is_none());
    let direct = payload(&json!({ "sourceNamespace": "a", "destinationNamespace": "b", "other": 1 })).unwrap();
    assert_eq!(direct.source_namespace.as_deref(), Some("a"));
    assert_eq!(direct.destination_namespace.as_deref(), Some("b"));
    assert!(payload(&json!({ "crd": {} })).unwrap().crd.is_some());
    assert!(payload(&json!({ "crd": "x" })).is_err());
}

#[test]
fn environment_name_goes_back_in_the_form_that_lagoon_keeps() {
    let cases = [
        ("main", "main"),
        ("feature/New_Shop", "feature-new-shop"),
        ("pr-42", "pr-42"),
        ("release/1.2.x", "release-1-2-x"),
        // Of a name outside of ASCII JavaScript sees UTF-16: two units for one beyond the first plane.
        ("größe", "gr--e"),
        ("a\u{1f600}b", "a--b"),
        ("", ""),
    ];
    for (name, kept) in cases {
        assert_eq!(payload::as_kept_by_lagoon(name), kept, "{name:?}");
    }
}
