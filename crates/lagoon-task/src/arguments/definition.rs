//! How Lagoon gets to know a task: the mutation `addAdvancedTaskDefinition` of its API, printed by `IMAGE --definition`.

use std::ffi::OsString;
use std::fmt::Write;
use std::process::ExitCode;

use crate::arguments::{Argument, TypedArguments};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::is_invisible;
use crate::run;

/// Who may start a task: a role in the project, and those above it (`TaskPermission`).
///
/// ```
/// use lagoon_task::{Definition, Permission};
/// use lagoon_task::arguments::Target;
///
/// let definition = Definition::new("Greet", "Says hello.").permission(Permission::Guest);
/// let mutation = definition.mutation::<()>(&Target::default())?;
/// assert!(mutation.contains("permission: GUEST"));
/// # Ok::<(), lagoon_task::arguments::DefinitionError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Permission {
    /// Everyone in the project.
    Guest,
    /// Developers and maintainers.
    Developer,
    /// Maintainers.
    #[default]
    Maintainer,
}

/// What a task is for Lagoon and its users.
///
/// ```no_run
/// use std::process::ExitCode;
/// use lagoon_task::{Argument, Context, Definition, Permission, arguments};
///
/// arguments! {
///     struct Chosen {
///         from: String = Argument::other_environment("Copy from"),
///     }
/// }
///
/// fn main() -> ExitCode {
///     Definition::new("Copy the files", "Copies all files of another environment into this one.")
///         .permission(Permission::Developer)
///         .confirmation("This environment's own files are lost. Go on?")
///         .run("copy-files/1.0", async |task: Context, chosen: Chosen| {
///             task.step(format!("Copying from {}", chosen.from));
///             Ok("Done.".to_owned())
///         })
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Definition {
    name: String,
    description: String,
    permission: Permission,
    confirmation: Option<String>,
    deploy_token: bool,
    project_key: bool,
}

/// Why no mutation can be printed.
///
/// ```
/// use lagoon_task::Definition;
/// use lagoon_task::arguments::{DefinitionError, Target};
///
/// let error = Definition::new("", "Says hello.").mutation::<()>(&Target::default()).unwrap_err();
/// assert_eq!(error, DefinitionError::Faults(vec!["it has no name".to_owned()]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DefinitionError {
    /// The task's author has to put this right.
    #[error("The task is not defined as it should be: {}. Please tell its author.", .0.join("; "))]
    Faults(Vec<String>),
    /// The command line is not understood.
    #[error(
        "--definition takes the image's name, and one of --project ID, --environment ID, --group NAME and --system-wide, \
         which say where the task is offered."
    )]
    CommandLine,
}

