//! A pod that runs here: its state, and who is notified of a change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod, Volume};
use kube::ResourceExt;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::kubelet::clock::now;
use crate::kubelet::launch::Launch;
use crate::kubelet::log::Log;
use crate::kubelet::process;
use crate::kubelet::shared::Shared;
use crate::kubelet::status::{ContainerState, Place, PodState};

/// How long a container has to end that nobody gave any time: its pod is deleted by force, or evicted. A kubelet gives
/// it 1 s; the machines of tests are busier than those of sites.
const SHORT_GRACE: Duration = Duration::from_secs(5);

/// A pod as the watch shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sight {
    There,
    /// It is being deleted, and its containers have this long.
    Deleting(Duration),
    Gone,
}

/// Why a pod is stopped that is not deleted.
#[derive(Debug, Clone, Copy)]
enum Stop {
    Evicted,
    /// The test has lost interest.
    Killed,
}

/// A pod that runs here.
pub(crate) struct Worker {
    pub(super) kubelet: Arc<Shared>,
    pub(super) pod: Pod,
    pub(super) folder: TempDir,
    pub(super) launch: Option<Arc<Launch>>,
    pub(super) seen: watch::Sender<Sight>,
    stop: watch::Sender<Option<Stop>>,
    pub(super) states: watch::Sender<PodState>,
    /// The state that the pod's object shows.
    pub(super) written: watch::Sender<Option<PodState>>,
    /// Whether the last state is written into the pod, or the pod is gone.
    pub(super) settled: watch::Sender<bool>,
    /// Of the init containers, then of the containers.
    pub(super) logs: Vec<Log>,
}

impl Worker {
    pub(super) fn new(kubelet: Arc<Shared>, pod: Pod, launch: Option<Arc<Launch>>) -> std::io::Result<Self> {
        let state = PodState::new(&pod, now());
        let count = state.init_containers.len() + state.containers.len();
        Ok(Self {
            folder: tempfile::Builder::new().prefix("pod-").tempdir_in(&kubelet.folder)?,
            seen: watch::Sender::new(sight(&pod)),
            kubelet,
            pod,
            launch,
            stop: watch::Sender::default(),
            states: watch::Sender::new(state),
            written: watch::Sender::default(),
            settled: watch::Sender::default(),
            logs: std::iter::repeat_with(Log::default).take(count).collect(),
        })
    }

    /// The folder of a volume: in the pod's, but for a claim's, which is there as long as the control plane.
    pub(super) fn folder_of(&self, volume: &Volume, folder: &Path) -> PathBuf {
        match &volume.persistent_volume_claim {
            Some(claim) => self.kubelet.folder.join("claims").join(self.namespace()).join(&claim.claim_name),
            None => folder.join("volumes").join(&volume.name),
        }
    }

    /// Waits until the containers are to end; answers how long they have.
    pub(super) async fn until_stopped(&self) -> Duration {
        let (mut seen, mut stop) = (self.seen.subscribe(), self.stop.subscribe());
        tokio::select! {
            sight = seen.wait_for(|sight| *sight != Sight::There && !self.survives_deletion()) => match sight.as_deref() {
                Ok(Sight::Deleting(grace)) => *grace,
                _ => SHORT_GRACE,
            },
            stop = stop.wait_for(Option::is_some) => match stop.as_deref() {
                Ok(Some(Stop::Killed)) => Duration::ZERO,
                _ => SHORT_GRACE,
            },
        }
    }

    /// Waits until the time is over that a container has to end: `grace`, a short one when the pod goes before that, and
    /// none when the test kills it.
    pub(super) async fn until_time_is_over(&self, grace: Duration) {
        let (mut seen, mut stop) = (self.seen.subscribe(), self.stop.subscribe());
        let hurried = async {
            // It is there as long as this.
            let _ = seen.wait_for(|sight| *sight == Sight::Gone).await;
            tokio::time::sleep(SHORT_GRACE).await;
        };
        tokio::select! {
            () = tokio::time::sleep(grace) => {}
            () = hurried => {}
            _ = stop.wait_for(|stop| matches!(stop, Some(Stop::Killed))) => {}
        }
    }

    /// Whether the object is gone.
    pub(super) fn is_gone(&self) -> bool {
        *self.seen.borrow() == Sight::Gone
    }

    fn survives_deletion(&self) -> bool {
        self.launch.as_ref().is_some_and(|launch| launch.survives_deletion.load(Ordering::SeqCst))
    }

    /// What the watch has shown.
    pub(super) fn see(&self, pod: Option<&Pod>) {
        self.seen.send_replace(pod.map_or(Sight::Gone, sight));
    }

    /// Evicts the pod; waits until that is written into it.
    pub(super) async fn evict(&self, message: &str) {
        self.states.send_modify(|state| state.evicted = Some(message.to_owned()));
        self.stop.send_replace(Some(Stop::Evicted));
        self.until_settled().await;
    }

