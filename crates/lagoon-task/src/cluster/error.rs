//! What went wrong with a request to the API server, in words for the person who reads the task's log.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use kube::core::response::Status;

use crate::output::escape;

/// Longest part of a server's message that is shown, in characters.
const LONGEST_MESSAGE: usize = 500;

/// Names an object in an error.
///
/// ```
/// use lagoon_task::ObjectName;
///
/// let pod = ObjectName::new("Pod", "shop-main", "cli-7d9c");
/// assert_eq!(pod.to_string(), r#"Pod "cli-7d9c" in namespace "shop-main""#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// Its kind, like `Pod`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectName {
    /// Names an object.
    ///
    /// ```
    /// let pod = lagoon_task::ObjectName::new("Pod", "shop-main", "cli-7d9c");
    /// assert_eq!((pod.kind.as_str(), pod.name.as_str()), ("Pod", "cli-7d9c"));
    /// ```
    pub fn new(kind: impl Into<String>, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name } = self;
        write!(formatter, "{} \"{}\" in namespace \"{}\"", escape(kind), escape(name), escape(namespace))
    }
}

/// A request that failed, after the retries that were safe.
///
/// ```
/// use lagoon_task::{Cause, ClusterError, ObjectName};
///
/// let object = ObjectName::new("ConfigMap", "shop-main", "settings");
/// let error = ClusterError::Create { object, cause: Cause::AlreadyExists };
/// let says = r#"ConfigMap "settings" in namespace "shop-main" could not be created: an object of that name exists already"#;
/// assert_eq!(error.to_string(), says);
/// ```
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are the same in each variant: the object, and the cause")]
#[non_exhaustive]
pub enum ClusterError {
    /// Creating an object.
    #[error("{object} could not be created: {cause}")]
    Create {
        object: ObjectName,
        #[source]
        cause: Cause,
    },
    /// Reading an object.
    #[error("{object} could not be read: {cause}")]
    Read {
        object: ObjectName,
        #[source]
        cause: Cause,
    },
    /// Watching an object.
    #[error("{object} could not be watched: {cause}")]
    Watch {
        object: ObjectName,
        #[source]
        cause: Cause,
    },
    /// Changing an object.
    #[error("{object} could not be changed: {cause}")]
    Change {
        object: ObjectName,
        #[source]
        cause: Cause,
    },
    /// Deleting an object.
    #[error("{object} could not be deleted: {cause}")]
    Delete {
        object: ObjectName,
        #[source]
        cause: Cause,
    },
    /// Listing the objects of a kind.
    #[error("The list of {kind} objects in namespace \"{}\" could not be read: {cause}", escape(.namespace))]
    List {
        kind: String,
        namespace: String,
        #[source]
        cause: Cause,
    },
}

impl ClusterError {
    /// Why it failed.
    ///
    /// ```
    /// use lagoon_task::{Cause, ClusterError};
    ///
    /// fn is_taken(error: &ClusterError) -> bool {
    ///     *error.cause() == Cause::AlreadyExists
    /// }
    /// ```
    #[must_use]
    pub fn cause(&self) -> &Cause {
        match self {
            Self::Create { cause, .. }
            | Self::Read { cause, .. }
            | Self::Watch { cause, .. }
            | Self::Change { cause, .. }
            | Self::Delete { cause, .. }
            | Self::List { cause, .. } => cause,
        }
    }
}

