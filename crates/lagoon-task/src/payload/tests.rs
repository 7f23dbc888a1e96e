use base64::engine::general_purpose::{STANDARD as PADDED, STANDARD_NO_PAD, URL_SAFE};
use proptest::prelude::*;
use serde::Deserialize;

use super::*;

const MARKER: &str = "MARKER-7f3a";

#[derive(Debug, PartialEq, Deserialize)]
struct Simple {
    name: String,
    #[serde(default)]
    size: u32,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Nested {
    crd: Crd,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Crd {
    spec: Spec,
    #[serde(default)]
    hosts: Vec<u16>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Spec {
    destination: String,
}

#[derive(Debug, Deserialize)]
struct Chosen {
    #[serde(rename = "size")]
    size: Size,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Size {
    Small,
    Large,
}

#[derive(Debug, Deserialize)]
struct Painted {
    #[serde(rename = "colour")]
    _colour: Colour,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Colour;

impl TryFrom<String> for Colour {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Err(format!("\"{text}\" is no colour"))
    }
}

/// A task with several actions has a payload of this shape.
#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
enum Action {
    Scale {
        #[serde(rename = "replicas")]
        _replicas: u32,
    },
}

fn encoded(text: &str) -> String {
    PADDED.encode(text)
}

/// Why the JSON `text` is refused as a `T`.
fn refusal<T: DeserializeOwned + std::fmt::Debug>(text: &str) -> String {
    decode::<T>(Some(&encoded(text))).unwrap_err().to_string()
}

fn simple(payload: &str) -> Result<Simple, PayloadError> {
    decode(Some(payload))
}

fn ada() -> Simple {
    Simple { name: "Ada".to_owned(), size: 0 }
}

#[test]
fn a_payload_that_is_absent_empty_or_white_space_is_no_payload() {
    for payload in [None, Some(""), Some(" "), Some(" \r\n\t ")] {
        assert_eq!(decode::<Simple>(payload).unwrap_err(), PayloadError::Empty, "{payload:?}");
    }
    assert_eq!(
        PayloadError::Empty.to_string(),
        "The task got no payload: JSON_PAYLOAD is empty or not set. Start the task from Lagoon, which fills it in."
    );
}

#[test]
fn line_breaks_and_white_space_anywhere_in_the_base64_are_tolerated() {
    let wrapped: String = encoded(r#"{"name":"Ada"}"#).chars().flat_map(|one| [one, '\r', '\n', '\t', ' ']).collect();
    assert_eq!(simple(&wrapped).unwrap(), ada());
}

#[test]
fn a_missing_padding_is_tolerated() {
    for text in [r#"{"name":"Ada"}"#, r#"{"name":"Ada"} "#, r#"{"name":"Ada"}  "#] {
        assert_eq!(simple(&encoded(text)).unwrap(), ada(), "{text:?} padded");
        assert_eq!(simple(&STANDARD_NO_PAD.encode(text)).unwrap(), ada(), "{text:?} not padded");
    }
}

#[test]
fn fields_that_the_type_does_not_know_are_ignored() {
    assert_eq!(simple(&encoded(r#"{"extra":{"a":[1]},"name":"Ada","more":null}"#)).unwrap(), ada());
}

#[test]
fn what_is_not_base64_is_refused_with_its_place_and_without_the_character() {
    let end = "it is cut off or its end is damaged";
    let cases = [
        ("eyJ!", "at character 4"),
        ("e\ny\nJ\n!", "at character 7"),
        ("*", "at character 1"),
        ("{\"name\":\"Ada\"}", "at character 1"),
        ("éé", "at character 1"),
        ("eyJ\u{a0}", "at character 4"),
        ("eyJuY", end),
        ("eyJuYW1lIjoiQWRhIn1=", end),
        ("eyJuYW1lIjoiQWRhIn0==", end),
    ];
    for (payload, at) in cases {
        let error = simple(payload).unwrap_err();
        let sentence = format!("The task's payload is damaged: JSON_PAYLOAD is not standard base64, {at}.");
        assert_eq!(error.to_string(), sentence, "{payload:?}");
    }
}

#[test]
fn the_url_alphabet_is_refused() {
    for (name, place) in [("~~~~", "at character 16"), ("????", "at character 16")] {
        let payload = URL_SAFE.encode(format!(r#"{{"name":"{name}"}}"#));
        assert!(payload.contains(['-', '_']), "{payload} would be the same in both alphabets");
        let error = simple(&payload).unwrap_err();
        assert_eq!(error, PayloadError::NotBase64 { at: place.to_owned() }, "{payload}");
    }
}

#[test]
fn what_is_not_utf8_is_refused_with_the_offset_of_the_first_wrong_byte() {
    let payload = PADDED.encode(b"{\"name\":\"\xc3\xa9\xff\"}");
    let error = simple(&payload).unwrap_err();
    assert_eq!(error, PayloadError::NotUtf8 { byte: 11 });
    assert_eq!(
        error.to_string(),
        "The task's payload is damaged: what JSON_PAYLOAD encodes is not UTF-8 text, first at byte 11."
    );
}

#[test]
fn what_is_not_json_is_refused_with_line_and_column_only() {
    let cases = [
        (format!("{MARKER} is no JSON"), 1, 1),
        ("{\"name\": ".to_owned(), 1, 9),
        (format!("{{\n  \"name\": {MARKER}\n}}"), 2, 11),
        (format!("{{\"name\": \"Ada\"}} {MARKER}"), 1, 17),
        ("{\"name\": \"Ada\"}{\"name\": \"Ada\"}".to_owned(), 1, 16),
        ("{\"name\": \"\\ud800\"}".to_owned(), 1, 17),
    ];
    for (text, line, column) in cases {
        let error = simple(&encoded(&text)).unwrap_err();
        assert_eq!(error, PayloadError::NotJson { line, column }, "{text}");
        assert_eq!(
            error.to_string(),
            format!(
                "The task's payload is damaged: what JSON_PAYLOAD encodes is not JSON, at line {line}, column {column}."
            )
        );
    }
}

#[test]
fn a_value_of_the_wrong_type_is_described_by_field_and_expectation_without_the_value() {
    let fits_not = "The task's payload does not fit this task:";
    assert_eq!(
        refusal::<Simple>(&format!(r#"{{"name":"Ada","size":"{MARKER}"}}"#)),
        format!("{fits_not} the field `size` is not u32 (line 1, column 34).")
    );
    assert_eq!(
        refusal::<Simple>(&format!(r#"{{"name":"Ada","size":"{MARKER}, expected {MARKER} at line 1"}}"#)),
        format!("{fits_not} the field `size` is not u32 (line 1, column 66).")
    );
    assert_eq!(
        refusal::<Nested>(&format!("{{\"crd\":{{\n\"spec\":\"{MARKER}\"}}}}")),
        format!("{fits_not} the field `crd.spec` is not struct Spec (line 2, column 20).")
    );
    assert_eq!(
        refusal::<Nested>(r#"{"crd":{"hosts":[1,70000],"spec":{"destination":"x"}}}"#),
        format!("{fits_not} the field `crd.hosts[1]` is not u16 (line 1, column 24).")
    );
    assert_eq!(
        refusal::<Simple>(&format!("\"{MARKER}\"")),
        format!("{fits_not} the document is not struct Simple (line 1, column 13).")
    );
}

#[test]
fn an_unknown_variant_is_not_shown_but_the_known_ones_are() {
    assert_eq!(
        refusal::<Chosen>(&format!(r#"{{"size":"{MARKER}"}}"#)),
        "The task's payload does not fit this task: the field `size` is not `small` or `large` (line 1, column 21)."
    );
    assert!(matches!(
        [r#"{"size":"small"}"#, r#"{"size":"large"}"#].map(|text| decode::<Chosen>(Some(&encoded(text))).unwrap().size),
        [Size::Small, Size::Large]
    ));
}

#[test]
fn a_missing_field_is_named_with_its_whole_path() {
    let cases = [("{}", "crd"), (r#"{"crd":{}}"#, "crd.spec"), (r#"{"crd":{"spec":{}}}"#, "crd.spec.destination")];
    for (text, path) in cases {
        let sentence =
            format!("The task's payload does not fit this task: the field `{path}` is missing (line 1, column");
        let refusal = refusal::<Nested>(text);
        assert!(refusal.starts_with(&sentence), "{refusal}");
    }
}

#[test]
fn the_text_of_a_types_own_error_is_not_shown() {
    assert_eq!(
        refusal::<Painted>(&format!(r#"{{"colour":"{MARKER}"}}"#)),
        "The task's payload does not fit this task: the field `colour` holds a value that this task does not take \
         (line 1, column 24)."
    );
}

#[test]
fn the_text_of_a_types_own_error_is_not_shown_even_if_the_value_in_it_imitates_serde() {
    for value in [format!("red, expected {MARKER}"), format!("invalid type: red, expected {MARKER}")] {
        let refusal = refusal::<Painted>(&format!(r#"{{"colour":"{value}"}}"#));
        assert!(!refusal.contains(MARKER), "{refusal}");
    }
}

#[test]
fn a_value_in_a_tagged_enum_is_not_shown_even_if_it_imitates_serde() {
    for value in [MARKER.to_owned(), format!("x, expected {MARKER} at line 1 column 1")] {
        let refusal = refusal::<Action>(&format!(r#"{{"action":"scale","replicas":"{value}"}}"#));
        assert!(!refusal.contains(MARKER), "{refusal}");
    }
}

#[test]
fn a_place_that_is_not_known_is_left_out_of_the_sentence() {
    // Of a tagged enum serde knows no place: it reads the document first and looks at it afterwards.
    let refusal = refusal::<Action>(r#"{"action":"scale","replicas":"many"}"#);
    assert!(!refusal.contains("line 0"), "{refusal}");
}

#[test]
fn a_payload_of_128_kibibytes_is_read_and_white_space_does_not_count() {
    let text = padded(LONGEST / 4 * 3);
    let payload = encoded(&text);
    assert_eq!(payload.len(), 131_072);
    assert_eq!(simple(&payload).unwrap(), ada());
    assert_eq!(simple(&format!("\n{payload}\n")).unwrap(), ada());
}

#[test]
fn a_longer_payload_is_refused_with_its_length() {
    let payload = encoded(&padded(LONGEST / 4 * 3 + 1));
    let error = simple(&payload).unwrap_err();
    assert_eq!(error, PayloadError::TooLong { length: 131_076 });
    assert_eq!(
        error.to_string(),
        "The task's payload is too long: JSON_PAYLOAD holds 131076 bytes, and at most 131072 can be read."
    );
}

/// Text that holds the marker between pieces that the messages of serde are made of.
fn marked_text() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![", expected ", " at line ", "`", "missing field `", "\n", "\"", "1", "x: "]);
    let side = prop::collection::vec(pieces, 0..4).prop_map(|pieces| pieces.concat());
    (side.clone(), side).prop_map(|(before, after)| format!("{before}{MARKER}{after}"))
}

fn marked_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        marked_text().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<bool>().prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null),
    ];
    let names = prop::sample::select(vec!["name", "size", "crd", "spec", "destination", "hosts", "other"]);
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::vec((names.clone().prop_map(str::to_owned), inner), 0..4)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// What is said about a payload, read as each of several types.
fn sentences(payload: &str) -> Vec<String> {
    let errors = [
        decode::<Simple>(Some(payload)).err(),
        decode::<Nested>(Some(payload)).err(),
        decode::<Chosen>(Some(payload)).err(),
        decode::<Vec<u8>>(Some(payload)).err(),
        decode::<bool>(Some(payload)).err(),
    ];
    errors.into_iter().flatten().map(|error| format!("{error} {error:?}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_string_is_decoded_or_refused_without_a_panic(characters in prop::collection::vec(any::<char>(), 0..64)) {
        let text: String = characters.into_iter().collect();
        prop_assert!(simple(&text).is_err());
        prop_assert!(sentences(&encoded(&text)).len() >= 3);
    }

    #[test]
    fn no_sentence_about_a_payload_holds_a_value_of_it(value in marked_json()) {
        for sentence in sentences(&encoded(&value.to_string())) {
            prop_assert!(!sentence.contains(MARKER), "{sentence}");
        }
    }

    #[test]
    fn no_sentence_about_a_damaged_payload_holds_a_part_of_it(text in marked_text(), cut in 0_usize..8) {
        for payload in [encoded(&text), text.clone(), encoded(&format!("{{\"name\":{text}"))[cut..].to_owned()] {
            for sentence in sentences(&payload) {
                prop_assert!(!sentence.contains(MARKER), "{sentence}");
            }
        }
    }
}

/// A payload of so many bytes.
fn padded(length: usize) -> String {
    let json = r#"{"name":"Ada"}"#;
    format!("{json}{}", " ".repeat(length - json.len()))
}
