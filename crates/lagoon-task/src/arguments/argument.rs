//! One argument of a task: what Lagoon's form asks for, and what the task takes.

use std::fmt::Display;
use std::ops::RangeInclusive;

use regex_lite::Regex;

use crate::arguments::value::ArgumentValue;

/// The type of an argument in Lagoon's API (`AdvancedTaskDefinitionArgumentTypes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ArgumentType {
    /// Any text.
    String,
    /// A number; Lagoon takes digits and dots only, so none below zero.
    Numeric,
    /// The name of one of the project's environments; Lagoon offers them for choice.
    EnvironmentSourceName,
    /// The same, without the environment that the task runs in.
    EnvironmentSourceNameExcludeSelf,
}

impl ArgumentType {
    /// Its name in Lagoon's API.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::String => "STRING",
            Self::Numeric => "NUMERIC",
            Self::EnvironmentSourceName => "ENVIRONMENT_SOURCE_NAME",
            Self::EnvironmentSourceNameExcludeSelf => "ENVIRONMENT_SOURCE_NAME_EXCLUDE_SELF",
        }
    }
}

/// One argument of a task, to be put after a field in [`arguments!`](crate::arguments!).
///
/// ```
/// use lagoon_task::Argument;
///
/// let often = Argument::numeric("How often").range(1..=5).default(1);
/// let size = Argument::string("Size").choices(["small", "large"]);
/// let table = Argument::string("Table").pattern("[a-z_]+", "small letters and underscores");
/// let source = Argument::other_environment("Copy from");
/// ```
#[derive(Debug, Clone)]
pub struct Argument {
    pub(super) name: &'static str,
    pub(super) display_name: String,
    pub(super) lagoon_type: ArgumentType,
    pub(super) optional: bool,
    pub(super) default: Option<String>,
    pub(super) is_secret: bool,
    choices: Vec<String>,
    range: Option<(f64, f64)>,
    pattern: Option<(&'static str, &'static str)>,
    field: Field,
}

/// What the field of the task's struct takes.
#[derive(Debug, Clone)]
struct Field {
    noun: &'static str,
    expected: String,
    takes: fn(&str) -> bool,
}

impl Argument {
    /// A text. `display_name` is what the user sees beside the field.
    ///
    /// ```
    /// use lagoon_task::{Argument, Output, arguments, arguments::read};
    ///
    /// arguments! {
    ///     #[derive(Debug)]
    ///     struct Chosen {
    ///         table: String = Argument::string("Table"),
    ///     }
    /// }
    ///
    /// let output = Output::stdout();
    /// let payload = "eyJ0YWJsZSI6InVzZXJzIn0="; // {"table":"users"}
    /// let chosen: Chosen = read(Some(payload), None, &output).unwrap();
    /// assert_eq!(chosen.table, "users");
    /// ```
    pub fn string(display_name: impl Into<String>) -> Self {
        Self::of_type(ArgumentType::String, display_name)
    }

    /// A number.
    ///
    /// ```
    /// use lagoon_task::{Argument, Output, arguments, arguments::read};
    ///
    /// arguments! {
    ///     #[derive(Debug)]
    ///     struct Chosen {
    ///         rows: u32 = Argument::numeric("Rows"),
    ///     }
    /// }
    ///
    /// let output = Output::stdout();
    /// let payload = "eyJyb3dzIjoiMTIifQ=="; // {"rows":"12"}
    /// let chosen: Chosen = read(Some(payload), None, &output).unwrap();
    /// assert_eq!(chosen.rows, 12);
    /// ```
    pub fn numeric(display_name: impl Into<String>) -> Self {
        Self::of_type(ArgumentType::Numeric, display_name)
    }

    /// The name of one of the project's environments.
    ///
    /// ```
    /// use lagoon_task::{Argument, Output, arguments, arguments::read};
    ///
    /// arguments! {
    ///     #[derive(Debug)]
    ///     struct Chosen {
    ///         from: String = Argument::environment("Count pages of"),
    ///     }
    /// }
    ///
    /// let output = Output::stdout();
    /// let payload = "eyJmcm9tIjoibWFpbiJ9"; // {"from":"main"}
    /// let chosen: Chosen = read(Some(payload), Some("main"), &output).unwrap();
    /// assert_eq!(chosen.from, "main");
    /// ```
    pub fn environment(display_name: impl Into<String>) -> Self {
        Self::of_type(ArgumentType::EnvironmentSourceName, display_name)
    }

