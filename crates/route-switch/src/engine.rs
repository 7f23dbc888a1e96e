//! One switch from the first look to the last line of the journal.

mod ending;
mod ready;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use crate::cluster::kinds::Groups;
use crate::cluster::observe::Looking;
use crate::cluster::{holder, probe};
use crate::journal::{self, Book, Head, Holder, Journal, JournalError, Moved, RouteEntry, State, VERSION};
use crate::lock::{Lock, LockError};
use crate::moves::{Goal, MoveError, Moves, Places};
use crate::mutants::{Mutant, is_planted};
use crate::plan::claim::{self, Begun};
use crate::plan::observed::Observed;
use crate::plan::{already_done, no_namespace, plan, table};
use crate::side::{Side, Sides};
use crate::{Caller, SwitchError};
pub use ready::{Carried, Done, Planned, Ready};

use ending::{
    abandon, all_live, end, held, moved, not_ended, still_unended, told, told_as_far_as_seen, unfinished, unsettled,
};
use lagoon_task::cluster::{Cause, Cluster};

/// Routes that are not where they belong once all have been moved are moved again this often: somebody else is at work.
const PASSES: usize = 3;

/// A switch of two namespaces.
pub struct Switch<'a> {
    cluster: Cluster,
    caller: &'a dyn Caller,
    names: Sides<String>,
    holder: Holder,
    lock: Option<Arc<Lock>>,
}

impl<'a> Switch<'a> {
    /// A switch of the standby and the active environment's namespaces, carried out by `holder`, an object in the standby
    /// environment's namespace. Takes the lock, which is given back by [`release`](Self::release).
    pub async fn take(
        cluster: &Cluster,
        caller: &'a dyn Caller,
        names: Sides<String>,
        holder: Holder,
    ) -> Result<Self, SwitchError> {
        let lock = match Lock::take(cluster, &names, holder.clone()).await {
            Ok(lock) => Arc::new(lock),
            Err(error) => return Err(why_not_taken(cluster, &names, error).await),
        };
        Ok(Self { cluster: cluster.guarded(lock.clone()), caller, names, holder, lock: Some(lock) })
    }

    /// The same for a look only: without the lock, it can be prepared and not carried out.
    #[must_use]
    pub fn look_only(cluster: &Cluster, caller: &'a dyn Caller, names: Sides<String>, holder: Holder) -> Self {
        Self { cluster: cluster.clone(), caller, names, holder, lock: None }
    }

    /// Gives the lock back.
    pub async fn release(&self) {
        if let Some(lock) = &self.lock {
            lock.release().await;
        }
    }

