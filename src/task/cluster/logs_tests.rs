use super::*;

async fn lines(text: &'static [u8]) -> Vec<(String, bool)> {
    let mut log = Log { reader: Box::pin(text) };
    let mut lines = Vec::new();
    while let Some(line) = log.next().await.unwrap() {
        lines.push((line.text, line.is_whole));
    }
    lines
}

#[tokio::test]
async fn a_log_comes_line_by_line_and_its_last_line_may_not_be_whole() {
    assert_eq!(lines(b"").await, []);
    let whole = |text: &str| (text.to_owned(), true);
    assert_eq!(lines(b"one\n\ntwo\r\n").await, [whole("one"), whole(""), whole("two\r")]);
    assert_eq!(lines(b"one\ntw").await, [whole("one"), ("tw".to_owned(), false)]);
    assert_eq!(lines(b"\xffx\n").await, [whole("\u{fffd}x")], "what is not text");
}

#[tokio::test]
async fn a_line_without_end_comes_in_pieces() {
    let length = usize::try_from(LONGEST_LINE).unwrap();
    let text: &'static [u8] = vec![b'x'; 2 * length + 1].leak();
    let lengths: Vec<(usize, bool)> = lines(text).await.into_iter().map(|(text, whole)| (text.len(), whole)).collect();
    assert_eq!(lengths, [(length, true), (length, true), (1, false)]);
}
