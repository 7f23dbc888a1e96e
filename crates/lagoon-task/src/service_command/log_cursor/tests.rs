use proptest::prelude::*;

use super::*;

fn whole(text: impl Into<String>) -> LogPiece {
    LogPiece { bytes: text.into().into_bytes(), begins: true, ends: true, is_whole: true }
}

/// A line of a log, printed so many nanoseconds after some second.
fn line(nanoseconds: i64, text: &str) -> LogPiece {
    let start = 1_800_000_000_i128 * 1_000_000_000;
    whole(format!("{} {text}", Timestamp::from_nanosecond(start + i128::from(nanoseconds)).unwrap()))
}

/// A line in several pieces, each with the line's number and its own.
fn long_line(nanoseconds: i64, number: usize, pieces: usize) -> Vec<LogPiece> {
    let piece = |index: usize| {
        let (begins, ends) = (index == 0, index + 1 == pieces);
        let text = format!("{number}.{index} ");
        let bytes = if begins { line(nanoseconds, &text).bytes } else { text.into_bytes() };
        LogPiece { bytes, begins, ends, is_whole: true }
    };
    (0..pieces).map(piece).collect()
}

/// The log as the API server answers it: from the first line of that second on.
fn since(log: &[LogPiece], since: Option<Timestamp>) -> Vec<LogPiece> {
    let begins = |piece: &LogPiece| piece.begins && since.is_none_or(|since| split(&piece.bytes).0.unwrap() >= since);
    // A later line may be older by a little, and is left out too.
    let mut is_sent = false;
    let sent = |piece: &&LogPiece| {
        is_sent = if piece.begins { begins(piece) } else { is_sent };
        is_sent
    };
    log.iter().filter(sent).cloned().collect()
}

fn read(lines: &mut Lines, log: &[LogPiece]) -> Vec<String> {
    log.iter().filter_map(|piece| lines.take(piece)).map(|text| String::from_utf8(text.to_vec()).unwrap()).collect()
}

#[test]
fn a_line_comes_without_its_time() {
    let mut lines = Lines::default();
    assert_eq!(lines.begin(true), None);
    let log = [
        "2026-11-24T10:31:24.5Z one",
        "2026-11-24T10:31:24.50000001Z  two  spaces ",
        "2026-11-24T12:31:25.123456789+02:00 three",
        "2026-11-24T10:31:25.2Z ",
        "2026-11-24T10:31:25.3Z",
        "no time at all",
    ]
    .map(whole);
    assert_eq!(read(&mut lines, &log), ["one", " two  spaces ", "three", "", "", "no time at all"]);
    assert_eq!(
        lines.begin(true),
        Some("2026-11-24T10:31:24Z".parse().unwrap()),
        "from the second before the last one on"
    );
}

#[test]
fn lines_of_the_same_moment_and_the_same_text_are_told_apart_by_their_number() {
    let log = [5, 5, 5, 5].map(|time| line(time, "same"));
    let mut lines = Lines::default();
    lines.begin(true);
    assert_eq!(read(&mut lines, &log[..2]).len(), 2);
    let from = lines.begin(true);
    assert_eq!(read(&mut lines, &since(&log, from)).len(), 2);
}

#[test]
fn a_log_that_was_begun_anew_does_not_swallow_its_lines() {
    let mut lines = Lines::default();
    lines.begin(true);
    read(&mut lines, &[1, 2, 3].map(|time| line(time, "before")));
    lines.begin(true);
    let after = [line(4, "after"), line(5, "after")];
    assert_eq!(read(&mut lines, &after), ["after", "after"]);
}

#[test]
fn a_log_that_was_begun_anew_in_the_middle_of_a_long_line_loses_one_line_at_most() {
    let mut lines = Lines::default();
    lines.begin(true);
    read(&mut lines, &long_line(1, 0, 3)[..2]);
    lines.begin(true);
    assert_eq!(read(&mut lines, &[line(4, "one"), line(5, "two"), line(6, "three")]), ["two", "three"]);
}

#[test]
fn a_line_that_broke_off_is_shown_once_it_is_whole_or_the_log_is_at_its_end() {
    let part = LogPiece { ends: false, is_whole: false, ..line(2, "thr") };
    let mut lines = Lines::default();
    lines.begin(true);
    assert_eq!(read(&mut lines, &[line(1, "two"), part.clone()]), ["two"]);
    lines.begin(true);
    assert_eq!(read(&mut lines, &[line(1, "two"), line(2, "three"), part.clone()]), ["three"]);
    lines.begin(false);
    assert_eq!(read(&mut lines, &[line(1, "two"), line(2, "three"), part]), ["thr"]);
}

/// The pieces after the first have no time, and were shown again each time the log was read again.
#[test]
fn a_long_line_is_shown_once_also_when_the_log_is_read_again() {
    let log = [vec![line(1, "before")], long_line(2, 1, 3), vec![line(3, "after")]].concat();
    let mut lines = Lines::default();
    for (end, expected) in [(3, vec!["before", "1.0 ", "1.1 "]), (4, vec!["1.2 "]), (5, vec!["after"]), (5, vec![])] {
        lines.begin(true);
        assert_eq!(read(&mut lines, &log[..end]), expected, "up to piece {end}");
    }
}

proptest! {
    /// Whatever the times of the lines and their lengths, and wherever the answers are cut: each piece is shown once, in
    /// order.
    #[test]
    fn each_line_is_shown_once_wherever_the_answers_are_cut(
        steps in prop::collection::vec(prop_oneof![Just(0), 0..1_000_000_000_i64, 0..3_000_000_000_i64], 0..40),
        jitter in prop::collection::vec(-2_000_i64..2_000, 40),
        pieces in prop::collection::vec(prop_oneof![4 => Just(1_usize), 1 => 2..5_usize], 40),
        cuts in prop::collection::vec((0..80_usize, 0..80_usize), 0..6),
    ) {
        let mut time = 0;
        let mut log = Vec::new();
        for (number, (step, (jitter, pieces))) in steps.iter().zip(jitter.iter().zip(pieces)).enumerate() {
            time += step;
            log.extend(long_line(time + jitter, number, pieces));
        }
        let mut lines = Lines::default();
        let mut shown: Vec<String> = Vec::new();
        let mut printed = 0;
        // Each go sees the log as far as it has been printed by then, and is cut off somewhere.
        for (more, cut) in cuts {
            printed = (printed + more).min(log.len());
            let from = lines.begin(true);
            let answer = since(&log[..printed], from);
            shown.extend(read(&mut lines, &answer[..cut.min(answer.len())]));
        }
        let from = lines.begin(true);
        shown.extend(read(&mut lines, &since(&log, from)));
        let expected: Vec<String> =
            log.iter().map(|piece| String::from_utf8(split(&piece.bytes).1.to_vec()).unwrap()).collect();
        prop_assert_eq!(shown, expected);
    }
}
