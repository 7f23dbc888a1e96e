//! Lines out of the pieces in which a command's output arrives.

/// A line that is longer than this many bytes is handed on in parts, so that no output can fill the memory.
pub(super) const LONGEST_LINE: usize = 16 * 1024;

/// Collects bytes until a line is whole.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    /// Takes in `bytes` and hands on each line that they complete, without its line break.
    pub(super) fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let mut piece = piece;
            while self.begun.len() + piece.len() > LONGEST_LINE && !piece.is_empty() {
                let (part, rest) = piece.split_at(piece.len().min(LONGEST_LINE.saturating_sub(self.begun.len())));
                self.begun.extend_from_slice(part);
                piece = rest;
                self.hand_on(&mut line);
            }
            self.begun.extend_from_slice(piece);
            if self.begun.ends_with(b"\n") {
                self.hand_on(&mut line);
            }
        }
    }

    /// Hands on what is left when the output has ended.
    pub(super) fn finish(mut self, mut line: impl FnMut(&str)) {
        if !self.begun.is_empty() {
            self.hand_on(&mut line);
        }
    }

    fn hand_on(&mut self, line: &mut impl FnMut(&str)) {
        let text = String::from_utf8_lossy(&self.begun);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        line(text.strip_suffix('\r').unwrap_or(text));
        self.begun.clear();
    }
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
