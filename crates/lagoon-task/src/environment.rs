//! What Lagoon tells a task through environment variables.
//!
//! Lagoon sets the variables named here on the container itself, so they win over the site's own variables of the
//! same name. Everything else in the environment may have been chosen by the site's owner and is not read.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// Longest `TASK_TIMEOUT_SECONDS` that is accepted: a day.
const LONGEST_TIMEOUT: u64 = 24 * 60 * 60;

/// The environment of a task's container, as Lagoon's remote-controller sets it.
///
/// ```
/// use lagoon_task::Context;
///
/// fn say_where(task: &Context) {
///     task.say(format!("Running as {} in {}", task.environment.pod_name, task.environment.namespace));
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Environment {
    /// `NAMESPACE`: the namespace that the task's pod runs in.
    pub namespace: String,
    /// `PODNAME`: the name of the task's own pod.
    pub pod_name: String,
    /// `KUBERNETES_SERVICE_HOST`: address or DNS name of the API server, without brackets around an IPv6 address.
    pub kubernetes_host: String,
    /// `KUBERNETES_SERVICE_PORT`.
    pub kubernetes_port: u16,
    /// `JSON_PAYLOAD` as it stands, still base64; decode it with [`payload::decode`](crate::payload::decode).
    pub payload: Option<String>,
    /// `LAGOON_CONFIG_API_HOST`, before that `TASK_API_HOST`: URL of the Lagoon API.
    pub api_host: Option<String>,
    /// `LAGOON_CONFIG_SSH_HOST`, before that `TASK_SSH_HOST`.
    pub ssh_host: Option<String>,
    /// `LAGOON_CONFIG_SSH_PORT`, before that `TASK_SSH_PORT`.
    pub ssh_port: Option<u16>,
    /// `LAGOON_CONFIG_TOKEN_HOST`: the SSH endpoint that hands out tokens for the Lagoon API.
    pub token_host: Option<String>,
    /// `LAGOON_CONFIG_TOKEN_PORT`.
    pub token_port: Option<u16>,
    /// `TASK_DATA_ID`: the task's id in the Lagoon API.
    pub task_data_id: Option<String>,
    /// `LAGOON_PROJECT`: the project's name.
    pub project: Option<String>,
    /// `LAGOON_GIT_BRANCH`: the environment's name.
    pub git_branch: Option<String>,
    /// `LAGOON_PROJECT_VARIABLES`; empty when Lagoon sent none.
    pub project_variables: Vec<Variable>,
    /// `LAGOON_ENVIRONMENT_VARIABLES`; empty when Lagoon sent none.
    pub environment_variables: Vec<Variable>,
    /// `TASK_TIMEOUT_SECONDS`: how long the task may wait, in whole seconds from 1 to 86,400. This one is the kit's
    /// own; where it is absent each task has its default.
    pub timeout: Option<Duration>,
}

/// One of Lagoon's variables, from the arrays `[{"name","value","scope"}]` that it hands to a task.
///
/// ```
/// use lagoon_task::Variable;
///
/// let variable = Variable { name: "API_KEY".to_owned(), value: "of the site".to_owned(), scope: "runtime".to_owned() };
/// assert!(!format!("{variable:?}").contains("of the site"));
/// ```
#[derive(Clone, Deserialize)]
pub struct Variable {
    /// The variable's name.
    pub name: String,
    /// Its value; it may be a secret, and [`fmt::Debug`] leaves it out.
    pub value: String,
    /// `build`, `runtime`, `global`, `container_registry`, `internal_container_registry` or `internal_system`.
    #[serde(default)]
    pub scope: String,
}

impl fmt::Debug for Variable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Variable").field("name", &self.name).field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// Everything that is missing or wrong in a task's environment, in one sentence. Values are never shown.
///
/// ```
/// let error = lagoon_task::Environment::from_lookup(|_| None).unwrap_err();
/// assert!(error.to_string().contains("NAMESPACE is not set"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "The task cannot start, its environment is incomplete: {}. Lagoon sets these variables on the task's pod; \
     if the site has variables of these names, remove them, otherwise tell your Lagoon administrator.",
    problems.join("; ")
)]
#[non_exhaustive]
pub struct EnvironmentError {
    /// One entry a variable, each beginning with the variable's name.
    pub problems: Vec<String>,
}

