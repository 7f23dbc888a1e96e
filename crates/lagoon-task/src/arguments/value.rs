//! What an argument's text can become.

/// A type that a task's argument can have. Lagoon hands over every argument as text.
///
/// The kit has it for text, numbers, `bool`, and `Option` of them for what the user may leave empty. For a type of your
/// own:
///
/// ```
/// use lagoon_task::ArgumentValue;
///
/// enum Size { Small, Large }
///
/// impl ArgumentValue for Size {
///     const NOUN: &str = "a size";
///
///     fn expected() -> String {
///         "small or large".to_owned()
///     }
///
///     fn from_text(text: &str) -> Option<Self> {
///         match text {
///             "small" => Some(Self::Small),
///             "large" => Some(Self::Large),
///             _ => None,
///         }
///     }
/// }
/// ```
pub trait ArgumentValue: Sized {
    /// Whether the user may leave it empty.
    const OPTIONAL: bool = false;

    /// What it is, with its article: `a whole number`.
    const NOUN: &str;

    /// What the text must be, so that it fits after "must be".
    fn expected() -> String;

    /// The value that `text` stands for, or nothing where it stands for none.
    fn from_text(text: &str) -> Option<Self>;

    /// The value of an argument that was left empty, if that is allowed.
    #[must_use]
    fn absent() -> Option<Self> {
        None
    }
}

impl ArgumentValue for String {
    const NOUN: &str = "text";

    fn expected() -> String {
        "text".to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl ArgumentValue for bool {
    const NOUN: &str = "true or false";

    fn expected() -> String {
        Self::NOUN.to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }
}

impl ArgumentValue for f64 {
    const NOUN: &str = "a number";

    fn expected() -> String {
        Self::NOUN.to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        text.trim().parse().ok().filter(|number: &Self| number.is_finite())
    }
}

impl<Value: ArgumentValue> ArgumentValue for Option<Value> {
    const OPTIONAL: bool = true;
    const NOUN: &str = Value::NOUN;

    fn expected() -> String {
        Value::expected()
    }

    fn from_text(text: &str) -> Option<Self> {
        Value::from_text(text).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

macro_rules! whole_numbers {
    ($($number:ty),*) => { $(
        impl ArgumentValue for $number {
            const NOUN: &str = "a whole number";

            fn expected() -> String {
                format!("a whole number from {} to {}", Self::MIN, Self::MAX)
            }

            fn from_text(text: &str) -> Option<Self> {
                text.trim().parse().ok()
            }
        }
    )* };
}

whole_numbers!(u8, u16, u32, u64, i8, i16, i32, i64);
