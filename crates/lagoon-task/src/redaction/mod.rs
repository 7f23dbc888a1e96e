//! Finds secrets in text and hides them, also where they are encoded.
//!
//! What is found, what is not, and how that compares with other maskers is in `docs/redaction.md`.

mod automaton;
mod decoded;
mod decoder;
mod digit_run;
mod escapes;
mod heuristics;
mod stream;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use automaton::Search;
pub(crate) use heuristics::{is_secret, secrets_inside};
pub use stream::SecretStream;

/// What stands in place of a secret.
///
/// ```
/// use lagoon_task::{Redactor, redaction::HIDDEN};
///
/// let mut redactor = Redactor::default();
/// redactor.add("hunter22");
/// assert_eq!(redactor.hide("hunter22"), HIDDEN);
/// ```
pub const HIDDEN: &str = "[hidden]";

/// Secrets shorter than this many bytes are not hidden: they would tear holes into words that are none.
///
/// ```
/// use lagoon_task::{Redactor, redaction::SHORTEST};
///
/// let mut redactor = Redactor::default();
/// assert!(!redactor.add("x".repeat(SHORTEST - 1)));
/// assert!(redactor.add("x".repeat(SHORTEST)));
/// ```
pub const SHORTEST: usize = 4;

/// A set of secrets, ready to be searched for.
///
/// A secret is also found as base64 (padded or not, standard or URL alphabet, wherever it stands in the encoded text,
/// also over wrapped lines), in hexadecimal, percent-encoded as in URLs and forms, and with the escapes of a JSON,
/// JavaScript, Go or Rust string, or of HTML.
///
/// ```
/// let mut redactor = lagoon_task::Redactor::default();
/// redactor.add("w0rd/22!");
/// for text in ["w0rd/22!", "w0rd%2F22%21", r"w0rd\/22!", "w0rd&#47;22!", "773072642f323221"] {
///     assert_eq!(redactor.hide(text), "[hidden]");
/// }
/// ```
#[derive(Debug, Default)]
pub struct Redactor {
    secrets: BTreeSet<Vec<u8>>,
    /// Made when it is first needed: secrets are registered one after the other.
    search: OnceLock<Option<Arc<Search>>>,
}

impl Redactor {
    /// Adds a secret; of one with several lines, each line, since output is written by lines. White space around a
    /// line does not count. One that is not UTF-8 is added as a whole too. Answers whether anything new was added.
    ///
    /// ```
    /// let mut redactor = lagoon_task::Redactor::default();
    /// assert!(redactor.add("first line\n second line\n"));
    /// assert!(!redactor.add("second line"));
    /// assert_eq!(redactor.hide("it has a second line"), "it has a [hidden]");
    /// ```
    pub fn add(&mut self, secret: impl AsRef<[u8]>) -> bool {
        let secret = secret.as_ref();
        let whole = (std::str::from_utf8(secret).is_err()).then_some(secret);
        let lines = secret.split(|byte| *byte == b'\n').chain(whole).map(<[u8]>::trim_ascii);
        let known = self.secrets.len();
        self.secrets.extend(lines.filter(|line| line.len() >= SHORTEST).map(<[u8]>::to_vec));
        let grown = self.secrets.len() > known;
        if grown {
            self.search = OnceLock::new();
        }
        grown
    }

    /// `text` with every secret replaced by [`HIDDEN`]. Secrets that overlap are hidden as one.
    ///
    /// ```
    /// use lagoon_task::Redactor;
    ///
    /// let mut redactor = Redactor::default();
    /// redactor.add("hunter22");
    /// redactor.add("22-and-more");
    /// assert_eq!(redactor.hide("it is hunter22-and-more, yes"), "it is [hidden], yes");
    /// assert_eq!(redactor.hide("Authorization: Basic YWRhOmh1bnRlcjIy"), "Authorization: Basic YWRhO[hidden]");
    /// ```
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        if self.secrets.is_empty() {
            return text.to_owned();
        }
        let (mut stream, mut shown) = (self.stream(), Vec::with_capacity(text.len()));
        stream.push(text.as_bytes(), &mut shown);
        stream.finish(&mut shown);
        String::from_utf8(shown).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    /// Hides the secrets that are known now in a text that comes in pieces.
    ///
    /// ```
    /// let mut redactor = lagoon_task::Redactor::default();
    /// redactor.add("hunter22");
    /// let (mut stream, mut shown) = (redactor.stream(), Vec::new());
    /// for piece in ["it is hun", "ter22"] {
    ///     stream.push(piece.as_bytes(), &mut shown);
    /// }
    /// stream.finish(&mut shown);
    /// assert_eq!(shown, b"it is [hidden]");
    /// ```
    #[must_use]
    pub fn stream(&self) -> SecretStream {
        SecretStream::new(self.search())
    }

    /// Has `stream` look for secrets that were added since it was made.
    pub(crate) fn renew(&self, stream: &mut SecretStream) {
        stream.look_for(self.search());
    }

    fn search(&self) -> Option<Arc<Search>> {
        if self.secrets.is_empty() {
            return None;
        }
        self.search.get_or_init(|| Search::new(&self.secrets).map(Arc::new)).clone()
    }
}

#[cfg(test)]
mod tests;
