//! Runs of base64 or hex digits, also over the line breaks of wrapped text.

use crate::redaction::decoded::Decoded;

/// A line of at least this many digits may have been wrapped: `xxd -p` breaks after 60 characters, PEM after 64, `base64`
/// after 76. After a shorter line a run ends, so that an ordinary line is never held back for what may follow it.
const WRAPPED: usize = 60;

/// The longest line break, `\r\n`.
const LINE_BREAK: usize = 2;

/// Where a run of digits stands.
#[derive(Debug, Default)]
pub(super) struct Run {
    digits: usize,
    last: Option<(u8, u64)>,
    column: usize,
    line_break: usize,
}

/// What one more byte means for a run.
pub(super) enum Step {
    /// It goes on: how many digits came before this one, and the value and place of the last of them.
    Digit { index: usize, previous: Option<(u8, u64)> },
    /// It has ended.
    Broken,
    /// There was none, or this is a line break inside it.
    Nothing,
}

impl Run {
    /// Takes a byte, with its value if it is a digit.
    pub(super) fn step(&mut self, digit: Option<u8>, byte: Decoded) -> Step {
        if let Some(value) = digit {
            let step = Step::Digit { index: self.digits, previous: self.last };
            let column = if self.line_break > 0 { 1 } else { self.column + 1 };
            *self = Self { digits: self.digits + 1, last: Some((value, byte.start)), column, line_break: 0 };
            step
        } else if self.digits == 0 {
            Step::Nothing
        } else if matches!(byte.value, b'\r' | b'\n') && self.column >= WRAPPED && self.line_break < LINE_BREAK {
            self.line_break += 1;
            Step::Nothing
        } else {
            *self = Self::default();
            Step::Broken
        }
    }

    /// Where the last digit begins: the next one may make a byte with it.
    pub(super) fn last_start(&self) -> Option<u64> {
        self.last.map(|(_, start)| start)
    }
}
