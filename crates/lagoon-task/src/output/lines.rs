//! The lines of another program, as they can be shown.

use crate::output::ansi::{last_state, without_sequences};
use crate::redaction::{Redactor, SecretStream};

/// A line that does not end comes in parts of about this many bytes.
pub(super) const LONGEST_LINE: usize = 64 * 1024;

/// Makes lines that can be shown of text that comes in pieces, cut anywhere: without secrets, also where a line break or
/// a colour stands in one; without what is meant for a terminal; of a progress line its last state.
pub(crate) struct SafeLines {
    /// The text as it was printed.
    printed: Stage,
    /// The text without escape sequences, which may have stood in the middle of a secret.
    plain: Stage,
}

impl SafeLines {
    pub(super) fn new(redactor: &Redactor) -> Self {
        let stage = || Stage { secrets: redactor.stream(), line: Vec::new() };
        Self { printed: stage(), plain: stage() }
    }

    /// Takes the next piece; answers with the lines that are complete by now, each with its line break. What `redactor`
    /// has learned since the last piece counts, also for what is held back.
    pub(super) fn push(&mut self, redactor: &Redactor, piece: &[u8]) -> String {
        redactor.renew(&mut self.printed.secrets);
        redactor.renew(&mut self.plain.secrets);
        let mut lines = String::new();
        for part in piece.chunks(LONGEST_LINE) {
            let printed = self.printed.take(part);
            let plain = self.plain.take(&text_alone(&printed));
            add_last_states(&plain, &mut lines);
        }
        lines
    }

    /// The rest, when nothing follows.
    pub(crate) fn finish(&mut self) -> String {
        let mut rest = self.plain.take(&text_alone(&self.printed.end()));
        rest.extend(self.plain.end());
        let mut lines = String::new();
        add_last_states(&rest, &mut lines);
        lines
    }
}

/// Hides secrets, and holds back the line that has not ended yet.
struct Stage {
    secrets: SecretStream,
    line: Vec<u8>,
}

impl Stage {
    /// Takes the next piece; answers with the lines that are complete by now.
    fn take(&mut self, piece: &[u8]) -> Vec<u8> {
        self.secrets.push(piece, &mut self.line);
        let complete = match self.line.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if self.line.len() > LONGEST_LINE => whole_characters(&self.line),
            None => 0,
        };
        self.line.drain(..complete).collect()
    }

    /// The rest: nothing follows.
    fn end(&mut self) -> Vec<u8> {
        self.secrets.finish(&mut self.line);
        std::mem::take(&mut self.line)
    }
}

/// Adds what stands there in the end of each line.
fn add_last_states(text: &[u8], lines: &mut String) {
    for line in String::from_utf8_lossy(text).lines() {
        lines.extend([last_state(line), "\n"]);
    }
}

/// What was printed, without escape sequences.
fn text_alone(printed: &[u8]) -> Vec<u8> {
    without_sequences(&String::from_utf8_lossy(printed)).into_owned().into_bytes()
}

/// How many bytes of `line` do not end in the middle of a character.
fn whole_characters(line: &[u8]) -> usize {
    let character_begins = |byte: &u8| !(0x80..0xc0).contains(byte);
    line.len() - line.iter().rev().take(4).position(character_begins).map_or(0, |follow| follow + 1)
}

#[cfg(test)]
mod tests;