    /// The name of another environment of the project than the one that the task runs in.
    ///
    /// ```
    /// use lagoon_task::{Argument, Output, arguments, arguments::read};
    ///
    /// arguments! {
    ///     #[derive(Debug)]
    ///     struct Chosen {
    ///         from: String = Argument::other_environment("Copy from"),
    ///     }
    /// }
    ///
    /// let output = Output::stdout();
    /// let payload = "eyJmcm9tIjoibWFpbiJ9"; // {"from":"main"}
    /// assert!(read::<Chosen>(Some(payload), Some("develop"), &output).is_ok());
    /// assert!(read::<Chosen>(Some(payload), Some("main"), &output).is_err());
    /// ```
    pub fn other_environment(display_name: impl Into<String>) -> Self {
        Self::of_type(ArgumentType::EnvironmentSourceNameExcludeSelf, display_name)
    }

    fn of_type(lagoon_type: ArgumentType, display_name: impl Into<String>) -> Self {
        Self {
            name: "",
            display_name: display_name.into(),
            lagoon_type,
            optional: false,
            default: None,
            is_secret: false,
            choices: Vec::new(),
            range: None,
            pattern: None,
            field: Field { noun: "text", expected: "text".to_owned(), takes: |_| true },
        }
    }

    /// What counts when the user leaves it empty; Lagoon shows it in the form.
    ///
    /// ```
    /// use lagoon_task::{Argument, Output, arguments, arguments::read};
    ///
    /// arguments! {
    ///     #[derive(Debug)]
    ///     struct Chosen {
    ///         rows: u32 = Argument::numeric("Rows").default(100),
    ///     }
    /// }
    ///
    /// let output = Output::stdout();
    /// let payload = "eyJyb3dzIjoiIn0="; // {"rows":""}
    /// let chosen: Chosen = read(Some(payload), None, &output).unwrap();
    /// assert_eq!(chosen.rows, 100);
    /// ```
    #[must_use]
    pub fn default(mut self, value: impl Display) -> Self {
        self.default = Some(value.to_string());
        self
    }

    /// The only values that are taken.
    ///
    /// ```
    /// let size = lagoon_task::Argument::string("Size").choices(["small", "large"]);
    /// assert_eq!(size.label(), "Size (small, large)");
    /// ```
    #[must_use]
    pub fn choices<Choice: Into<String>>(mut self, choices: impl IntoIterator<Item = Choice>) -> Self {
        self.choices = choices.into_iter().map(Into::into).collect();
        self
    }

    /// The smallest and the largest number that are taken.
    ///
    /// ```
    /// let rate = lagoon_task::Argument::numeric("Rate").range(0.5..=1.5);
    /// assert_eq!(rate.label(), "Rate (0.5 to 1.5)");
    /// ```
    #[must_use]
    pub fn range(mut self, range: RangeInclusive<impl Into<f64> + Copy>) -> Self {
        self.range = Some(((*range.start()).into(), (*range.end()).into()));
        self
    }

    /// A regular expression that the whole value must match, and what that means in the user's words, so that it fits
    /// after "must be".
    ///
    /// ```
    /// use lagoon_task::{Argument, Output, arguments, arguments::read};
    ///
    /// arguments! {
    ///     #[derive(Debug)]
    ///     struct Chosen {
    ///         table: String = Argument::string("Table").pattern("[a-z_]+", "small letters and underscores"),
    ///     }
    /// }
    ///
    /// let output = Output::stdout();
    /// let payload = "eyJ0YWJsZSI6ImE7IGIifQ=="; // {"table":"a; b"}
    /// let error = read::<Chosen>(Some(payload), None, &output).unwrap_err();
    /// assert!(error.to_string().contains("\"Table\" is \"a; b\" and must be small letters and underscores"));
    /// ```
    #[must_use]
    pub fn pattern(mut self, expression: &'static str, words: &'static str) -> Self {
        self.pattern = Some((expression, words));
        self
    }

    /// The value is a secret: it is registered with the task's output and never shown.
    ///
    /// ```
    /// use lagoon_task::{Argument, Output, arguments, arguments::read};
    ///
    /// arguments! {
    ///     #[derive(Debug)]
    ///     struct Chosen {
    ///         word: String = Argument::string("Password").secret(),
    ///     }
    /// }
    ///
    /// let output = Output::stdout();
    /// let payload = "eyJ3b3JkIjoiaHVudGVyMjIifQ=="; // {"word":"hunter22"}
    /// let chosen: Chosen = read(Some(payload), None, &output).unwrap();
    /// assert_eq!(output.hide_secrets(&chosen.word), "[hidden]");
    /// ```
    #[must_use]
    pub fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// Ties it to a field of the task's struct. [`arguments!`](crate::arguments!) does this.
    ///
    /// ```
    /// let rows = lagoon_task::Argument::numeric("Rows").for_field::<u32>("rows");
    /// assert_eq!(rows.name(), "rows");
    /// ```
    #[must_use]
    pub fn for_field<Value: ArgumentValue>(mut self, name: &'static str) -> Self {
        self.name = name;
        self.optional = Value::OPTIONAL;
        let takes = |text: &str| Value::from_text(text).is_some();
        self.field = Field { noun: Value::NOUN, expected: Value::expected(), takes };
        self
    }

