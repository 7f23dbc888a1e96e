//! The secrets that Lagoon hands to a task: the kit registers them itself, before the task begins.

use crate::environment::{Environment, Variable};
use crate::mounts::Mounts;
use crate::output::Output;
use crate::redaction::{is_secret, secrets_inside};

/// Registers everything secret that is mounted: the deployer's tokens, the SSH key and the dynamic secrets. What cannot
/// be read cannot be shown either.
pub(crate) fn register_mounted(mounts: &Mounts, output: &Output) {
    for file in mounts.secret_files() {
        let Ok(content) = std::fs::read(&file) else { continue };
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        for secret in secrets_inside(&name, &String::from_utf8_lossy(&content)) {
            output.register_secret(secret);
        }
        output.register_secret(content);
    }
}

/// Registers the values of the site's variables, of all scopes, by the rule of [`is_secret`]. What names the project,
/// the environment or its places is no secret: Lagoon shows it to everyone who may see the task.
pub(crate) fn register_variables(environment: &Environment, output: &Output) {
    let variables = environment.project_variables.iter().chain(&environment.environment_variables);
    register_values(variables, &public_names(environment), output);
}

/// Registers the values of variables by the rule of [`is_secret`], but for `public` ones.
pub(crate) fn register_values<'a>(variables: impl IntoIterator<Item = &'a Variable>, public: &[&str], output: &Output) {
    for Variable { name, value, .. } in variables {
        let lines = value.lines().map(str::trim).filter(|line| is_secret(name, line)).map(str::to_owned);
        let secrets = lines.chain(secrets_inside(name, value)).filter(|secret| !public.contains(&secret.as_str()));
        secrets.for_each(|secret| output.register_secret(secret));
    }
}

fn public_names(environment: &Environment) -> Vec<&str> {
    let Environment { namespace, pod_name, kubernetes_host, .. } = environment;
    let Environment { project, git_branch, api_host, ssh_host, token_host, .. } = environment;
    let optional = [project, git_branch, api_host, ssh_host, token_host].into_iter().flatten();
    [namespace, pod_name, kubernetes_host].into_iter().chain(optional).map(String::as_str).collect()
}

#[cfg(test)]
mod tests;
