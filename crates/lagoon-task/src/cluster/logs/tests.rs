use futures::TryStreamExt;

use super::*;

async fn pieces(text: &'static [u8]) -> Vec<LogPiece> {
    let mut log = Log { reader: Box::pin(text), longest_silence: None, at_a_beginning: true };
    let mut pieces = Vec::new();
    while let Some(piece) = log.next().await.unwrap() {
        pieces.push(piece);
    }
    pieces
}

fn line(text: &[u8]) -> LogPiece {
    LogPiece { bytes: text.to_vec(), begins: true, ends: true, is_whole: true }
}

#[tokio::test]
async fn a_log_comes_line_by_line_and_its_last_line_may_not_be_whole() {
    assert_eq!(pieces(b"").await, []);
    assert_eq!(pieces(b"one\n\ntwo\r\n").await, [line(b"one"), line(b""), line(b"two\r")]);
    assert_eq!(pieces(b"one\ntw").await, [line(b"one"), LogPiece { ends: false, is_whole: false, ..line(b"tw") }]);
    assert_eq!(pieces(b"\xffx\n").await, [line(b"\xffx")], "what is not text");
}

#[tokio::test]
async fn a_long_line_comes_in_pieces_of_which_the_first_begins_it_and_the_last_ends_it() {
    let length = usize::try_from(LONGEST_PIECE).unwrap();
    let text = [vec![b'x'; 2 * length + 1], b"\nnext\n".to_vec()].concat();
    let found = pieces(text.leak()).await;
    let places: Vec<_> = found.iter().map(|piece| (piece.bytes.len(), piece.begins, piece.ends)).collect();
    assert_eq!(places, [(length, true, false), (length, false, false), (1, false, true), (4, true, true)]);
    assert!(found.iter().all(|piece| piece.is_whole));
}

#[tokio::test]
async fn a_long_line_whose_last_piece_is_full_ends_with_an_empty_one() {
    let length = usize::try_from(LONGEST_PIECE).unwrap();
    let text = [vec![b'x'; length], b"\nnext".to_vec()].concat();
    let places: Vec<_> = pieces(text.leak()).await.iter().map(|piece| (piece.bytes.len(), piece.begins)).collect();
    assert_eq!(places, [(length, true), (0, false), (4, true)]);
}

#[tokio::test]
async fn a_log_that_stalls_is_given_up_on() {
    let reader = futures::stream::pending::<io::Result<Vec<u8>>>().into_async_read();
    let mut log = Log { reader: Box::pin(reader), longest_silence: Some(Duration::ZERO), at_a_beginning: true };
    assert_eq!(log.next().await, Err(Cause::AnswerLost("nothing came for 0 s".to_owned())));
}
