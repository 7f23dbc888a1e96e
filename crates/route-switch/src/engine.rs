//! One switch from the first look to the last line of the journal.

mod closed;
mod ending;
mod ready;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use crate::cluster::kinds::Groups;
use crate::cluster::observe::Looking;
use crate::cluster::{ensure, holder, probe};
use crate::journal::{self, Book, Head, Holder, Journal, JournalError, Moved, RouteEntry, Shelf, State, VERSION};
use crate::lock::{Lock, LockError};
use crate::moves::{Goal, MoveError, Moves, Places};
use crate::mutants::{Mutant, is_planted};
use crate::plan::claim::{self, Begun, Proof};
use crate::plan::manifest::at_home;
use crate::plan::observed::Observed;
use crate::plan::{already_done, nothing_moves, plan, public_hosts_stay, table};
use crate::route::kind_named;
use crate::side::{Side, Sides};
use crate::{Authority, Caller, SwitchError};
pub use ready::{Carried, Done, Planned, Ready};

use closed::{done_here, done_or, is_closed};
use ending::{abandon, all_live, end, held, moved, not_ended, still_unended, told, told_as_far_as_seen, unsettled};
use lagoon_task::cluster::{Cause, Cluster};

/// Routes that are not where they belong once all have been moved are moved again this often: somebody else is at work.
const PASSES: usize = 3;

/// The journals of two namespaces.
struct Journals<'a> {
    /// That of this switch, or of an earlier one.
    own: Option<Journal<'a>>,
    /// Others that have not ended.
    others: Vec<Journal<'a>>,
}

/// A switch of two namespaces.
pub struct Switch<'a> {
    cluster: Cluster,
    caller: &'a dyn Caller,
    names: Sides<String>,
    holder: Holder,
    authority: Authority,
    lock: Option<Arc<Lock>>,
    /// What has moved, if the switch is done already and the active environment is closed to this run.
    ended: Option<Moved>,
}

impl<'a> Switch<'a> {
    /// A switch of the standby and the active environment's namespaces, carried out by `holder`, an object in the standby
    /// environment's namespace. Takes the lock, which is given back by [`release`](Self::release).
    ///
    /// Where Lagoon has taken the rights in the active environment away, there is no lock to take. If an earlier run has done
    /// the switch, it can be reported all the same.
    pub async fn take(
        cluster: &Cluster,
        caller: &'a dyn Caller,
        names: Sides<String>,
        holder: Holder,
        authority: Authority,
    ) -> Result<Self, SwitchError> {
        let mut switch = Self { authority, ..Self::look_only(cluster, caller, names, holder) };
        match Lock::take(cluster, &switch.names, switch.holder.clone()).await {
            Ok(lock) => {
                let lock = Arc::new(lock);
                switch.cluster = cluster.guarded(lock.clone());
                switch.lock = Some(lock);
            }
            Err(error) => {
                let shelf = switch.deployers_shelf();
                switch.ended = Some(done_or(switch.looking(), shelf.as_ref(), error).await?);
            }
        }
        Ok(switch)
    }

    /// The same for a look with a deployer's rights only: without the lock, it can be prepared and not carried out.
    #[must_use]
    pub fn look_only(cluster: &Cluster, caller: &'a dyn Caller, names: Sides<String>, holder: Holder) -> Self {
        let (authority, lock, ended) = (Authority::Deployer, None, None);
        Self { cluster: cluster.clone(), caller, names, holder, authority, lock, ended }
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
        if let Some(moved) = &self.ended {
            return self.done(moved.clone()).await;
        }
        let looking = self.looking();
        let Journals { own, others } = self.journals().await?;
        let mut begun = None;
        let mut ended = None;
        let is_begun = own.as_ref().is_some_and(|own| own.head.state == State::Moving);
        let book = match &own {
            Some(own) if is_begun => Some(self.may_go_on(own).await?),
            _ => None,
        };
        let mut rescued = Vec::new();
        for other in &others {
            rescued.push((&other.head, other.book().await.map_err(still_unended)?, self.proof(other).await?));
        }
        let observed = looking.observe(self.lock.is_some()).await;
        if !is_begun
            && is_closed(&observed)
            && let Some(moved) = done_here(looking, self.deployers_shelf().as_ref()).await
        {
            return self.done(moved).await;
        }
        let (mut observed, groups) = observed?;
        match (&own, book) {
            (Some(own), Some(book)) => {
                let known = book.clone();
                let mut found = claim::resume(&mut observed, &own.head, book, &self.proof(own).await?);
                for (head, other, proof) in rescued {
                    claim::rescue(&mut observed, &mut found, &known, head, other, &proof);
                }
                if !found.unproven.is_empty() {
                    return Err(self.unproven(own, found.unproven));
                }
                found.written = as_text(&known);
                begun = Some(found);
            }
            (Some(own), None) if self.is_same(&own.head) && already_done::is_in_place(&observed, &own.head) => {
                let moved = claim::settle(&mut observed, &own.head.switch_id);
                ended = Some(moved.in_the_order_of(own.head.routes.clone()));
            }
            _ => {}
        }
        if let Some(lock) = self.lock.as_ref().filter(|_| !is_begun) {
            lock.forget_offline();
        }
        looking.look_closer(&mut observed, &groups).await?;
        self.plan(observed, groups, own, begun, ended, others).await
    }

