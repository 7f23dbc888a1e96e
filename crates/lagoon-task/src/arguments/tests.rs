use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::json;

use super::*;

crate::arguments! {
    #[derive(Debug, PartialEq)]
    struct Chosen {
        name: String = Argument::string("Who is greeted").pattern("[A-Z][a-z]*", "a name with a capital"),
        often: u8 = Argument::numeric("How often").range(1..=5),
        size: String = Argument::string("Size").choices(["small", "large"]).default("small"),
        from: Option<String> = Argument::other_environment("Copy from"),
        rate: Option<f64> = Argument::numeric("Rate").range(0.5..=1.5),
        word: Option<String> = Argument::string("Password").pattern(".{8,}", "eight characters or more").secret(),
    }
}

fn output() -> Output {
    Output::new(std::io::sink(), false)
}

fn read_json<Arguments: TypedArguments>(payload: &Value) -> Result<Arguments, ArgumentsError> {
    read(Some(&STANDARD.encode(payload.to_string())), Some("main"), &output())
}

fn misfits(payload: &Value) -> Vec<String> {
    match read_json::<Chosen>(payload) {
        Err(ArgumentsError::Misfits(misfits)) => misfits,
        other => panic!("{other:?}"),
    }
}

fn least() -> Chosen {
    Chosen { name: "Ada".to_owned(), often: 2, size: "small".to_owned(), from: None, rate: None, word: None }
}

#[test]
fn arguments_become_the_fields_of_the_struct() {
    assert_eq!(read_json::<Chosen>(&json!({ "name": "Ada", "often": "2" })).unwrap(), least());
    let all =
        json!({ "name": "Ada", "often": " 5 ", "size": "large", "from": "develop", "rate": "0.5", "word": "hunter22" });
    let expected = Chosen {
        often: 5,
        size: "large".to_owned(),
        from: Some("develop".to_owned()),
        rate: Some(0.5),
        word: Some("hunter22".to_owned()),
        ..least()
    };
    assert_eq!(read_json::<Chosen>(&all).unwrap(), expected);
}

#[test]
fn what_is_left_empty_is_its_default_or_nothing() {
    let empty = json!({ "name": "Ada", "often": 2, "size": " ", "from": "", "rate": null, "word": "" });
    assert_eq!(read_json::<Chosen>(&empty).unwrap(), least());
}

#[test]
fn everything_that_does_not_fit_is_told_at_once_in_the_words_of_the_form() {
    let wrong =
        json!({ "name": "ada!", "often": "6", "size": "huge", "from": "main", "rate": "much", "word": "short" });
    assert_eq!(
        misfits(&wrong),
        [
            "\"Who is greeted\" is \"ada!\" and must be a name with a capital",
            "\"How often\" is \"6\" and must be a whole number from 1 to 5",
            "\"Size\" is \"huge\" and must be one of small, large",
            "\"Copy from\" is \"main\" and must be the name of another environment",
            "\"Rate\" is \"much\" and must be a number from 0.5 to 1.5",
            "\"Password\" is \"[hidden]\" and must be eight characters or more",
        ]
    );
    assert_eq!(misfits(&json!({})), ["\"Who is greeted\" is missing", "\"How often\" is missing"]);
    let error = read_json::<Chosen>(&json!({ "name": "Ada" })).unwrap_err();
    assert_eq!(
        error.to_string(),
        "The task's arguments do not fit: \"How often\" is missing. Nothing has been done yet; start the task again with \
         arguments that fit."
    );
}

#[test]
fn a_pattern_is_for_the_whole_value() {
    for name in ["xAda", "Ada x", "Ada\nBob", "A|d", ""] {
        assert_eq!(misfits(&json!({ "name": name, "often": 1 })).len(), 1, "{name:?}");
    }
}

#[test]
fn numbers_outside_the_range_or_the_fields_type_do_not_fit() {
    for often in ["0", "-1", "1.5", "256", "1e0", "NaN", "inf", "five", "1 2"] {
        let told = misfits(&json!({ "name": "Ada", "often": often }));
        assert_eq!(told, [format!("\"How often\" is \"{often}\" and must be a whole number from 1 to 5")]);
    }
    for rate in ["0.4", "1.6", "NaN", "inf"] {
        assert_eq!(misfits(&json!({ "name": "Ada", "often": 1, "rate": rate })).len(), 1, "{rate}");
    }
}

