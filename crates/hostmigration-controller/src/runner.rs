//! Makes the attempts that the queue hands out, and fills the queue from the watch.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::api::ListParams;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use crate::attempt::{Panicked, contained};
use crate::count::set;
use crate::decision::LONGEST_WAIT;
use crate::engine::Engine;
use crate::finished::Finished;
use crate::identity::Identity;
use crate::orphans;
use crate::prune::prune;
use crate::queue::{Attempt, End, Kind, Limits, Queue};
use crate::reconcile::{Context, Reconciled, Unfinished, reconcile};
use crate::server::Status;
use crate::watch::{Seen, Watch};
use crate::watched::Watched;

/// Between two looks for interrupted switches whose objects are gone.
const SEARCH_EVERY: Duration = Duration::from_mins(5);

/// Between two confirmations that the objects can be listed, and two deletions of finished ones.
const EVERY: Duration = Duration::from_mins(1);

/// What an operator sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) keep_finished: Option<usize>,
}

/// What to do in an attempt.
#[derive(Debug, Clone, Copy)]
enum Job {
    /// What the object asks for.
    Object(Watched),
    /// The object is gone: its switch may be left in the middle.
    Gone,
}

/// An attempt that has ended; `None`: there is nothing left to do.
type Ended = (Identity, Option<Duration>);

struct Runner<E> {
    context: Arc<Context<E>>,
    settings: Settings,
    queue: Queue<Job>,
    attempts: JoinSet<Ended>,
    /// What is done beside the attempts.
    chores: JoinSet<()>,
    /// The chore that deletes finished objects.
    pruning: Option<AbortHandle>,
    finished: Finished,
    /// When the queue's time started.
    started: Instant,
}

/// Carries out `HostMigration` objects until `context.stopping` is requested and every attempt has ended. When it is dropped
/// all attempts stop where they are.
pub(crate) async fn run<E: Engine>(context: Context<E>, status: Arc<Status>, settings: Settings) {
    let context = Arc::new(context);
    let mut watch = Watch::new(context.objects.clone());
    let (found, mut orphans) = mpsc::channel(1);
    let mut runner = Runner {
        context: Arc::clone(&context),
        settings,
        queue: Queue::new(settings.limits),
        attempts: JoinSet::new(),
        chores: JoinSet::new(),
        pruning: None,
        finished: Finished::default(),
        started: Instant::now(),
    };
    runner.chores.spawn(search(Arc::clone(&context), found));
    runner.chores.spawn(confirm(Arc::clone(&context), Arc::clone(&status)));
    // An interrupted switch goes first: another one in its namespaces could meet it.
    let mut is_searched = false;
    let mut every = tokio::time::interval_at(runner.started + EVERY, EVERY);
    loop {
        let is_stopping = context.stopping.is_requested();
        if is_stopping && runner.attempts.is_empty() {
            return;
        }
        if is_searched && !is_stopping {
            runner.make_attempts();
        }
        runner.note_counts();
        let wakes = runner.wakes();
        tokio::select! {
            seen = watch.next(&status.health) => runner.see(seen),
            Some(ended) = runner.attempts.join_next() => runner.end(ended.ok()),
            () = sleep_until(wakes), if is_searched && !is_stopping => {}
            Some(gone) = orphans.recv() => {
                is_searched = true;
                for identity in gone {
                    runner.queue.offer(&identity, Job::Gone, Kind::Again, runner.now());
                }
            }
            _ = every.tick(), if !is_stopping => runner.prune(),
            Some(_) = runner.chores.join_next() => {}
            () = context.stopping.requested(), if !is_stopping => {}
        }
    }
}

async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Looks for interrupted switches again and again.
async fn search<E: Engine>(context: Arc<Context<E>>, found: mpsc::Sender<Vec<Identity>>) {
    let mut search = orphans::Search::default();
    while found.send(search.find(&context).await).await.is_ok() {
        tokio::time::sleep(SEARCH_EVERY).await;
    }
}

/// Makes an attempt.
async fn attempt<E: Engine>(context: Arc<Context<E>>, identity: Identity, job: Job) -> Ended {
    let made = contained(identity.clone(), Box::pin(make(&context, &identity, job))).await;
    let wait = made.unwrap_or_else(|Panicked| {
        context.note_panic(&identity);
        Some(LONGEST_WAIT)
    });
    (identity, wait)
}