    /// The name of the field.
    ///
    /// ```
    /// use lagoon_task::{Argument, TypedArguments, arguments};
    ///
    /// arguments! {
    ///     struct Chosen {
    ///         table: String = Argument::string("The table to copy"),
    ///     }
    /// }
    /// assert_eq!(Chosen::definitions()[0].name(), "table");
    /// ```
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the user sees beside the field: the display name, and what Lagoon's form cannot say otherwise.
    ///
    /// ```
    /// use lagoon_task::Argument;
    ///
    /// assert_eq!(Argument::string("Table").label(), "Table");
    /// assert_eq!(Argument::numeric("Rows").range(1..=1000).label(), "Rows (1 to 1000)");
    /// ```
    #[must_use]
    pub fn label(&self) -> String {
        match (self.choices.is_empty(), self.range) {
            (false, _) => format!("{} ({})", self.display_name, self.choices.join(", ")),
            (true, Some((least, most))) => format!("{} ({least} to {most})", self.display_name),
            (true, None) => self.display_name.clone(),
        }
    }

    /// Whether `text` can be taken, by a task that runs in environment `own`.
    pub(super) fn takes(&self, text: &str, own: Option<&str>) -> bool {
        let number = text.trim().parse::<f64>().ok();
        let in_range = |(least, most)| number.is_some_and(|number| (least..=most).contains(&number));
        let is_environment = !text.chars().any(char::is_control);
        let by_type = match self.lagoon_type {
            ArgumentType::String => true,
            ArgumentType::Numeric => number.is_some_and(f64::is_finite),
            ArgumentType::EnvironmentSourceName => is_environment,
            ArgumentType::EnvironmentSourceNameExcludeSelf => is_environment && own != Some(text),
        };
        by_type
            && (self.choices.is_empty() || self.choices.iter().any(|choice| choice == text))
            && self.range.is_none_or(in_range)
            && self.pattern.is_none_or(|(pattern, _)| whole(pattern).is_ok_and(|pattern| pattern.is_match(text)))
            && (self.field.takes)(text)
    }

    /// What the value must be, for the user.
    pub(super) fn expected(&self) -> String {
        let number_field = self.field.noun != "text";
        match (&self.range, &self.pattern, self.lagoon_type) {
            _ if !self.choices.is_empty() => format!("one of {}", self.choices.join(", ")),
            (Some((least, most)), _, _) if number_field => format!("{} from {least} to {most}", self.field.noun),
            (Some((least, most)), _, _) => format!("a number from {least} to {most}"),
            (None, Some((_, words)), _) => (*words).to_owned(),
            (_, _, ArgumentType::EnvironmentSourceName) => "the name of an environment".to_owned(),
            (_, _, ArgumentType::EnvironmentSourceNameExcludeSelf) => "the name of another environment".to_owned(),
            (_, _, ArgumentType::Numeric) if !number_field => "a number".to_owned(),
            _ => self.field.expected.clone(),
        }
    }

    /// What its author has to put right.
    pub(super) fn faults(&self) -> Vec<String> {
        let misfit = self.default.as_deref().filter(|default| !self.takes(default, None));
        let bad_pattern = self.pattern.filter(|(pattern, _)| whole(pattern).is_err());
        let bad_choice = self.choices.iter().find(|choice| !self.takes(choice, None));
        let faults = [
            self.display_name.trim().is_empty().then(|| "it has no display name".to_owned()),
            bad_pattern.map(|(pattern, _)| format!("its pattern {pattern} is no regular expression")),
            self.range.filter(|(least, most)| least > most).map(|_| "its range is empty".to_owned()),
            self.range.filter(|(least, _)| *least < 0.0).map(|_| "Lagoon takes no numbers below zero".to_owned()),
            misfit.map(|default| format!("its default {default} is not {}", self.expected())),
            bad_choice.map(|choice| format!("its choice {choice} is never taken")),
        ];
        faults.into_iter().flatten().collect()
    }
}

/// A pattern for the whole of a text.
fn whole(pattern: &str) -> Result<Regex, regex_lite::Error> {
    Regex::new(&format!("^(?:{pattern})$"))
}
