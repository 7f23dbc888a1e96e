//! What a task works with.

use std::fmt::Display;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::arguments::{self, ArgumentsError, TypedArguments};
use crate::cluster::{Cluster, ConnectError};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::mounts::Mounts;
use crate::output::Output;
use crate::output::register;
use crate::payload::{self, PayloadError};
use crate::report::{self, Progress};
use crate::shutdown::Shutdown;

/// What a task works with: its environment, the cluster, and the ways to tell the user and Lagoon something.
///
/// ```
/// use lagoon_task::{Context, Failure};
///
/// async fn greet(task: Context) -> Result<String, Failure> {
///     task.say(format!("Hello from {}", task.environment.namespace));
///     task.report(&serde_json::json!({ "greeted": true })).await?;
///     Ok("Done.".to_owned())
/// }
/// ```
pub struct Context {
    /// The variables that Lagoon set.
    pub environment: Environment,
    /// Where Lagoon mounted credentials.
    pub mounts: Mounts,
    /// What the user is shown.
    pub output: Output,
    name: &'static str,
    shutdown: Shutdown,
    cluster: OnceLock<Cluster>,
    progress: OnceLock<Progress>,
    /// Commands that were begun in pods of their own.
    commands: AtomicU32,
}

impl Context {
    /// Puts a context together, and registers with `output` what is secret in `mounts` and in the site's variables.
    /// `name` becomes the User-Agent, `shutdown` is requested when the task is to stop.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use lagoon_task::{Context, Environment, Output, mounts::Mounts, shutdown::Shutdown};
    ///
    /// let variables = BTreeMap::from([
    ///     ("NAMESPACE", "shop-main"),
    ///     ("PODNAME", "lagoon-task-1a2b3c"),
    ///     ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
    ///     ("KUBERNETES_SERVICE_PORT", "443"),
    /// ]);
    /// let environment = Environment::from_lookup(|name| variables.get(name).map(Into::into))?;
    /// let (trigger, shutdown) = Shutdown::manual();
    /// let task = Context::new("greeter/1.0", environment, Mounts::below("/nowhere"), Output::stdout(), shutdown);
    /// trigger.request();
    /// assert!(task.is_stopping());
    /// # Ok::<(), lagoon_task::EnvironmentError>(())
    /// ```
    #[must_use]
    pub fn new(
        name: &'static str,
        environment: Environment,
        mounts: Mounts,
        output: Output,
        shutdown: Shutdown,
    ) -> Self {
        register::register_mounted(&mounts, &output);
        register::register_variables(&environment, &output);
        let (cluster, progress) = (OnceLock::new(), OnceLock::new());
        Self { environment, mounts, output, name, shutdown, cluster, progress, commands: AtomicU32::new(0) }
    }

