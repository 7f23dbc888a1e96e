//! One task: its pod, its process, and what is left of it.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::audit::Request;
use crate::control_plane::ControlPlane;
use crate::error::Error;
use crate::launcher::{DEPLOYER, LagoonEnvironment, create, pod, pods};

/// Where a pod finds its service account, below the root.
const SERVICE_ACCOUNT: &str = "var/run/secrets/kubernetes.io/serviceaccount";
/// Where a legacy cluster mounts the deployer's secret, below the root.
const LEGACY_DEPLOYER: &str = "var/run/secrets/lagoon/deployer";

/// The shortest lifetime that the API server gives a token is ten minutes.
const TOKEN_SECONDS: i64 = 3600;

/// A line, or the end of a task, that has not come by then will not come.
const PATIENCE: Duration = Duration::from_mins(3);

const RESULT_ANNOTATION: &str = "lagoon.sh/taskData";

/// What a task's pod runs.
#[derive(Debug, Clone)]
pub enum Program {
    /// A binary of this machine. It is told with `--root` where its mounts are.
    Binary(PathBuf),
    /// A container made with `buildah from`, run as user 10000 and group 0 with its mounts where a pod has them.
    Container(String),
}

impl<P: AsRef<Path>> From<P> for Program {
    fn from(path: P) -> Self {
        Self::Binary(path.as_ref().to_owned())
    }
}

/// A task that has not been launched yet.
pub struct Task<'bench> {
    control_plane: &'bench ControlPlane,
    environment: LagoonEnvironment,
    program: Program,
    payload: Option<String>,
    /// What Lagoon sets; `None` takes a variable away.
    variables: Vec<(String, Option<String>)>,
    legacy_mount: bool,
}

impl<'bench> Task<'bench> {
    pub(crate) fn new(control_plane: &'bench ControlPlane, environment: &LagoonEnvironment, program: Program) -> Self {
        let environment = environment.clone();
        Self { control_plane, environment, program, payload: None, variables: Vec::new(), legacy_mount: false }
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

    /// Creates the pod and starts its process.
    pub async fn launch(self) -> Result<Running<'bench>, Error> {
        self.prepare().await?.start()
    }

    /// Creates the pod with its mounts; its process is started later, when the test says so.
    pub async fn prepare(self) -> Result<Prepared<'bench>, Error> {
        let name = unique_name();
        let lagoon = self.lagoon_variables(&name);
        let image = match &self.program {
            Program::Binary(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            Program::Container(container) => container.clone(),
        };
        let api = pods(self.control_plane, &self.environment.namespace)?;
        let pod = create(&api, pod(&name, &image, &lagoon)).await?;

        let root = tempfile::tempdir().map_err(Error::process("Making a folder for the mounts"))?;
        let folder = root.path().join(if self.legacy_mount { LEGACY_DEPLOYER } else { SERVICE_ACCOUNT });
        write(&folder.join("ca.crt"), self.control_plane.certificate_authority())?;
        write(&folder.join("namespace"), &self.environment.namespace)?;
        write(&root.path().join("dev/termination-log"), "")?;
        let mounts = Mounts { root, token: folder.join("token") };
        let running = Running {
            control_plane: self.control_plane,
            pod,
            mounts,
            child: None,
            log: watch::Sender::default(),
            readers: Vec::new(),
        };
        running.renew_token().await?;
        running.set_phase("Running").await?;
        let variables = self.process_variables(lagoon);
        Ok(Prepared { running, program: self.program, variables })
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

    /// What the process gets: the pod's variables, what the kubelet adds, and what the test changes.
    fn process_variables(&self, lagoon: Vec<(String, String)>) -> Vec<(String, String)> {
        let mut variables = lagoon;
        variables.push(("KUBERNETES_SERVICE_HOST".to_owned(), "127.0.0.1".to_owned()));
        variables.push(("KUBERNETES_SERVICE_PORT".to_owned(), self.control_plane.port().to_string()));
        for (name, value) in &self.variables {
            variables.retain(|(existing, _)| existing != name);
            variables.extend(value.clone().map(|value| (name.clone(), value)));
        }
        variables
    }
}

/// The folder that stands for the pod's root, with its mounts.
struct Mounts {
    root: TempDir,
    token: PathBuf,
}

/// A task whose pod is there, and whose process is not.
pub struct Prepared<'bench> {
    running: Running<'bench>,
    program: Program,
    variables: Vec<(String, String)>,
}

