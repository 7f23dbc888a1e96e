//! Undoes the encodings in which a secret may stand in a text, byte by byte.
//!
//! Each decoder remembers where in the text a decoded byte comes from, so that what is found after decoding can be
//! hidden before it. What is not encoded passes as it is.

use super::run::{Run, Step};

/// A byte after decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decoded {
    /// Its value.
    pub(super) value: u8,
    /// Where in the text the first character that it comes from begins.
    pub(super) start: u64,
    /// Where in the text the last character that it comes from ends.
    pub(super) end: u64,
    /// Which of several readings of the same text it belongs to. Base64 and hex can be read from any character on.
    pub(super) lane: usize,
}

/// Takes what has been decoded; `None` says that what follows does not continue what came before.
pub(super) type Sink<'sink> = dyn FnMut(Option<Decoded>) + 'sink;

/// One encoding.
#[derive(Debug)]
pub(super) enum Decoder {
    /// `%41`, in either case (RFC 3986); with `form` also `+` for a space, as HTML forms have it.
    Percent { form: bool, open: Vec<Decoded> },
    /// A backslash and what it stands for, as in strings of JSON, JavaScript, Go and Rust.
    Backslash { open: Vec<Decoded> },
    /// Two digits a byte, in either case; two lanes.
    Hex { run: Run },
    /// Standard and URL alphabet (RFC 4648), padded or not; four lanes.
    Base64 { run: Run },
}

impl Decoder {
    /// Takes one byte and gives `sink` what is decoded by now.
    pub(super) fn push(&mut self, byte: Decoded, sink: &mut Sink) {
        match self {
            Self::Percent { form, open } => percent(*form, open, byte, sink),
            Self::Backslash { open } => backslash(open, byte, sink),
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
            Self::Percent { open, .. } | Self::Backslash { open } => open.first().map(|byte| byte.start),
            Self::Hex { run } | Self::Base64 { run } => run.last_start(),
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

fn percent(form: bool, open: &mut Vec<Decoded>, byte: Decoded, sink: &mut Sink) {
    match (open.as_slice(), byte.value) {
        ([], b'%') => open.push(byte),
        ([], b'+') if form => sink(Some(Decoded { value: b' ', ..byte })),
        ([], _) => sink(Some(byte)),
        ([_], digit) if hex_digit(digit).is_some() => open.push(byte),
        ([percent, high], low) if hex_digit(low).is_some() => {
            let digits = hex_digit(high.value).zip(hex_digit(low));
            let value = digits.map_or(0, |(high, low)| high << 4 | low);
            sink(Some(Decoded { value, start: percent.start, ..byte }));
            open.clear();
        }
        _ => {
            open.drain(..).for_each(|literal| sink(Some(literal)));
            percent(form, open, byte, sink);
        }
    }
}

fn backslash(open: &mut Vec<Decoded>, byte: Decoded, sink: &mut Sink) {
    if open.is_empty() && byte.value != b'\\' {
        return sink(Some(byte));
    }
    open.push(byte);
    let text: Vec<u8> = open.iter().map(|byte| byte.value).collect();
    match super::escapes::read(&text) {
        super::escapes::Escape::Unfinished => {}
        super::escapes::Escape::Bytes(bytes) => {
            let start = open.first().map_or(byte.start, |first| first.start);
            for value in bytes {
                sink(Some(Decoded { value, start, ..byte }));
            }
            open.clear();
        }
        super::escapes::Escape::None => {
            open.pop();
            open.drain(..).for_each(|literal| sink(Some(literal)));
            backslash(open, byte, sink);
        }
    }
}
