use proptest::prelude::*;

use super::*;

#[test]
fn colours_and_the_cursors_ways_are_dropped() {
    for (text, plain) in [
        ("\x1b[32mgreen\x1b[0m", "green"),
        ("\x1b[1;38;5;196mred\x1b[m!", "red!"),
        ("\x1b[38:2::255:0:0mred", "red"),
        ("\x1b[?25lworking\x1b[?25h", "working"),
        ("\x1b[2K\x1b[1Gdone\x1b[K", "done"),
        ("\x1b[3 qcursor", "cursor"),
        ("\u{9b}31mred\u{9b}m", "red"),
        // So `tput sgr0` ends all colours.
        ("\x1b(B\x1b[mplain", "plain"),
        ("é\x1b[7mü\x1b[27m✓", "éü✓"),
    ] {
        assert_eq!(without_sequences(text), plain, "{text:?}");
    }
}

#[test]
fn titles_and_links_are_dropped_and_the_links_text_is_shown() {
    for (text, plain) in [
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]8;;https://example.com\x1b\\a link\x1b]8;;\x1b\\!", "a link!"),
        ("\u{9d}2;title\u{9c}text", "text"),
    ] {
        assert_eq!(without_sequences(text), plain, "{text:?}");
    }
}

#[test]
fn what_only_begins_like_a_sequence_stays() {
    for text in [
        "",
        "plain text [32m",
        "\x1b",
        "\x1b[",
        "\x1b[31",
        "\x1b[31é",
        "\x1b[31\n",
        "\u{9b}",
        "\x1b(",
        "\x1bc",
        "\x1b]0;a title that does not end",
        "\x1b]0;a title\nthe next line\x07",
        "\x1b]0;\x1b",
        "\x1bPdata\x1b\\",
    ] {
        assert_eq!(without_sequences(text), text, "{text:?}");
    }
    assert_eq!(without_sequences("\x1b\x1b[31mred"), "\x1bred");
    assert_eq!(without_sequences("\x1b]0;title\x1b[31mred"), "\x1b]0;titlered");
}

#[test]
fn a_secret_that_was_hidden_after_a_lone_escape_character_keeps_its_mark() {
    assert_eq!(without_sequences(&format!("\x1b{HIDDEN}\x1b[0m")), format!("\x1b{HIDDEN}"));
}

#[test]
fn of_a_progress_line_the_last_state_is_left() {
    for (line, left) in [
        ("10 %\r20 %\r100 %", "100 %"),
        ("10 %\r100 %\r", "100 %"),
        ("one\r\r", "one"),
        ("longer text\rshort", "short"),
        ("\r", ""),
        ("", ""),
        ("plain", "plain"),
    ] {
        assert_eq!(last_state(line), left, "{line:?}");
    }
}

/// Pieces of which sequences are made, and text.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\x1b".to_owned()),
        Just("\u{9b}".to_owned()),
        Just("\u{9d}".to_owned()),
        "[\\[\\]();0-9?mKB\x07\r\n\u{9c}\\\\]",
        any::<char>().prop_map(String::from),
        Just(HIDDEN.to_owned()),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Whether the characters of `part` stand in `whole` in that order.
fn is_part(part: &str, whole: &str) -> bool {
    let mut rest = whole.chars();
    part.chars().all(|wanted| rest.any(|character| character == wanted))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_added_or_reordered_and_no_line_is_lost(text in pieces()) {
        let plain = without_sequences(&text);
        prop_assert!(is_part(&plain, &text), "{plain:?}");
        prop_assert_eq!(plain.matches('\n').count(), text.matches('\n').count());
        prop_assert!(plain.contains(last_state(&plain)));
    }

    #[test]
    fn text_without_escape_characters_is_not_changed(text in "[^\u{1b}\u{9b}\u{9d}]{0,80}") {
        prop_assert_eq!(without_sequences(&text), text.as_str());
    }

    #[test]
    fn words_between_sequences_are_what_is_left(
        words in prop::collection::vec("[a-zé ]{0,8}", 1..8),
        sequence in "\u{1b}\\[[0-9;]{0,6}[A-Za-z]|\u{1b}\\]0;[a-z]{0,6}(\u{7}|\u{1b}\\\\)|\u{1b}\\(B",
    ) {
        let printed = words.join(&sequence);
        prop_assert_eq!(without_sequences(&printed), words.concat());
    }
}
