//! One task: its pod, its process, and what is left of it.

mod running;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::bench::ControlPlane;
use crate::error::Error;
use crate::kubelet::Launch;
use crate::objects::{create, pods};
use crate::program::Program;
use crate::task_pod::{DEPLOYER, LagoonEnvironment, TaskPod};
pub use running::{Finished, Running};

/// A task that has not been launched yet.
pub struct Task<'bench> {
    control_plane: &'bench ControlPlane,
    environment: LagoonEnvironment,
    program: Program,
    account: String,
    payload: Option<String>,
    arguments: Vec<String>,
    /// What the test changes of the variables; `None` takes one away.
    variables: Vec<(String, Option<String>)>,
    legacy_mount: bool,
}

impl<'bench> Task<'bench> {
    pub(crate) fn new(control_plane: &'bench ControlPlane, environment: &LagoonEnvironment, program: Program) -> Self {
        Self {
            control_plane,
            environment: environment.clone(),
            program,
            account: DEPLOYER.to_owned(),
            payload: None,
            arguments: Vec::new(),
            variables: Vec::new(),
            legacy_mount: false,
        }
    }

    /// Runs the task as another service account of its namespace than `lagoon-deployer`; the test makes it.
    #[must_use]
    pub fn service_account(mut self, name: impl Into<String>) -> Self {
        self.account = name.into();
        self
    }

    /// Adds an argument to the command line, after the one that says where the mounts are.
    #[must_use]
    pub fn argument(mut self, value: impl Into<String>) -> Self {
        self.arguments.push(value.into());
        self
    }

    /// The payload, encoded as Lagoon does it.
    #[must_use]
    pub fn payload(self, payload: &Value) -> Self {
        self.raw_payload(STANDARD.encode(payload.to_string()))
    }

    /// `JSON_PAYLOAD` to the letter.
    #[must_use]
    pub fn raw_payload(mut self, payload: impl Into<String>) -> Self {
        self.payload = Some(payload.into());
        self
    }

    /// Sets a variable, as the site's owner could (`envFrom`), or another value for one that Lagoon sets.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.push((name.into(), Some(value.into())));
        self
    }

    /// Takes away a variable that Lagoon or the kubelet would set.
    #[must_use]
    pub fn without_variable(mut self, name: impl Into<String>) -> Self {
        self.variables.push((name.into(), None));
        self
    }

    /// Mounts the credentials where legacy clusters have them.
    #[must_use]
    pub fn legacy_mount(mut self) -> Self {
        self.legacy_mount = true;
        self
    }

    /// Creates the pod; the kubelet stand-in starts its process.
    pub async fn launch(self) -> Result<Running<'bench>, Error> {
        self.prepare().await?.start()
    }

    /// Creates the pod and waits for its mounts; its process is started later, when the test says so.
    pub async fn prepare(self) -> Result<Prepared<'bench>, Error> {
        let name = unique_name();
        let variables = self.lagoon_variables(&name);
        let program = match &self.program {
            Program::Binary(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            Program::Container(container) => container.clone(),
        };
        // Its own, by which the kubelet stand-in knows the task.
        let image = format!("{}:{name}", program.to_lowercase());
        let kubelet = self.control_plane.kubelet().await?;
        let launch = Arc::new(Launch::new(self.arguments, self.variables));
        kubelet.add_task(image.clone(), self.program, launch.clone());
        let (control_plane, account) = (self.control_plane, self.account);
        let pod = TaskPod { name: &name, image: &image, account: &account, variables, legacy: self.legacy_mount };
        let api = pods(control_plane, &self.environment.namespace)?;
        let position = control_plane.servers().position();
        let created = create(&api, pod.to_json()).await;
        if created.is_err() {
            kubelet.remove_image(&image);
        }
        let running = Running::new(control_plane, kubelet, image, created?, launch, position).await?;
        Ok(Prepared { running })
    }

    /// What remote-controller sets on the container.
    fn lagoon_variables(&self, pod: &str) -> Vec<(String, String)> {
        let LagoonEnvironment { project, name, namespace } = &self.environment;
        let mut variables = vec![
            ("JSON_PAYLOAD", self.payload.clone().unwrap_or_default()),
            ("NAMESPACE", namespace.clone()),
            ("PODNAME", pod.to_owned()),
            ("LAGOON_PROJECT", project.clone()),
            ("LAGOON_GIT_BRANCH", name.clone()),
            ("TASK_DATA_ID", "42".to_owned()),
        ];
        for (new, old, value) in [
            ("LAGOON_CONFIG_API_HOST", "TASK_API_HOST", "https://api.lagoon.example"),
            ("LAGOON_CONFIG_SSH_HOST", "TASK_SSH_HOST", "ssh.lagoon.example"),
            ("LAGOON_CONFIG_SSH_PORT", "TASK_SSH_PORT", "2020"),
        ] {
            variables.extend([(new, value.to_owned()), (old, value.to_owned())]);
        }
        variables.push(("LAGOON_CONFIG_TOKEN_HOST", "token.lagoon.example".to_owned()));
        variables.push(("LAGOON_CONFIG_TOKEN_PORT", "2020".to_owned()));
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// A task whose pod is there, and whose process is not.
pub struct Prepared<'bench> {
    running: Running<'bench>,
}

impl<'bench> Prepared<'bench> {
    /// The folder with the token and the certificate authority, for a test that spoils them.
    #[must_use]
    pub fn service_account_folder(&self) -> &Path {
        self.running.service_account_folder()
    }

    /// The folder that a binary gets as its `--root`, for files that a test adds to the task's image or mounts.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        // The pod's folder holds both: the root, and the volumes, of which the service account's is one.
        let pod = self.service_account_folder().ancestors().nth(2);
        pod.map(|folder| folder.join("root")).unwrap_or_default()
    }

    /// Starts the process.
    pub fn start(self) -> Result<Running<'bench>, Error> {
        self.running.start()
    }
}

/// A name like the ones that Lagoon gives: `lagoon-task-` and six characters.
fn unique_name() -> String {
    let characters: String = std::iter::repeat_with(fastrand::lowercase).take(6).collect();
    format!("lagoon-task-{characters}")
}