/// Why a request failed.
///
/// ```
/// use lagoon_task::Cause;
///
/// let cause = Cause::Forbidden("pods is forbidden".to_owned());
/// assert_eq!(cause.to_string(), "the deployer is not allowed to: pods is forbidden");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// No connection came about, so the request was never sent.
    #[error("the Kubernetes API server could not be reached ({0})")]
    Unreachable(String),
    /// The server is not the one whose certificate authority lies beside the token.
    #[error(
        "the server at the API server's address could not prove to be this cluster's API server ({0}), so the deployer \
         token was not sent to it. If the site has a variable KUBERNETES_SERVICE_HOST or KUBERNETES_SERVICE_PORT, \
         remove it; otherwise the ca.crt mounted beside the token is not this cluster's"
    )]
    NotOurServer(String),
    /// The connection broke or the time ran out after the request was sent: it may have been carried out.
    #[error("the connection to the Kubernetes API server was lost before it answered ({0})")]
    AnswerLost(String),
    /// All attempts together took too long.
    #[error("the Kubernetes API server did not answer within {} s", .0.as_secs())]
    Deadline(Duration),
    /// 401.
    #[error("the Kubernetes API server does not accept the deployer token; it may have expired or been revoked")]
    Unauthorized,
    /// 403, with the server's reason: a right is missing, or a quota has no room.
    #[error("{}", forbidden(.0))]
    Forbidden(String),
    /// A policy of the cluster or one of its admission webhooks refuses it, with its own words.
    #[error("a policy of the cluster refuses it: {0}")]
    Denied(String),
    /// 404, with the server's message.
    #[error("it was not found: {0}")]
    NotFound(String),
    /// 404 for the resource itself: its API group or kind is not installed.
    #[error("this cluster does not know its kind")]
    KindUnknown,
    /// 409 on a create.
    #[error("an object of that name exists already")]
    AlreadyExists,
    /// 409 otherwise.
    #[error("somebody else changed it at the same time")]
    Conflict,
    /// 410: the resource version is too old.
    #[error("the version asked for is too old")]
    Expired,
    /// 400 and 422: the fields that were refused, without their values.
    #[error("the Kubernetes API server refused it as invalid{}", listed(.fields))]
    Invalid {
        /// Paths of the fields; empty when the server named none.
        fields: Vec<String>,
    },
    /// 5xx.
    #[error("the Kubernetes API server answered with an error of its own ({code}: {message})")]
    ServerFault {
        /// HTTP status.
        code: u16,
        /// The server's message.
        message: String,
    },
    /// Anything else.
    #[error("the Kubernetes API server answered {code}: {message}")]
    Other {
        /// HTTP status.
        code: u16,
        /// The server's message.
        message: String,
    },
    /// A [guard](crate::cluster::WriteGuard) has not let it be sent, for this reason.
    #[error("it was not sent, because {0}")]
    Withheld(String),
    /// An answer that is larger than what Kubernetes sends of one object.
    #[error("the Kubernetes API server's answer is larger than any object can be")]
    TooLarge,
    /// An answer that is not what Kubernetes sends.
    #[error("the Kubernetes API server's answer could not be understood")]
    NotUnderstood,
}

fn forbidden(message: &str) -> String {
    match message.find("exceeded quota: ") {
        Some(start) => format!("the namespace's quota has no room for it ({})", &message[start..]),
        None => format!("the deployer is not allowed to: {message}"),
    }
}

fn listed(fields: &[String]) -> String {
    if fields.is_empty() { String::new() } else { format!(": {}", fields.join(", ")) }
}

impl Cause {
    /// Whether the request was surely not carried out.
    ///
    /// ```
    /// use lagoon_task::Cause;
    ///
    /// assert!(Cause::Conflict.nothing_was_done());
    /// assert!(!Cause::AnswerLost("the connection was reset".to_owned()).nothing_was_done());
    /// ```
    #[must_use]
    pub fn nothing_was_done(&self) -> bool {
        !matches!(
            self,
            Self::AnswerLost(_)
                | Self::Deadline(_)
                | Self::ServerFault { .. }
                | Self::Other { .. }
                | Self::NotUnderstood
        )
    }

    /// Whether the same request may succeed a little later without anyone doing anything.
    ///
    /// ```
    /// use lagoon_task::Cause;
    ///
    /// assert!(Cause::Unreachable("connection refused".to_owned()).may_pass());
    /// assert!(!Cause::Unauthorized.may_pass());
    /// ```
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_)
                | Self::AnswerLost(_)
                | Self::Deadline(_)
                | Self::ServerFault { .. }
                | Self::Expired
                | Self::NotUnderstood
                | Self::Other { code: 429, .. }
        )
    }
}

