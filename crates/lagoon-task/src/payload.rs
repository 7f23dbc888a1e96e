//! The task's payload: `JSON_PAYLOAD`, standard base64 of a JSON document.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::DeserializeOwned;

use crate::output::escape;

/// The longest payload that is decoded, in bytes of base64: the longest environment variable that Linux hands to a process.
///
/// ```
/// use lagoon_task::payload::{LONGEST, PayloadError, decode};
///
/// let too_long = "A".repeat(LONGEST + 1);
/// let error = decode::<serde_json::Value>(Some(&too_long)).unwrap_err();
/// assert_eq!(error, PayloadError::TooLong { length: LONGEST + 1 });
/// ```
pub const LONGEST: usize = 131_072;

/// Standard alphabet; padding may be there or not, since people paste payloads by hand.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a payload could not be read. No variant holds a value of the payload.
///
/// ```
/// use lagoon_task::payload::{PayloadError, decode};
///
/// assert_eq!(decode::<serde_json::Value>(None), Err(PayloadError::Empty));
/// let cut_off = decode::<serde_json::Value>(Some("eyJuYW1l")).unwrap_err();
/// assert_eq!(cut_off, PayloadError::NotJson { line: 1, column: 6 });
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// There is none.
    #[error(
        "The task got no payload: JSON_PAYLOAD is empty or not set. Start the task from Lagoon, which fills it in."
    )]
    Empty,
    /// It is longer than [`LONGEST`].
    #[error("The task's payload is too long: JSON_PAYLOAD holds {length} bytes, and at most {LONGEST} can be read.")]
    TooLong {
        /// Bytes of base64, white space left out.
        length: usize,
    },
    /// It is not base64.
    #[error("The task's payload is damaged: JSON_PAYLOAD is not standard base64, {at}.")]
    NotBase64 {
        /// Where, in words.
        at: String,
    },
    /// Decoded, it is not text.
    #[error("The task's payload is damaged: what JSON_PAYLOAD encodes is not UTF-8 text, first at byte {byte}.")]
    NotUtf8 {
        /// Offset in the decoded bytes, from 0.
        byte: usize,
    },
    /// It is text, but not JSON.
    #[error("The task's payload is damaged: what JSON_PAYLOAD encodes is not JSON, at line {line}, column {column}.")]
    NotJson {
        /// Line of the decoded text, from 1.
        line: usize,
        /// Column of the decoded text, from 1.
        column: usize,
    },
    /// It is JSON, but not what this task takes.
    #[error("The task's payload does not fit this task: {field} {problem}{}.", position(*.line, *.column))]
    WrongShape {
        /// The path of the field, like `crd.metadata.name`.
        field: String,
        /// What is wrong with it.
        problem: String,
        /// Line of the decoded text, from 1; 0 where the parser does not know it.
        line: usize,
        /// Column of the decoded text, from 1; 0 where the parser does not know it.
        column: usize,
    },
}

fn position(line: usize, column: usize) -> String {
    if line == 0 { String::new() } else { format!(" (line {line}, column {column})") }
}

/// Decodes a payload to the task's own type. Line breaks and missing padding are tolerated, fields that the type does
/// not know are ignored.
///
/// ```
/// use lagoon_task::payload;
///
/// #[derive(Debug, serde::Deserialize)]
/// struct Arguments { name: String }
///
/// let arguments: Arguments = payload::decode(Some("eyJuYW1lIjoiQWRhIn0")).unwrap();
/// assert_eq!(arguments.name, "Ada");
///
/// let error = payload::decode::<Arguments>(Some("e30=")).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "The task's payload does not fit this task: the field `name` is missing (line 1, column 2)."
/// );
/// ```
pub fn decode<T: DeserializeOwned>(payload: Option<&str>) -> Result<T, PayloadError> {
    let text = decode_text(payload.unwrap_or_default())?;
    // First as a whole: a document that is damaged further on would else be blamed for a field that it lacks.
    serde_json::from_str::<serde::de::IgnoredAny>(&text).map_err(|error| not_json(&error))?;
    let mut json = serde_json::Deserializer::from_str(&text);
    serde_path_to_error::deserialize(&mut json).map_err(|error| describe(&error, &text))
}

/// Base64 to text.
fn decode_text(payload: &str) -> Result<String, PayloadError> {
    let base64: String = payload.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    if base64.is_empty() {
        return Err(PayloadError::Empty);
    }
    if base64.len() > LONGEST {
        return Err(PayloadError::TooLong { length: base64.len() });
    }
    let bytes = BASE64.decode(&base64).map_err(|_| PayloadError::NotBase64 { at: place(payload) })?;
    String::from_utf8(bytes).map_err(|error| PayloadError::NotUtf8 { byte: error.utf8_error().valid_up_to() })
}

/// Where base64 is damaged, without the character that was found there. The decoder's own word for it is not exact.
fn place(payload: &str) -> String {
    let belongs = |character: char| {
        character.is_ascii_alphanumeric() || character.is_ascii_whitespace() || matches!(character, '+' | '/' | '=')
    };
    match payload.chars().position(|character| !belongs(character)) {
        Some(position) => format!("at character {}", position + 1),
        None => "it is cut off or its end is damaged".to_owned(),
    }
}

fn not_json(error: &serde_json::Error) -> PayloadError {
    PayloadError::NotJson { line: error.line(), column: error.column() }
}

fn describe(error: &serde_path_to_error::Error<serde_json::Error>, text: &str) -> PayloadError {
    let json = error.inner();
    if !json.is_data() {
        return not_json(json);
    }
    let path = error.path().to_string();
    let (field, problem) = problem(&path, &json.to_string(), text);
    PayloadError::WrongShape { field, problem, line: json.line(), column: json.column() }
}

/// Says what is wrong in words that hold nothing of the payload. The message of `serde_json` quotes values before its last
/// `, expected`, and what follows it comes from the task's type, unless that has an error text of its own: so nothing
/// is shown that also stands in the payload.
fn problem(path: &str, message: &str, payload: &str) -> (String, String) {
    let (message, _position) = message.rsplit_once(" at line ").unwrap_or((message, ""));
    let whole = path == ".";
    if let Some(field) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        let parent = if whole { String::new() } else { format!("{}.", escape(path)) };
        return (format!("the field `{parent}{field}`"), "is missing".to_owned());
    }
    let subject = if whole { "the document".to_owned() } else { format!("the field `{}`", escape(path)) };
    let problem = match message.rsplit_once(", expected ") {
        Some((_, expected)) if !shares_a_word(expected, payload) => format!("is not {expected}"),
        _ => "holds a value that this task does not take".to_owned(),
    };
    (subject, problem)
}

/// Whether a word of four characters or more stands in both.
fn shares_a_word(expected: &str, payload: &str) -> bool {
    let words = expected.split(|character: char| !character.is_alphanumeric());
    words.filter(|word| word.chars().count() >= 4).any(|word| payload.contains(word))
}

#[cfg(test)]
mod tests;
