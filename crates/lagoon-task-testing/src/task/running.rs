//! A task while its process runs, and what is left of it.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::{Pod, ServiceAccountTokenProjection};
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::Value;
use tokio::process::Command;

use crate::PATIENCE;
use crate::audit::Request;
use crate::bench::ControlPlane;
use crate::error::Error;
use crate::kubelet::{self, ContainerState, Kubelet, Launch, Worker};
use crate::objects::pods;

const RESULT_ANNOTATION: &str = "lagoon.sh/taskData";

/// A task whose process has been started. Dropping it kills the process.
pub struct Running<'bench> {
    control_plane: &'bench ControlPlane,
    kubelet: Kubelet,
    /// The task's own.
    image: String,
    pod: Pod,
    launch: Arc<Launch>,
    worker: Arc<Worker>,
    process: Option<u32>,
    /// The folder with the token and the certificate authority.
    service_account: PathBuf,
    /// Where the record of requests was before the pod was made: its own requests come after that.
    position: usize,
}

/// What is left of a task.
#[derive(Debug, Clone)]
#[non_exhaustive]
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
    /// A pod that has its mounts, and whose process is not there.
    pub(super) async fn new(
        control_plane: &'bench ControlPlane,
        kubelet: Kubelet,
        image: String,
        pod: Pod,
        launch: Arc<Launch>,
        position: usize,
    ) -> Result<Self, Error> {
        let mut prepared = launch.prepared.subscribe();
        let waited = tokio::time::timeout(PATIENCE, prepared.wait_for(|is_prepared| *is_prepared)).await;
        let worker = waited.ok().and_then(|_| kubelet.worker_of(&pod));
        let what = || format!("the mounts of pod {}", pod.name_any());
        let worker = worker.ok_or_else(|| Error::Waited { what: what(), log: String::new() })?;
        let service_account = worker.service_account_folder().unwrap_or_default();
        Ok(Self { control_plane, kubelet, image, pod, launch, worker, process: None, service_account, position })
    }

    /// Lets the kubelet stand-in start the process, and waits for it, which takes milliseconds.
    pub(super) fn start(mut self) -> Result<Self, Error> {
        let started = self.launch.when_started();
        self.launch.may_start.send_replace(true);
        match started.recv_timeout(PATIENCE) {
            Ok(Ok(process)) => {
                self.process = Some(process);
                Ok(self)
            }
            Ok(Err(error)) => Err(Error::process(format!("Starting {}", self.image))(error)),
            Err(_) => Err(Error::Waited { what: "the task's process".to_owned(), log: String::new() }),
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

    /// The process id, for looking at the process while it runs. It may have ended by now; there is none when that has
    /// been waited for.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.process
    }

    /// The token that the task has now.
    pub fn token(&self) -> Result<String, Error> {
        let file = self.service_account_folder().join("token");
        std::fs::read_to_string(&file).map_err(Error::file(file))
    }

    /// Gives the pod a new token, bound to it, in place of the one it has, as the kubelet does.
    pub async fn renew_token(&self) -> Result<(), Error> {
        let client = self.control_plane.client()?;
        let token = kubelet::token(&client, &self.pod, &ServiceAccountTokenProjection::default()).await;
        let what = || format!("Asking for a token of pod {}", self.pod_name());
        self.write_token(&token.map_err(|error| Error::request(what())(error))?)
    }

    /// Puts `token` where the task reads its token.
    pub fn write_token(&self, token: &str) -> Result<(), Error> {
        let folder = self.service_account_folder();
        let unfinished = folder.join("token.unfinished");
        std::fs::write(&unfinished, token).map_err(Error::file(&unfinished))?;
        // By renaming, as the kubelet does: the task never sees half of it.
        std::fs::rename(&unfinished, folder.join("token")).map_err(Error::file(&unfinished))
    }

    /// The folder with the token and the certificate authority.
    pub(super) fn service_account_folder(&self) -> &Path {
        &self.service_account
    }

    /// Deletes the task's pod object; the process goes on, as that of a kubelet which has not heard of it.
    pub async fn delete_pod(&self) -> Result<(), Error> {
        self.launch.survives_deletion.store(true, Ordering::SeqCst);
        let api = pods(self.control_plane, &self.namespace())?;
        let parameters = DeleteParams::default().grace_period(0);
        api.delete(&self.pod_name(), &parameters).await.map(drop).map_err(Error::request("Deleting the task's pod"))
    }

    /// What the task has printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.worker.task_log().text()
    }

    /// Waits until the task has printed a line that contains `text`.
    pub async fn wait_for_line(&self, text: &str) -> Result<(), Error> {
        self.worker.task_log().wait_for_line(text).await
    }

    /// Sends a signal by its name, like `TERM`. A process that has ended gets none.
    pub async fn signal(&self, signal: &str) -> Result<(), Error> {
        // Once it has ended another process may have its id.
        let Some(id) = self.worker.task_process() else { return Ok(()) };
        let id = id.to_string();
        let status = Command::new("kill").args(["-s", signal, &id]).status().await;
        status.map(drop).map_err(Error::process(format!("Sending SIG{signal}")))
    }

    /// Waits until the process has ended; answers how, and nothing else is done.
    pub async fn exit(&mut self) -> Result<ExitStatus, Error> {
        let mut states = self.worker.states();
        let ended = states.wait_for(|state| matches!(state.containers.first(), Some(ContainerState::Ended { .. })));
        let waited = tokio::time::timeout(PATIENCE, ended).await;
        let exit = waited.ok().and_then(|state| match state.ok()?.containers.first() {
            Some(ContainerState::Ended { exit, .. }) => *exit,
            _ => None,
        });
        self.process = self.process.filter(|_| exit.is_none());
        exit.ok_or_else(|| Error::Waited { what: "the end of the task".to_owned(), log: self.worker.task_log().text() })
    }

    /// Waits until the process has ended and the pod's status says so, and collects what is left.
    pub async fn finish(mut self) -> Result<Finished, Error> {
        let status = self.exit().await?;
        let log = self.worker.task_log().text();
        if tokio::time::timeout(PATIENCE, self.worker.until_settled()).await.is_err() {
            return Err(Error::Waited { what: format!("the end in the status of pod {}", self.pod_name()), log });
        }
        let api = pods(self.control_plane, &self.namespace())?;
        let pod = api.get_opt(&self.pod_name()).await.map_err(Error::request("Reading the task's pod"))?;
        let metadata = pod.map(|pod| pod.metadata).unwrap_or_default();
        let annotation = metadata.annotations.unwrap_or_default().remove(RESULT_ANNOTATION);
        let decoded = annotation.as_ref().and_then(|value| STANDARD.decode(value).ok());
        let pod_name = self.pod_name();
        let account = self.pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref()).unwrap_or_default();
        let user = format!("system:serviceaccount:{}:{account}", self.namespace());
        let last_word = self.worker.termination_file();
        Ok(Finished {
            exit_code: status.code(),
            signal: status.signal(),
            log,
            annotation,
            result: decoded.and_then(|json| serde_json::from_slice(&json).ok()),
            labels: metadata.labels.unwrap_or_default(),
            termination_message: std::fs::read_to_string(&last_word).map_err(Error::file(last_word))?,
            requests: self
                .control_plane
                .servers()
                .requests_since(self.position, |request| request.pod == pod_name && request.user == user)
                .await?,
        })
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.worker.kill();
        self.kubelet.remove_image(&self.image);
    }
}