    /// Finds out what there is to do. Changes nothing, so it may be given up at any point.
    ///
    /// A new switch, an interrupted one, and one that is done differ only in what is seen: what is still to do is planned and
    /// checked each time.
    pub async fn prepare(&'a self) -> Result<Ready<'a>, SwitchError> {
        let looking = self.looking();
        let own = self.find(Side::Standby).await?;
        let other = self.unfinished_other_way(own.as_ref()).await?;
        let mut begun = None;
        let mut ended = None;
        let book = match &own {
            Some(own) if own.head.state == State::Moving => Some(self.may_go_on(own).await?),
            _ => None,
        };
        let rescued = match &other {
            Some(other) => other.book().await.map_err(still_unended)?,
            None => Book::default(),
        };
        let (mut observed, groups) = looking.observe(self.lock.is_some()).await?;
        match (&own, book) {
            (Some(own), Some(book)) => {
                let known = book.clone();
                let mut found = claim::resume(&mut observed, &own.head, book);
                found.nowhere.extend(claim::rescue(&mut observed, &known, rescued));
                found.written = as_text(&known);
                begun = Some(found);
            }
            (Some(own), None) if self.is_same(&own.head) && already_done::is_in_place(&observed, &own.head) => {
                let moved = claim::settle(&mut observed, &own.head.switch_id);
                ended = Some(moved.in_the_order_of(own.head.routes.clone()));
            }
            _ => {}
        }
        looking.look_closer(&mut observed, &groups).await?;
        self.plan(observed, groups, own, begun, ended, other).await
    }

    async fn plan(
        &'a self,
        observed: Observed,
        groups: Groups,
        own: Option<Journal<'a>>,
        begun: Option<Begun>,
        ended: Option<Moved>,
        other: Option<Journal<'a>>,
    ) -> Result<Ready<'a>, SwitchError> {
        let is_begun = begun.is_some();
        let begun = begun.unwrap_or_default();
        let mut notes = begun.notes;
        let planned = plan(&observed, is_begun.then_some(begun.done));
        let mut problems = begun.problems;
        let mut book = Book::default();
        match planned {
            Ok(plan) => {
                notes.extend(plan.notes);
                book = plan.book;
            }
            Err(found) => problems.extend(found),
        }
        let mut head = self.head(own.as_ref().filter(|_| is_begun || ended.is_some()), ended.clone());
        if problems.is_empty() {
            if book.routes.is_empty() && !is_begun {
                return Ok(match own.zip(ended) {
                    Some((journal, moved)) => Ready::Done(Box::new(Done { moved, journal })),
                    None => Ready::Nothing(notes),
                });
            }
            // Of one that is not asked about any more the earlier run has found it out.
            for entry in &mut book.routes {
                let earlier = begun.all.routes.iter().find(|earlier| earlier.key() == entry.key());
                entry.may_overlap |= earlier.is_some_and(|earlier| earlier.may_overlap);
            }
            problems = probe::probe(self.looking(), &head.switch_id, &mut book, &observed).await?;
        }
        if !problems.is_empty() {
            if !is_begun {
                return Err(SwitchError::Problems(problems));
            }
            book = begun.all;
        }
        let is_nowhere = |entry: &RouteEntry| begun.nowhere.iter().any(|one| *one == entry.key());
        head.gaps = (0..book.routes.len()).filter(|place| is_nowhere(&book.routes[*place])).collect();
        let is_written = is_begun
            && own.as_ref().is_some_and(|own| own.head.says_the_same(&head))
            && begun.written == as_text(&book);
        let mut places = Places::default();
        for side in Side::BOTH {
            places.add(side, &observed.sides.of(side).routes);
        }
        let planned =
            Planned { head, book, notes, places, previous: own, is_begun, problems, other, groups, is_written };
        Ok(Ready::Planned(Box::new(planned)))
    }

    /// The head of this switch: that of `earlier`, which is the same switch, or a new one.
    fn head(&self, earlier: Option<&Journal<'a>>, ended: Option<Moved>) -> Head {
        Head {
            version: VERSION,
            switch_id: earlier.map_or_else(already_done::new_switch_id, |journal| journal.head.switch_id.clone()),
            state: State::Moving,
            holder: self.holder.clone(),
            standby_namespace: self.names.standby.clone(),
            active_namespace: self.names.active.clone(),
            parts: Vec::new(),
            routes: None,
            gaps: BTreeSet::new(),
            ended: ended.or_else(|| earlier.and_then(|journal| journal.head.ended.clone())),
        }
    }

