//! The arguments of a task that a user starts: defined once, for Lagoon's form and for the task.
//!
//! Lagoon hands a task its arguments as a map of texts. With [`arguments!`](crate::arguments!) they become a struct of
//! the task's own; everything that does not fit is told at once, in the words of the form. [`Definition`] prints the
//! same arguments as the mutation that makes the task known to Lagoon.

mod argument;
mod definition;
mod value;

use serde_json::{Map, Value};

pub use argument::Argument;
pub use definition::{Definition, DefinitionError, Permission, Target};
pub use value::ArgumentValue;

use crate::output::{Output, escape};
use crate::payload::{self, PayloadError};

/// Of a value that does not fit at most this many characters are shown.
const SHOWN: usize = 40;

/// A struct of a task's arguments, made by [`arguments!`](crate::arguments!).
///
/// ```
/// use lagoon_task::{Argument, TypedArguments, arguments};
///
/// arguments! {
///     struct Chosen {
///         table: String = Argument::string("Table"),
///         rows: u32 = Argument::numeric("Rows").range(1..=1000),
///     }
/// }
///
/// fn form<Arguments: TypedArguments>() -> Vec<String> {
///     Arguments::definitions().iter().map(Argument::label).collect()
/// }
/// assert_eq!(form::<Chosen>(), ["Table", "Rows (1 to 1000)"]);
/// ```
pub trait TypedArguments: Sized {
    /// What the arguments are.
    fn definitions() -> Vec<Argument>;

    /// Takes the arguments out of `given`, which notes what does not fit.
    fn read(given: &mut Given) -> Option<Self>;
}

/// A task without arguments.
impl TypedArguments for () {
    fn definitions() -> Vec<Argument> {
        Vec::new()
    }

    fn read(_: &mut Given) -> Option<Self> {
        Some(())
    }
}

