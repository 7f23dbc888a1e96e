//! What can go wrong with Lagoon's API and SSH, in words for the person who reads the task's log.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::time::Duration;

use crate::lagoon::endpoint::Endpoint;
use crate::lagoon::known_hosts::BadKnownHost;
use crate::output::escape;

/// Why no client could be made. Nothing has been sent by then.
///
/// ```
/// let error = lagoon_task::lagoon::LagoonConnectError::NotSet("LAGOON_CONFIG_API_HOST");
/// assert!(error.to_string().contains("LAGOON_CONFIG_API_HOST is not set"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LagoonConnectError {
    /// Lagoon did not set a variable.
    #[error("Lagoon's API cannot be reached: {0} is not set. Lagoon sets it on the pod of an advanced task.")]
    NotSet(&'static str),
    /// The API's address is not a URL.
    #[error("Lagoon's API cannot be reached: LAGOON_CONFIG_API_HOST is not the URL of an API.")]
    NotAUrl,
    /// The API's address is not `https`.
    #[error(
        "Lagoon's API was not asked: LAGOON_CONFIG_API_HOST is not an https URL, and a token is not sent where others \
         can read it. Please tell your Lagoon administrator."
    )]
    NotHttps,
    /// The image has no certificate authorities.
    #[error(
        "Lagoon's API cannot be verified: {} holds no usable certificate authorities{}. They belong into the task's \
         image; without them a token is not sent anywhere.", path.display(), reason(.source.as_deref())
    )]
    NoCertificateAuthorities {
        /// The file.
        path: PathBuf,
        /// Why it could not be read; `None` when it holds no certificate.
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// There is no key.
    #[error(
        "The task has no key for Lagoon's SSH: {} could not be read ({source}). In an advanced task's definition this \
         is \"projectKeyInjection: true\".", path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
        /// Why it could not be read.
        source: std::io::Error,
    },
    /// The file holds no private key that can be used.
    #[error(
        "The key for Lagoon's SSH in {} is damaged, has a passphrase or is of an unknown kind. Please tell your Lagoon \
         administrator.", path.display()
    )]
    BadKey {
        /// The file.
        path: PathBuf,
    },
    /// The file with the known host keys cannot be read.
    #[error("The SSH host keys that are known beforehand, in {}, could not be read ({source}).", path.display())]
    KnownHostsUnreadable {
        /// The file.
        path: PathBuf,
        /// Why it could not be read.
        source: std::io::Error,
    },
    /// The known host keys cannot be understood.
    #[error(transparent)]
    KnownHosts(#[from] BadKnownHost),
    /// The task's name, which becomes the User-Agent, has characters that no header has.
    #[error("The task's name has characters that cannot be sent as a User-Agent.")]
    UserAgent,
}

fn reason(source: Option<&(dyn StdError + Send + Sync)>) -> String {
    source.map(|source| format!(" ({source})")).unwrap_or_default()
}