    /// Carries out what [`prepare`](Self::prepare) found. Must be awaited to its end once it has begun.
    pub async fn carry_out(&'a self, ready: Ready<'a>) -> Result<Carried<'a>, SwitchError> {
        self.say_notes(&ready);
        match ready {
            Ready::Nothing(_) => Ok(Carried { moved: Moved::default(), is_repeated: false, journal: None }),
            Ready::Done(done) => {
                let Done { moved, journal } = *done;
                Ok(Carried { moved, is_repeated: true, journal: Some(Box::new(journal)) })
            }
            Ready::Planned(planned) => {
                let carried = if planned.is_begun {
                    Box::pin(self.go_on(*planned)).await
                } else {
                    Box::pin(self.begin(*planned)).await
                };
                carried.map_err(
                    |error| if self.has_lost_the_lock() { SwitchError::LockLost(Box::new(error)) } else { error },
                )
            }
        }
    }

    /// Notes in the journal that Lagoon has been handed the result. If that fails the next run hands it over again.
    pub async fn reported(&self, carried: Carried<'_>) {
        if let Some(journal) = carried.journal {
            note(*journal).await;
        }
    }

    /// What a switch would do, as a table.
    #[must_use]
    pub fn table(&self, ready: &Ready<'_>) -> String {
        match ready {
            Ready::Nothing(_) | Ready::Done(_) => String::new(),
            Ready::Planned(planned) => table::table(&planned.book, &self.names),
        }
    }

    /// What moves, or has moved, if the switch is carried out.
    #[must_use]
    pub fn would_move(&self, ready: &Ready<'_>) -> Moved {
        match ready {
            Ready::Nothing(_) => Moved::default(),
            Ready::Done(done) => done.moved.clone(),
            Ready::Planned(planned) => moved(&planned.head, &planned.book),
        }
    }

    /// Says what is worth knowing about a switch and no reason to stop.
    pub fn say_notes(&self, ready: &Ready<'_>) {
        let notes: &[String] = match ready {
            Ready::Nothing(notes) => notes,
            Ready::Planned(planned) => &planned.notes,
            Ready::Done(_) => &[],
        };
        for note in notes {
            self.caller.say(&format!("Note: {note}"));
        }
    }

    fn looking(&self) -> Looking<'_> {
        Looking { cluster: &self.cluster, names: &self.names }
    }

    fn has_lost_the_lock(&self) -> bool {
        self.lock.as_ref().is_some_and(|lock| lock.is_lost())
    }

    fn is_same(&self, head: &Head) -> bool {
        head.standby_namespace == self.names.standby && head.active_namespace == self.names.active
    }

    async fn find(&self, side: Side) -> Result<Option<Journal<'_>>, JournalError> {
        journal::find(&self.cluster, self.names.of(side)).await
    }

    /// The switch back keeps its journal in the other namespace. If it is unfinished it is to be ended first; if both are
    /// (an older version of this program could leave them so) this run ends both.
    async fn unfinished_other_way(&'a self, own: Option<&Journal<'a>>) -> Result<Option<Journal<'a>>, SwitchError> {
        let other = match self.find(Side::Active).await {
            Ok(other) => other.filter(|other| other.head.state == State::Moving),
            // The look at the namespaces says why.
            Err(JournalError::Cluster(error)) if matches!(error.cause(), Cause::Forbidden(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let own_is_unfinished = own.is_some_and(|own| own.head.state == State::Moving && self.is_same(&own.head));
        match other {
            Some(other) if !own_is_unfinished => Err(unfinished(&other.head)),
            other => Ok(other),
        }
    }

    /// The book of an unfinished switch, unless it is another one or somebody is at it.
    async fn may_go_on(&self, journal: &Journal<'a>) -> Result<Book, SwitchError> {
        let head = &journal.head;
        if !self.is_same(head) {
            return Err(unfinished(head));
        }
        // An older version of this program takes no lock but its journal.
        if head.holder != self.holder && holder::is_running(&self.cluster, &self.names.standby, &head.holder).await? {
            let holder = head.holder.object_name(&self.names.standby);
            return Err(LockError::Held { holder, since: "before this run".to_owned() }.into());
        }
        journal.book().await.map_err(still_unended)
    }

    async fn begin(&'a self, planned: Planned<'a>) -> Result<Carried<'a>, SwitchError> {
        if self.caller.is_stopping() {
            return Err(SwitchError::Stopped);
        }
        let journal = Journal::begin(&self.cluster, planned.head, &planned.book, planned.previous).await?;
        let moves = self.moves(journal, planned.book, planned.groups);
        if let Err(error) = moves.copy_companions().await {
            return Err(abandon(moves, SwitchError::Undone { cause: Box::new(error) }).await);
        }
        if self.caller.is_stopping() {
            return Err(abandon(moves, SwitchError::Stopped).await);
        }
        self.move_all(moves, planned.places, None).await
    }

    async fn go_on(&'a self, planned: Planned<'a>) -> Result<Carried<'a>, SwitchError> {
        self.caller.step("An earlier run of this switch was interrupted. Going on where it stopped.");
        let Planned { head, book, previous, problems, other, groups, is_written, .. } = planned;
        let Some(mut journal) = previous else { return Err(SwitchError::Stopped) };
        if !is_written {
            journal.head = Head { parts: std::mem::take(&mut journal.head.parts), ..head };
            journal.write_book(&book).await.map_err(still_unended)?;
        }
        let moves = self.moves(journal, book, groups);
        let places = match moves.look().await {
            Ok((places, _)) => places,
            Err(error) => return Err(held(&moves, error.into()).await),
        };
        if !problems.is_empty() {
            return Err(self.undo(moves, MoveError::Problems(problems)).await);
        }
        match moves.copy_companions().await {
            Ok(()) => self.move_all(moves, places, other).await,
            Err(error) => Err(self.undo(moves, error).await),
        }
    }

    fn moves(&'a self, journal: Journal<'a>, book: Book, groups: Groups) -> Moves<'a> {
        let gaps = journal.head.gaps.clone();
        Moves {
            looking: self.looking(),
            caller: self.caller,
            switch: journal.head.switch_id.clone(),
            journal: tokio::sync::Mutex::new(journal),
            book: Mutex::new(book),
            copied: Mutex::new(BTreeMap::new()),
            gaps: crate::moves::Gaps::new(gaps),
            groups,
        }
    }

    async fn move_all(
        &self,
        moves: Moves<'a>,
        mut places: Places,
        other: Option<Journal<'a>>,
    ) -> Result<Carried<'a>, SwitchError> {
        for _ in 0..PASSES {
            let errors = moves.pass(Goal::Switched, &places).await;
            if let Some(error) = errors.into_iter().next() {
                return Err(self.undo(moves, error).await);
            }
            if is_planted(Mutant::SecretsCleanedBeforeVerify) {
                moves.clean_up(&Sides::default()).await.map_err(not_ended)?;
            }
            let (now, routes) = moves.look().await.map_err(|error| not_ended(error.into()))?;
            places = now;
            if unsettled(&moves, &places, Goal::Switched).is_empty() || is_planted(Mutant::SecondLookLeftOut) {
                moves.label_as_moved(&routes).await.map_err(not_ended)?;
                moves.clean_up(&routes).await.map_err(not_ended)?;
                if let Some(other) = other {
                    other.remove().await.map_err(|error| not_ended(error.into()))?;
                }
                let (urls, journal) = end(moves).await.map_err(not_ended)?;
                return Ok(Carried { moved: urls, is_repeated: false, journal: Some(Box::new(journal)) });
            }
        }
        Err(told(&moves, MoveError::KeepsChanging, &places))
    }

    /// Moves everything back.
    async fn undo(&self, moves: Moves<'a>, cause: MoveError) -> SwitchError {
        if self.has_lost_the_lock() {
            return told_as_far_as_seen(&moves, cause).await;
        }
        self.caller.step(&format!("A route could not be moved: {cause}. Moving back what has moved."));
        let Ok((places, routes)) = moves.look().await else { return held(&moves, cause).await };
        if let Err(error) = moves.restore_originals(&routes).await {
            self.caller.say(&format!("Moving back: {error}."));
            // A route that is live stays where its certificate is; one that is nowhere is better back without.
            if all_live(&moves, &places) {
                return told(&moves, cause, &places);
            }
        }
        for error in moves.pass(Goal::AsBefore, &places).await {
            self.caller.say(&format!("Moving back: {error}."));
        }
        let Ok((places, _)) = moves.look().await else { return held(&moves, cause).await };
        if unsettled(&moves, &places, Goal::AsBefore).is_empty() {
            abandon(moves, SwitchError::Undone { cause: Box::new(cause) }).await
        } else {
            told(&moves, cause, &places)
        }
    }
}

/// A book as text: equal texts need not be written again.
fn as_text(book: &Book) -> String {
    serde_json::to_string(book).unwrap_or_default()
}

/// A namespace that is not there has no lock either.
async fn why_not_taken(cluster: &Cluster, names: &Sides<String>, error: LockError) -> SwitchError {
    if let LockError::Cluster(refused) = &error
        && matches!(refused.cause(), Cause::Forbidden(_) | Cause::NotFound(_))
        && let Ok(Some(missing)) = (Looking { cluster, names }).missing().await
    {
        return SwitchError::Problems(vec![no_namespace(&names.active, missing)]);
    }
    error.into()
}

/// Notes in the journal of a namespace, if a switch there is done, that its end has been recorded.
pub async fn note_reported(cluster: &Cluster, namespace: &str) {
    if let Ok(Some(journal)) = journal::find(cluster, namespace).await {
        note(journal).await;
    }
}

/// If this fails the result is handed over once more by the next run.
async fn note(mut journal: Journal<'_>) {
    if journal.head.state == State::Switched {
        journal.head.state = State::Reported;
        let _ = journal.write_head().await;
    }
}
