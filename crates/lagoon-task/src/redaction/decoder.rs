//! Undoes the encodings in which a secret may stand in a text, byte by byte.
//!
//! Each decoder remembers where in the text a decoded byte comes from, so that what is found after decoding can be
//! hidden before it. What is not encoded passes as it is.

use crate::redaction::decoded::Decoded;
use crate::redaction::digit_run::{Run, Step};
use crate::redaction::escapes::{Escape, Reading};

/// Takes what has been decoded; `None` says that what follows does not continue what came before.
pub(super) type Sink<'sink> = dyn FnMut(Option<Decoded>) + 'sink;

/// One encoding.
#[derive(Debug)]
pub(super) enum Decoder {
    /// Escapes that begin with `opener`: see [`Reading`]. `open` is one that is not finished.
    Escapes { opener: u8, read: Reading, open: Vec<Decoded> },
    /// `+` for a space, as HTML forms have it.
    Plus,
    /// Two digits a byte, in either case; two lanes.
    Hex { run: Run },
    /// Standard and URL alphabet (RFC 4648), padded or not; four lanes.
    Base64 { run: Run },
}

impl Decoder {
    /// A decoder for escapes that begin with `opener`.
    pub(super) fn escapes(opener: u8, read: Reading) -> Self {
        Self::Escapes { opener, read, open: Vec::new() }
    }

    /// Takes one byte and gives `sink` what is decoded by now.
    pub(super) fn push(&mut self, byte: Decoded, sink: &mut Sink) {
        match self {
            Self::Escapes { opener, read, open } => unescape(*opener, *read, open, byte, sink),
            Self::Plus if byte.value == b'+' => sink(Some(Decoded { value: b' ', ..byte })),
            Self::Plus => sink(Some(byte)),
            Self::Hex { run } => {
                if let Some(pair) = pair(run, hex_digit(byte.value), byte, sink) {
                    let lane = pair.index % 2;
                    sink(Some(Decoded { value: pair.first << 4 | pair.second, lane, ..pair.place(byte) }));
                }
            }
            Self::Base64 { run } => {
                if let Some(pair) = pair(run, base64_digit(byte.value), byte, sink) {
                    base64(&pair, byte, sink);
                }
            }
        }
    }

    /// Where in the text that begins which is not decoded yet.
    pub(super) fn waiting_since(&self) -> Option<u64> {
        match self {
            Self::Escapes { open, .. } => open.first().map(|byte| byte.start),
            Self::Plus => None,
            Self::Hex { run } | Self::Base64 { run } => run.last_start(),
        }
    }
}

fn unescape(opener: u8, read: Reading, open: &mut Vec<Decoded>, byte: Decoded, sink: &mut Sink) {
    if open.is_empty() && byte.value != opener {
        return sink(Some(byte));
    }
    open.push(byte);
    let text: Vec<u8> = open.iter().map(|byte| byte.value).collect();
    match read(&text) {
        Escape::Unfinished => {}
        Escape::Bytes(bytes) => {
            let start = open.first().map_or(byte.start, |first| first.start);
            for value in bytes {
                sink(Some(Decoded { value, start, ..byte }));
            }
            open.clear();
        }
        Escape::None => {
            open.pop();
            open.drain(..).for_each(|literal| sink(Some(literal)));
            // Empty now: what comes may open another.
            unescape(opener, read, open, byte, sink);
        }
    }
}

/// Two neighbouring digits.
struct Pair {
    first: u8,
    second: u8,
    /// How many digits of the run stand before the first.
    index: usize,
    start: u64,
}

impl Pair {
    fn place(&self, second: Decoded) -> Decoded {
        Decoded { start: self.start, ..second }
    }
}

/// The digit and the one before it in its run.
fn pair(run: &mut Run, digit: Option<u8>, byte: Decoded, sink: &mut Sink) -> Option<Pair> {
    match run.step(digit, byte) {
        Step::Broken => sink(None),
        Step::Digit { previous: Some((first, start)), index } => {
            return Some(Pair { first, second: digit?, index: index - 1, start });
        }
        Step::Digit { previous: None, .. } | Step::Nothing => {}
    }
    None
}

/// Four characters are three bytes, and each two neighbouring characters hold one whole byte, unless they belong to
/// two different groups of four. The text may have begun anywhere in a group, so each pair is read in three lanes.
fn base64(pair: &Pair, byte: Decoded, sink: &mut Sink) {
    for lane in 0..=pair.index.min(3) {
        let value = match (pair.index - lane) % 4 {
            0 => pair.first << 2 | pair.second >> 4,
            1 => pair.first << 4 | pair.second >> 2,
            2 => pair.first << 6 | pair.second,
            _ => continue,
        };
        sink(Some(Decoded { value, lane, ..pair.place(byte) }));
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn base64_digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}