impl<'bench> Prepared<'bench> {
    /// The folder with the token and the certificate authority, for a test that spoils them.
    #[must_use]
    pub fn service_account_folder(&self) -> &Path {
        self.running.mounts.token.parent().unwrap_or(&self.running.mounts.token)
    }

    /// Starts the process.
    pub fn start(self) -> Result<Running<'bench>, Error> {
        self.running.start(&self.program, self.variables)
    }
}

/// A task whose process has been started. Dropping it kills the process.
pub struct Running<'bench> {
    control_plane: &'bench ControlPlane,
    pod: Pod,
    mounts: Mounts,
    child: Option<Child>,
    log: watch::Sender<Vec<String>>,
    readers: Vec<JoinHandle<()>>,
}

/// What is left of a task.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The exit code; `None` when a signal ended it.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Everything it printed, as Lagoon shows it to its user.
    pub log: String,
    /// The result that Lagoon takes from the pod, as it stands there.
    pub annotation: Option<String>,
    /// The same, decoded as Lagoon does it; `None` also when it cannot be decoded.
    pub result: Option<Value>,
    /// The pod's labels at the end.
    pub labels: std::collections::BTreeMap<String, String>,
    /// What it left in its termination message file.
    pub termination_message: String,
    /// Every request that was made with the pod's token, in the order of arrival.
    pub requests: Vec<Request>,
}

impl Finished {
    /// The requests as `verb resource`.
    #[must_use]
    pub fn requests_in_short(&self) -> Vec<String> {
        self.requests.iter().map(Request::short).collect()
    }
}

