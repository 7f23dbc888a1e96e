use proptest::prelude::*;

use super::*;

fn redactor(secrets: &[&str]) -> Redactor {
    let mut redactor = Redactor::default();
    for secret in secrets {
        redactor.add(secret);
    }
    redactor
}

#[test]
fn without_secrets_text_stays_as_it_is() {
    assert_eq!(Redactor::default().hide("nothing to [hidden] hide\n"), "nothing to [hidden] hide\n");
}

#[test]
fn every_occurrence_of_every_secret_is_hidden_and_nothing_else() {
    let cases: &[(&[&str], &str, &str)] = &[
        (&["hunter22"], "hunter22", "[hidden]"),
        (&["hunter22"], "a hunter22 b hunter22 c", "a [hidden] b [hidden] c"),
        (&["hunter22"], "hunter2 and Hunter22", "hunter2 and Hunter22"),
        // The longer of two that begin or end together.
        (&["pass", "password"], "my password, a pass", "my [hidden], a [hidden]"),
        (&["word", "password"], "my password, a word", "my [hidden], a [hidden]"),
        // One inside the other, shorter first in the order of the alphabet or not.
        (&["assw", "password"], "my password", "my [hidden]"),
        (&["zssw", "pazssword"], "my pazssword", "my [hidden]"),
        // Overlapping ones are hidden as one, also three in a row.
        (&["hunter22", "22-and-more"], "hunter22-and-more", "[hidden]"),
        (&["abcd", "cdef", "efgh"], "x abcdefgh x", "x [hidden] x"),
        (&["aaaa"], "x aaaaaaa x", "x [hidden] x"),
        // Adjacent ones do not swallow each other.
        (&["abcd", "efgh"], "abcdefgh", "[hidden][hidden]"),
        (&["abcd"], "abcdabcd", "[hidden][hidden]"),
        // What is left over after hiding does not count as a secret.
        (&["abcd"], "ababcdcd", "ab[hidden]cd"),
        // Not only ASCII.
        (&["größe"], "die größe, die grösse", "die [hidden], die grösse"),
        (&["a b c"], "a b c d", "[hidden] d"),
    ];
    for (secrets, text, shown) in cases {
        assert_eq!(redactor(secrets).hide(text), *shown, "{secrets:?} in {text:?}");
    }
}

#[test]
fn of_a_secret_with_several_lines_each_line_is_hidden() {
    let redactor = redactor(&["first-line\r\n  second-line  \n\n\tthird-line\n"]);
    assert_eq!(redactor.hide("second-line"), "[hidden]");
    assert_eq!(redactor.hide("a first-line\nthird-line b"), "a [hidden]\n[hidden] b");
    assert_eq!(redactor.hide("first-line\r\n  second-line  \n"), "[hidden]\r\n  [hidden]  \n");
}

#[test]
fn white_space_around_a_secret_does_not_count() {
    assert_eq!(redactor(&["  token-1 \n"]).hide("(token-1)"), "([hidden])");
}

#[test]
fn secrets_of_fewer_than_four_bytes_are_ignored() {
    for secret in ["", " ", "a", "abc", "abc ", "\n\n", "a\nb\nc", "äa"] {
        let mut redactor = Redactor::default();
        assert!(!redactor.add(secret), "{secret:?}");
        assert_eq!(redactor.hide("a abc äa b"), "a abc äa b", "{secret:?}");
    }
    assert_eq!(redactor(&["abc\nabcd"]).hide("abc abcd"), "abc [hidden]");
    assert_eq!(redactor(&["ää"]).hide("ää"), "[hidden]", "two characters of two bytes are four bytes");
}

#[test]
fn adding_answers_whether_the_secret_is_new() {
    let mut redactor = Redactor::default();
    assert!(redactor.add("first\nother"));
    assert!(!redactor.add("first"));
    assert!(!redactor.add(" other\n"));
    assert!(redactor.add("other\nthird"));
    assert_eq!(redactor.hide("first other third"), "[hidden] [hidden] [hidden]");
}

/// What `hide` should make of `text`, found the slow way, with neighbouring marks as one.
fn hidden_the_slow_way(secrets: &[String], text: &str) -> String {
    let mut secret_bytes = vec![false; text.len()];
    for secret in secrets {
        for start in (0..text.len()).filter(|start| text[*start..].starts_with(secret.as_str())) {
            secret_bytes[start..start + secret.len()].fill(true);
        }
    }
    let mut shown = String::new();
    for (index, character) in text.char_indices() {
        if !secret_bytes[index] {
            shown.push(character);
        } else if index == 0 || !secret_bytes[index - 1] {
            shown.push_str(HIDDEN);
        }
    }
    shown
}

fn with_neighbours_joined(mut text: String) -> String {
    let twice = HIDDEN.repeat(2);
    while text.contains(&twice) {
        text = text.replace(&twice, HIDDEN);
    }
    text
}

// The alphabets have no character of "[hidden]", so hiding cannot make a secret.
proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_secret_survives_and_the_rest_stays(
        secrets in prop::collection::vec("[xy]{4,6}", 1..4),
        text in "[xyz ]{0,60}",
    ) {
        let known: Vec<&str> = secrets.iter().map(String::as_str).collect();
        let shown = redactor(&known).hide(&text);
        for secret in &secrets {
            prop_assert!(!shown.contains(secret), "{shown}");
        }
        prop_assert_eq!(with_neighbours_joined(shown), hidden_the_slow_way(&secrets, &text));
    }

    #[test]
    fn a_secret_of_any_characters_is_hidden_wherever_it_stands(
        secret in "[^\\[\\]hiden\\pC\\pZ]{4,12}",
        before in "[^\\[\\]hiden]{0,20}",
        after in "[^\\[\\]hiden]{0,20}",
    ) {
        let shown = redactor(&[&secret]).hide(&format!("{before}{secret}{after}"));
        prop_assert!(!shown.contains(&secret), "{shown}");
        prop_assert!(shown.contains(HIDDEN), "{shown}");
    }

    #[test]
    fn text_without_a_secret_is_left_alone(secret in "[xyz]{4,12}", text in "[^xyz]{0,80}") {
        prop_assert_eq!(redactor(&[&secret]).hide(&text), text);
    }
}
