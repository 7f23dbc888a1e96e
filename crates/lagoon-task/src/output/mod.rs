//! The one writer for everything that the user of a task is shown.
//!
//! Lagoon shows a task's log in a web page, so a line stands alone, holds no control characters and no secrets.

mod ansi;
mod lines;
pub(crate) mod register;

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use crate::redaction::Redactor;
use lines::SafeLines;

/// Lagoon's task monitor takes a log that holds this text for one that it could not read, and ships no log at all.
const TAKEN_FOR_A_MISSING_LOG: &str = "unable to retrieve container logs for containerd";

/// Says the same; what stands around it cannot join it to the text above again.
const HARMLESS: &str = "unable to retrieve the container logs for containerd";

const RED: &str = "\x1b[31m";
const RESET: &str = "\x1b[0m";

/// Writes lines for the user. Clones share the writer and the secrets.
///
/// ```
/// use lagoon_task::Output;
///
/// let output = Output::stdout();
/// let same = output.clone();
/// same.register_secret("hunter22");
/// assert_eq!(output.hide_secrets("it is hunter22"), "it is [hidden]");
/// ```
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
    ///
    /// ```
    /// lagoon_task::Output::stdout().say("Ready.");
    /// ```
    #[must_use]
    pub fn stdout() -> Self {
        let stdout = std::io::stdout();
        let colour = stdout.is_terminal();
        Self::new(stdout, colour)
    }

    /// An output that writes to `writer`, for tests and for tasks that keep a copy.
    ///
    /// ```
    /// use std::io::Read;
    /// use lagoon_task::Output;
    ///
    /// let (mut reader, writer) = std::io::pipe()?;
    /// let output = Output::new(writer, false);
    /// output.say("one\ntwo");
    /// drop(output);
    ///
    /// let mut shown = String::new();
    /// reader.read_to_string(&mut shown)?;
    /// assert_eq!(shown, "one\ntwo\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn new(writer: impl Write + Send + 'static, colour: bool) -> Self {
        let inner = Inner { writer: Box::new(writer), colour, redactor: Redactor::default() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Registers a secret: from now on it is shown as `[hidden]`, also where it is encoded (see [`Redactor`]). Of a secret
    /// with several lines each line is hidden. Secrets of fewer than four bytes are not hidden.
    ///
    /// ```
    /// let output = lagoon_task::Output::stdout();
    /// output.register_secret("first line!\nsecond line");
    /// assert_eq!(output.hide_secrets("?a=first%20line%21&b=second line"), "?a=[hidden]&b=[hidden]");
    /// ```
    pub fn register_secret(&self, secret: impl AsRef<[u8]>) {
        self.lock().redactor.add(secret);
    }

    /// `text` with the registered secrets hidden.
    ///
    /// ```
    /// let output = lagoon_task::Output::stdout();
    /// output.register_secret("hunter22");
    /// assert_eq!(output.hide_secrets("mysql://shop:hunter22@mariadb"), "mysql://shop:[hidden]@mariadb");
    /// ```
    #[must_use]
    pub fn hide_secrets(&self, text: &str) -> String {
        self.lock().redactor.hide(text)
    }

    /// Shows `text`, a line or several.
    ///
    /// ```
    /// # use std::io::Read;
    /// # let (mut reader, writer) = std::io::pipe()?;
    /// # let output = lagoon_task::Output::new(writer, false);
    /// output.say("Files copied: 3");
    /// output.say("The last one: a\u{1b}[2J.txt");
    /// # drop(output);
    /// # let mut shown = String::new();
    /// # reader.read_to_string(&mut shown)?;
    /// assert_eq!(shown, "Files copied: 3\nThe last one: a\\u{1b}[2J.txt\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn say(&self, text: impl Display) {
        // Before the lock is taken: the text may have something to say itself, or panic.
        let text = text.to_string();
        self.lock().write(&text, "");
    }

    /// Shows `text` as what went wrong: in red on a terminal.
    ///
    /// ```
    /// # use std::io::Read;
    /// # use lagoon_task::Output;
    /// # let (mut reader, writer) = std::io::pipe()?;
    /// let on_a_terminal = true;
    /// let output = Output::new(writer, on_a_terminal);
    /// output.say_failure("The disk is full.");
    /// # drop(output);
    /// # let mut shown = String::new();
    /// # reader.read_to_string(&mut shown)?;
    /// assert_eq!(shown, "\x1b[31mThe disk is full.\x1b[0m\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
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

    /// A writer for text that comes in pieces, such as the output of another program. Each line is shown when it is
    /// complete; secrets are hidden wherever the pieces were cut.
    ///
    /// What is meant for a terminal is left out: colours and other escape sequences, and of a line with carriage returns,
    /// such as a progress bar, all but its last state.
    ///
    /// ```
    /// use std::io::Write;
    /// use lagoon_task::Output;
    ///
    /// let output = Output::new(std::io::stdout(), false);
    /// output.register_secret("hunter22");
    /// let mut lines = output.lines();
    /// lines.write_all(b"the password is hun")?;
    /// lines.write_all(b"ter22\nand so ")?;
    /// lines.write_all(b"on")?;
    /// drop(lines); // shows the last line, which has no end
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn lines(&self) -> Lines {
        Lines { output: self.clone(), lines: self.safe_lines() }
    }

    /// For text that comes in pieces and is not only shown; see [`take`](Self::take).
    pub(crate) fn safe_lines(&self) -> SafeLines {
        SafeLines::new(&self.lock().redactor)
    }

    /// The lines that `piece` completes, as they can be shown, each with its line break.
    pub(crate) fn take(&self, lines: &mut SafeLines, piece: &[u8]) -> String {
        lines.push(&self.lock().redactor, piece)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while a line is written leaves nothing behind that the next line could stumble over.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn write(&mut self, text: &str, colour: &str) {
        let safe = self.redactor.hide(text);
        self.write_safe(&safe, colour);
    }

    /// Writes lines without secrets.
    fn write_safe(&mut self, safe: &str, colour: &str) {
        let safe = safe.replace(TAKEN_FOR_A_MISSING_LOG, HARMLESS);
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

/// Shows text that comes in pieces, line by line; made by [`Output::lines`].
///
/// Bytes that are no UTF-8 are shown as U+FFFD. A line of more than 64 KiB is shown in parts.
///
/// ```
/// use std::process::{Command, Stdio};
///
/// # let output = lagoon_task::Output::stdout();
/// let mut program = Command::new("echo").arg("one line").stdout(Stdio::piped()).spawn()?;
/// if let Some(mut printed) = program.stdout.take() {
///     std::io::copy(&mut printed, &mut output.lines())?;
/// }
/// assert!(program.wait()?.success());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Lines {
    output: Output,
    lines: SafeLines,
}

impl Write for Lines {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        let lines = self.output.take(&mut self.lines, piece);
        self.output.lock().write_safe(&lines, "");
        Ok(piece.len())
    }

    /// Does nothing: what is held back may be the beginning of a secret, and is shown when more comes or at the end.
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let rest = self.lines.finish();
        self.output.lock().write_safe(&rest, "");
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
pub(super) fn is_invisible(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests;
