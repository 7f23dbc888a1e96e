//! Carries out what the book says, in either direction: forward to switch, backward to undo.

mod fallback;
mod gaps;
mod labels;
mod late_webhook;
mod locations;
mod relocate;
mod secrets;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, stream};

pub(crate) use gaps::Gaps;
pub use locations::{Place, Places, belongs};
pub(crate) use secrets::Copied;

use crate::cluster::ensure::SureError;
use crate::cluster::kinds::Groups;
use crate::cluster::observe::Looking;
use crate::journal::{Book, CertificateEntry, Journal, JournalError, RouteEntry, SecretEntry};
use crate::lock::Lock;
use crate::mutants::{Mutant, is_planted, panic_if_planted};
use crate::plan::Problem;
use crate::route::{KINDS, Route, RouteKind, kind_named};
use crate::side::{Side, Sides};
use crate::{Authority, CONCURRENT, CONCURRENT_GAPS, Caller};
use lagoon_task::cluster::{ClusterError, Objects};

/// Why a route could not be moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// A request failed.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Something could not be created or deleted.
    #[error(transparent)]
    Sure(#[from] SureError),
    /// The journal could not be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The new route was not accepted by the controller that had accepted the old one.
    #[error("{route} was not accepted in namespace \"{namespace}\": {reason}")]
    NotAccepted {
        /// The route.
        route: String,
        /// Where it was to be.
        namespace: String,
        /// What the controller says.
        reason: String,
    },
    /// A route is neither here nor there.
    #[error(
        "{route} could not be created in namespace \"{to}\" ({refused}), and could not be put back either ({back})"
    )]
    Offline {
        /// The route.
        route: String,
        /// Where it was to be.
        to: String,
        /// Why it could not be created there.
        #[source]
        refused: Box<MoveError>,
        /// Why it could not be put back.
        back: Box<MoveError>,
    },
    /// A route is not created where it was, because only a journal says so that others may have written.
    #[error(
        "{route} is not created in namespace \"{namespace}\": that it was there, nothing but the journal says, which others \
         may have written"
    )]
    Unproven {
        /// The route.
        route: String,
        /// Where it was, as the journal says.
        namespace: String,
    },
    /// A Secret that was to go along is not what it was.
    #[error("Secret \"{name}\" in namespace \"{namespace}\" is not what it should be: {reason}")]
    Secret {
        /// The Secret.
        name: String,
        /// Its namespace.
        namespace: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The routes are of a kind that this program does not know.
    #[error("the journal names routes of kind \"{}\", which this version does not know", lagoon_task::output::escape(.0))]
    Kind(String),
    /// An interrupted switch cannot be resumed.
    #[error("the rest of the switch can no longer be carried out: {}", listed(.0))]
    Problems(Vec<Problem>),
    /// Routes that were moved are moved again by somebody else, each time.
    #[error("somebody else keeps changing the routes")]
    KeepsChanging,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Every route to the other side.
    Switched,
    /// Every route back to where it was.
    AsBefore,
}

impl Goal {
    /// The side that a route of this home belongs to.
    #[must_use]
    pub fn side(self, home: Side) -> Side {
        match self {
            Self::Switched => home.other(),
            Self::AsBefore => home,
        }
    }
}

/// What is needed to move.
pub(crate) struct Moves<'a> {
    pub(crate) looking: Looking<'a>,
    pub(crate) caller: &'a dyn Caller,
    pub(crate) switch: String,
    pub(crate) journal: tokio::sync::Mutex<Journal<'a>>,
    pub(crate) book: Mutex<Book>,
    /// Secrets that this run has copied.
    pub(crate) copied: Mutex<BTreeMap<(Side, String), Copied>>,
    pub(crate) gaps: Gaps,
    pub(crate) lock: Option<Arc<Lock>>,
    pub(crate) authority: &'a Authority,
    /// Whether an earlier run has started the switch.
    pub(crate) is_resumed: bool,
    /// The API groups that the cluster has.
    pub(crate) groups: Groups,
}

/// How far a pass is.
#[derive(Default)]
struct Progress {
    done: AtomicUsize,
    failed: AtomicBool,
    total: usize,
}

/// A route on its way: what the book says of it, and where it is.
pub(crate) struct Traveller {
    pub(crate) number: usize,
    pub(crate) entry: RouteEntry,
    pub(crate) place: Place,
}

impl<'a> Moves<'a> {
    /// What goes along with the routes.
    pub(crate) fn companions(&self) -> (Vec<SecretEntry>, Vec<CertificateEntry>) {
        let book = self.book();
        (book.secrets.clone(), book.certificates.clone())
    }

