//! What tasks ask of Lagoon.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::context::Context;
use crate::environment::Variable;
use crate::lagoon::answers::{EnvironmentAnswer, ProjectAnswer, VariablesAnswer};
use crate::lagoon::command::{RemoteCommand, RemoteExit, Source};
use crate::lagoon::endpoint::Endpoint;
use crate::lagoon::environment::LagoonEnvironment;
use crate::lagoon::error::{ApiCause, LagoonApiError, LagoonConnectError, SshError};
use crate::lagoon::graphql::{Call, GraphQl, Outgoing, Repeat, UPLOAD_PATIENCE};
use crate::lagoon::known_hosts::{BadKnownHost, KnownHosts};
use crate::lagoon::settings;
use crate::lagoon::ssh::Ssh;
use crate::lagoon::token::Tokens;
use crate::lagoon::upload::{Form, TaskFile};
use crate::output::Output;
use crate::output::register::register_values;

const PROJECT: &str = "query ($name: String!) { projectByName(name: $name) { id } }";

const ENVIRONMENT: &str = "query ($name: String!, $project: Int!) { environmentByName(name: $name, project: $project) \
    { id name environmentType openshiftProjectName route routes openshift { sshHost sshPort } } }";

const VARIABLES: &str = "query ($input: EnvVariableByProjectEnvironmentNameInput!) \
    { getEnvVariablesByProjectEnvironmentName(input: $input) { name value scope } }";

const SET_VARIABLE: &str = "mutation ($input: EnvVariableByNameInput!) \
    { addOrUpdateEnvVariableByName(input: $input) { id } }";

const UPLOAD: &str = "mutation ($task: Int!, $files: [Upload!]!) \
    { uploadFilesForTask(input: { task: $task, files: $files }) { id } }";

/// Lagoon's API, and the SSH of its environments, with the rights of the mounted key.
///
/// ```no_run
/// use lagoon_task::lagoon::LagoonApi;
/// use lagoon_task::{Context, Failure};
///
/// # async fn example(task: &Context) -> Result<(), Failure> {
/// let api = LagoonApi::connect(task)?;
/// let environment = api.environment("shop", "main").await?;
/// for variable in api.variables(&environment).await? {
///     task.say(variable.name);
/// }
/// # Ok(()) }
/// ```
pub struct LagoonApi {
    graphql: GraphQl,
    /// For environments of which the API does not say where their SSH is.
    ssh_endpoint: Option<Endpoint>,
    output: Output,
    task: Option<i64>,
}

/// What a variable is for (Lagoon's `EnvVariableScope`).
///
/// ```no_run
/// # async fn example(api: &lagoon_task::lagoon::LagoonApi) -> Result<(), lagoon_task::Failure> {
/// use lagoon_task::lagoon::Scope;
///
/// let environment = api.environment("shop", "main").await?;
/// api.set_variable(&environment, "FEATURE_SALE", "on", Scope::Runtime).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// Builds.
    Build,
    /// The running site.
    Runtime,
    /// Both.
    Global,
    /// The password or user of a container registry.
    ContainerRegistry,
    /// The same for Lagoon's own registry.
    InternalContainerRegistry,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Self::Build => "BUILD",
            Self::Runtime => "RUNTIME",
            Self::Global => "GLOBAL",
            Self::ContainerRegistry => "CONTAINER_REGISTRY",
            Self::InternalContainerRegistry => "INTERNAL_CONTAINER_REGISTRY",
        }
    }
}