impl Running<'_> {
    fn start(mut self, program: &Program, variables: Vec<(String, String)>) -> Result<Self, Error> {
        let mut command = self.command(program, variables);
        let what = || format!("Starting {program:?}");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(Error::process(what()))?;
        if let Some(stdout) = child.stdout.take() {
            self.readers.push(collect(stdout, self.log.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            self.readers.push(collect(stderr, self.log.clone()));
        }
        self.child = Some(child);
        Ok(self)
    }

    fn command(&self, program: &Program, variables: Vec<(String, String)>) -> Command {
        let root = self.mounts.root.path();
        match program {
            Program::Binary(path) => {
                let mut command = Command::new(path);
                command.arg("--root").arg(root).env_clear().envs(variables);
                command
            }
            Program::Container(container) => {
                let mut command = Command::new("buildah");
                command.args(["--storage-driver", "vfs", "run", "--isolation", "chroot"]);
                command.args(["--cap-drop", "ALL", "--user", "10000:0"]);
                command.arg("-v").arg(format!("{}:/var/run/secrets:ro", root.join("var/run/secrets").display()));
                for (name, value) in variables {
                    command.arg("-e").arg(format!("{name}={value}"));
                }
                command.args([container, "--", "/task"]);
                command
            }
        }
    }

    /// The pod's name.
    #[must_use]
    pub fn pod_name(&self) -> String {
        self.pod.name_any()
    }

    /// The pod's namespace.
    #[must_use]
    pub fn namespace(&self) -> String {
        self.pod.namespace().unwrap_or_default()
    }

    /// The process id, for looking at the process while it runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.child.as_ref()?.id()
    }

    /// The token that the task has now.
    pub fn token(&self) -> Result<String, Error> {
        std::fs::read_to_string(&self.mounts.token).map_err(Error::file(&self.mounts.token))
    }

    /// Gives the pod a new token, bound to it, in place of the one it has, as the kubelet does.
    pub async fn renew_token(&self) -> Result<(), Error> {
        let reference = BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: Some(self.pod_name()),
            uid: self.pod.uid(),
        };
        let request = TokenRequest {
            spec: TokenRequestSpec {
                bound_object_ref: Some(reference),
                expiration_seconds: Some(TOKEN_SECONDS),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let accounts: Api<ServiceAccount> = Api::namespaced(self.control_plane.client()?, &self.namespace());
        let answer = accounts.create_token_request(DEPLOYER, &PostParams::default(), &request).await;
        let status = answer.map_err(Error::request("Asking for the deployer's token"))?.status;
        let token = status.map(|status| status.token).unwrap_or_default();
        self.write_token(&token)
    }

    /// Puts `token` where the task reads its token.
    pub fn write_token(&self, token: &str) -> Result<(), Error> {
        write(&self.mounts.token, token)
    }

    /// Deletes the task's pod object; the process goes on.
    pub async fn delete_pod(&self) -> Result<(), Error> {
        let api = pods(self.control_plane, &self.namespace())?;
        let parameters = DeleteParams::default().grace_period(0);
        api.delete(&self.pod_name(), &parameters).await.map(drop).map_err(Error::request("Deleting the task's pod"))
    }

    /// Waits until the task has printed a line that contains `text`.
    pub async fn wait_for_line(&self, text: &str) -> Result<(), Error> {
        let mut log = self.log.subscribe();
        let seen = log.wait_for(|lines| lines.iter().any(|line| line.contains(text)));
        match tokio::time::timeout(PATIENCE, seen).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Error::Waited { what: format!("a line with {text:?}"), log: self.log.borrow().concat() }),
        }
    }

    /// Sends a signal by its name, like `TERM`.
    pub async fn signal(&self, signal: &str) -> Result<(), Error> {
        let id = self.process_id().unwrap_or_default().to_string();
        let status = Command::new("kill").args(["-s", signal, &id]).status().await;
        status.map(drop).map_err(Error::process(format!("Sending SIG{signal}")))
    }

    /// Waits until the process has ended; answers how, and nothing else is done.
    pub async fn exit(&mut self) -> Result<ExitStatus, Error> {
        let Some(child) = &mut self.child else { return Ok(ExitStatus::default()) };
        match tokio::time::timeout(PATIENCE, child.wait()).await {
            Ok(status) => status.map_err(Error::process("Waiting for the task's process")),
            Err(_) => Err(Error::Waited { what: "the end of the task".to_owned(), log: self.log.borrow().concat() }),
        }
    }

    /// Waits until the process has ended, sets the pod's phase as the kubelet does, and collects what is left.
    pub async fn finish(mut self) -> Result<Finished, Error> {
        let status = self.exit().await?;
        for reader in self.readers.drain(..) {
            // A reader ends with its pipe; it cannot fail otherwise.
            let _ = reader.await;
        }
        // Gone when the test has deleted it.
        let _ = self.set_phase(if status.success() { "Succeeded" } else { "Failed" }).await;
        let api = pods(self.control_plane, &self.namespace())?;
        let pod = api.get_opt(&self.pod_name()).await.map_err(Error::request("Reading the task's pod"))?;
        let metadata = pod.map(|pod| pod.metadata).unwrap_or_default();
        let annotation = metadata.annotations.unwrap_or_default().remove(RESULT_ANNOTATION);
        let decoded = annotation.as_ref().and_then(|value| STANDARD.decode(value).ok());
        let message = self.mounts.root.path().join("dev/termination-log");
        let (pod_name, namespace) = (self.pod_name(), self.namespace());
        let log = self.log.borrow().concat();
        Ok(Finished {
            exit_code: status.code(),
            signal: status.signal(),
            log,
            annotation,
            result: decoded.and_then(|json| serde_json::from_slice(&json).ok()),
            labels: metadata.labels.unwrap_or_default(),
            termination_message: std::fs::read_to_string(&message).map_err(Error::file(message))?,
            requests: self
                .control_plane
                .requests(|request| {
                    request.pod == pod_name && request.user == format!("system:serviceaccount:{namespace}:{DEPLOYER}")
                })
                .await?,
        })
    }

    async fn set_phase(&self, phase: &str) -> Result<(), Error> {
        let api = pods(self.control_plane, &self.namespace())?;
        let patch = Patch::Merge(json!({ "status": { "phase": phase } }));
        let patched = api.patch_status(&self.pod_name(), &PatchParams::default(), &patch).await;
        patched.map(drop).map_err(Error::request(format!("Setting the task's pod to {phase}")))
    }
}

/// Reads a pipe into the log, line by line.
fn collect(pipe: impl AsyncRead + Unpin + Send + 'static, log: watch::Sender<Vec<String>>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
            log.send_modify(|log| log.push(String::from_utf8_lossy(&line).into_owned()));
            line.clear();
        }
    })
}

/// Writes a file by renaming, as the kubelet does: a reader never sees half of it.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let unfinished = path.with_extension("unfinished");
    std::fs::write(&unfinished, text).map_err(Error::file(&unfinished))?;
    std::fs::rename(&unfinished, path).map_err(Error::file(path))
}

/// A name like the ones that Lagoon gives: `lagoon-task-` and six characters.
fn unique_name() -> String {
    let characters: String = std::iter::repeat_with(fastrand::lowercase).take(6).collect();
    format!("lagoon-task-{characters}")
}