#[test]
fn without_a_range_the_fields_own_type_says_what_is_expected() {
    crate::arguments! {
        #[derive(Debug)]
        struct Plain {
            _port: u16 = Argument::numeric("Port"),
            _dry: bool = Argument::string("Dry run"),
            _from: String = Argument::environment("From"),
            _rate: f64 = Argument::numeric("Rate"),
            _text: String = Argument::numeric("Digits"),
        }
    }
    let wrong = json!({ "_port": "65536", "_dry": "maybe", "_from": "a\nb", "_rate": "x", "_text": "x" });
    let error = read_json::<Plain>(&wrong).unwrap_err().to_string();
    for expected in [
        "\"Port\" is \"65536\" and must be a whole number from 0 to 65535",
        "\"Dry run\" is \"maybe\" and must be true or false",
        r#""From" is "a\nb" and must be the name of an environment"#,
        "\"Rate\" is \"x\" and must be a number",
        "\"Digits\" is \"x\" and must be a number",
    ] {
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_value_that_is_shown_is_short_on_one_line_and_without_secrets() {
    let output = output();
    output.register_secret("a-secret-of-the-site");
    let told = |name: &str| {
        let payload = STANDARD.encode(json!({ "name": name, "often": 1 }).to_string());
        read::<Chosen>(Some(&payload), None, &output).unwrap_err().to_string()
    };
    assert!(told("a\n\u{1b}[2J").contains(r#""a\n\u{1b}[2J""#), "{}", told("a\n\u{1b}[2J"));
    assert!(told("x-a-secret-of-the-site").contains("\"x-[hidden]\""));
    // Cut off after forty characters, and hidden before that.
    assert!(told(&"é".repeat(41)).contains(&format!("\"{}...\"", "é".repeat(40))));
    assert!(!told(&format!("{}a-secret-of-the-site", "x".repeat(30))).contains("a-sec"));
}

#[test]
fn the_value_of_a_secret_argument_is_hidden_in_everything_that_is_shown() {
    let output = output();
    let payload = STANDARD.encode(json!({ "name": "Ada", "often": 1, "word": "hunter22" }).to_string());
    read::<Chosen>(Some(&payload), None, &output).unwrap();
    assert_eq!(output.hide_secrets("it is hunter22"), "it is [hidden]");
}

#[test]
fn a_task_without_arguments_needs_no_payload() {
    read::<()>(None, None, &output()).unwrap();
    read_json::<()>(&json!({ "something": "else" })).unwrap();
}

#[test]
fn a_payload_that_is_no_map_is_told_as_such() {
    let error = read_json::<Chosen>(&json!(["Ada"])).unwrap_err();
    assert!(matches!(error, ArgumentsError::Payload(_)), "{error:?}");
    assert!(matches!(read::<Chosen>(Some("!"), None, &output()).unwrap_err(), ArgumentsError::Payload(_)));
}

#[test]
fn an_argument_that_is_a_list_or_an_object_does_not_fit() {
    let told = misfits(&json!({ "name": ["Ada"], "often": { "a": 1 } }));
    assert_eq!(told[0], "\"Who is greeted\" is \"[\"Ada\"]\" and must be a name with a capital");
    assert_eq!(told.len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_number_is_taken_exactly_when_it_is_in_the_range(number in prop_oneof![any::<i64>(), -2..9i64]) {
        let read = read_json::<Chosen>(&json!({ "name": "Ada", "often": number.to_string() }));
        prop_assert_eq!(read.ok().map(|chosen| i64::from(chosen.often)), (1..=5).contains(&number).then_some(number));
    }

    #[test]
    fn any_texts_are_taken_or_told_on_one_line(texts in prop::collection::vec(any::<String>(), 6)) {
        let names = ["name", "often", "size", "from", "rate", "word"];
        let payload: Map<String, Value> = names.iter().zip(&texts).map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
        match read_json::<Chosen>(&Value::Object(payload)) {
            Ok(chosen) => prop_assert!((1..=5).contains(&chosen.often)),
            Err(error) => prop_assert!(!error.to_string().chars().any(|one| one != '\t' && one.is_control()), "{}", error),
        }
    }
}
