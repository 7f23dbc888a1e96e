//! Where Lagoon's API and its SSH are, from the task's environment.

use http::Uri;

use crate::environment::Environment;
use crate::lagoon::endpoint::Endpoint;
use crate::lagoon::error::LagoonConnectError;

/// The SSH endpoint that hands out tokens: the variables made for it, else those of SSH in general.
pub(super) fn token_endpoint(environment: &Environment) -> Result<Endpoint, LagoonConnectError> {
    let Environment { token_host, token_port, ssh_host, ssh_port, .. } = environment;
    let host = token_host.as_ref().or(ssh_host.as_ref()).cloned();
    let host = host.ok_or(LagoonConnectError::NotSet("LAGOON_CONFIG_TOKEN_HOST"))?;
    let port = token_port.or(*ssh_port).ok_or(LagoonConnectError::NotSet("LAGOON_CONFIG_TOKEN_PORT"))?;
    Ok(Endpoint { host, port })
}

/// The SSH endpoint for environments whose own is not known.
pub(super) fn ssh_endpoint(environment: &Environment) -> Option<Endpoint> {
    Some(Endpoint { host: environment.ssh_host.clone()?, port: environment.ssh_port? })
}

/// The URL of the GraphQL API: the API's, with `/graphql` after it.
pub(super) fn graphql_url(environment: &Environment) -> Result<Uri, LagoonConnectError> {
    let variable = "LAGOON_CONFIG_API_HOST";
    let text = environment.api_host.as_deref().ok_or(LagoonConnectError::NotSet(variable))?;
    let url: Uri = text.parse().map_err(|_| LagoonConnectError::NotAUrl)?;
    if url.scheme_str() != Some("https") {
        return Err(LagoonConnectError::NotHttps);
    }
    let authority = url.authority().filter(|authority| !authority.as_str().contains('@'));
    let authority = authority.ok_or(LagoonConnectError::NotAUrl)?;
    let path = url.path().trim_end_matches('/').trim_end_matches("/graphql");
    format!("https://{authority}{path}/graphql").parse().map_err(|_| LagoonConnectError::NotAUrl)
}

#[cfg(test)]
mod tests;
