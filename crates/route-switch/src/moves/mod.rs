//! Carries out what the book says, in either direction: forward to switch, backward to undo.

mod fallback;
mod late_webhook;
mod locations;
mod relocate;
mod secret_swap;
mod secrets;
mod swap;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use futures::{StreamExt, stream};

pub use locations::{Place, Places, belongs};
pub(crate) use secrets::Copied;

use crate::cluster::ensure::SureError;
use crate::cluster::observe::Looking;
use crate::journal::{Book, CertificateEntry, Journal, JournalError, RouteEntry, SecretEntry};
use crate::plan::groups::{Component, components};
use crate::route::{KINDS, Route, RouteKind, kind_named};
use crate::side::{Side, Sides};
use crate::{CONCURRENT, CONCURRENT_GAPS, Caller};
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
    #[error("the journal names routes of kind \"{0}\", which this version does not know")]
    Kind(String),
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
    pub(crate) editions: AtomicUsize,
    /// One permit for each route that may be offline at once.
    pub(crate) gaps: tokio::sync::Semaphore,
    /// Whether there may be Certificates in either namespace.
    pub(crate) has_certificates: bool,
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

    /// The kinds of routes that the book has.
    fn kinds(&self) -> Vec<&'static dyn RouteKind> {
        let book = self.book();
        let has = |kind: &&'static dyn RouteKind| book.routes.iter().any(|route| route.kind == kind.resource().kind);
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
        let (gapless, gaps): (Vec<_>, Vec<_>) = {
            let book = self.book();
            components(&book)
                .into_iter()
                .partition(|part| part.routes.iter().all(|route| book.routes[*route].may_overlap))
        };
        let progress = &Progress { total: self.book().routes.len(), ..Progress::default() };
        let mut errors = Vec::new();
        for (parts, at_once) in [(gapless, CONCURRENT), (gaps, CONCURRENT_GAPS)] {
            let moves =
                stream::iter(parts).map(|part| async move { self.bring(goal, &part, places, progress).await.err() });
            let failed = moves.buffer_unordered(at_once).filter_map(|error| async move { error });
            errors.extend(failed.collect::<Vec<_>>().await);
        }
        errors
    }

    async fn bring(&self, goal: Goal, part: &Component, places: &Places, progress: &Progress) -> Result<(), MoveError> {
        if progress.failed.load(Ordering::Relaxed) && goal == Goal::Switched {
            return Ok(());
        }
        let result = self.bring_component(goal, part, places, progress).await;
        progress.failed.fetch_or(result.is_err(), Ordering::Relaxed);
        result
    }

    async fn bring_component(
        &self,
        goal: Goal,
        part: &Component,
        places: &Places,
        progress: &Progress,
    ) -> Result<(), MoveError> {
        let mut travellers: Vec<Traveller> = part.routes.iter().map(|number| self.traveller(*number, places)).collect();
        if travellers.iter().all(|route| route.place.is_settled_at(goal.side(route.entry.home))) {
            progress.done.fetch_add(travellers.len(), Ordering::Relaxed);
            return Ok(());
        }
        if part.is_exchange() {
            self.exchange(goal, part, &mut travellers).await?;
        } else if let Some(route) = travellers.first_mut() {
            self.relocate(route, goal.side(route.entry.home)).await?;
        }
        for route in &travellers {
            let number = progress.done.fetch_add(1, Ordering::Relaxed) + 1;
            let total = progress.total;
            let side = goal.side(route.entry.home);
            let word = if goal == Goal::Switched { "Moved" } else { "Moved back" };
            let (from, to) = (self.names().of(side.other()), self.names().of(side));
            self.caller.step(&format!("{word} {number} of {total}: {} from {from} to {to}.", route.entry.in_words()));
        }
        Ok(())
    }

    fn traveller(&self, number: usize, places: &Places) -> Traveller {
        let entry = self.book().routes[number].clone();
        let place = places.of(&entry, &self.switch);
        Traveller { number, entry, place }
    }

    /// Writes down that a route is no longer as it was.
    pub(crate) async fn amend(&self, route: &Traveller) -> Result<(), MoveError> {
        let mut journal = self.journal.lock().await;
        self.book().routes[route.number] = route.entry.clone();
        let edition = self.editions.fetch_add(1, Ordering::Relaxed) + 1;
        let book = self.book().clone();
        journal.write_book(&book, edition).await?;
        self.caller.say(&format!(
            "{} was changed by somebody during the switch; it moves as it is now.",
            route.entry.in_words()
        ));
        Ok(())
    }
}
