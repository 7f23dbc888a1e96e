use proptest::prelude::*;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn lines() -> Vec<Line> {
    (0..5).map(|second| Line { at: at(second), text: format!("line {second}\n").into_bytes() }).collect()
}

/// What a query shows of the lines, seen five seconds after the first.
fn shown(query: &str) -> String {
    let query = LogQuery::parse(query, at(5)).unwrap();
    let lines = lines();
    String::from_utf8(query.print(&lines[query.first(&lines)..])).unwrap()
}

#[test]
fn everything_is_shown_unless_asked_otherwise() {
    assert_eq!(shown(""), "line 0\nline 1\nline 2\nline 3\nline 4\n");
    assert_eq!(shown("container=shop&pretty=true"), shown(""));
}

#[test]
fn the_last_lines_are_shown() {
    assert_eq!(shown("tailLines=2"), "line 3\nline 4\n");
    assert_eq!(shown("tailLines=0"), "");
    assert_eq!(shown("tailLines=99"), shown(""));
}

#[test]
fn lines_since_a_time_are_shown() {
    assert_eq!(shown("sinceSeconds=2"), "line 3\nline 4\n");
    assert_eq!(shown("sinceTime=2023-11-14T22%3A13%3A24Z"), "line 4\n");
    assert_eq!(shown("sinceSeconds=4&tailLines=1"), "line 4\n");
}

#[test]
fn lines_are_shown_with_their_times() {
    assert_eq!(shown("tailLines=1&timestamps=true"), "2023-11-14T22:13:24.000000000Z line 4\n");
}

#[test]
fn a_limit_holds_over_all_that_is_sent() {
    let query = LogQuery::parse("limitBytes=10", at(5)).unwrap();
    assert_eq!([query.allowed(0, 7), query.allowed(7, 7), query.allowed(10, 7)], [7, 3, 0]);
    assert_eq!(LogQuery::default().allowed(10, 7), 7);
}

#[test]
fn following_is_asked_for() {
    assert!(LogQuery::parse("follow=true", at(5)).unwrap().follow);
    assert!(!LogQuery::parse("follow=false", at(5)).unwrap().follow);
}

#[test]
fn what_is_not_understood_is_named() {
    for query in [
        "follow=perhaps",
        "tailLines=-1",
        "tailLines=two",
        "limitBytes=",
        "sinceTime=yesterday",
        "sinceSeconds=9999999999999999",
    ] {
        let error = LogQuery::parse(query, at(5)).unwrap_err();
        assert!(error.starts_with(query.split('=').next().unwrap()), "{error}");
    }
    assert_eq!(LogQuery::parse("previous=true", at(5)).unwrap_err(), "previous terminated container not found");
}

proptest! {
    #[test]
    fn any_query_is_understood_or_named(name in "(follow|tailLines|limitBytes|sinceSeconds|sinceTime|x)", value in ".*") {
        match LogQuery::parse(&format!("{name}={value}"), at(5)) {
            Ok(query) => {
                let lines = lines();
                prop_assert!(query.first(&lines) <= lines.len());
            }
            Err(error) => prop_assert!(error.starts_with(&name), "{}", error),
        }
    }

    #[test]
    fn any_number_of_seconds_is_understood_or_named(seconds: i64) {
        let _ = LogQuery::parse(&format!("sinceSeconds={seconds}"), at(5));
    }
}
