//! What Lagoon's API answers to this crate's own questions.

use serde::Deserialize;

use crate::environment::Variable;
use crate::lagoon::endpoint::Endpoint;
use crate::lagoon::environment::LagoonEnvironment;

#[derive(Deserialize)]
pub(super) struct ProjectAnswer {
    #[serde(rename = "projectByName")]
    pub(super) project: Option<FoundProject>,
}

#[derive(Deserialize)]
pub(super) struct FoundProject {
    pub(super) id: i64,
}

#[derive(Deserialize)]
pub(super) struct EnvironmentAnswer {
    #[serde(rename = "environmentByName")]
    pub(super) environment: Option<FoundEnvironment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FoundEnvironment {
    pub(super) id: i64,
    name: String,
    environment_type: Option<String>,
    openshift_project_name: String,
    route: Option<String>,
    routes: Option<String>,
    openshift: Option<DeployTarget>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeployTarget {
    ssh_host: Option<String>,
    ssh_port: Option<String>,
}

impl FoundEnvironment {
    pub(super) fn of(self, project: &str) -> LagoonEnvironment {
        let routes = self.routes.iter().flat_map(|routes| routes.split(',')).map(str::trim);
        LagoonEnvironment {
            id: self.id,
            project: project.to_owned(),
            routes: routes.filter(|route| !route.is_empty()).map(str::to_owned).collect(),
            name: self.name,
            namespace: self.openshift_project_name,
            is_production: self.environment_type.is_some_and(|kind| kind.eq_ignore_ascii_case("production")),
            route: self.route.filter(|route| !route.is_empty()),
            ssh: self.openshift.and_then(DeployTarget::endpoint),
        }
    }
}

impl DeployTarget {
    fn endpoint(self) -> Option<Endpoint> {
        let host = self.ssh_host.filter(|host| !host.is_empty())?;
        Some(Endpoint { host, port: self.ssh_port?.parse().ok()? })
    }
}

#[derive(Deserialize)]
pub(super) struct VariablesAnswer {
    #[serde(rename = "getEnvVariablesByProjectEnvironmentName")]
    pub(super) variables: Option<Vec<FoundVariable>>,
}

#[derive(Deserialize)]
pub(super) struct FoundVariable {
    name: String,
    value: Option<String>,
    scope: Option<String>,
}

impl From<FoundVariable> for Variable {
    fn from(FoundVariable { name, value, scope }: FoundVariable) -> Self {
        let scope = scope.unwrap_or_default().to_ascii_lowercase();
        Self { name, value: value.unwrap_or_default(), scope }
    }
}