/// What went wrong over SSH.
///
/// ```
/// use lagoon_task::lagoon::{Endpoint, SshError};
///
/// let endpoint = Endpoint { host: "ssh.lagoon.example".to_owned(), port: 2020 };
/// let error = SshError::Unreachable { endpoint, detail: "connection refused".to_owned() };
/// let says = "Lagoon's SSH at ssh.lagoon.example:2020 could not be reached (connection refused).";
/// assert_eq!(error.to_string(), says);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SshError {
    /// No SSH connection came about.
    #[error("Lagoon's SSH at {endpoint} could not be reached ({detail}).")]
    Unreachable {
        /// Where.
        endpoint: Endpoint,
        /// What the system said.
        detail: String,
    },
    /// The host showed another key than the one that is known. The task's key was not used.
    #[error(
        "The SSH host {endpoint} is not the one that is known: it shows the key {shown}, and known is {}. The task's \
         key was not used, and nothing was sent. If the host's key has been replaced, correct the file of known hosts; \
         otherwise somebody stands in between. Please tell your Lagoon administrator.", known.join(" or ")
    )]
    HostKeyChanged {
        /// The host.
        endpoint: Endpoint,
        /// The fingerprint of the key it showed.
        shown: String,
        /// The fingerprints of the keys that are known.
        known: Vec<String>,
    },
    /// The host showed a key that is listed as revoked. The task's key was not used.
    #[error("The SSH host {endpoint} shows the key {shown}, which is revoked. Nothing was sent to it.")]
    HostKeyRevoked {
        /// The host.
        endpoint: Endpoint,
        /// The fingerprint of the key it showed.
        shown: String,
    },
    /// The host has no key of the kinds that are known of it. The task's key was not used.
    #[error(
        "The SSH host {endpoint} is not the one that is known: it has no key of the kind that is known. The task's key \
         was not used, and nothing was sent. Please tell your Lagoon administrator."
    )]
    OtherKindOfHostKey {
        /// The host.
        endpoint: Endpoint,
    },
    /// The host does not accept the task's key.
    #[error(
        "Lagoon's SSH at {endpoint} does not accept the task's key for \"{}\". The project's key may lack access there; \
         please tell your Lagoon administrator.", escape(.user)
    )]
    KeyRefused {
        /// The host.
        endpoint: Endpoint,
        /// The SSH user, which is `lagoon` or an environment's namespace.
        user: String,
    },
    /// The host accepted the key and then refused to run a command.
    #[error("Lagoon's SSH at {endpoint} refused to run a command for \"{}\".", escape(.user))]
    CommandRefused {
        /// The host.
        endpoint: Endpoint,
        /// The SSH user.
        user: String,
    },
    /// The connection broke. A command may have been carried out, or may still run.
    #[error(
        "The connection to Lagoon's SSH at {endpoint} was lost ({detail}). Whether the command has ended is not known."
    )]
    Lost {
        /// The host.
        endpoint: Endpoint,
        /// What was seen of it.
        detail: String,
    },
    /// The command took too long. The connection was closed; whether that ends the command is the host's affair.
    #[error("The command did not end within {} s over Lagoon's SSH at {endpoint}.", .deadline.as_secs_f64())]
    Deadline {
        /// The host.
        endpoint: Endpoint,
        /// How long it was given.
        deadline: Duration,
    },
    /// A service's or container's name has characters that would become part of the command.
    #[error("\"{}\" is not the name of a service or container.", escape(.0))]
    NotAName(String),
    /// Without a command Lagoon starts a shell that waits for ever.
    #[error("There is no command to run in the environment.")]
    NoCommand,
    /// It is not known where the environment's SSH is.
    #[error("It is not known where the SSH of namespace \"{}\" is: neither Lagoon's API nor LAGOON_CONFIG_SSH_HOST says.",
        escape(.namespace))]
    NoEndpoint {
        /// The environment's namespace.
        namespace: String,
    },
}

/// Why there is no token for Lagoon's API.
///
/// ```
/// use lagoon_task::lagoon::{SshError, TokenError};
///
/// let error = TokenError::from(SshError::NoCommand);
/// assert_eq!(error.to_string(), "no token could be had: There is no command to run in the environment");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// SSH failed.
    #[error("no token could be had: {}", unended(&.0.to_string()))]
    Ssh(#[from] SshError),
    /// The command ended without a token.
    #[error("Lagoon's SSH at {endpoint} gave no token{}", said(.message))]
    NoToken {
        /// The host.
        endpoint: Endpoint,
        /// What it wrote to standard error.
        message: String,
    },
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!("; it said: {}", unended(message)) }
}

/// A sentence without its full stop, since another part of a sentence follows.
fn unended(sentence: &str) -> &str {
    sentence.trim_end_matches('.')
}