impl Definition {
    /// A task of this name, which is what users choose it by, and a description for them.
    ///
    /// ```
    /// use lagoon_task::Definition;
    /// use lagoon_task::arguments::Target;
    ///
    /// let definition = Definition::new("Greet", "Says \"hello\".");
    /// let mutation = definition.mutation::<()>(&Target::default())?;
    /// assert!(mutation.contains(r#"description: "Says \"hello\".""#));
    /// # Ok::<(), lagoon_task::arguments::DefinitionError>(())
    /// ```
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        let (name, description) = (name.into(), description.into());
        Self {
            name,
            description,
            permission: Permission::default(),
            confirmation: None,
            deploy_token: true,
            project_key: false,
        }
    }

    /// Who may start it; maintainers unless set.
    ///
    /// ```
    /// use lagoon_task::{Definition, Permission};
    /// use lagoon_task::arguments::Target;
    ///
    /// let definition = Definition::new("Greet", "Says hello.").permission(Permission::Developer);
    /// let mutation = definition.mutation::<()>(&Target::default())?;
    /// assert!(mutation.contains("permission: DEVELOPER"));
    /// # Ok::<(), lagoon_task::arguments::DefinitionError>(())
    /// ```
    #[must_use]
    pub fn permission(mut self, permission: Permission) -> Self {
        self.permission = permission;
        self
    }

    /// What the user has to confirm before it starts.
    ///
    /// ```
    /// use lagoon_task::Definition;
    /// use lagoon_task::arguments::Target;
    ///
    /// let definition = Definition::new("Empty", "Empties a table.").confirmation("Its rows are lost. Go on?");
    /// let mutation = definition.mutation::<()>(&Target::default())?;
    /// assert!(mutation.contains(r#"confirmationText: "Its rows are lost. Go on?""#));
    /// # Ok::<(), lagoon_task::arguments::DefinitionError>(())
    /// ```
    #[must_use]
    pub fn confirmation(mut self, text: impl Into<String>) -> Self {
        self.confirmation = Some(text.into());
        self
    }

    /// The task does without the deployer token (`deployTokenInjection: false`): it cannot reach the cluster then, report
    /// a result, or have its log shown while it runs.
    ///
    /// ```
    /// use lagoon_task::Definition;
    /// use lagoon_task::arguments::Target;
    ///
    /// let definition = Definition::new("Greet", "Says hello.").without_deploy_token();
    /// let mutation = definition.mutation::<()>(&Target::default())?;
    /// assert!(mutation.contains("deployTokenInjection: false"));
    /// # Ok::<(), lagoon_task::arguments::DefinitionError>(())
    /// ```
    #[must_use]
    pub fn without_deploy_token(mut self) -> Self {
        self.deploy_token = false;
        self
    }

    /// The task gets the project's SSH key (`projectKeyInjection: true`), for Lagoon's API and other environments.
    ///
    /// ```
    /// use lagoon_task::Definition;
    /// use lagoon_task::arguments::Target;
    ///
    /// let definition = Definition::new("Pages", "Counts pages.").with_project_key();
    /// let mutation = definition.mutation::<()>(&Target::default())?;
    /// assert!(mutation.contains("projectKeyInjection: true"));
    /// # Ok::<(), lagoon_task::arguments::DefinitionError>(())
    /// ```
    #[must_use]
    pub fn with_project_key(mut self) -> Self {
        self.project_key = true;
        self
    }

    /// Runs the task as [`run`](crate::run) does, with its arguments as a struct made by
    /// [`arguments!`](crate::arguments!), or `()`. Arguments that do not fit end it before it begins.
    ///
    /// One more command-line argument is known: `--definition` prints the mutation, and needs no pod.
    ///
    /// ```no_run
    /// use std::process::ExitCode;
    /// use lagoon_task::{Context, Definition};
    ///
    /// fn main() -> ExitCode {
    ///     Definition::new("Greet", "Says hello.").run("greeter/1.0", async |task: Context, (): ()| {
    ///         task.say("Hello!");
    ///         Ok("Done.".to_owned())
    ///     })
    /// }
    /// ```
    pub fn run<Arguments, Task>(self, name: &'static str, task: Task) -> ExitCode
    where
        Arguments: TypedArguments,
        Task: AsyncFnOnce(Context, Arguments) -> Result<String, Failure>,
    {
        let mutation = |line: Vec<OsString>| Ok(self.mutation::<Arguments>(&Target::parse(&line)?)?);
        run::run_defined(name, Some(&mutation), async |context: Context| {
            let arguments = context.arguments()?;
            task(context, arguments).await
        })
    }

    /// The mutation that makes the task known to Lagoon, ready to paste.
    ///
    /// ```
    /// use lagoon_task::Definition;
    /// use lagoon_task::arguments::Target;
    ///
    /// let target = Target::parse(&["registry.example.com/greet:1".into(), "--project".into(), "42".into()])?;
    /// let mutation = Definition::new("Greet", "Says hello").mutation::<()>(&target)?;
    /// assert!(mutation.contains("image: \"registry.example.com/greet:1\""));
    /// # Ok::<(), lagoon_task::arguments::DefinitionError>(())
    /// ```
    pub fn mutation<Arguments: TypedArguments>(&self, target: &Target) -> Result<String, DefinitionError> {
        let arguments = Arguments::definitions();
        let faults = self.faults(&arguments);
        if !faults.is_empty() {
            return Err(DefinitionError::Faults(faults));
        }
        let Self { deploy_token, project_key, .. } = self;
        let permission = match self.permission {
            Permission::Guest => "GUEST",
            Permission::Developer => "DEVELOPER",
            Permission::Maintainer => "MAINTAINER",
        };
        let mut fields = vec![
            format!("name: {}", string(&self.name)),
            format!("description: {}", string(&self.description)),
            "type: IMAGE".to_owned(),
            target.image(),
            target.place(),
            format!("permission: {permission}"),
            format!("deployTokenInjection: {deploy_token}"),
            format!("projectKeyInjection: {project_key}"),
        ];
        fields.extend(self.confirmation.iter().map(|text| format!("confirmationText: {}", string(text))));
        if !arguments.is_empty() {
            let arguments: Vec<String> = arguments.iter().map(argument).collect();
            fields.push(format!("advancedTaskDefinitionArguments: [\n      {}\n    ]", arguments.join("\n      ")));
        }
        Ok(format!(
            "mutation {{\n  addAdvancedTaskDefinition(input: {{\n    {}\n  }}) {{\n    ... on AdvancedTaskDefinitionImage \
             {{\n      id\n      name\n    }}\n  }}\n}}",
            fields.join("\n    ")
        ))
    }

    fn faults(&self, arguments: &[Argument]) -> Vec<String> {
        let nameless = self.name.trim().is_empty().then(|| "it has no name".to_owned());
        let of_arguments = arguments.iter().flat_map(|argument| {
            argument.faults().into_iter().map(|fault| format!("argument {}: {fault}", argument.name))
        });
        nameless.into_iter().chain(of_arguments).collect()
    }
}

