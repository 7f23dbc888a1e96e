//! The one writer for everything that the user of a task is shown.
//!
//! Lagoon shows a task's log in a web page, so a line stands alone, holds no control characters and no secrets.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use super::redaction::Redactor;

/// Lagoon's task monitor takes a log that holds this text for one that it could not read, and ships no log at all.
const TAKEN_FOR_A_MISSING_LOG: &str = "unable to retrieve container logs for containerd";

/// Says the same; what stands around it cannot join it to the text above again.
const HARMLESS: &str = "unable to retrieve the container logs for containerd";

const RED: &str = "\x1b[31m";
const RESET: &str = "\x1b[0m";

/// Writes lines for the user. Clones share the writer and the secrets.
#[derive(Clone)]
pub struct Output {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    writer: Box<dyn Write + Send>,
    colour: bool,
    redactor: Redactor,
}

impl Output {
    /// The output of this process: standard output, with colour only when that is a terminal.
    #[must_use]
    pub fn stdout() -> Self {
        let stdout = std::io::stdout();
        let colour = stdout.is_terminal();
        Self::new(stdout, colour)
    }

    /// An output that writes to `writer`, for tests and for tasks that keep a copy.
    #[must_use]
    pub fn new(writer: impl Write + Send + 'static, colour: bool) -> Self {
        let inner = Inner { writer: Box::new(writer), colour, redactor: Redactor::default() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Registers a secret: from now on it is shown as `[hidden]`. Of a secret with several lines each line is hidden.
    /// Secrets of fewer than four bytes are not hidden.
    pub fn register_secret(&self, secret: &str) {
        self.lock().redactor.add(secret);
    }

    /// `text` with the registered secrets hidden.
    #[must_use]
    pub fn hide_secrets(&self, text: &str) -> String {
        self.lock().redactor.hide(text)
    }

    /// Shows `text`, a line or several.
    pub fn say(&self, text: impl Display) {
        // Before the lock is taken: the text may have something to say itself, or panic.
        let text = text.to_string();
        self.lock().write(&text, "");
    }

    /// Shows `text` as what went wrong: in red on a terminal.
    pub fn say_failure(&self, text: impl Display) {
        let text = text.to_string();
        self.lock().write(&text, RED);
    }

    /// Shows `text` from inside a panic, when this very thread may be in the middle of a write.
    pub(crate) fn say_in_panic(&self, text: &str) {
        match self.inner.try_lock() {
            Ok(mut inner) => inner.write(text, RED),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().write(text, RED),
            Err(TryLockError::WouldBlock) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while a line is written leaves nothing behind that the next line could stumble over.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn write(&mut self, text: &str, colour: &str) {
        let safe = self.redactor.hide(text).replace(TAKEN_FOR_A_MISSING_LOG, HARMLESS);
        let mut lines = String::with_capacity(safe.len() + 16);
        for line in safe.lines() {
            let line = escape(line);
            let (begin, end) = if self.colour && !colour.is_empty() { (colour, RESET) } else { ("", "") };
            lines.extend([begin, &line, end, "\n"]);
        }
        // A reader that went away must not end the task half way.
        let _ = self.writer.write_all(lines.as_bytes()).and_then(|()| self.writer.flush());
    }
}

/// `text` on one line: control characters, and characters that change the direction of text, are written as escapes.
/// For names and messages that come from objects or people.
///
/// ```
/// assert_eq!(lagoon_task::output::escape("one\ntwo\u{1b}[2J"), r"one\ntwo\u{1b}[2J");
/// ```
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '\t' && (character.is_control() || is_invisible(character)) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Line and paragraph separators, and the marks that reorder text (Unicode's bidirectional controls).
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
