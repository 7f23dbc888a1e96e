//! A command while its pod is there.

use std::time::Duration;

use k8s_openapi::api::core::v1::Event;
use kube::api::ApiResource;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::cluster::{Cause, ClusterError, Deleted, PATIENCE};
use crate::service_command::command_pod::CommandPod;
use crate::service_command::error::{ServiceCommandError, obstacle_in_words};
use crate::service_command::output::Shown;
use crate::service_command::source;
use crate::service_command::start_deadline::Start;
use crate::service_command::state::{Ended, Obstacle, Seen, State};

/// What a command that is stopped gets to end by itself; Kubernetes gives the task itself 30 s.
pub(super) const GRACE_SECONDS: u32 = 10;

/// How long it may take until the pod is gone, after that.
const GONE_WITHIN: Duration = Duration::from_secs(15);

/// A pod that cannot be watched is looked at again until its command has ended.
const LOOKS: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(1));

impl CommandPod<'_> {
    /// Waits until the command runs, shows what it prints, and answers how it ended.
    pub(super) async fn until_it_ends(&self) -> Result<Ended, ServiceCommandError> {
        let (sender, receiver) = watch::channel(Seen::nothing());
        let begun = Instant::now();
        let command = async {
            self.until_it_runs(receiver.clone(), begun).await?;
            // A command that has not begun has printed nothing.
            if let Some(ended) = ended_before_it_ran(&receiver.borrow()) {
                return Err(ServiceCommandError::EndedBefore(ended));
            }
            let mut shown = Shown::new(self);
            tokio::select! {
                ended = shown.until_it_ends(receiver) => Ok(ended),
                () = tokio::time::sleep_until(begun + self.limit) => Err(ServiceCommandError::TimeOut(self.limit)),
            }
        };
        let (ended, ()) = tokio::try_join!(command, self.watch(&sender))?;
        Ok(ended)
    }

    async fn until_it_runs(
        &self,
        mut states: watch::Receiver<Seen>,
        begun: Instant,
    ) -> Result<(), ServiceCommandError> {
        let mut start = Start::begin(begun);
        loop {
            let State::Waiting(obstacle) = states.borrow_and_update().state.clone() else { return Ok(()) };
            let is_new = start.see(obstacle, Instant::now());
            if let Some(obstacle) = start.obstacle().filter(|_| is_new) {
                self.task.step(format!("The command does not run yet: {}. Waiting.", obstacle_in_words(obstacle)));
            }
            let (deadline, after) = start.deadline(self.limit);
            tokio::select! {
                changed = states.changed() => if changed.is_err() { return Ok(()) },
                () = tokio::time::sleep_until(deadline) => {
                    let obstacle = match start.obstacle() {
                        Some(obstacle) => Some(obstacle.clone()),
                        None => self.last_warning().await,
                    };
                    return Err(ServiceCommandError::NotStarted { obstacle, after });
                }
            }
        }
    }

    /// What the cluster has last warned of about the pod. A courtesy: that it cannot be read is not worth a word.
    async fn last_warning(&self) -> Option<Obstacle> {
        let events = self.pods.cluster().objects(&ApiResource::erase::<Event>(&()), self.pods.namespace());
        let of_the_pod = |event| source::is_warning_of(&event, &self.pod.uid).then_some(event);
        let events: Vec<Value> = events.list(of_the_pod).await.ok()?.into_iter().flatten().collect();
        source::last_warning(&events)
    }

    /// Passes on how the command fares until it has ended. An error that will not pass by itself is still given the
    /// usual patience, since a server that has just come up may not know its resources and rights yet.
    async fn watch(&self, states: &watch::Sender<Seen>) -> Result<(), ServiceCommandError> {
        let look = |pod: Option<&Value>| {
            let ours = pod.filter(|pod| pod["metadata"]["uid"] == self.pod.uid.as_str());
            states.send_modify(|seen| seen.look_at(ours, &self.container));
            states.borrow().state.has_ended()
        };
        let mut trouble_since: Option<Instant> = None;
        let mut pauses = LOOKS.start();
        loop {
            let begun = Instant::now();
            let error = match self.pods.until(&self.pod.name, self.limit + GONE_WITHIN, &look).await {
                Ok(true) => return Ok(()),
                Ok(false) => continue,
                Err(error) => error,
            };
            // Something went well in between.
            if begun.elapsed() > PATIENCE {
                trouble_since = None;
            }
            if !error.cause().may_pass() && trouble_since.get_or_insert(begun).elapsed() >= PATIENCE {
                return Err(error.into());
            }
            self.task.say(format!("{error}. The command goes on; looking again."));
            pauses.pause().await;
        }
    }

    /// Removes the pod, whatever state it is in, and waits until it is gone.
    pub(super) async fn remove(&self) {
        let removed = self.try_to_remove().await;
        match removed {
            Ok(true) => {}
            Ok(false) => self
                .task
                .say(format!("{} is still ending; Kubernetes removes it when it has.", self.pods.name(&self.pod.name))),
            Err(error) => self.task.say(format!("{error}. It goes when the task's own pod is removed.")),
        }
    }

    /// Answers whether it is gone.
    async fn try_to_remove(&self) -> Result<bool, ClusterError> {
        match self.pods.delete_with_grace(&self.pod, GRACE_SECONDS).await {
            // Of this name, and not ours.
            Err(error) if *error.cause() == Cause::Conflict => Ok(true),
            Ok(Deleted::Gone) => Ok(true),
            Ok(Deleted::Terminating) => {
                let is_gone =
                    |pod: Option<&Value>| pod.is_none_or(|pod| pod["metadata"]["uid"] != self.pod.uid.as_str());
                self.pods.until(&self.pod.name, GONE_WITHIN, &is_gone).await
            }
            Err(error) => Err(error),
        }
    }
}

/// How the pod of a command ended that has not begun.
fn ended_before_it_ran(seen: &Seen) -> Option<Ended> {
    match &seen.state {
        State::Ended(ended) if !seen.has_run && !matches!(ended, Ended::Exited(_)) => Some(ended.clone()),
        _ => None,
    }
}