impl Environment {
    /// Reads the environment of this process.
    ///
    /// ```
    /// match lagoon_task::Environment::from_process() {
    ///     Ok(environment) => println!("in namespace {}", environment.namespace),
    ///     Err(problem) => println!("{problem}"),
    /// }
    /// ```
    pub fn from_process() -> Result<Self, EnvironmentError> {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// Reads the environment through `lookup`, which answers with a variable's value.
    ///
    /// An empty value counts as absent. All that is missing or wrong is reported in one go.
    ///
    /// ```
    /// use lagoon_task::Environment;
    ///
    /// let error = Environment::from_lookup(|name| (name == "NAMESPACE").then(|| "shop-main".into())).unwrap_err();
    /// assert_eq!(error.problems[0], "PODNAME is not set");
    /// assert_eq!(error.problems.len(), 3);
    /// ```
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, EnvironmentError> {
        let mut reader = Reader { lookup, problems: Vec::new() };
        let environment = Self {
            namespace: reader.required("NAMESPACE", is_dns_label, "the name of a Kubernetes namespace"),
            pod_name: reader.required("PODNAME", is_dns_subdomain, "the name of a Kubernetes pod"),
            kubernetes_host: reader.required("KUBERNETES_SERVICE_HOST", is_host, "a host name or an IP address"),
            kubernetes_port: reader.required_port("KUBERNETES_SERVICE_PORT"),
            payload: reader.text("JSON_PAYLOAD").map(|(_, value)| value),
            api_host: reader.optional(&["LAGOON_CONFIG_API_HOST", "TASK_API_HOST"], is_url, "a URL"),
            ssh_host: reader.optional(&["LAGOON_CONFIG_SSH_HOST", "TASK_SSH_HOST"], is_host, "a host name"),
            ssh_port: reader.port(&["LAGOON_CONFIG_SSH_PORT", "TASK_SSH_PORT"]),
            token_host: reader.optional(&["LAGOON_CONFIG_TOKEN_HOST"], is_host, "a host name"),
            token_port: reader.port(&["LAGOON_CONFIG_TOKEN_PORT"]),
            task_data_id: reader.optional(&["TASK_DATA_ID"], is_plain, "a task's id"),
            project: reader.optional(&["LAGOON_PROJECT"], is_plain, "a project's name"),
            git_branch: reader.optional(&["LAGOON_GIT_BRANCH"], is_plain, "an environment's name"),
            project_variables: reader.variables("LAGOON_PROJECT_VARIABLES"),
            environment_variables: reader.variables("LAGOON_ENVIRONMENT_VARIABLES"),
            timeout: reader.timeout("TASK_TIMEOUT_SECONDS"),
        };
        if reader.problems.is_empty() { Ok(environment) } else { Err(EnvironmentError { problems: reader.problems }) }
    }
}

/// Reads variables one by one and remembers what was wrong with them.
struct Reader<Lookup> {
    lookup: Lookup,
    problems: Vec<String>,
}

impl<Lookup: Fn(&str) -> Option<OsString>> Reader<Lookup> {
    /// The value of `name`, unless it is absent, empty, or not text (which is a problem).
    fn text<'name>(&mut self, name: &'name str) -> Option<(&'name str, String)> {
        match (self.lookup)(name)?.into_string() {
            Ok(value) if value.trim().is_empty() => None,
            Ok(value) => Some((name, value)),
            Err(_) => {
                self.problems.push(format!("{name} is not UTF-8 text"));
                None
            }
        }
    }

    /// The first of `names` that has a value: the newer name stands first.
    fn first<'name>(&mut self, names: &[&'name str]) -> Option<(&'name str, String)> {
        names.iter().find_map(|name| self.text(name))
    }

    fn optional(&mut self, names: &[&str], valid: fn(&str) -> bool, what: &str) -> Option<String> {
        let (name, value) = self.first(names)?;
        if valid(&value) {
            return Some(value);
        }
        self.problems.push(format!("{name} is not {what}"));
        None
    }

    fn required(&mut self, name: &str, valid: fn(&str) -> bool, what: &str) -> String {
        let problems_before = self.problems.len();
        let value = self.optional(&[name], valid, what);
        if value.is_none() && self.problems.len() == problems_before {
            self.problems.push(format!("{name} is not set"));
        }
        value.unwrap_or_default()
    }

    fn port(&mut self, names: &[&str]) -> Option<u16> {
        let value = self.optional(names, is_port, "a port number from 1 to 65535")?;
        value.parse().ok()
    }

    fn required_port(&mut self, name: &str) -> u16 {
        let value = self.required(name, is_port, "a port number from 1 to 65535");
        value.parse().unwrap_or_default()
    }

    fn variables(&mut self, name: &str) -> Vec<Variable> {
        let Some((_, value)) = self.text(name) else { return Vec::new() };
        // The parser's own message may quote the value, so it is not passed on.
        serde_json::from_str(&value).unwrap_or_else(|_| {
            self.problems.push(format!("{name} is not a JSON array of variables with name, value and scope"));
            Vec::new()
        })
    }

    fn timeout(&mut self, name: &str) -> Option<Duration> {
        let (_, value) = self.text(name)?;
        match value.parse::<u64>() {
            Ok(seconds) if (1..=LONGEST_TIMEOUT).contains(&seconds) => Some(Duration::from_secs(seconds)),
            _ => {
                self.problems.push(format!("{name} is not a whole number of seconds from 1 to {LONGEST_TIMEOUT}"));
                None
            }
        }
    }
}

/// A DNS label as Kubernetes demands it of a namespace (RFC 1123): at most 63 of `a-z0-9-`.
///
/// ```
/// use lagoon_task::environment::is_dns_label;
///
/// assert!(is_dns_label("shop-main"));
/// assert!(!is_dns_label("../main"));
/// ```
#[must_use]
pub fn is_dns_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(inner) && !name.starts_with('-') && !name.ends_with('-')
}

/// A DNS subdomain as Kubernetes demands it of most objects' names (RFC 1123): labels joined by dots, at most 253 bytes.
/// Unlike a namespace's name, a part of it may be longer than 63 bytes.
///
/// ```
/// use lagoon_task::environment::is_dns_subdomain;
///
/// assert!(is_dns_subdomain("www.example.com"));
/// assert!(!is_dns_subdomain("Example_Com"));
/// ```
#[must_use]
pub fn is_dns_subdomain(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let part_is_valid =
        |part: &str| !part.is_empty() && part.bytes().all(inner) && !part.starts_with('-') && !part.ends_with('-');
    name.len() <= 253 && name.split('.').all(part_is_valid)
}

fn is_host(host: &str) -> bool {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    host.parse::<std::net::IpAddr>().is_ok() || (host.len() <= 253 && host.bytes().all(name))
}

fn is_port(port: &str) -> bool {
    port.parse::<u16>().is_ok_and(|number| number != 0)
}

fn is_url(url: &str) -> bool {
    url.parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()))
}

fn is_plain(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests;