    /// Kills what runs, at once and without a word.
    pub(super) fn kill_processes(&self) {
        let state = self.states.borrow();
        for container in state.init_containers.iter().chain(&state.containers) {
            if let ContainerState::Running { process, .. } = container {
                process::kill(*process);
            }
        }
    }

    /// Kills the containers, because the test has lost interest.
    pub(crate) fn kill(&self) {
        self.stop.send_replace(Some(Stop::Killed));
    }

    /// Waits until the last state is written into the pod, or the pod is gone.
    pub(crate) async fn until_settled(&self) {
        // It is there as long as this.
        let _ = self.settled.subscribe().wait_for(|settled| *settled).await;
    }

    pub(crate) fn states(&self) -> watch::Receiver<PodState> {
        self.states.subscribe()
    }

    pub(super) fn set(&self, place: Place, new: ContainerState) {
        self.change(|state| *state.at(place) = new);
    }

    /// Changes the state; nobody is notified of a change that is none.
    pub(super) fn change(&self, change: impl FnOnce(&mut PodState)) {
        self.states.send_if_modified(|state| {
            let before = state.clone();
            change(state);
            *state != before
        });
    }

    /// Waits until the pod's object shows this state of a container.
    pub(super) async fn until_written(&self, place: Place, wanted: &ContainerState) {
        let shows = |written: &Option<PodState>| written.clone().is_some_and(|mut state| state.at(place) == wanted);
        // It is there as long as this.
        let _ = self.written.subscribe().wait_for(shows).await;
    }

    pub(super) fn log_at(&self, place: Place) -> &Log {
        match place {
            Place::Init(index) => &self.logs[index],
            Place::Main(index) => &self.logs[self.states.borrow().init_containers.len() + index],
        }
    }

    /// The log of the container of this name; an error says why there is none, in a kubelet's words.
    pub(super) fn log(&self, container: &str) -> Result<&Log, String> {
        let (pod, state) = (self.pod.name_any(), self.states.borrow());
        let spec = self.pod.spec.as_ref();
        let init = spec.into_iter().flat_map(|spec| spec.init_containers.iter().flatten());
        let all = init.chain(spec.into_iter().flat_map(|spec| &spec.containers));
        let states = state.init_containers.iter().chain(&state.containers);
        let mut found = all.zip(states).zip(&self.logs);
        match found.find(|((candidate, _), _): &((&Container, _), _)| candidate.name == container) {
            None => Err(format!("container {container} is not valid for pod {pod}")),
            Some(((_, ContainerState::Waiting { reason, .. }), _)) => {
                Err(format!("container {container:?} in pod {pod:?} is waiting to start: {reason}"))
            }
            Some((_, log)) => Ok(log),
        }
    }

    /// Tells the test, if this is a task of the launcher, of its process, or why it could not be started.
    pub(super) fn tell_started(&self, started: std::io::Result<u32>) {
        if let Some(launch) = &self.launch {
            launch.tell_started(started);
        }
    }

    /// The log of a task of the launcher, which has one container.
    pub(crate) fn task_log(&self) -> &Log {
        self.log_at(Place::Main(0))
    }

    /// The process of a task of the launcher, while it runs.
    pub(crate) fn task_process(&self) -> Option<u32> {
        match self.states.borrow().containers.first() {
            Some(ContainerState::Running { process, .. }) => Some(*process),
            _ => None,
        }
    }

    /// The file for the last word of a task of the launcher.
    pub(crate) fn termination_file(&self) -> PathBuf {
        let container = self.pod.spec.as_ref().and_then(|spec| spec.containers.first());
        container.map(|container| process::termination_file(container, self.folder.path())).unwrap_or_default()
    }

    /// The folder with the token of the pod's service account.
    pub(crate) fn service_account_folder(&self) -> Option<PathBuf> {
        let volumes = self.pod.spec.as_ref()?.volumes.as_ref()?;
        let has_token = |volume: &&Volume| {
            let sources = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
            sources.into_iter().any(|source| source.service_account_token.is_some())
        };
        Some(self.folder_of(volumes.iter().find(has_token)?, self.folder.path()))
    }

    pub(super) fn namespace(&self) -> String {
        self.pod.namespace().unwrap_or_default()
    }
}

fn sight(pod: &Pod) -> Sight {
    if pod.metadata.deletion_timestamp.is_none() {
        return Sight::There;
    }
    match pod.metadata.deletion_grace_period_seconds.unwrap_or_default() {
        // By force. It is shown like this for a moment, before it is gone.
        0 => Sight::Deleting(SHORT_GRACE),
        seconds => Sight::Deleting(Duration::from_secs(seconds.unsigned_abs())),
    }
}