    /// The payload, as the task's own type.
    ///
    /// ```
    /// use lagoon_task::{Context, PayloadError};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Wanted {
    ///     table: String,
    /// }
    ///
    /// fn table(task: &Context) -> Result<String, PayloadError> {
    ///     let wanted: Wanted = task.payload()?;
    ///     Ok(wanted.table)
    /// }
    /// ```
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
        payload::decode(self.environment.payload.as_deref())
    }

    /// The arguments of a task that a user has started, as a struct made by [`arguments!`](crate::arguments!).
    /// [`Definition::run`](crate::Definition::run) has them read already.
    ///
    /// ```
    /// use lagoon_task::{Argument, Context, Failure, arguments};
    ///
    /// arguments! {
    ///     struct Chosen {
    ///         name: String = Argument::string("Who is greeted"),
    ///     }
    /// }
    ///
    /// async fn greet(task: Context) -> Result<String, Failure> {
    ///     let Chosen { name } = task.arguments()?;
    ///     Ok(format!("Hello, {name}!"))
    /// }
    /// ```
    pub fn arguments<Arguments: TypedArguments>(&self) -> Result<Arguments, ArgumentsError> {
        let Environment { payload, git_branch, .. } = &self.environment;
        arguments::read(payload.as_deref(), git_branch.as_deref(), &self.output)
    }

    /// The cluster, with the deployer's rights. Nothing is sent by asking for it.
    ///
    /// ```no_run
    /// use lagoon_task::k8s_openapi::api::core::v1::Pod;
    /// use lagoon_task::kube::api::ApiResource;
    /// use lagoon_task::{Context, Failure};
    ///
    /// # async fn example(task: &Context) -> Result<(), Failure> {
    /// let pods = task.cluster()?.objects(&ApiResource::erase::<Pod>(&()), &task.environment.namespace);
    /// task.say(format!("{} pods are here", pods.list_metadata().await?.len()));
    /// # Ok(()) }
    /// ```
    pub fn cluster(&self) -> Result<&Cluster, ConnectError> {
        if let Some(cluster) = self.cluster.get() {
            return Ok(cluster);
        }
        let cluster = Cluster::connect(&self.environment, &self.mounts, &self.output, self.name)?;
        Ok(self.cluster.get_or_init(|| cluster))
    }

    /// How the task names itself to servers, as `name/version`.
    #[cfg(feature = "lagoon-api")]
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// How many commands were begun in pods of their own before this one.
    pub(crate) fn next_command(&self) -> u32 {
        self.commands.fetch_add(1, Ordering::Relaxed)
    }

    /// Shows the user a line. Lagoon ships it with the next [`step`](Self::step) or [`ship`](Self::ship), or when the
    /// task ends.
    ///
    /// ```no_run
    /// # fn example(task: &lagoon_task::Context) {
    /// task.say("The table has 12 rows.");
    /// # }
    /// ```
    pub fn say(&self, text: impl Display) {
        self.output.say(text);
    }

    /// Shows the user a line and has Lagoon ship the log so far. Never fails and never waits.
    ///
    /// ```no_run
    /// # fn example(task: &lagoon_task::Context) {
    /// task.step("Copying the files");
    /// // ... takes long ...
    /// task.step("Copying the database");
    /// # }
    /// ```
    pub fn step(&self, text: impl Display) {
        let text = text.to_string();
        self.output.say(&text);
        self.ship(&text);
    }

    /// Has Lagoon ship the log so far, at most once in five seconds; `step` stands in the pod's label meanwhile. Never
    /// fails and never waits.
    ///
    /// ```no_run
    /// # fn example(task: &lagoon_task::Context) {
    /// for row in 1..=1000 {
    ///     task.say(format!("Row {row} is copied"));
    ///     task.ship("Copying rows");
    /// }
    /// # }
    /// ```
    pub fn ship(&self, step: &str) {
        if let Ok(cluster) = self.cluster() {
            let start = || {
                let Environment { namespace, pod_name, .. } = &self.environment;
                Progress::start(cluster.clone(), namespace.clone(), pod_name.clone())
            };
            self.progress.get_or_init(start).step(&self.output.hide_secrets(step));
        }
    }

    /// Hands Lagoon the task's result. Only when this has succeeded may the task succeed: Lagoon shows a task that
    /// exits 0 without its result as running for ever.
    ///
    /// Secrets in it are hidden inside the strings that hold them, and the user is told so.
    ///
    /// ```no_run
    /// # async fn example(task: &lagoon_task::Context) -> Result<(), lagoon_task::Failure> {
    /// task.report(&serde_json::json!({ "rows": 12 })).await?;
    /// # Ok(()) }
    /// ```
    pub async fn report(&self, result: &impl Serialize) -> Result<(), Failure> {
        let (safe, hidden) = report::without_secrets(result, &self.output)?;
        self.report_as_it_is(&safe).await?;
        if hidden {
            self.say("The task's result held a secret. Lagoon has been given [hidden] in its place.");
        }
        Ok(())
    }

    /// Hands Lagoon a result in which nothing is hidden. For one that Lagoon acts on and that holds only what everyone
    /// may know, such as names of environments and hosts: a site's variable may well have the same value, and a hidden
    /// name would be a wrong one.
    ///
    /// ```no_run
    /// # async fn example(task: &lagoon_task::Context) -> Result<(), lagoon_task::Failure> {
    /// let hosts = serde_json::json!({ "routes": ["www.example.com"] });
    /// task.report_as_it_is(&hosts).await?;
    /// # Ok(()) }
    /// ```
    pub async fn report_as_it_is(&self, result: &impl Serialize) -> Result<(), Failure> {
        let Environment { namespace, pod_name, .. } = &self.environment;
        report::annotate(self.cluster()?, namespace, pod_name, result).await?;
        Ok(())
    }

    /// Whether the task has been asked to stop.
    ///
    /// ```
    /// use lagoon_task::{Context, Failure};
    ///
    /// fn copy(task: &Context, rows: &[u32]) -> Result<(), Failure> {
    ///     for row in rows {
    ///         if task.is_stopping() {
    ///             return Err(Failure::new(format!("Stopped before row {row}. Start the task again for the rest.")));
    ///         }
    ///         // ... copies it ...
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.shutdown.is_requested()
    }

    /// Completes when the task is asked to stop (SIGTERM or SIGINT).
    ///
    /// ```
    /// use lagoon_task::{Context, Failure};
    ///
    /// async fn wait(task: &Context, work: impl Future<Output = String>) -> Result<String, Failure> {
    ///     tokio::select! {
    ///         done = work => Ok(done),
    ///         () = task.stopping() => Err(Failure::new("The task was stopped. Nothing has changed; start it again.")),
    ///     }
    /// }
    /// ```
    pub async fn stopping(&self) {
        self.shutdown.requested().await;
    }
}
