use proptest::prelude::*;

use super::*;

/// The lines that come out when the bytes arrive in these pieces.
fn lines(pieces: &[&[u8]]) -> Vec<String> {
    let (mut lines, mut found) = (Lines::default(), Vec::new());
    for piece in pieces {
        lines.push(piece, |line| found.push(line.to_owned()));
    }
    lines.finish(|line| found.push(line.to_owned()));
    found
}

#[test]
fn a_line_is_handed_on_when_it_is_whole() {
    let (mut lines, mut found) = (Lines::default(), Vec::new());
    lines.push(b"one\ntw", |line| found.push(line.to_owned()));
    assert_eq!(found, ["one"]);
    lines.push(b"o\r\n\nthree", |line| found.push(line.to_owned()));
    assert_eq!(found, ["one", "two", ""]);
    lines.finish(|line| found.push(line.to_owned()));
    assert_eq!(found, ["one", "two", "", "three"]);
}

#[test]
fn a_character_that_arrives_in_two_pieces_stays_whole_and_bytes_that_are_none_are_replaced() {
    assert_eq!(lines(&[b"gr\xc3", b"\xbcn\n", b"\xff\n"]), ["grün", "\u{fffd}"]);
}

#[test]
fn a_line_without_an_end_comes_in_parts() {
    let long = "x".repeat(2 * LONGEST_LINE + 1);
    let found = lines(&[long.as_bytes()]);
    assert_eq!(found.iter().map(String::len).collect::<Vec<_>>(), [LONGEST_LINE, LONGEST_LINE, 1]);
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

    #[test]
    fn no_part_is_longer_than_the_longest_line_and_nothing_is_lost(lengths in prop::collection::vec(0..3 * LONGEST_LINE, 1..5)) {
        let text = lengths.iter().map(|length| "y".repeat(*length)).collect::<Vec<_>>().join("\n");
        let found = lines(&[text.as_bytes()]);
        prop_assert!(found.iter().all(|line| line.len() <= LONGEST_LINE));
        prop_assert_eq!(found.concat(), text.replace('\n', ""));
    }
}
