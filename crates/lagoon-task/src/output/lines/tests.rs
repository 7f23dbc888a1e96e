use proptest::prelude::*;

use super::*;

/// The lines that come out when the bytes arrive in these pieces, and hunter22 is a secret.
fn lines(pieces: &[&[u8]]) -> Vec<String> {
    let mut redactor = Redactor::default();
    redactor.add("hunter22");
    let mut lines = SafeLines::new(&redactor);
    let mut found: String = pieces.iter().map(|piece| lines.push(&redactor, piece)).collect();
    found.push_str(&lines.finish());
    found.lines().map(str::to_owned).collect()
}

#[test]
fn a_line_is_handed_on_when_it_is_whole() {
    let redactor = Redactor::default();
    let mut lines = SafeLines::new(&redactor);
    assert_eq!(lines.push(&redactor, b"one\ntw"), "one\n");
    assert_eq!(lines.push(&redactor, b"o\r\n\nthree"), "two\n\n");
    assert_eq!(lines.finish(), "three\n");
    assert_eq!(lines.finish(), "");
}

#[test]
fn a_character_that_arrives_in_two_pieces_stays_whole_and_bytes_that_are_none_are_replaced() {
    assert_eq!(lines(&[b"gr\xc3", b"\xbcn\n", b"\xff\n"]), ["grün", "\u{fffd}"]);
}

#[test]
fn a_secret_at_any_place_of_a_line_without_end_is_hidden() {
    for before in LONGEST_LINE - 12..LONGEST_LINE + 4 {
        let text = format!("{}hunter22{}", "-".repeat(before), "-".repeat(LONGEST_LINE));
        let found = lines(&[text.as_bytes()]);
        assert!(found.len() > 1, "it comes in parts");
        assert_eq!(found.concat().replace('-', ""), "[hidden]", "after {before} bytes");
    }
}

#[test]
fn a_line_without_end_needs_no_more_memory_than_two_parts() {
    let redactor = Redactor::default();
    let mut lines = SafeLines::new(&redactor);
    let text = format!("x{}", "\u{e9}".repeat(4 * LONGEST_LINE));
    let mut found = String::new();
    for piece in text.as_bytes().chunks(1000) {
        found.push_str(&lines.push(&redactor, piece));
        assert!(lines.printed.line.len() + lines.plain.line.len() <= 2 * LONGEST_LINE + 1000);
    }
    found.push_str(&lines.finish());
    assert_eq!(found.replace('\n', ""), text, "no character is cut");
}

#[test]
fn whole_characters_end_before_one_that_is_cut() {
    for (line, whole) in [
        (&b""[..], 0),
        (b"ab", 1),
        (b"a\xc3\xa9", 1),
        (b"a\xc3", 1),
        (b"a\xf0\x9f\x94", 1),
        (b"\x80\x80\x80\x80\x80", 5),
    ] {
        assert_eq!(whole_characters(line), whole, "{line:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_does_not_matter_in_which_pieces_a_text_arrives(text in "[a-c\n]{0,60}", cuts in prop::collection::vec(0_usize..60, 0..6)) {
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|ends| &text.as_bytes()[ends[0]..ends[1]]).collect();
        let expected: Vec<_> = text.lines().map(str::to_owned).collect();
        prop_assert_eq!(lines(&pieces), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_of_long_lines_is_lost(lengths in prop::collection::vec(0..3 * LONGEST_LINE, 1..5)) {
        let text = lengths.iter().map(|length| "y".repeat(*length)).collect::<Vec<_>>().join("\n");
        prop_assert_eq!(lines(&[text.as_bytes()]).concat(), text.replace('\n', ""));
    }
}
