//! Which attempt is made next. Plain data: no clock and no tasks. The caller says what time it is, and how attempts end.
//!
//! Three groups of attempts are at work at the same time, each with a limit:
//!
//! - *first* attempts, in the order in which namespaces take turns;
//! - *slow* ones: first attempts that take longer than [`Limits::patience`], for example behind a webhook that does not
//!   answer. They leave their place to others. When the group is full they keep it, and the one that has waited longest
//!   is the next to leave;
//! - attempts to try *again*, in the order in which they are due. They never take the place of a first attempt.
//!
//! A namespace has one attempt at work at most, whatever the group.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::mem;
use std::time::Duration;

use crate::identity::Identity;
use crate::line::Line;

/// How many attempts are at work at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// First attempts that have not taken long yet.
    pub first: usize,
    /// First attempts that have.
    pub slow: usize,
    /// Attempts of what was attempted before.
    pub again: usize,
    /// From when on a first attempt is slow.
    pub patience: Duration,
}

impl Limits {
    /// The limits for an operator's `--concurrency`.
    #[must_use]
    pub const fn of(concurrency: usize) -> Self {
        // A slow attempt waits for something and costs little. One to try again has a group of its own, so that a site
        // that is half moved never waits for new ones.
        Self { first: concurrency, slow: concurrency * 16, again: concurrency * 4, patience: Duration::from_secs(1) }
    }
}

/// What kind of an attempt an object needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Its first.
    First,
    /// Another one: somebody has started its switch, and nobody has ended it.
    Again,
}

/// An attempt to make now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt<J> {
    /// The object.
    pub identity: Identity,
    /// What to do with it.
    pub job: J,
    /// How long a first attempt has waited.
    pub waited: Option<Duration>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// There is nothing left to do.
    Done,
    /// It is to be made again from this time on.
    Again(Duration),
}

/// How many objects there are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// They wait for their first attempt.
    pub waiting: usize,
    /// Their first attempt is at work, and is not slow.
    pub first: usize,
    /// Their first attempt is slow.
    pub slow: usize,
    /// Another attempt is at work.
    pub again: usize,
    /// They wait until they are tried again.
    pub later: usize,
}

/// The objects that need an attempt; `J` says what to do with one.
#[derive(Debug)]
pub struct Queue<J> {
    limits: Limits,
    entries: HashMap<Identity, Entry<J>>,
    /// Those that wait for their first attempt.
    line: Line,
    /// Those that are to be tried again, by time, then by the order in which they came.
    later: BTreeMap<Due, Identity>,
    /// First attempts at work that are not slow yet, the oldest first.
    first: VecDeque<(Duration, Identity)>,
    slow: usize,
    again: usize,
    /// The namespaces with an attempt at work.
    busy: HashSet<String>,
    /// Makes every [`Due`] another one.
    numbers: u64,
}

type Due = (Duration, u64);

#[derive(Debug)]
struct Entry<J> {
    job: J,
    /// What the object needed when it was last heard of.
    kind: Kind,
    was_attempted: bool,
    state: State<J>,
}

