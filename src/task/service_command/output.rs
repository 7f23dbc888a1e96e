//! What a command prints, shown as it comes.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::lines::Lines;
use super::running::Running;
use super::state::{Ended, State};
use crate::task::cluster::Cause;

/// Once a command has ended, the log that is followed ends too, within milliseconds; after so long it is taken for stuck.
const LOG_ENDS_WITHIN: Duration = Duration::from_secs(10);

/// The rest of the log is asked for this often in all.
const REST_ATTEMPTS: u32 = 3;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The step that Lagoon sees on the task's pod while the command prints.
const STEP: &str = "The command runs";

/// How far a command's output has been shown.
pub(super) struct Shown<'a> {
    running: &'a Running<'a>,
    lines: Lines,
    /// The last trouble with the log that the user was told of.
    told: Option<Cause>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(running: &'a Running<'a>) -> Self {
        Self { running, lines: Lines::default(), told: None }
    }

    /// Shows what the command prints until it has ended; answers how. A log that breaks off is read on from where it
    /// was; that it cannot be read does not end the command.
    pub(super) async fn until_it_ends(&mut self, mut states: watch::Receiver<State>) -> Ended {
        let mut pause = FIRST_PAUSE;
        loop {
            let begun = Instant::now();
            let mut stuck = states.clone();
            let shown = tokio::select! {
                shown = self.show(true) => shown,
                () = long_after_the_end(&mut stuck) => Ok(()),
            };
            if let Err(cause) = shown {
                self.tell(cause);
            }
            pause = if begun.elapsed() > LONGEST_PAUSE { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            // A log may end a little before its command is seen to have.
            let ended = tokio::select! {
                ended = end(&mut states) => ended,
                () = tokio::time::sleep(pause) => continue,
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
        let mut attempt = 1;
        while let Err(cause) = self.show(false).await {
            if attempt == REST_ATTEMPTS || !cause.may_pass() {
                self.running.task.say(format!("The end of the command's output could not be read: {cause}."));
                return;
            }
            attempt += 1;
        }
    }

    /// Shows the log from where it was left, with `follow` until it ends.
    async fn show(&mut self, follow: bool) -> Result<(), Cause> {
        let Running { task, pods, pod, container, .. } = self.running;
        let mut log = pods.log(&pod.name, container, self.lines.begin(follow), follow).await?;
        while let Some(line) = log.next().await? {
            if let Some(text) = self.lines.take(&line) {
                // With its line break, since an empty line is a line.
                task.say(format_args!("{}\n", task.output.plain_line(text)));
                task.ship(STEP);
            }
        }
        Ok(())
    }

    fn tell(&mut self, cause: Cause) {
        if self.told.as_ref() != Some(&cause) {
            self.running.task.say(format!("The command's output cannot be read now: {cause}. Trying again."));
        }
        self.told = Some(cause);
    }
}

/// How the command ended, once it has.
async fn end(states: &mut watch::Receiver<State>) -> Ended {
    match states.wait_for(State::has_ended).await.as_deref() {
        Ok(State::Ended(ended)) => ended.clone(),
        // Nobody watches it any more, which comes of the end only.
        _ => Ended::Deleted,
    }
}

async fn long_after_the_end(states: &mut watch::Receiver<State>) {
    end(states).await;
    tokio::time::sleep(LOG_ENDS_WITHIN).await;
}