impl From<&kube::Error> for Cause {
    fn from(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::from(status.as_ref()),
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => Self::NotUnderstood,
            other => from_transport(other),
        }
    }
}

impl From<&Status> for Cause {
    fn from(status: &Status) -> Self {
        let message = shortened(&status.message);
        // A webhook chooses its code itself.
        if let Some(words) = denial(&message) {
            return Self::Denied(words.to_owned());
        }
        match status.code {
            401 => Self::Unauthorized,
            403 => Self::Forbidden(message),
            // A missing object comes with details; a path that nothing serves does not.
            404 if status.details.as_ref().is_none_or(|details| details.name.is_empty()) => Self::KindUnknown,
            404 => Self::NotFound(message),
            409 if status.reason == "AlreadyExists" => Self::AlreadyExists,
            409 => Self::Conflict,
            410 => Self::Expired,
            // The message of these quotes values, the list of fields does not.
            400 | 422 => Self::Invalid { fields: fields(status) },
            code @ 500..=599 => Self::ServerFault { code, message },
            code => Self::Other { code, message },
        }
    }
}

/// The words of an admission webhook or a `ValidatingAdmissionPolicy`, without what the API server puts before them.
fn denial(message: &str) -> Option<&str> {
    let markers = ["denied the request: ", "denied request: ", "denied the request", "denied request"];
    let from_admission = message.contains("admission webhook") || message.contains("ValidatingAdmissionPolicy");
    let marker = markers.into_iter().filter(|_| from_admission).find(|marker| message.contains(marker))?;
    message.split_once(marker).map(|(before, words)| if words.is_empty() { before.trim() } else { words.trim() })
}

fn fields(status: &Status) -> Vec<String> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.map(|cause| escape(&cause.field)).filter(|field| !field.is_empty()).collect()
}

/// `message` without control characters, cut off where it grows too long for a log.
pub(crate) fn shortened(message: &str) -> String {
    let mut characters = message.trim().chars();
    let start: String = characters.by_ref().take(LONGEST_MESSAGE).collect();
    let rest = if characters.next().is_some() { "…" } else { "" };
    escape(&format!("{start}{rest}"))
}

/// A request without an answer: never sent, sent to the wrong server, or lost.
fn from_transport(error: &(dyn StdError + 'static)) -> Cause {
    if let Some(cause) = withheld(error) {
        return cause.clone();
    }
    if let Some(detail) = certificate_problem(error) {
        return Cause::NotOurServer(detail);
    }
    let detail = shortened(&innermost(error));
    if never_sent(error) { Cause::Unreachable(detail) } else { Cause::AnswerLost(detail) }
}

/// Why a guard has not let a request be sent, if that is what `error` says.
pub(crate) fn withheld<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Cause> {
    chain(error).find_map(|part| part.downcast_ref::<Cause>())
}

/// Whether `error` says that no connection came about.
pub(crate) fn never_sent(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|part| {
        part.downcast_ref::<hyper_util::client::legacy::Error>()
            .is_some_and(hyper_util::client::legacy::Error::is_connect)
    })
}

/// What is wrong with the server's certificate, if that is why `error` came about.
pub(crate) fn certificate_problem(error: &(dyn StdError + 'static)) -> Option<String> {
    let found = chain(error).find_map(|part| part.downcast_ref::<rustls::Error>())?;
    match found {
        rustls::Error::InvalidCertificate(problem) => Some(format!("{problem}")),
        _ => None,
    }
}

/// An error and its sources, also where an I/O error wraps one, which `source` passes over.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&part| match part.downcast_ref::<std::io::Error>() {
        Some(io) => io.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
        None => part.source(),
    })
}

pub(crate) fn innermost(error: &(dyn StdError + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests;