/// Makes a struct of a task's arguments: after each field stands what it is in Lagoon's form.
///
/// The name of the field is the argument's name, and a field of type `Option` may be left empty. Other types are those
/// of [`ArgumentValue`].
///
/// ```
/// use lagoon_task::{Argument, TypedArguments, arguments};
///
/// arguments! {
///     /// What the user chose.
///     struct Chosen {
///         table: String = Argument::string("Table").pattern("[a-z_]+", "small letters and underscores"),
///         rows: u32 = Argument::numeric("Rows").range(1..=1000).default(100),
///         from: Option<String> = Argument::other_environment("Copy from"),
///     }
/// }
///
/// assert_eq!(Chosen::definitions()[1].label(), "Rows (1 to 1000)");
/// ```
#[macro_export]
macro_rules! arguments {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $Arguments:ident {
            $($(#[$field_attribute:meta])* $field_visibility:vis $field:ident: $Value:ty = $argument:expr),* $(,)?
        }
    ) => {
        $(#[$attribute])*
        $visibility struct $Arguments {
            $($(#[$field_attribute])* $field_visibility $field: $Value,)*
        }

        impl $crate::TypedArguments for $Arguments {
            fn definitions() -> ::std::vec::Vec<$crate::Argument> {
                ::std::vec![$($argument.for_field::<$Value>(::std::stringify!($field))),*]
            }

            fn read(given: &mut $crate::arguments::Given) -> ::std::option::Option<Self> {
                $(let $field = given.take::<$Value>(::std::stringify!($field));)*
                ::std::option::Option::Some(Self { $($field: $field?),* })
            }
        }
    };
}

/// Why a task did not get its arguments.
///
/// ```
/// use lagoon_task::arguments::{ArgumentsError, read};
/// use lagoon_task::{Argument, Output, arguments};
///
/// arguments! {
///     struct Chosen {
///         name: String = Argument::string("Who is greeted"),
///     }
/// }
///
/// let Err(ArgumentsError::Misfits(misfits)) = read::<Chosen>(None, None, &Output::stdout()) else { panic!() };
/// assert_eq!(misfits, ["\"Who is greeted\" is missing"]);
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArgumentsError {
    /// The payload is not a map of arguments.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// Arguments are missing or do not fit: one entry each, in the words of Lagoon's form.
    #[error(
        "The task's arguments do not fit: {}. Nothing has been done yet; start the task again with arguments that fit.",
        .0.join("; ")
    )]
    Misfits(Vec<String>),
}

/// Reads a task's arguments from its payload. `own_environment` is the environment that the task runs in; values of
/// secret arguments are registered with `output`.
///
/// ```
/// use lagoon_task::{Argument, Output, arguments, arguments::read};
///
/// arguments! {
///     #[derive(Debug)]
///     struct Chosen {
///         name: String = Argument::string("Who is greeted"),
///         often: u8 = Argument::numeric("How often").range(1..=5),
///     }
/// }
///
/// let output = Output::new(std::io::sink(), false);
/// let payload = "eyJvZnRlbiI6InR3ZWx2ZSJ9"; // {"often":"twelve"}
/// let error = read::<Chosen>(Some(payload), None, &output).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "The task's arguments do not fit: \"Who is greeted\" is missing; \"How often\" is \"twelve\" and must be a whole \
///      number from 1 to 5. Nothing has been done yet; start the task again with arguments that fit."
/// );
/// ```
pub fn read<Arguments: TypedArguments>(
    payload: Option<&str>,
    own_environment: Option<&str>,
    output: &Output,
) -> Result<Arguments, ArgumentsError> {
    let values: Map<String, Value> = match payload::decode(payload) {
        // A task without arguments may be started without a payload.
        Err(PayloadError::Empty) => Map::new(),
        decoded => decoded?,
    };
    let definitions = Arguments::definitions();
    for argument in definitions.iter().filter(|argument| argument.is_secret) {
        output.register_secret(values.get(argument.name).and_then(text).unwrap_or_default());
    }
    let own_environment = own_environment.map(str::to_owned);
    let mut given = Given { definitions, values, own_environment, output: output.clone(), misfits: Vec::new() };
    match Arguments::read(&mut given) {
        Some(arguments) if given.misfits.is_empty() => Ok(arguments),
        _ => Err(ArgumentsError::Misfits(given.misfits)),
    }
}

/// What the user has given, and what of it does not fit.
///
/// ```
/// use lagoon_task::arguments::{Given, read};
/// use lagoon_task::{Argument, Output, TypedArguments};
///
/// struct Rows(u32);
///
/// // What `arguments!` writes for a struct with names.
/// impl TypedArguments for Rows {
///     fn definitions() -> Vec<Argument> {
///         vec![Argument::numeric("Rows").default(100).for_field::<u32>("rows")]
///     }
///
///     fn read(given: &mut Given) -> Option<Self> {
///         given.take("rows").map(Self)
///     }
/// }
///
/// let Rows(rows) = read(None, None, &Output::stdout()).unwrap();
/// assert_eq!(rows, 100);
/// ```
pub struct Given {
    definitions: Vec<Argument>,
    values: Map<String, Value>,
    own_environment: Option<String>,
    output: Output,
    misfits: Vec<String>,
}

impl Given {
    /// The value of the argument `name`; what is wrong with it is noted.
    ///
    /// ```
    /// use lagoon_task::arguments::Given;
    ///
    /// fn table_and_rows(given: &mut Given) -> Option<(String, u32)> {
    ///     // Both are taken before the first `?`, so that the user is told of both.
    ///     let (table, rows) = (given.take("table"), given.take("rows"));
    ///     Some((table?, rows?))
    /// }
    /// ```
    pub fn take<Value: ArgumentValue>(&mut self, name: &str) -> Option<Value> {
        let argument = self.definitions.iter().find(|argument| argument.name == name)?;
        let given = self.values.get(name).filter(|value| !value.is_null());
        let given = given.map(|value| text(value).unwrap_or_else(|| value.to_string()));
        let given = given.filter(|text| !text.trim().is_empty()).or_else(|| argument.default.clone());
        let label = escape(&argument.display_name);
        let Some(given) = given else {
            let absent = Value::absent();
            if absent.is_none() {
                self.misfits.push(format!("\"{label}\" is missing"));
            }
            return absent;
        };
        let value = Value::from_text(&given).filter(|_| argument.takes(&given, self.own_environment.as_deref()));
        if value.is_none() {
            let shown = if argument.is_secret { "[hidden]".to_owned() } else { self.shown(&given) };
            self.misfits.push(format!("\"{label}\" is \"{shown}\" and must be {}", escape(&argument.expected())));
        }
        value
    }

    /// A value on one line, without secrets, and no longer than a sentence bears.
    fn shown(&self, value: &str) -> String {
        let safe = self.output.hide_secrets(value);
        let short: String = safe.chars().take(SHOWN).collect();
        let dots = if short.len() < safe.len() { "..." } else { "" };
        format!("{}{dots}", escape(&short))
    }
}

/// An argument's text. Lagoon sends all of them as text; by hand a number is easily written without quotes.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
