//! What a command prints, shown as it comes.

use std::io::Write;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::cluster::Cause;
use crate::output;
use crate::service_command::command_pod::CommandPod;
use crate::service_command::log_cursor::Lines;
use crate::service_command::state::{Ended, Seen, State};

/// Once a command has ended, the log that is followed ends too, within milliseconds; after so long it is taken for stuck.
const LOG_ENDS_WITHIN: Duration = Duration::from_secs(10);

/// A log that breaks off is read on for as long as its command runs.
const LOGS: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// The rest of the log is asked for once the command has ended.
const RESTS: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(200)).attempts(3);

/// The step that Lagoon sees on the task's pod while the command prints.
const STEP: &str = "The command runs";

/// How far a command's output has been shown.
pub(super) struct Shown<'a> {
    running: &'a CommandPod<'a>,
    lines: Lines,
    /// Shows it. A secret may begin in one line and end in the next.
    writer: output::Lines,
    /// Whether the log was followed to its end.
    is_complete: bool,
    /// The last trouble with the log that the user was told of.
    told: Option<Cause>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(running: &'a CommandPod<'a>) -> Self {
        Self { running, lines: Lines::default(), writer: running.task.output.lines(), is_complete: false, told: None }
    }

    /// Shows what the command prints until it has ended; answers how. A log that breaks off is read on from where it
    /// was; that it cannot be read does not end the command.
    pub(super) async fn until_it_ends(&mut self, mut states: watch::Receiver<Seen>) -> Ended {
        let mut pauses = LOGS.start();
        loop {
            let begun = Instant::now();
            let mut stuck = states.clone();
            let shown = tokio::select! {
                shown = self.show(true) => Some(shown),
                () = long_after_the_end(&mut stuck) => None,
            };
            self.is_complete = matches!(shown, Some(Ok(())));
            if let Some(Err(cause)) = shown {
                self.tell(cause);
            }
            if begun.elapsed() > LOGS.cap {
                // It was readable for a while.
                pauses = LOGS.start();
            }
            // A log may end a little before its command is seen to have.
            let ended = tokio::select! {
                ended = end(&mut states) => ended,
                _ = pauses.pause() => continue,
            };
            self.show_the_rest(&ended).await;
            return ended;
        }
    }

    /// Shows what of the log has not been shown, if the log is still there.
    async fn show_the_rest(&mut self, ended: &Ended) {
        if !matches!(ended, Ended::Exited(_) | Ended::Stopped { .. }) {
            return;
        }
        let mut pauses = RESTS.start();
        while let Err(cause) = self.show(false).await {
            if !(cause.may_pass() && pauses.pause().await) {
                return self.tell_lost(&cause);
            }
        }
    }

    /// Shows the log from where it was left, with `follow` until it ends.
    async fn show(&mut self, follow: bool) -> Result<(), Cause> {
        let CommandPod { task, pods, pod, container, .. } = self.running;
        let mut log = pods.log(&pod.name, container, self.lines.begin(follow), follow).await?;
        while let Some(piece) = log.next().await? {
            if let Some(text) = self.lines.take(&piece) {
                // It never fails.
                let _ = self
                    .writer
                    .write_all(text)
                    .and_then(|()| self.writer.write_all(if piece.ends { b"\n" } else { b"" }));
                task.ship(STEP);
            }
        }
        Ok(())
    }

    /// Tells that the end of the output is lost, unless it has been shown: a pod that is gone has nothing more to say.
    fn tell_lost(&mut self, cause: &Cause) {
        if self.is_complete && matches!(cause, Cause::NotFound(_)) {
            return;
        }
        let task = self.running.task;
        // What was held back comes before.
        self.writer = task.output.lines();
        task.say(format!("The end of the command's output could not be read: {cause}."));
    }

    fn tell(&mut self, cause: Cause) {
        if self.told.as_ref() != Some(&cause) {
            self.running.task.say(format!("The command's output cannot be read now: {cause}. Trying again."));
        }
        self.told = Some(cause);
    }
}

/// How the command ended, once it has.
async fn end(states: &mut watch::Receiver<Seen>) -> Ended {
    match states.wait_for(|seen| seen.state.has_ended()).await.as_deref() {
        Ok(Seen { state: State::Ended(ended), .. }) => ended.clone(),
        // Nobody watches it any more, which comes of the end only.
        _ => Ended::Deleted,
    }
}

async fn long_after_the_end(states: &mut watch::Receiver<Seen>) {
    end(states).await;
    tokio::time::sleep(LOG_ENDS_WITHIN).await;
}