fn argument(argument: &Argument) -> String {
    let default = argument.default.as_deref().map(|default| format!(", defaultValue: {}", string(default)));
    format!(
        "{{ name: {}, displayName: {}, type: {}, optional: {}{} }}",
        string(argument.name),
        string(&argument.label()),
        argument.lagoon_type.name(),
        argument.optional,
        default.unwrap_or_default()
    )
}

/// Which image the task is, and where Lagoon offers it.
///
/// ```
/// use lagoon_task::Definition;
/// use lagoon_task::arguments::Target;
///
/// let mutation = Definition::new("Greet", "Says hello.").mutation::<()>(&Target::default())?;
/// assert!(mutation.contains("image: \"PUT-THE-NAME-OF-YOUR-IMAGE-HERE\""));
/// # Ok::<(), lagoon_task::arguments::DefinitionError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    image: Option<String>,
    place: Option<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Project(i32),
    Environment(i32),
    Group(String),
    SystemWide,
}

impl Target {
    /// Reads what follows `--definition` on the command line. What is left out becomes a placeholder that says so.
    ///
    /// ```
    /// use lagoon_task::arguments::{DefinitionError, Target};
    ///
    /// let line = ["registry.example.com/greet:1", "--environment", "7"].map(Into::into);
    /// assert_ne!(Target::parse(&line)?, Target::default());
    /// let line = ["--environment", "main"].map(Into::into);
    /// assert_eq!(Target::parse(&line), Err(DefinitionError::CommandLine));
    /// # Ok::<(), DefinitionError>(())
    /// ```
    pub fn parse(line: &[OsString]) -> Result<Self, DefinitionError> {
        let mut words = line.iter().map(|word| word.to_str().ok_or(DefinitionError::CommandLine));
        let mut target = Self::default();
        while let Some(word) = words.next().transpose()? {
            let mut value = || words.next().transpose()?.ok_or(DefinitionError::CommandLine);
            let id = |text: &str| text.parse().ok().filter(|id| *id > 0).ok_or(DefinitionError::CommandLine);
            let place = match word {
                "--project" => Place::Project(id(value()?)?),
                "--environment" => Place::Environment(id(value()?)?),
                "--group" => Place::Group(value()?.to_owned()),
                "--system-wide" => Place::SystemWide,
                image if target.image.is_none() && !image.is_empty() && !image.starts_with('-') => {
                    target.image = Some(image.to_owned());
                    continue;
                }
                _ => return Err(DefinitionError::CommandLine),
            };
            if target.place.replace(place).is_some() {
                return Err(DefinitionError::CommandLine);
            }
        }
        Ok(target)
    }

    fn image(&self) -> String {
        match &self.image {
            Some(image) => format!("image: {}", string(image)),
            None => "image: \"PUT-THE-NAME-OF-YOUR-IMAGE-HERE\"".to_owned(),
        }
    }

    fn place(&self) -> String {
        match &self.place {
            Some(Place::Project(id)) => format!("project: {id}"),
            Some(Place::Environment(id)) => format!("environment: {id}"),
            Some(Place::Group(name)) => format!("groupName: {}", string(name)),
            Some(Place::SystemWide) => "systemWide: true".to_owned(),
            None => "project: 0 # put your project's id here".to_owned(),
        }
    }
}

/// A string of GraphQL (October 2021, 2.9.4). Its escapes are those of JSON; characters that could not be seen on the way
/// to the API are escaped too.
fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            _ if character.is_control() || is_invisible(character) => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(character));
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