    pub(crate) fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn names(&self) -> &'a Sides<String> {
        self.looking.names
    }

    pub(crate) fn objects(&self, kind: &str, side: Side) -> Result<Objects<'a>, MoveError> {
        let resource = kind_named(kind).ok_or_else(|| MoveError::Kind(kind.to_owned()))?.resource();
        Ok(self.looking.cluster.objects(&resource, self.names().of(side)))
    }

    /// The kinds of routes that the book has, and those that every cluster has.
    fn kinds(&self) -> Vec<&'static dyn RouteKind> {
        let book = self.book();
        let has = |kind: &&'static dyn RouteKind| {
            kind.is_built_in() || book.routes.iter().any(|route| route.kind == kind.resource().kind)
        };
        KINDS.into_iter().filter(has).collect()
    }

    /// Looks which routes are where. The book has their manifests.
    pub(crate) async fn look(&self) -> Result<(Places, Sides<Vec<Route>>), ClusterError> {
        let (standby, active) =
            futures::future::try_join(self.look_at(Side::Standby), self.look_at(Side::Active)).await?;
        let mut places = Places::default();
        places.add(Side::Standby, &standby);
        places.add(Side::Active, &active);
        Ok((places, Sides { standby, active }))
    }

    /// The routes of one side.
    pub(crate) async fn look_at(&self, side: Side) -> Result<Vec<Route>, ClusterError> {
        let lists = self.kinds().into_iter().map(|kind| self.looking.routes(side, kind, Route::without_manifest));
        Ok(futures::future::try_join_all(lists).await?.concat())
    }

    /// Brings every route to where it belongs. Begins no other move once one has failed, unless it is the way back:
    /// then as much as possible is done. Answers with what failed.
    ///
    /// Routes that may overlap go first, many at once. Of the others few are under way at once: a request takes the
    /// longer the more there are, and these are offline meanwhile.
    pub(crate) async fn pass(&self, goal: Goal, places: &Places) -> Vec<MoveError> {
        let (mut gapless, mut gaps) = (Vec::new(), Vec::new());
        for (number, route) in self.book().routes.iter().enumerate() {
            if route.may_overlap { gapless.push(number) } else { gaps.push(number) }
        }
        let progress = &Progress { total: gapless.len() + gaps.len(), ..Progress::default() };
        let mut errors = Vec::new();
        for (numbers, at_once) in [(gapless, CONCURRENT), (gaps, CONCURRENT_GAPS)] {
            let moves =
                stream::iter(numbers).map(|number| async move { self.bring(goal, number, places, progress).await });
            let failed = moves.buffer_unordered(at_once).filter_map(|moved| async move { moved.err() });
            errors.extend(failed.collect::<Vec<_>>().await);
        }
        errors
    }

    async fn bring(&self, goal: Goal, number: usize, places: &Places, progress: &Progress) -> Result<(), MoveError> {
        if progress.failed.load(Ordering::Relaxed) && goal == Goal::Switched {
            return Ok(());
        }
        let Some(mut route) = self.traveller(number, places) else { return Ok(()) };
        let side = goal.side(route.entry.home);
        if route.place.is_settled_at(side) {
            progress.done.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let result = self.relocate(&mut route, side).await;
        if Side::BOTH.into_iter().any(|side| route.place.is_at(side)) {
            self.gaps.close(number);
        }
        if let Err(error) = result {
            progress.failed.store(true, Ordering::Relaxed);
            return Err(error);
        }
        panic_if_planted();
        let (done, total) = (progress.done.fetch_add(1, Ordering::Relaxed) + 1, progress.total);
        let word = if goal == Goal::Switched { "Moved" } else { "Moved back" };
        let (from, to) = (self.names().of(side.other()), self.names().of(side));
        self.caller.step(&format!("{word} {done} of {total}: {} from {from} to {to}.", route.entry.in_words()));
        Ok(())
    }

    fn traveller(&self, number: usize, places: &Places) -> Option<Traveller> {
        let entry = self.book().routes.get(number)?.clone();
        let place = places.of(&entry, &self.switch);
        Some(Traveller { number, entry, place })
    }

    /// Writes down that a route is no longer as it was.
    pub(crate) async fn amend(&self, route: &Traveller) -> Result<(), MoveError> {
        if let Some(recorded) = self.book().routes.get_mut(route.number) {
            recorded.clone_from(&route.entry);
        }
        if !is_planted(Mutant::ChangeNotRecorded) {
            let mut journal = self.journal.lock().await;
            journal.amend(&route.entry).await?;
            let gaps = journal.head.gaps.clone();
            if gaps.contains(&route.number) {
                self.record_offline(&journal, &gaps).await?;
            }
        }
        self.caller.say(&format!(
            "{} was changed by somebody during the switch; it moves as it is now.",
            route.entry.in_words()
        ));
        Ok(())
    }
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ").trim_end_matches('.').to_owned()
}
