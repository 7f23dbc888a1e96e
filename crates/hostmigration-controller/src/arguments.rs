//! The controller's command line. Nothing of this can be set in the environment.

use std::ffi::OsString;
use std::net::{Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// What `--help` shows.
pub const HELP: &str = "Carries out HostMigration objects: switches the routes of two namespaces.\n\n\
    Options:\n  \
      --listen ADDRESS:PORT  where to serve /metrics, /healthz and /readyz (default [::]:8080)\n  \
      --any-environment-type switch also environments that are not the production environments of\n  \
                             their project (label lagoon.sh/environmentType)\n  \
      --concurrency N        carry out at most N switches at the same time (1 to 64, default 4); one that takes\n  \
                             long, or is tried again, leaves its place to others\n  \
      --keep-finished N      delete finished HostMigrations but for the N newest of each namespace (default: keep\n  \
                             all); needs the right to delete hostmigrations\n  \
      --root DIR             look for the mounted credentials below DIR instead of /\n  \
      --help                 show this\n  \
      --version              show the version";

/// How many switches an operator may have carried out at the same time.
const CONCURRENCY: RangeInclusive<usize> = 1..=64;

/// The command line.
#[derive(Debug, PartialEq, Eq)]
pub enum Arguments {
    /// Run the controller.
    Run(Options),
    /// Show [`HELP`].
    Help,
    /// Show the version.
    Version,
}

/// How to run the controller.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// Where the credentials are mounted: `/` in a pod, a folder laid out like it in a test.
    pub root: PathBuf,
    /// Where to serve HTTP.
    pub listen: SocketAddr,
    /// Whether to switch environments that are not the production environments of their project, too.
    pub any_environment_type: bool,
    /// How many switches are carried out at the same time.
    pub concurrency: usize,
    /// How many finished objects each namespace keeps; all if there is no number.
    pub keep_finished: Option<usize>,
}

/// Why the command line is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentsError {
    /// `--root` stands last.
    #[error("--root needs a folder after it.")]
    Root,
    /// What follows `--listen` is no address.
    #[error("--listen needs an IP address and a port after it, such as [::]:8080.")]
    Listen,
    /// What follows `--concurrency` is no number of switches.
    #[error("--concurrency needs a number from 1 to 64 after it.")]
    Concurrency,
    /// What follows `--keep-finished` is no number of objects.
    #[error("--keep-finished needs a number after it, 0 or more.")]
    KeepFinished,
    /// Something else.
    #[error("The command line has an argument that is not known; see --help.")]
    Unknown,
}

impl Arguments {
    /// Reads the arguments that follow the program's name.
    pub fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, ArgumentsError> {
        let mut options = Options {
            root: PathBuf::from("/"),
            listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, 8080)),
            any_environment_type: false,
            concurrency: 4,
            keep_finished: None,
        };
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("--root") => options.root = arguments.next().ok_or(ArgumentsError::Root)?.into(),
                Some("--listen") => {
                    let address = arguments.next().and_then(|address| address.to_str()?.parse().ok());
                    options.listen = address.ok_or(ArgumentsError::Listen)?;
                }
                Some("--any-environment-type") => options.any_environment_type = true,
                Some("--concurrency") => {
                    let number = number(arguments.next()).filter(|number| CONCURRENCY.contains(number));
                    options.concurrency = number.ok_or(ArgumentsError::Concurrency)?;
                }
                Some("--keep-finished") => {
                    let number = number(arguments.next());
                    options.keep_finished = Some(number.ok_or(ArgumentsError::KeepFinished)?);
                }
                Some("--help") => return Ok(Self::Help),
                Some("--version") => return Ok(Self::Version),
                _ => return Err(ArgumentsError::Unknown),
            }
        }
        Ok(Self::Run(options))
    }
}

fn number(argument: Option<OsString>) -> Option<usize> {
    argument?.to_str()?.parse().ok()
}

#[cfg(test)]
mod tests;