/// A call of Lagoon's API that failed, after the retries that were safe.
///
/// ```
/// use lagoon_task::lagoon::LagoonApiError;
///
/// let error = LagoonApiError::NoSuchEnvironment { project: "shop".to_owned(), name: "main".to_owned() };
/// assert!(error.to_string().starts_with(r#"There is no environment "main" in project "shop""#));
/// ```
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are the same in each variant: what was asked for, and the cause")]
#[non_exhaustive]
pub enum LagoonApiError {
    /// A query of the task's own.
    #[error("Lagoon could not be asked: {cause}.")]
    Query {
        #[source]
        cause: ApiCause,
    },
    /// A mutation of the task's own.
    #[error("Lagoon could not be told: {cause}.")]
    Mutation {
        #[source]
        cause: ApiCause,
    },
    /// Reading an environment.
    #[error("The environment \"{}\" of project \"{}\" could not be read: {cause}.", escape(.name), escape(.project))]
    Environment {
        project: String,
        name: String,
        #[source]
        cause: ApiCause,
    },
    /// There is no such environment.
    #[error(
        "There is no environment \"{}\" in project \"{}\", or the task's key may not see it.", escape(.name),
        escape(.project)
    )]
    NoSuchEnvironment { project: String, name: String },
    /// Reading an environment's variables.
    #[error(
        "The variables of environment \"{}\" of project \"{}\" could not be read: {cause}.", escape(.environment),
        escape(.project)
    )]
    Variables {
        project: String,
        environment: String,
        #[source]
        cause: ApiCause,
    },
    /// Setting a variable.
    #[error(
        "The variable \"{}\" of environment \"{}\" of project \"{}\" could not be set: {cause}.", escape(.variable),
        escape(.environment), escape(.project)
    )]
    SetVariable {
        project: String,
        environment: String,
        variable: String,
        #[source]
        cause: ApiCause,
    },
    /// Uploading files.
    #[error("The files could not be uploaded to task {task}: {cause}.")]
    Upload {
        task: i64,
        #[source]
        cause: ApiCause,
    },
    /// A file to be uploaded cannot be read.
    #[error("{} could not be read, so nothing was uploaded ({source}).", path.display())]
    File { path: PathBuf, source: std::io::Error },
    /// Lagoon did not tell the task's id.
    #[error("TASK_DATA_ID is not set to a number, so Lagoon has no task to which files could be uploaded.")]
    NoTaskId,
}

/// Why a call of Lagoon's API failed.
///
/// ```
/// use lagoon_task::lagoon::ApiCause;
///
/// let cause = ApiCause::Refused(vec!["Unauthorized: You don't have permission".to_owned()]);
/// assert_eq!(cause.to_string(), "Lagoon refused it: Unauthorized: You don't have permission");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiCause {
    /// There is no token.
    #[error(transparent)]
    Token(Box<TokenError>),
    /// No connection came about, so the request was never sent.
    #[error("Lagoon's API could not be reached ({0})")]
    Unreachable(String),
    /// The server's certificate does not belong to the API's host name. The token was not sent.
    #[error(
        "the server at Lagoon's API's address could not prove to be it ({0}), so no token was sent to it. Please tell \
         your Lagoon administrator"
    )]
    NotOurServer(String),
    /// The connection broke after the request was sent: it may have been carried out.
    #[error("the connection to Lagoon's API was lost before it answered ({0})")]
    AnswerLost(String),
    /// All attempts together took too long. The last of them may have been carried out.
    #[error("Lagoon's API did not answer within {} s", .0.as_secs_f64())]
    Deadline(Duration),
    /// 401, also for a token that is new.
    #[error("Lagoon's API does not accept the token that the task's key was given")]
    Unauthorized,
    /// The request was understood and refused, with Lagoon's messages: a right is missing, or an argument is wrong.
    #[error("Lagoon refused it: {}", .0.join("; "))]
    Refused(Vec<String>),
    /// An HTTP status that is no answer.
    #[error("Lagoon's API answered {code}: {message}")]
    Status {
        /// HTTP status.
        code: u16,
        /// The messages in the answer, or the status in words.
        message: String,
    },
    /// An answer that is not what was asked for. The request has been carried out.
    #[error("Lagoon's API's answer could not be understood ({0})")]
    NotUnderstood(String),
}

impl From<TokenError> for ApiCause {
    fn from(error: TokenError) -> Self {
        Self::Token(Box::new(error))
    }
}

impl ApiCause {
    /// Whether the request was surely not carried out. Of one that Lagoon refused a part may have been.
    ///
    /// ```
    /// use lagoon_task::lagoon::ApiCause;
    ///
    /// assert!(ApiCause::Unreachable("connection refused".to_owned()).nothing_was_done());
    /// assert!(!ApiCause::AnswerLost("connection reset".to_owned()).nothing_was_done());
    /// ```
    #[must_use]
    pub fn nothing_was_done(&self) -> bool {
        matches!(
            self,
            Self::Token(_)
                | Self::Unreachable(_)
                | Self::NotOurServer(_)
                | Self::Unauthorized
                | Self::Status { code: 429, .. }
        )
    }
}
