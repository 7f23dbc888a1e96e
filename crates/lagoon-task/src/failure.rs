//! Why a task failed, in a sentence for its user.

use std::error::Error as StdError;

/// Why a task failed, in a sentence for its user: what happened, what it means, what to do.
///
/// Any error turns into one with `?`.
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    sentence: String,
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
        Self { sentence: sentence.into() }
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
}

impl<E: StdError> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}
