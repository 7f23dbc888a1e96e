use proptest::prelude::*;

use super::*;

fn whole(text: impl Into<String>) -> LogLine {
    LogLine { text: text.into(), is_whole: true }
}

/// A line of a log, printed so many nanoseconds after some second.
fn line(nanoseconds: i64, text: &str) -> LogLine {
    let start = 1_800_000_000_i128 * 1_000_000_000;
    whole(format!("{} {text}", Timestamp::from_nanosecond(start + i128::from(nanoseconds)).unwrap()))
}

/// The log as the API server answers it: from the first line of that second on.
fn since(log: &[LogLine], since: Option<Timestamp>) -> Vec<LogLine> {
    let begins = |line: &&LogLine| since.is_none_or(|since| split(&line.text).unwrap().0 >= since);
    log.iter().filter(begins).cloned().collect()
}

fn read<'a>(lines: &mut Lines, log: &'a [LogLine]) -> Vec<&'a str> {
    log.iter().filter_map(|line| lines.take(line)).collect()
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
fn a_line_that_broke_off_is_shown_once_it_is_whole_or_the_log_is_at_its_end() {
    let part = LogLine { is_whole: false, ..line(2, "thr") };
    let mut lines = Lines::default();
    lines.begin(true);
    assert_eq!(read(&mut lines, &[line(1, "two"), part.clone()]), ["two"]);
    lines.begin(true);
    assert_eq!(read(&mut lines, &[line(1, "two"), line(2, "three"), part.clone()]), ["three"]);
    lines.begin(false);
    assert_eq!(read(&mut lines, &[line(1, "two"), line(2, "three"), part]), ["thr"]);
}

proptest! {
    /// Whatever the times of the lines, and wherever the answers are cut: each line is shown once, in order.
    #[test]
    fn each_line_is_shown_once_wherever_the_answers_are_cut(
        steps in prop::collection::vec(prop_oneof![Just(0), 0..1_000_000_000_i64, 0..3_000_000_000_i64], 0..40),
        jitter in prop::collection::vec(-2_000_i64..2_000, 40),
        cuts in prop::collection::vec((0..50_usize, 0..50_usize), 0..6),
    ) {
        let mut time = 0;
        let mut log = Vec::new();
        for (number, (step, jitter)) in steps.iter().zip(&jitter).enumerate() {
            time += step;
            log.push(line(time + jitter, &number.to_string()));
        }
        let mut lines = Lines::default();
        let mut shown: Vec<String> = Vec::new();
        let mut printed = 0;
        // Each go sees the log as far as it has been printed by then, and is cut off somewhere.
        for (more, cut) in cuts {
            printed = (printed + more).min(log.len());
            let from = lines.begin(true);
            let answer = since(&log[..printed], from);
            shown.extend(read(&mut lines, &answer[..cut.min(answer.len())]).into_iter().map(str::to_owned));
        }
        let from = lines.begin(true);
        shown.extend(read(&mut lines, &since(&log, from)).into_iter().map(str::to_owned));
        let expected: Vec<String> = (0..log.len()).map(|number| number.to_string()).collect();
        prop_assert_eq!(shown, expected);
    }
}