impl LagoonApi {
    /// Lagoon's API and its environments' SSH, with the rights of the mounted key. Sends nothing yet.
    ///
    /// The key, and each token, are registered as secrets with the task's output.
    ///
    /// ```no_run
    /// use lagoon_task::lagoon::LagoonApi;
    /// use lagoon_task::{Context, Failure};
    ///
    /// # async fn example(task: &Context) -> Result<(), Failure> {
    /// let api = LagoonApi::connect(task)?;
    /// let environment = api.environment("shop", "main").await?;
    /// task.say(format!("The site is at {}", environment.route.unwrap_or_default()));
    /// # Ok(()) }
    /// ```
    pub fn connect(task: &Context) -> Result<Self, LagoonConnectError> {
        let Context { environment, mounts, output, .. } = task;
        let url = settings::graphql_url(environment)?;
        let endpoint = settings::token_endpoint(environment)?;
        let tokens = Tokens::new(Ssh::new(mounts, output)?, endpoint, output.clone());
        let graphql = GraphQl::new(url, mounts.certificate_authorities(), tokens, output.clone(), task.name())?;
        let task = environment.task_data_id.as_ref().and_then(|id| id.trim().parse().ok());
        Ok(Self { graphql, ssh_endpoint: settings::ssh_endpoint(environment), output: output.clone(), task })
    }

    /// Adds SSH hosts whose keys are known, in the format of OpenSSH's `known_hosts`, to those of the image's file
    /// `/etc/ssh/ssh_known_hosts`.
    ///
    /// ```
    /// use lagoon_task::Failure;
    /// use lagoon_task::lagoon::LagoonApi;
    ///
    /// fn with_our_host(api: LagoonApi) -> Result<LagoonApi, Failure> {
    ///     Ok(api.known_hosts("ssh.lagoon.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBERERERERERERERERERERERERERERERERERERERERER")?)
    /// }
    /// ```
    pub fn known_hosts(mut self, text: &str) -> Result<Self, BadKnownHost> {
        self.graphql.tokens.ssh.know(KnownHosts::parse(text)?);
        Ok(self)
    }