#[derive(Debug)]
enum State<J> {
    InLine { since: Duration },
    Later(Due),
    AtWork { group: Group, meanwhile: Meanwhile<J> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    First,
    Slow,
    Again,
}

/// What was heard of an object during its attempt.
#[derive(Debug)]
enum Meanwhile<J> {
    Nothing,
    Changed(J, Kind),
    Gone(J),
}

impl<J: Clone> Queue<J> {
    /// An empty one.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: HashMap::new(),
            line: Line::default(),
            later: BTreeMap::new(),
            first: VecDeque::new(),
            slow: 0,
            again: 0,
            busy: HashSet::new(),
            numbers: 0,
        }
    }

    /// An object needs an attempt, or one that needs it has changed.
    pub fn offer(&mut self, identity: &Identity, job: J, kind: Kind, now: Duration) {
        let Some(entry) = self.entries.get_mut(identity) else {
            let state = match kind {
                Kind::First => self.in_line(identity, now),
                Kind::Again => self.later(identity, now),
            };
            self.entries.insert(identity.clone(), Entry { job, kind, was_attempted: kind == Kind::Again, state });
            return;
        };
        match &mut entry.state {
            State::AtWork { meanwhile, .. } => *meanwhile = Meanwhile::Changed(job, kind),
            State::InLine { .. } => entry.job = job,
            State::Later(due) => {
                let is_asked_anew = kind == Kind::First && entry.kind == Kind::Again;
                (entry.job, entry.kind) = (job, kind);
                if is_asked_anew {
                    // Somebody asks once more while the last attempt rests: that is a request like any other.
                    self.later.remove(due);
                    let state = self.in_line(identity, now);
                    self.put(identity, state);
                }
            }
        }
    }

    /// The object needs no attempt any more. One that was attempted is looked at once more: the attempt may not know yet
    /// that it has succeeded.
    pub fn settled(&mut self, identity: &Identity, now: Duration) {
        self.withdraw(identity, None, now);
    }

    /// The object is gone. One that was attempted is looked at once more, as `job` says.
    pub fn gone(&mut self, identity: &Identity, job: J, now: Duration) {
        self.withdraw(identity, Some(job), now);
    }

    fn withdraw(&mut self, identity: &Identity, gone: Option<J>, now: Duration) {
        let Some(entry) = self.entries.get_mut(identity) else { return };
        let due = match &mut entry.state {
            State::AtWork { meanwhile, .. } => {
                *meanwhile = gone.map_or(Meanwhile::Nothing, Meanwhile::Gone);
                return;
            }
            State::InLine { .. } => {
                self.line.remove(identity);
                None
            }
            State::Later(due) => Some(*due),
        };
        if let Some(due) = due {
            self.later.remove(&due);
        }
        if !entry.was_attempted {
            self.entries.remove(identity);
            return;
        }
        if let Some(gone) = gone {
            entry.job = gone;
        }
        let state = self.later(identity, now);
        self.put(identity, state);
    }

    /// The next attempt to make, if one may be made now.
    pub fn next(&mut self, now: Duration) -> Option<Attempt<J>> {
        self.make_room(now);
        self.next_again(now).or_else(|| self.next_first(now))
    }

    fn next_again(&mut self, now: Duration) -> Option<Attempt<J>> {
        let due = self.next_due().filter(|(due, _)| self.again < self.limits.again && *due <= now)?;
        let identity = self.later.remove(&due)?;
        self.again += 1;
        self.hand_out(identity, Group::Again, None)
    }

    fn next_first(&mut self, now: Duration) -> Option<Attempt<J>> {
        if self.first.len() >= self.limits.first {
            return None;
        }
        let identity = self.line.take(|namespace| self.busy.contains(namespace))?;
        self.first.push_back((now, identity.clone()));
        self.hand_out(identity, Group::First, Some(now))
    }

    fn hand_out(&mut self, identity: Identity, group: Group, now: Option<Duration>) -> Option<Attempt<J>> {
        self.busy.insert(identity.namespace.clone());
        let entry = self.entries.get_mut(&identity)?;
        entry.was_attempted = true;
        let at_work = State::AtWork { group, meanwhile: Meanwhile::Nothing };
        let waited = match mem::replace(&mut entry.state, at_work) {
            State::InLine { since } => now.map(|now| now.saturating_sub(since)),
            _ => None,
        };
        Some(Attempt { job: entry.job.clone(), identity, waited })
    }

    /// First attempts that have become slow leave their place, the oldest first.
    fn make_room(&mut self, now: Duration) {
        while self.next_slow().is_some_and(|slow_from| slow_from <= now) {
            let Some((_, identity)) = self.first.pop_front() else { return };
            self.slow += 1;
            if let Some(Entry { state: State::AtWork { group, .. }, .. }) = self.entries.get_mut(&identity) {
                *group = Group::Slow;
            }
        }
    }

    /// When the oldest first attempt becomes slow, if it may leave its place then.
    fn next_slow(&self) -> Option<Duration> {
        let (since, _) = self.first.front().filter(|_| self.slow < self.limits.slow)?;
        Some(since.saturating_add(self.limits.patience))
    }

    /// The first that is to be tried again and whose namespace has no attempt at work.
    fn next_due(&self) -> Option<Due> {
        self.later.iter().find(|(_, identity)| !self.busy.contains(&identity.namespace)).map(|(due, _)| *due)
    }

    /// When [`next`](Self::next) may have another answer by the time alone; `None` if it will not.
    #[must_use]
    pub fn wakes(&self) -> Option<Duration> {
        let due = self.next_due().filter(|_| self.again < self.limits.again).map(|(due, _)| due);
        // Only if somebody waits for the place.
        let slow = self.next_slow().filter(|_| !self.line.is_empty());
        due.into_iter().chain(slow).min()
    }

    /// An attempt has ended.
    pub fn ended(&mut self, identity: &Identity, end: End, now: Duration) {
        let Some(entry) = self.entries.get_mut(identity) else { return };
        let State::AtWork { group, meanwhile } = &mut entry.state else { return };
        let (group, meanwhile) = (*group, mem::replace(meanwhile, Meanwhile::Nothing));
        self.busy.remove(&identity.namespace);
        match group {
            Group::First => self.first.retain(|(_, other)| other != identity),
            Group::Slow => self.slow -= 1,
            Group::Again => self.again -= 1,
        }
        let at = match (end, meanwhile) {
            (End::Done, Meanwhile::Nothing | Meanwhile::Gone(_)) => {
                self.entries.remove(identity);
                return;
            }
            // What came during the attempt may be its own work or somebody's request. Looking is cheap.
            (End::Done, Meanwhile::Changed(job, kind)) => {
                (entry.job, entry.kind) = (job, kind);
                now
            }
            (End::Again(due), Meanwhile::Nothing) => due,
            (End::Again(_), Meanwhile::Gone(job)) => {
                entry.job = job;
                now
            }
            (End::Again(due), Meanwhile::Changed(job, kind)) => {
                let is_asked_anew = kind == Kind::First && entry.kind == Kind::Again;
                (entry.job, entry.kind) = (job, kind);
                if is_asked_anew { now } else { due }
            }
        };
        let state = self.later(identity, at);
        self.put(identity, state);
    }

    /// All objects that need an attempt or have one.
    pub fn identities(&self) -> impl Iterator<Item = &Identity> {
        self.entries.keys()
    }

    /// How many there are in each state.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            waiting: self.line.len(),
            first: self.first.len(),
            slow: self.slow,
            again: self.again,
            later: self.later.len(),
        }
    }

    fn in_line(&mut self, identity: &Identity, since: Duration) -> State<J> {
        self.line.push(identity.clone());
        State::InLine { since }
    }

    fn later(&mut self, identity: &Identity, at: Duration) -> State<J> {
        self.numbers = self.numbers.wrapping_add(1);
        let due = (at, self.numbers);
        self.later.insert(due, identity.clone());
        State::Later(due)
    }

    fn put(&mut self, identity: &Identity, state: State<J>) {
        if let Some(entry) = self.entries.get_mut(identity) {
            entry.state = state;
        }
    }
}

#[cfg(test)]
mod tests;
