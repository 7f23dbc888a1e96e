//! An environment as Lagoon has it.

use crate::lagoon::endpoint::Endpoint;

/// An environment of a project, as Lagoon knows it.
///
/// ```no_run
/// # async fn example(api: &lagoon_task::lagoon::LagoonApi) -> Result<(), lagoon_task::Failure> {
/// let environment = api.environment("shop", "main").await?;
/// println!("{} runs in namespace {}", environment.name, environment.namespace);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LagoonEnvironment {
    /// Its id in the API.
    pub id: i64,
    /// The project's name.
    pub project: String,
    /// Its name, which is that of its branch.
    pub name: String,
    /// Its Kubernetes namespace, which is also its SSH user.
    pub namespace: String,
    /// Whether it is a production environment, and not one for development.
    pub is_production: bool,
    /// The URL that Lagoon takes for the main one, if it has any.
    pub route: Option<String>,
    /// All its URLs.
    pub routes: Vec<String>,
    /// Where its SSH is, if the API says so.
    pub ssh: Option<Endpoint>,
}
