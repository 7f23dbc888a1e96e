//! Why a task failed, in a sentence for its user.

use std::error::Error as StdError;
use std::fmt::{self, Display};
use std::sync::Arc;

/// Why a task failed, in a sentence for its user: what happened, what it means, what to do.
///
/// Any error turns into one with `?` and is kept as its [`source`](Self::source). [`context`](Self::context) says what the
/// task was doing.
///
/// ```
/// use lagoon_task::Failure;
///
/// fn rows(text: &str) -> Result<u32, Failure> {
///     Ok(text.parse()?)
/// }
/// assert_eq!(rows("12").unwrap(), 12);
/// assert_eq!(rows("many").unwrap_err().sentence(), "invalid digit found in string");
/// ```
#[derive(Debug, Clone)]
pub struct Failure {
    sentence: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Failure {
    /// A failure with this sentence.
    ///
    /// ```
    /// use lagoon_task::Failure;
    ///
    /// fn need_rows(rows: u32) -> Result<(), Failure> {
    ///     if rows == 0 {
    ///         return Err(Failure::new("The table is empty, so nothing was copied. Choose another table."));
    ///     }
    ///     Ok(())
    /// }
    /// assert!(need_rows(0).is_err());
    /// ```
    pub fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), source: None }
    }

    /// What the user is told.
    ///
    /// ```
    /// let failure = lagoon_task::Failure::new("The table is empty.");
    /// assert_eq!(failure.sentence(), "The table is empty.");
    /// ```
    #[must_use]
    pub fn sentence(&self) -> &str {
        &self.sentence
    }

    /// The error that it was made of; `None` where the task wrote the sentence itself.
    ///
    /// ```
    /// use lagoon_task::Failure;
    ///
    /// let failure = Failure::from(std::io::Error::from(std::io::ErrorKind::NotFound));
    /// assert!(failure.source().is_some_and(|error| error.is::<std::io::Error>()));
    /// ```
    #[must_use]
    pub fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|error| error as &(dyn StdError + 'static))
    }

    /// The same with what the task was doing before it. On a `Result` that is [`FailureContext::context`].
    ///
    /// ```
    /// use lagoon_task::Failure;
    ///
    /// let failure = Failure::new("the disk is full").context("Writing the dump");
    /// assert_eq!(failure.sentence(), "Writing the dump: the disk is full");
    /// ```
    #[must_use]
    pub fn context(self, doing: impl Display) -> Self {
        Self { sentence: format!("{doing}: {}", self.sentence), source: self.source }
    }
}

impl Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.sentence)
    }
}

/// Two failures are equal when their user reads the same: errors in general cannot be compared.
impl PartialEq for Failure {
    fn eq(&self, other: &Self) -> bool {
        self.sentence == other.sentence
    }
}

impl Eq for Failure {}

impl<E: StdError + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { sentence: error.to_string(), source: Some(Arc::new(error)) }
    }
}

/// Says on a `Result` what the task was doing when it failed.
///
/// ```
/// use lagoon_task::{Failure, FailureContext};
///
/// fn dump() -> Result<String, Failure> {
///     std::fs::read_to_string("/nowhere/dump.sql").context("Reading the dump")
/// }
/// assert_eq!(dump().unwrap_err().sentence(), "Reading the dump: No such file or directory (os error 2)");
/// ```
pub trait FailureContext<T> {
    /// The same, with its error as a [`Failure`] that begins with what the task was `doing`.
    ///
    /// ```
    /// use lagoon_task::FailureContext;
    ///
    /// let failure = "many".parse::<u32>().context("Counting the rows").unwrap_err();
    /// assert_eq!(failure.to_string(), "Counting the rows: invalid digit found in string");
    /// ```
    fn context(self, doing: impl Display) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> FailureContext<T> for Result<T, E> {
    fn context(self, doing: impl Display) -> Result<T, Failure> {
        self.map_err(|error| error.into().context(doing))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn contexts_stand_before_the_sentence_outermost_first() {
        let read: Result<(), _> = Err(Error::from(ErrorKind::NotFound));
        let failed = read.context("Reading the dump").context(format_args!("Copying table {}", 1)).unwrap_err();
        assert_eq!(failed.sentence(), "Copying table 1: Reading the dump: entity not found");
        assert_eq!(failed.to_string(), failed.sentence());
    }

    #[test]
    fn a_failure_keeps_the_error_it_was_made_of() {
        let failed = Failure::from(Error::from(ErrorKind::NotFound)).context("Reading").context("Copying");
        let source = failed.source().and_then(|error| error.downcast_ref::<Error>()).unwrap();
        assert_eq!(source.kind(), ErrorKind::NotFound);
        assert!(Failure::new("The table is empty.").source().is_none());
    }

    #[test]
    fn success_is_not_changed_by_a_context() {
        assert_eq!(Ok::<_, Failure>(1).context("Counting"), Ok(1));
    }

    #[test]
    fn failures_are_equal_when_their_sentences_are() {
        let made = Failure::from(Error::from(ErrorKind::NotFound));
        assert_eq!(made, Failure::new("entity not found"));
        assert_ne!(made, made.clone().context("Reading"));
    }
}
