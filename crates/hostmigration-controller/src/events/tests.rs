use super::*;

#[test]
fn a_text_is_cut_between_characters() {
    let cases = [("", 3, ""), ("abc", 3, "abc"), ("abcd", 3, "abc"), ("abä", 3, "ab"), ("aä", 3, "aä"), ("🦀", 3, "")];
    for (text, limit, expected) in cases {
        assert_eq!(cut(text, limit), expected, "{text:?}");
    }
}

#[test]
fn a_note_is_no_longer_than_kubernetes_takes() {
    let event = event(Reason::Progress(Progress::Failed), &format!("a{}", "ä".repeat(LONGEST_NOTE)));
    assert_eq!(event.note.unwrap().len(), LONGEST_NOTE - 1);
}

#[test]
fn what_goes_well_is_no_warning() {
    let cases = [
        (Reason::Progress(Progress::Started), EventType::Normal, "Started"),
        (Reason::Progress(Progress::Completed), EventType::Normal, "Completed"),
        (Reason::Progress(Progress::Failed), EventType::Warning, "Failed"),
        (Reason::NotStarted, EventType::Warning, "NotStarted"),
        (Reason::Unreadable, EventType::Warning, "Unreadable"),
        (Reason::NotEnded, EventType::Warning, "NotEnded"),
    ];
    for (why, type_, reason) in cases {
        let event = event(why, "note");
        assert_eq!((event.type_, event.reason.as_str(), event.note.as_deref()), (type_, reason, Some("note")));
    }
}