/// Answers how long to wait before the next attempt, if there is to be one.
async fn make<E: Engine>(context: &Context<E>, identity: &Identity, job: Job) -> Option<Duration> {
    if context.stopping.is_requested() {
        return None;
    }
    if let Job::Object(watched) = job {
        match reconcile(identity, &watched, context).await {
            Ok(Reconciled::Done) => return None,
            Ok(Reconciled::Gone) => {}
            Err(Unfinished { error, wait }) => {
                let Identity { namespace, name: hostmigration, .. } = identity;
                let seconds = wait.as_secs();
                tracing::warn!(namespace, hostmigration, "{error}. Trying again in {seconds} s.");
                return Some(wait);
            }
        }
    }
    (!orphans::end(context, identity).await).then_some(LONGEST_WAIT)
}

/// Notes again and again that the objects can be listed: of a watch that works nothing is heard while nothing changes.
async fn confirm<E: Engine>(context: Arc<Context<E>>, status: Arc<Status>) {
    let one = ListParams::default().limit(1);
    let api = context.objects.all();
    loop {
        tokio::time::sleep(EVERY).await;
        if let Ok(Ok(_)) = tokio::time::timeout(EVERY, api.list_metadata(&one)).await {
            status.health.watch_confirmed(Timestamp::now());
        }
    }
}

impl<E: Engine> Runner<E> {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn wakes(&self) -> Option<Instant> {
        self.queue.wakes().map(|time| self.started + time)
    }

    fn make_attempts(&mut self) {
        while let Some(Attempt { identity, job, waited }) = self.queue.next(self.now()) {
            if let Some(waited) = waited {
                self.context.metrics.wait.observe(waited.as_secs_f64());
            }
            self.attempts.spawn(attempt(Arc::clone(&self.context), identity, job));
        }
    }

    /// `None`: the attempt was aborted, which nobody does.
    fn end(&mut self, ended: Option<Ended>) {
        let Some((identity, wait)) = ended else { return };
        let now = self.now();
        let end = wait.map_or(End::Done, |wait| End::Again(now.saturating_add(wait)));
        self.queue.ended(&identity, end, now);
    }

    fn note_counts(&self) {
        let metrics = &self.context.metrics;
        metrics.queue(&self.queue.counts());
        set(&metrics.finished, self.finished.len());
    }

    fn see(&mut self, seen: Seen) {
        match seen {
            Seen::All(all) => self.see_all(all),
            Seen::Changed(identity, watched) => {
                if watched.is_finished {
                    self.finished.add(&identity);
                } else {
                    self.finished.remove(&identity);
                }
                self.take_in(&identity, watched);
            }
            Seen::Gone(identity) => {
                self.finished.remove(&identity);
                self.queue.gone(&identity, Job::Gone, self.now());
            }
        }
    }

    fn take_in(&mut self, identity: &Identity, watched: Watched) {
        let now = self.now();
        match watched.needs() {
            Some(kind) => self.queue.offer(identity, Job::Object(watched), kind, now),
            None => self.queue.settled(identity, now),
        }
    }

    /// What the list has not is gone, or has ended meanwhile.
    fn see_all(&mut self, all: Vec<(Identity, Watched)>) {
        let is_first = self.finished.len() == 0;
        let (mut listed, mut finished) = (HashSet::new(), Finished::default());
        for (identity, watched) in all {
            if watched.is_finished {
                finished.add(&identity);
            }
            self.take_in(&identity, watched);
            if watched.needs().is_some() {
                listed.insert(identity);
            }
        }
        self.finished = finished;
        let gone: Vec<Identity> = self.queue.identities().filter(|one| !listed.contains(one)).cloned().collect();
        for identity in gone {
            self.queue.gone(&identity, Job::Gone, self.now());
        }
        if is_first {
            self.prune();
        }
    }

    fn prune(&mut self) {
        let Some(keep) = self.settings.keep_finished else { return };
        let namespaces = self.finished.namespaces_over(keep);
        if namespaces.is_empty() || self.pruning.as_ref().is_some_and(|pruning| !pruning.is_finished()) {
            return;
        }
        let context = Arc::clone(&self.context);
        self.pruning = Some(self.chores.spawn(async move { prune(&context, namespaces, keep).await }));
    }
}