    /// How long a call may take with all its attempts: a minute for the API and half a minute to reach an SSH host
    /// unless this is called. Uploads have an hour, and commands their own deadline.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lagoon_task::lagoon::LagoonApi;
    ///
    /// fn in_a_hurry(api: LagoonApi) -> LagoonApi {
    ///     api.patience(Duration::from_secs(10))
    /// }
    /// ```
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.graphql.patience = patience;
        self.graphql.tokens.ssh.set_patience(patience);
        self
    }

    /// Asks the API; what comes back in the answer's `data` is read as `T`. It is sent again until it is answered, so
    /// the document must be a query.
    ///
    /// ```no_run
    /// # async fn example(api: &lagoon_task::lagoon::LagoonApi) -> Result<(), lagoon_task::lagoon::LagoonApiError> {
    /// #[derive(serde::Deserialize)]
    /// struct Answer {
    ///     me: Me,
    /// }
    /// #[derive(serde::Deserialize)]
    /// struct Me {
    ///     id: String,
    /// }
    /// let answer: Answer = api.query("{ me { id } }", serde_json::json!({})).await?;
    /// # Ok(()) }
    /// ```
    pub async fn query<T: DeserializeOwned>(&self, document: &str, variables: Value) -> Result<T, LagoonApiError> {
        self.ask(document, &variables, Repeat::Safe, "").await.map_err(|cause| LagoonApiError::Query { cause })
    }

    /// Changes something by the API. It is sent again only when it was surely not carried out; see
    /// [`ApiCause::nothing_was_done`].
    ///
    /// ```no_run
    /// # async fn example(api: &lagoon_task::lagoon::LagoonApi) -> Result<(), lagoon_task::Failure> {
    /// use serde_json::{Value, json};
    ///
    /// let document = "mutation ($id: Int!) { deleteTask(input: { id: $id }) }";
    /// let _: Value = api.mutate(document, json!({ "id": 42 })).await?;
    /// # Ok(()) }
    /// ```
    pub async fn mutate<T: DeserializeOwned>(&self, document: &str, variables: Value) -> Result<T, LagoonApiError> {
        self.ask(document, &variables, Repeat::Unsafe, "").await.map_err(|cause| LagoonApiError::Mutation { cause })
    }

    /// The environment of this name in the project of that name.
    ///
    /// ```no_run
    /// # async fn example(api: &lagoon_task::lagoon::LagoonApi) -> Result<(), lagoon_task::Failure> {
    /// let environment = api.environment("shop", "main").await?;
    /// assert_eq!(environment.name, "main");
    /// # Ok(()) }
    /// ```
    pub async fn environment(&self, project: &str, name: &str) -> Result<LagoonEnvironment, LagoonApiError> {
        let failed = |cause| LagoonApiError::Environment { project: project.to_owned(), name: name.to_owned(), cause };
        let missing = || LagoonApiError::NoSuchEnvironment { project: project.to_owned(), name: name.to_owned() };
        let ProjectAnswer { project: found } =
            self.ask(PROJECT, &json!({ "name": project }), Repeat::Safe, "").await.map_err(failed)?;
        let variables = json!({ "name": name, "project": found.ok_or_else(missing)?.id });
        let EnvironmentAnswer { environment } =
            self.ask(ENVIRONMENT, &variables, Repeat::Safe, "").await.map_err(failed)?;
        Ok(environment.ok_or_else(missing)?.of(project))
    }

    /// The environment's own variables, with their values; not those of its project. From now on what is secret among the
    /// values is hidden, by the rule that holds for the task's own site.
    ///
    /// ```no_run
    /// # async fn example(api: &lagoon_task::lagoon::LagoonApi) -> Result<(), lagoon_task::Failure> {
    /// let environment = api.environment("shop", "main").await?;
    /// let has_sale = api.variables(&environment).await?.iter().any(|variable| variable.name == "FEATURE_SALE");
    /// # Ok(()) }
    /// ```
    pub async fn variables(&self, environment: &LagoonEnvironment) -> Result<Vec<Variable>, LagoonApiError> {
        let LagoonEnvironment { project, name, .. } = environment;
        let input = json!({ "input": { "project": project, "environment": name } });
        let answer: Result<VariablesAnswer, _> = self.ask(VARIABLES, &input, Repeat::Safe, "").await;
        let VariablesAnswer { variables } = answer.map_err(|cause| LagoonApiError::Variables {
            project: project.clone(),
            environment: name.clone(),
            cause,
        })?;
        let variables: Vec<_> = variables.unwrap_or_default().into_iter().map(Variable::from).collect();
        register_values(&variables, &[project, name, &environment.namespace], &self.output);
        Ok(variables)
    }

    /// Sets a variable of the environment, whether it is there already or not. It takes effect with the next deployment.
    /// The value is not shown, also where the API quotes it in an error.
    ///
    /// ```no_run
    /// # async fn example(api: &lagoon_task::lagoon::LagoonApi) -> Result<(), lagoon_task::Failure> {
    /// use lagoon_task::lagoon::Scope;
    ///
    /// let environment = api.environment("shop", "main").await?;
    /// api.set_variable(&environment, "LAST_IMPORT", "2026-11-24", Scope::Build).await?;
    /// # Ok(()) }
    /// ```
    pub async fn set_variable(
        &self,
        environment: &LagoonEnvironment,
        name: &str,
        value: &str,
        scope: Scope,
    ) -> Result<(), LagoonApiError> {
        let LagoonEnvironment { project, name: environment, .. } = environment;
        let input = json!({ "input": {
            "project": project, "environment": environment, "name": name, "value": value, "scope": scope.name(),
        }});
        // The same again changes nothing more.
        let set: Result<Value, _> = self.ask(SET_VARIABLE, &input, Repeat::Safe, value).await;
        set.map(drop).map_err(|cause| LagoonApiError::SetVariable {
            project: project.clone(),
            environment: environment.clone(),
            variable: name.to_owned(),
            cause,
        })
    }

    /// Uploads files to this task, whose id is `TASK_DATA_ID`; Lagoon offers them to its users for download.
    ///
    /// ```no_run
    /// # async fn example(api: &lagoon_task::lagoon::LagoonApi) -> Result<(), lagoon_task::Failure> {
    /// use lagoon_task::lagoon::TaskFile;
    ///
    /// api.upload_files(&[TaskFile::from_bytes("report.txt", "All is well.")]).await?;
    /// # Ok(()) }
    /// ```
    pub async fn upload_files(&self, files: &[TaskFile]) -> Result<(), LagoonApiError> {
        let task = self.task.ok_or(LagoonApiError::NoTaskId)?;
        let form = Form::new(UPLOAD, json!({ "task": task }), files)?;
        let (body, repeat) = (Outgoing::Form(&form), Repeat::Unsafe);
        let uploaded = self.graphql.call(&Call { body, repeat, patience: UPLOAD_PATIENCE, secret: "" }).await;
        uploaded.map(drop).map_err(|cause| LagoonApiError::Upload { task, cause })
    }

    /// Runs a command in an environment and shows what it writes, line by line, as it comes. A command that fails is no
    /// error of this function: the exit says how it ended.
    ///
    /// ```no_run
    /// # async fn example(task: lagoon_task::Context) -> Result<(), lagoon_task::Failure> {
    /// use lagoon_task::lagoon::{LagoonApi, RemoteCommand};
    ///
    /// let api = LagoonApi::connect(&task)?;
    /// let environment = api.environment("shop", "main").await?;
    /// let exit = api.run_command(&environment, &RemoteCommand::new("drush cache:rebuild")).await?;
    /// task.say(format!("drush ended with {exit}."));
    /// # Ok(()) }
    /// ```
    pub async fn run_command(
        &self,
        environment: &LagoonEnvironment,
        command: &RemoteCommand,
    ) -> Result<RemoteExit, SshError> {
        // With its line break, since an empty line is a line.
        self.follow_command(environment, command, |_, line| self.output.say(format_args!("{line}\n"))).await
    }

    /// Runs a command in an environment and hands each line that it writes to `on_line` as the log would show it, so that
    /// it can be kept too: the secrets that the task knows are hidden, colours and other escape sequences left out, and of a
    /// progress line only its last state comes. Lines of more than 64 KiB come in parts; bytes that are not UTF-8 are
    /// replaced.
    ///
    /// ```no_run
    /// # async fn example(api: &lagoon_task::lagoon::LagoonApi) -> Result<(), lagoon_task::Failure> {
    /// use lagoon_task::lagoon::RemoteCommand;
    ///
    /// let environment = api.environment("shop", "main").await?;
    /// let mut lines = Vec::new();
    /// let exit = api.follow_command(&environment, &RemoteCommand::new("drush status"), |_, line| lines.push(line.to_owned())).await?;
    /// # Ok(()) }
    /// ```
    pub async fn follow_command(
        &self,
        environment: &LagoonEnvironment,
        command: &RemoteCommand,
        mut on_line: impl FnMut(Source, &str) + Send,
    ) -> Result<RemoteExit, SshError> {
        let namespace = &environment.namespace;
        let no_endpoint = || SshError::NoEndpoint { namespace: namespace.clone() };
        let endpoint = environment.ssh.as_ref().or(self.ssh_endpoint.as_ref()).ok_or_else(no_endpoint)?;
        let line = command.line()?;
        let (mut stdout, mut stderr) = (self.output.safe_lines(), self.output.safe_lines());
        let mut on_data = |source: Source, data: &[u8]| {
            let lines = if source == Source::Stdout { &mut stdout } else { &mut stderr };
            self.output.take(lines, data).lines().for_each(|line| on_line(source, line));
        };
        let ssh = &self.graphql.tokens.ssh;
        let ended = ssh.run(endpoint, namespace, &line, command.longest(), &mut on_data).await;
        stdout.finish().lines().for_each(|line| on_line(Source::Stdout, line));
        stderr.finish().lines().for_each(|line| on_line(Source::Stderr, line));
        ended
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        document: &str,
        variables: &Value,
        repeat: Repeat,
        secret: &str,
    ) -> Result<T, ApiCause> {
        let request = json!({ "query": document, "variables": variables });
        let call = Call { body: Outgoing::Json(&request), repeat, patience: self.graphql.patience, secret };
        let data = self.graphql.call(&call).await?;
        // The parser's message may quote a value; the path does not.
        serde_path_to_error::deserialize(data)
            .map_err(|error| ApiCause::NotUnderstood(format!("its field {} is not as expected", error.path())))
    }
}
