//! A command for another environment, and how it ended.

use std::fmt;
use std::time::Duration;

use crate::lagoon::error::SshError;

/// How long a command may take unless it is told otherwise.
const DEADLINE: Duration = Duration::from_hours(1);

/// A command to be run in an environment of Lagoon.
///
/// ```
/// use lagoon_task::lagoon::RemoteCommand;
///
/// let command = RemoteCommand::new("drush status --format=json").service("cli");
/// assert_eq!(command.line().unwrap(), "service=cli drush status --format=json");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteCommand {
    command: String,
    service: String,
    container: Option<String>,
    deadline: Duration,
}

/// Where a command wrote a line.
///
/// ```no_run
/// # async fn example(api: &lagoon_task::lagoon::LagoonApi) -> Result<(), lagoon_task::Failure> {
/// use lagoon_task::lagoon::{RemoteCommand, Source};
///
/// let environment = api.environment("shop", "main").await?;
/// let mut errors = 0;
/// let on_line = |source, _: &str| errors += usize::from(source == Source::Stderr);
/// api.follow_command(&environment, &RemoteCommand::new("drush status"), on_line).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Its standard output.
    Stdout,
    /// Its standard error.
    Stderr,
}

/// How a command ended.
///
/// ```
/// use lagoon_task::lagoon::RemoteExit;
///
/// assert_eq!(RemoteExit::Code(3).to_string(), "exit code 3");
/// assert_eq!(RemoteExit::Signal("KILL".to_owned()).to_string(), "signal KILL");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteExit {
    /// With an exit code. Lagoon has 254 for a command that it could not start.
    Code(u32),
    /// By a signal, whose name has no `SIG` before it.
    Signal(String),
}

impl RemoteCommand {
    /// A command for the service `cli`, as one would write it after `ssh USER@HOST`: a shell in the container reads it.
    ///
    /// ```
    /// let command = lagoon_task::lagoon::RemoteCommand::new("drush status");
    /// assert_eq!(command.line().unwrap(), "service=cli drush status");
    /// ```
    pub fn new(command: impl Into<String>) -> Self {
        Self { command: command.into(), service: "cli".to_owned(), container: None, deadline: DEADLINE }
    }

    /// Runs it in another service of the environment.
    ///
    /// ```
    /// let command = lagoon_task::lagoon::RemoteCommand::new("nginx -t").service("nginx");
    /// assert_eq!(command.line().unwrap(), "service=nginx nginx -t");
    /// ```
    #[must_use]
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = name.into();
        self
    }

    /// Runs it in this container of the service's pod; without it in the first.
    ///
    /// ```
    /// let command = lagoon_task::lagoon::RemoteCommand::new("php -v").service("nginx").container("php");
    /// assert_eq!(command.line().unwrap(), "service=nginx container=php php -v");
    /// ```
    #[must_use]
    pub fn container(mut self, name: impl Into<String>) -> Self {
        self.container = Some(name.into());
        self
    }

    /// How long it may take; an hour unless this is called.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lagoon_task::lagoon::RemoteCommand;
    ///
    /// let command = RemoteCommand::new("drush sql:dump").deadline(Duration::from_mins(10));
    /// ```
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub(super) fn longest(&self) -> Duration {
        self.deadline
    }

    /// What is sent to Lagoon's SSH: `service=NAME [container=NAME] COMMAND`.
    ///
    /// ```
    /// use lagoon_task::lagoon::{RemoteCommand, SshError};
    ///
    /// assert_eq!(RemoteCommand::new(" ").line(), Err(SshError::NoCommand));
    /// assert!(RemoteCommand::new("id").service("cli id").line().is_err());
    /// ```
    pub fn line(&self) -> Result<String, SshError> {
        let command = self.command.trim();
        if command.is_empty() {
            return Err(SshError::NoCommand);
        }
        let service = named("service", &self.service)?;
        let container = self.container.as_deref().map(|name| named("container", name)).transpose()?.unwrap_or_default();
        Ok(format!("{service}{container}{command}"))
    }
}

impl RemoteExit {
    /// Whether the command ended with exit code 0.
    ///
    /// ```
    /// use lagoon_task::lagoon::RemoteExit;
    ///
    /// assert!(RemoteExit::Code(0).is_success());
    /// assert!(!RemoteExit::Code(1).is_success());
    /// ```
    #[must_use]
    pub fn is_success(&self) -> bool {
        *self == Self::Code(0)
    }
}

impl fmt::Display for RemoteExit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "exit code {code}"),
            Self::Signal(name) => write!(formatter, "signal {}", crate::output::escape(name)),
        }
    }
}

/// A name that is a Kubernetes label's value stays one word, whatever reads it.
fn named(what: &str, name: &str) -> Result<String, SshError> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let valid = (1..=63).contains(&name.len()) && name.bytes().all(inner);
    if valid { Ok(format!("{what}={name} ")) } else { Err(SshError::NotAName(name.to_owned())) }
}

#[cfg(test)]
mod tests;
