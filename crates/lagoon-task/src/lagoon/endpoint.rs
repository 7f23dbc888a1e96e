//! Where a server is.

use std::fmt;

/// A host and its port.
///
/// ```
/// let endpoint = lagoon_task::lagoon::Endpoint { host: "2001:db8::1".to_owned(), port: 22 };
/// assert_eq!(endpoint.to_string(), "[2001:db8::1]:22");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A host name or an IP address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(formatter, "[{host}]:{port}") } else { write!(formatter, "{host}:{port}") }
    }
}
