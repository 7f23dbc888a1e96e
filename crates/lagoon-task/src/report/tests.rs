use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::cluster::Cause;

fn output() -> Output {
    Output::new(std::io::sink(), false)
}

/// The JSON that Lagoon finds in the annotation for `result`.
fn reported(result: &impl Serialize, output: &Output) -> String {
    String::from_utf8(STANDARD.decode(encode(&without_secrets(result, output).unwrap().0).unwrap()).unwrap()).unwrap()
}

#[test]
fn a_result_is_padded_standard_base64_of_its_json() {
    assert_eq!(encode(&json!({ "a": "?>~" })).unwrap(), "eyJhIjoiPz5+In0=");
    assert_eq!(reported(&json!({ "a": [1, null, true] }), &output()), r#"{"a":[1,null,true]}"#);
}

#[test]
fn the_order_of_the_keys_is_kept() {
    let text = r#"{"z":1,"a":{"y":2,"b":3},"m":[{"x":4,"c":5}]}"#;
    let result: Value = serde_json::from_str(text).unwrap();
    assert_eq!(reported(&result, &output()), text);

    let output = output();
    output.register_secret("secret-key");
    let result: Value = serde_json::from_str(r#"{"z":1,"secret-key":2,"a":3}"#).unwrap();
    assert_eq!(reported(&result, &output), r#"{"z":1,"[hidden]":2,"a":3}"#);
}

#[test]
fn an_empty_result_is_refused_because_lagoon_stops_at_it() {
    #[derive(Serialize)]
    struct Unit;

    for empty in [json!(null), json!(""), json!([]), json!({})] {
        let error = encode(&empty).unwrap_err();
        assert!(matches!(error, ReportError::Empty), "{empty}: {error:?}");
    }
    assert!(matches!(encode(&None::<u8>), Err(ReportError::Empty)));
    assert!(matches!(encode(&Unit), Err(ReportError::Empty)));
    assert_eq!(ReportError::Empty.to_string(), "The task's result is empty, and Lagoon cannot take an empty one.");
}

#[test]
fn a_result_that_says_something_is_not_empty() {
    for result in [json!(0), json!(false), json!("x"), json!([null]), json!({ "status": null })] {
        assert_eq!(reported(&result, &output()), result.to_string());
    }
}

#[test]
fn the_largest_annotation_that_fits_is_taken_and_one_byte_more_of_json_is_refused() {
    // Base64 comes in groups of four characters for three bytes of JSON; a string has two quotes around it.
    let groups = (ANNOTATIONS_LIMIT - RESULT_ANNOTATION.len()) / 4;
    let largest = "a".repeat(groups * 3 - 2);

    let encoded = encode(&largest).unwrap();
    let bytes = RESULT_ANNOTATION.len() + encoded.len();
    assert!((ANNOTATIONS_LIMIT - 3..=ANNOTATIONS_LIMIT).contains(&bytes), "{bytes}");

    let error = encode(&format!("{largest}a")).unwrap_err();
    assert!(matches!(error, ReportError::TooLarge { bytes: 262_146 }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "The task's result is too large for Lagoon: 262146 bytes as an annotation, and Kubernetes takes at most 262144."
    );
}

#[test]
fn secrets_are_hidden_in_strings_and_keys_however_deep_they_stand() {
    let output = output();
    output.register_secret("hunter22");
    output.register_secret("has \"quotes\" and \\");
    let result = json!({
        "url": "https://u:hunter22@example.com",
        "list": [["hunter22", { "x-hunter22-y": { "deep": "hunter22hunter22" } }], 22, null],
        "quoted": "it has \"quotes\" and \\",
        "plain": "hunter2",
    });
    let expected = json!({
        "url": "https://u:[hidden]@example.com",
        "list": [["[hidden]", { "x-[hidden]-y": { "deep": "[hidden][hidden]" } }], 22, null],
        "quoted": "it [hidden]",
        "plain": "hunter2",
    });
    assert_eq!(reported(&result, &output), expected.to_string());
}

#[test]
fn whether_a_result_held_a_secret_is_told() {
    let output = output();
    output.register_secret("hunter22");
    for (result, held) in [(json!({ "a": "hunter2" }), false), (json!({ "a": ["aHVudGVyMjI="] }), true)] {
        assert_eq!(without_secrets(&result, &output).unwrap().1, held, "{result}");
    }
}

#[test]
fn a_number_that_is_a_secret_becomes_a_string() {
    let output = output();
    output.register_secret("12345678");
    assert_eq!(reported(&json!({ "a": 12_345_678, "b": 1234 }), &output), r#"{"a":"[hidden]","b":1234}"#);
}

#[test]
fn keys_that_become_the_same_stay_apart() {
    let output = output();
    output.register_secret("hunter22");
    output.register_secret("hunter33");
    let result = json!({ "hunter22": 1, "hunter33": 2, "[hidden]": 3 });
    assert_eq!(reported(&result, &output), r#"{"[hidden]":1,"[hidden] 2":2,"[hidden] 3":3}"#);
}

#[test]
fn a_result_in_which_a_secret_runs_over_several_fields_is_refused() {
    let output = output();
    output.register_secret(r#"{"user":"ada","pass":"x"}"#);
    let error = without_secrets(&json!({ "login": { "user": "ada", "pass": "x" } }), &output).unwrap_err();
    assert!(matches!(error, ReportError::Secret), "{error:?}");
}

#[test]
fn a_result_that_json_cannot_hold_is_refused() {
    let error = encode(&HashMap::from([((1, 2), 3)])).unwrap_err();
    assert_eq!(error.to_string(), "The task's result cannot be written as JSON: key must be a string.");
}

#[test]
fn a_pod_that_could_not_be_annotated_is_told_with_what_it_means() {
    let object = ObjectName::new("Pod", "shop-main", "task-1");
    let error = ReportError::from(ClusterError::Change { object, cause: Cause::Conflict });
    assert_eq!(
        error.to_string(),
        "Lagoon did not get the task's result. Pod \"task-1\" in namespace \"shop-main\" could not be changed: \
         somebody else changed it at the same time."
    );
}

#[test]
fn a_label_is_the_steps_number_and_its_words() {
    let cases = [
        (1, "Greeting Ada", "1-greeting-ada"),
        (2, "", "2"),
        (3, "  -- !? ", "3"),
        (4, "Controller: started (not yet)\n", "4-controller-started-not-yet"),
        (5, "größe_a.b/c", "5-gr-e-a-b-c"),
        (12, "[hidden] token", "12-hidden-token"),
    ];
    for (number, text, expected) in cases {
        assert_eq!(label(number, text), expected, "{text:?}");
    }
}

#[test]
fn a_label_ends_with_a_whole_word_within_63_bytes() {
    let fits = "w".repeat(61);
    assert_eq!(label(1, &fits), format!("1-{fits}"));
    assert_eq!(label(1, &format!("{fits}w")), "1");
    assert_eq!(label(1, &format!("aa {} b", "w".repeat(58))), format!("1-aa-{}", "w".repeat(58)));
    assert_eq!(label(1, &format!("aa {} b", "w".repeat(59))), "1-aa", "the words after a gap are left out too");
}

#[test]
fn two_steps_with_the_same_words_have_different_labels() {
    assert_ne!(label(1, "Waiting"), label(2, "Waiting"));
    assert_ne!(label(1, &"w".repeat(100)), label(2, &"w".repeat(100)));
}

fn is_valid_label(label: &str) -> bool {
    let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    label.len() <= 63 && ends(label.bytes().next()) && ends(label.bytes().last()) && label.bytes().all(inner)
}

fn any_json() -> impl Strategy<Value = Value> {
    let text = "[a-z\"\\\\/ü{}:,]{0,12}(hunter22|aHVudGVyMjI|h%75nter22)?[a-z\"]{0,3}";
    let leaf = prop_oneof![text.prop_map(Value::from), any::<i64>().prop_map(Value::from), Just(Value::Null)];
    leaf.prop_recursive(3, 20, 4, move |inner| {
        let fields = prop::collection::vec((text, inner.clone()), 1..4);
        let object = fields.prop_map(|fields| Value::Object(fields.into_iter().collect()));
        prop_oneof![prop::collection::vec(inner, 1..4).prop_map(Value::from), object]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_result_stays_json_of_the_same_shape_without_the_secret(result in any_json()) {
        fn leaves(value: &Value) -> usize {
            match value {
                Value::Array(items) => items.iter().map(leaves).sum(),
                Value::Object(fields) => fields.values().map(leaves).sum(),
                _ => 1,
            }
        }

        let output = output();
        output.register_secret("hunter22");
        let (safe, hidden) = without_secrets(&json!({ "result": result }), &output).unwrap();
        let text = safe.to_string();
        prop_assert!(["hunter22", "aHVudGVyMjI", "h%75nter22"].iter().all(|secret| !text.contains(secret)), "{}", text);
        prop_assert_eq!(hidden, text.contains("[hidden]"));
        prop_assert_eq!(leaves(&safe), leaves(&result), "{} {}", safe, result);
    }

    #[test]
    fn a_label_is_always_one_that_kubernetes_takes(
        number in any::<u32>(),
        anything in prop::collection::vec(any::<char>(), 0..120),
        words in "([a-zA-Z0-9]{1,20}[ .:_-]{1,3}){0,12}",
    ) {
        for text in [anything.into_iter().collect(), words] {
            let label = label(number, &text);
            prop_assert!(is_valid_label(&label), "{label:?}");
            prop_assert!(label.starts_with(&number.to_string()), "{label:?}");
        }
    }
}
