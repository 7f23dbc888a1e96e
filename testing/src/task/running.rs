//! A task while its process runs, and what is left of it.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::Program;
use super::log::Log;
use super::mounts::Mounts;
use crate::PATIENCE;
use crate::audit::Request;
use crate::control_plane::ControlPlane;
use crate::error::Error;
use crate::launcher::pods;

/// The shortest lifetime that the API server gives a token is ten minutes.
const TOKEN_SECONDS: i64 = 3600;

const RESULT_ANNOTATION: &str = "lagoon.sh/taskData";

/// A task whose process has been started. Dropping it kills the process.
pub struct Running<'bench> {
    control_plane: &'bench ControlPlane,
    pod: Pod,
    /// The service account that the pod runs as.
    account: String,
    mounts: Mounts,
    child: Option<Child>,
    log: Log,
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

impl<'bench> Running<'bench> {
    /// A pod that is there and has its token, and whose process is not.
    pub(super) async fn new(
        control_plane: &'bench ControlPlane,
        pod: Pod,
        account: String,
        mounts: Mounts,
    ) -> Result<Self, Error> {
        let running = Self { control_plane, pod, account, mounts, child: None, log: Log::default() };
        running.renew_token().await?;
        running.set_phase("Running").await?;
        Ok(running)
    }

    pub(super) fn mounts(&self) -> &Mounts {
        &self.mounts
    }

    pub(super) fn start(
        mut self,
        program: &Program,
        arguments: &[String],
        variables: Vec<(String, String)>,
    ) -> Result<Self, Error> {
        let mut command = self.command(program, arguments, variables);
        let what = || format!("Starting {program:?}");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(Error::process(what()))?;
        if let Some(stdout) = child.stdout.take() {
            self.log.read(stdout);
        }
        if let Some(stderr) = child.stderr.take() {
            self.log.read(stderr);
        }
        self.child = Some(child);
        Ok(self)
    }

    fn command(&self, program: &Program, arguments: &[String], variables: Vec<(String, String)>) -> Command {
        let root = self.mounts.root();
        match program {
            Program::Binary(path) => {
                let mut command = Command::new(path);
                command.arg("--root").arg(root).args(arguments).env_clear().envs(variables);
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
                command.args([container, "--", "/task"]).args(arguments);
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
        self.mounts.token()
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
        let answer = accounts.create_token_request(&self.account, &PostParams::default(), &request).await;
        let status = answer.map_err(Error::request(format!("Asking for a token of {}", self.account)))?.status;
        let token = status.map(|status| status.token).unwrap_or_default();
        self.write_token(&token)
    }

    /// Puts `token` where the task reads its token.
    pub fn write_token(&self, token: &str) -> Result<(), Error> {
        self.mounts.write_token(token)
    }

    /// Deletes the task's pod object; the process goes on.
    pub async fn delete_pod(&self) -> Result<(), Error> {
        let api = pods(self.control_plane, &self.namespace())?;
        let parameters = DeleteParams::default().grace_period(0);
        api.delete(&self.pod_name(), &parameters).await.map(drop).map_err(Error::request("Deleting the task's pod"))
    }

    /// Waits until the task has printed a line that contains `text`.
    pub async fn wait_for_line(&self, text: &str) -> Result<(), Error> {
        self.log.wait_for_line(text).await
    }

    /// Sends a signal by its name, like `TERM`. A process that has ended gets none.
    pub async fn signal(&self, signal: &str) -> Result<(), Error> {
        // Without an id `kill` would take this very process and all of its group.
        let Some(id) = self.process_id() else { return Ok(()) };
        let id = id.to_string();
        let status = Command::new("kill").args(["-s", signal, &id]).status().await;
        status.map(drop).map_err(Error::process(format!("Sending SIG{signal}")))
    }

    /// Waits until the process has ended; answers how, and nothing else is done.
    pub async fn exit(&mut self) -> Result<ExitStatus, Error> {
        let Some(child) = &mut self.child else { return Ok(ExitStatus::default()) };
        match tokio::time::timeout(PATIENCE, child.wait()).await {
            Ok(status) => status.map_err(Error::process("Waiting for the task's process")),
            Err(_) => Err(Error::Waited { what: "the end of the task".to_owned(), log: self.log.text() }),
        }
    }

    /// Waits until the process has ended, sets the pod's phase as the kubelet does, and collects what is left.
    pub async fn finish(mut self) -> Result<Finished, Error> {
        let status = self.exit().await?;
        self.log.until_ended().await;
        // Gone when the test has deleted it.
        let _ = self.set_phase(if status.success() { "Succeeded" } else { "Failed" }).await;
        let api = pods(self.control_plane, &self.namespace())?;
        let pod = api.get_opt(&self.pod_name()).await.map_err(Error::request("Reading the task's pod"))?;
        let metadata = pod.map(|pod| pod.metadata).unwrap_or_default();
        let annotation = metadata.annotations.unwrap_or_default().remove(RESULT_ANNOTATION);
        let decoded = annotation.as_ref().and_then(|value| STANDARD.decode(value).ok());
        let pod_name = self.pod_name();
        let user = format!("system:serviceaccount:{}:{}", self.namespace(), self.account);
        Ok(Finished {
            exit_code: status.code(),
            signal: status.signal(),
            log: self.log.text(),
            annotation,
            result: decoded.and_then(|json| serde_json::from_slice(&json).ok()),
            labels: metadata.labels.unwrap_or_default(),
            termination_message: self.mounts.termination_message()?,
            requests: self.control_plane.requests(|request| request.pod == pod_name && request.user == user).await?,
        })
    }

    async fn set_phase(&self, phase: &str) -> Result<(), Error> {
        let api = pods(self.control_plane, &self.namespace())?;
        let patch = Patch::Merge(json!({ "status": { "phase": phase } }));
        let patched = api.patch_status(&self.pod_name(), &PatchParams::default(), &patch).await;
        patched.map(drop).map_err(Error::request(format!("Setting the task's pod to {phase}")))
    }
}