    async fn plan(
        &'a self,
        observed: Observed,
        groups: Groups,
        own: Option<Journal<'a>>,
        begun: Option<Begun>,
        ended: Option<Moved>,
        others: Vec<Journal<'a>>,
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
        if !is_begun && ended.is_none() {
            problems.extend(nothing_moves(&observed));
            notes.extend(public_hosts_stay(&observed));
        }
        let mut head = self.head(own.as_ref().filter(|_| is_begun || ended.is_some()), ended.clone());
        if problems.is_empty() {
            if book.routes.is_empty() && !is_begun {
                return Ok(match own.zip(ended) {
                    Some((journal, moved)) => Ready::Done(Box::new(Done { moved, journal: Some(journal) })),
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
        let places = book.routes.iter().enumerate();
        head.gaps = places.filter(|(_, entry)| is_nowhere(entry)).map(|(place, _)| place).collect();
        let is_written = is_begun
            && own.as_ref().is_some_and(|own| own.head.says_the_same(&head))
            && begun.written == as_text(&book);
        let mut places = Places::default();
        for side in Side::BOTH {
            places.add(side, &observed.sides.of(side).routes);
        }
        let put_back = begun.put_back;
        let planned = Planned {
            head,
            book,
            notes,
            places,
            previous: own,
            is_begun,
            put_back,
            problems,
            others,
            groups,
            is_written,
        };
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
                Ok(Carried { moved, is_repeated: true, journal: journal.map(Box::new) })
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

    /// Where the own journal of a deployer lies.
    fn deployers_shelf(&self) -> Option<Shelf> {
        (self.authority == Authority::Deployer).then(|| self.authority.shelf(&self.names))
    }

    /// The switch is done, and an earlier run has done it.
    async fn done(&'a self, moved: Moved) -> Result<Ready<'a>, SwitchError> {
        let journal = journal::find(&self.cluster, &self.authority.shelf(&self.names)).await?;
        Ok(Ready::Done(Box::new(Done { moved, journal })))
    }

    fn looking(&self) -> Looking<'_> {
        Looking { cluster: &self.cluster, names: &self.names }
    }

    fn has_lost_the_lock(&self) -> bool {
        self.lock.as_ref().is_some_and(|lock| lock.is_lost())
    }

    fn is_same(&self, head: &Head) -> bool {
        head.is_of(&self.names)
    }

    /// The journal of this switch, or of the one before, and those of other switches of the two namespaces that have not
    /// ended. If this one has not started, they are to be ended first; if it has (an older version of this program, or
    /// another way to ask for it, could leave them so) this run ends them all.
    async fn journals(&'a self) -> Result<Journals<'a>, SwitchError> {
        let own_shelf = self.authority.shelf(&self.names);
        let mut found = Vec::new();
        let sites = Side::BOTH.map(|side| Shelf::of_a_site(self.names.of(side)));
        for shelf in std::iter::once(&own_shelf).chain(sites.iter().filter(|shelf| **shelf != own_shelf)) {
            match journal::find(&self.cluster, shelf).await {
                Ok(journal) => found.extend(journal),
                // The look at the namespaces says why.
                Err(JournalError::Cluster(error))
                    if matches!(error.cause(), Cause::Forbidden(_)) && shelf.namespace == self.names.active => {}
                Err(error) => return Err(error.into()),
            }
        }
        let (mut unfinished, ended): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|journal| journal.head.state == State::Moving);
        if let Some(place) = unfinished.iter().position(|journal| self.is_same(&journal.head) && journal.is_at_home()) {
            let own = unfinished.remove(place);
            return Ok(Journals { own: Some(own), others: unfinished });
        }
        if let Some(other) = unfinished.first() {
            return Err(SwitchError::unfinished(&other.head));
        }
        // That of the switch back lies with the other site; it says nothing of this one.
        let is_of_this = |journal: &Journal<'_>| journal.is_at(&own_shelf) || journal.is_at(&sites[0]);
        Ok(Journals { own: ended.into_iter().find(is_of_this), others: Vec::new() })
    }

    /// What shows that the routes are offline which the journal says are.
    async fn proof(&self, journal: &Journal<'_>) -> Result<Proof, SwitchError> {
        if journal.is_ours() {
            return Ok(Proof::Ours);
        }
        let side = if journal.head.standby_namespace == self.names.standby { Side::Active } else { Side::Standby };
        let digests = match &self.lock {
            Some(lock) => lock.offline(side),
            None => crate::lock::offline(&self.cluster, self.names.of(side)).await?,
        };
        Ok(Proof::Recorded { digests, is_lenient: self.authority == Authority::Deployer })
    }

    fn unproven(&self, journal: &Journal<'_>, routes: Vec<String>) -> SwitchError {
        SwitchError::Unproven {
            journal: journal.name(),
            namespace: self.names.active.clone(),
            switch: journal.head.switch_id.clone(),
            routes,
        }
    }

    /// The book of an unfinished switch, unless it is another one or somebody is at it.
    async fn may_go_on(&self, journal: &Journal<'a>) -> Result<Book, SwitchError> {
        let head = &journal.head;
        // One without a uid, which somebody may have written by hand, may name this very run.
        let is_own = Holder { uid: self.holder.uid.clone(), ..head.holder.clone() } == self.holder
            && (head.holder.uid.is_empty() || head.holder == self.holder);
        // An older version of this program takes no lock but its journal.
        if !is_own && holder::is_running(&self.cluster, &self.names.standby, &head.holder).await? {
            let holder = head.holder.object_name(&self.names.standby);
            return Err(LockError::Held { holder, since: "before this run".to_owned() }.into());
        }
        let unreadable = |error| {
            // What a site's owner may have written concerns nobody else, and is not worth another attempt.
            let is_final = self.authority != Authority::Deployer && !journal.is_ours();
            if is_final { SwitchError::Journal(error) } else { still_unended(error) }
        };
        journal.book().await.map_err(unreadable)
    }

    async fn begin(&'a self, planned: Planned<'a>) -> Result<Carried<'a>, SwitchError> {
        if self.caller.is_stopping() {
            return Err(SwitchError::Stopped);
        }
        let own_shelf = self.authority.shelf(&self.names);
        let journal = Journal::begin(&self.cluster, own_shelf, planned.head, &planned.book, planned.previous).await?;
        let moves = self.moves(journal, planned.book, planned.groups, false);
        if let Err(error) = moves.copy_companions().await {
            return Err(abandon(moves, SwitchError::Undone { cause: Box::new(error) }).await);
        }
        if self.caller.is_stopping() {
            return Err(abandon(moves, SwitchError::Stopped).await);
        }
        self.move_all(moves, planned.places, Vec::new()).await
    }

    async fn go_on(&'a self, planned: Planned<'a>) -> Result<Carried<'a>, SwitchError> {
        self.caller.step("An earlier run of this switch was interrupted. Going on where it stopped.");
        let Planned { head, book, previous, put_back, problems, others, groups, is_written, .. } = planned;
        let Some(mut journal) = previous else { return Err(SwitchError::Stopped) };
        if !put_back.is_empty() {
            return Err(self.put_back(&put_back).await);
        }
        if !is_written {
            journal.head = Head { parts: std::mem::take(&mut journal.head.parts), ..head };
            if let Some(lock) = self.lock.as_ref().filter(|_| !journal.is_ours()) {
                // Both: until the book is written the old one counts.
                let mut digests = lock.offline(Side::Active);
                digests.extend(journal::digests(&journal.head, &book, &journal.head.gaps));
                lock.record_offline(digests).await.map_err(|error| still_unended(error.into()))?;
            }
            journal.write_book(&book).await.map_err(still_unended)?;
        }
        let moves = self.moves(journal, book, groups, true);
        let places = match moves.look().await {
            Ok((places, _)) => places,
            Err(error) => return Err(held(&moves, error.into()).await),
        };
        if !problems.is_empty() {
            return Err(self.undo(moves, MoveError::Problems(problems)).await);
        }
        match moves.copy_companions().await {
            Ok(()) => self.move_all(moves, places, others).await,
            Err(error) => Err(self.undo(moves, error).await),
        }
    }

    /// Creates routes where they were, in the namespace of the journal that says so, and does nothing else: the next run sees
    /// them, and goes on by what it sees.
    async fn put_back(&self, routes: &[RouteEntry]) -> SwitchError {
        for route in routes {
            let Some(kind) = kind_named(&route.kind) else { continue };
            let objects = self.cluster.objects(&kind.resource(), self.names.of(route.home));
            let created = ensure::create(&objects, &at_home(&route.object(), objects.namespace()), &|_| true).await;
            if let Err(error) = created {
                return still_unended(error.into());
            }
        }
        SwitchError::PutBack(routes.iter().map(RouteEntry::in_words).collect())
    }

    fn moves(&'a self, journal: Journal<'a>, book: Book, groups: Groups, is_resumed: bool) -> Moves<'a> {
        let gaps = journal.head.gaps.clone();
        Moves {
            looking: self.looking(),
            caller: self.caller,
            switch: journal.head.switch_id.clone(),
            journal: tokio::sync::Mutex::new(journal),
            book: Mutex::new(book),
            copied: Mutex::new(BTreeMap::new()),
            gaps: crate::moves::Gaps::new(gaps),
            lock: self.lock.clone(),
            authority: &self.authority,
            is_resumed,
            groups,
        }
    }

    async fn move_all(
        &self,
        moves: Moves<'a>,
        mut places: Places,
        others: Vec<Journal<'a>>,
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
                for other in others {
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

/// Notes in the journal of these namespaces, if a switch of them is done, that its end has been recorded.
pub async fn note_reported(cluster: &Cluster, names: &Sides<String>, authority: &Authority) {
    if let Ok(Some(journal)) = journal::find(cluster, &authority.shelf(names)).await {
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
