//! One switch from the first look to the last line of the journal.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use futures::future::try_join;

use crate::cluster::observe::Looking;
use crate::cluster::{holder, probe};
use crate::journal::{self, Book, Head, Holder, Journal, JournalError, Moved, RouteEntry, State, VERSION};
use crate::moves::{Goal, MoveError, Moves, Places};
use crate::plan::plan;
use crate::plan::{already_done, table};
use crate::side::{Side, Sides};
use crate::{Caller, SwitchError};
use lagoon_task::cluster::Cluster;

/// Routes that are not where they belong once all have been moved are moved again this often: somebody else is at work.
const PASSES: usize = 3;

/// A switch of two namespaces.
pub struct Switch<'a> {
    cluster: &'a Cluster,
    caller: &'a dyn Caller,
    names: Sides<String>,
    holder: Holder,
}

/// What there is to do. Nothing has been changed to find out.
pub enum Ready<'a> {
    /// No route is labelled to be moved. What is worth knowing about that.
    Nothing(Vec<String>),
    /// The switch is done already, and Lagoon may not know it.
    Done(Box<Journal<'a>>),
    /// An earlier run has begun it.
    Begun(Box<Journal<'a>>),
    /// It can be carried out.
    Planned(Box<Planned<'a>>),
}

/// A switch that can be carried out.
pub struct Planned<'a> {
    switch_id: String,
    book: Book,
    notes: Vec<String>,
    places: Places,
    has_certificates: bool,
    previous: Option<Journal<'a>>,
}

/// A switch that has been carried out.
pub struct Carried<'a> {
    /// What moved.
    pub moved: Moved,
    /// Whether this run has moved nothing, because an earlier one had.
    pub is_repeated: bool,
    journal: Option<Box<Journal<'a>>>,
}

impl<'a> Switch<'a> {
    /// A switch of the standby and the active environment's namespaces, carried out by `holder`, an object in the standby
    /// environment's namespace.
    #[must_use]
    pub fn new(cluster: &'a Cluster, caller: &'a dyn Caller, names: Sides<String>, holder: Holder) -> Self {
        Self { cluster, caller, names, holder }
    }

    /// Finds out what there is to do. Changes nothing, so it may be given up at any point.
    pub async fn prepare(&'a self) -> Result<Ready<'a>, SwitchError> {
        let looking = self.looking();
        let own = async { Ok(journal::find(self.cluster, &self.names.standby).await?) };
        let observed = async { Ok::<_, SwitchError>(looking.observe().await?) };
        let (own, observed) = Box::pin(try_join(own, observed)).await?;
        if observed.sides.active.missing.is_none() {
            self.no_switch_back_under_way().await?;
        }
        let previous = match own {
            Some(own) if own.head.state == State::Moving => return self.begun(own).await,
            Some(own) if self.is_same(&own.head) && already_done::is_in_place(&observed, &own.head) => {
                return Ok(Ready::Done(Box::new(own)));
            }
            other => other,
        };
        let plan = plan(&observed).map_err(SwitchError::Problems)?;
        if plan.book.routes.is_empty() {
            return Ok(Ready::Nothing(plan.notes));
        }
        let mut places = Places::default();
        for side in Side::BOTH {
            places.add(side, &observed.sides.of(side).routes);
        }
        let has_certificates = Side::BOTH.iter().any(|side| !observed.sides.of(*side).certificates.is_empty());
        let rivals = probe::rivals(&observed);
        drop(observed);
        let switch_id = already_done::new_switch_id();
        let mut book = plan.book;
        let problems = probe::probe(looking, &switch_id, &mut book, &rivals).await?;
        if !problems.is_empty() {
            return Err(SwitchError::Problems(problems));
        }
        Ok(Ready::Planned(Box::new(Planned { switch_id, book, notes: plan.notes, places, has_certificates, previous })))
    }

    /// Carries out what [`prepare`](Self::prepare) found. Must be awaited to its end once it has begun.
    pub async fn carry_out(&'a self, ready: Ready<'a>) -> Result<Carried<'a>, SwitchError> {
        self.say_notes(&ready);
        match ready {
            Ready::Nothing(_) => Ok(Carried { moved: Moved::default(), is_repeated: false, journal: None }),
            Ready::Done(journal) => {
                let moved = journal.head.routes.clone().unwrap_or_default();
                Ok(Carried { moved, is_repeated: true, journal: Some(journal) })
            }
            Ready::Begun(journal) => self.go_on(*journal).await,
            Ready::Planned(planned) => self.begin(*planned).await,
        }
    }

    /// Notes in the journal that Lagoon has been handed the result. If that fails the next run hands it over again.
    pub async fn reported(&self, carried: Carried<'_>) {
        if let Some(journal) = carried.journal {
            note(*journal).await;
        }
    }

    /// What a switch would do, as a table.
    pub async fn table(&self, ready: &Ready<'_>) -> Result<String, SwitchError> {
        Ok(match ready {
            Ready::Nothing(_) | Ready::Done(_) => String::new(),
            Ready::Begun(journal) => table::table(&journal.book().await?, &self.names),
            Ready::Planned(planned) => table::table(&planned.book, &self.names),
        })
    }

    /// What moves if the switch is carried out.
    pub async fn would_move(&self, ready: &Ready<'_>) -> Result<Moved, SwitchError> {
        Ok(match ready {
            Ready::Nothing(_) => Moved::default(),
            Ready::Done(journal) => journal.head.routes.clone().unwrap_or_default(),
            Ready::Begun(journal) => journal.book().await?.moved(),
            Ready::Planned(planned) => planned.book.moved(),
        })
    }

    /// Says what is worth knowing about a switch and no reason to stop.
    pub fn say_notes(&self, ready: &Ready<'_>) {
        let notes: &[String] = match ready {
            Ready::Nothing(notes) => notes,
            Ready::Planned(planned) => &planned.notes,
            Ready::Done(_) | Ready::Begun(_) => &[],
        };
        for note in notes {
            self.caller.say(&format!("Note: {note}"));
        }
    }

    fn looking(&self) -> Looking<'_> {
        Looking { cluster: self.cluster, names: &self.names }
    }

    fn is_same(&self, head: &Head) -> bool {
        head.standby_namespace == self.names.standby && head.active_namespace == self.names.active
    }

    /// The switch back keeps its journal in the other namespace.
    async fn no_switch_back_under_way(&self) -> Result<(), SwitchError> {
        match journal::find(self.cluster, &self.names.active).await? {
            Some(other) if other.head.state == State::Moving => Err(unfinished(&other.head)),
            _ => Ok(()),
        }
    }

    /// An unfinished switch is continued, unless somebody is at it or it is another one.
    async fn begun(&self, journal: Journal<'a>) -> Result<Ready<'a>, SwitchError> {
        let head = &journal.head;
        let is_ours = head.holder == self.holder;
        if !is_ours && holder::is_running(self.cluster, &self.names.standby, &head.holder).await? {
            let namespace = self.names.standby.clone();
            return Err(SwitchError::Running { holder: head.holder.clone(), namespace });
        }
        if !self.is_same(head) {
            return Err(unfinished(head));
        }
        Ok(Ready::Begun(Box::new(journal)))
    }

    async fn begin(&'a self, planned: Planned<'a>) -> Result<Carried<'a>, SwitchError> {
        if self.caller.is_stopping() {
            return Err(SwitchError::Stopped);
        }
        let head = Head {
            version: VERSION,
            switch_id: planned.switch_id,
            state: State::Moving,
            holder: self.holder.clone(),
            standby_namespace: self.names.standby.clone(),
            active_namespace: self.names.active.clone(),
            parts: Vec::new(),
            routes: None,
        };
        let journal = Journal::begin(self.cluster, head, &planned.book, planned.previous).await?;
        let moves = self.moves(journal, planned.book, planned.has_certificates);
        // Both switches write first and look then, so at least one of two sees the other.
        if let Err(error) = self.no_switch_back_under_way().await {
            return Err(abandon(moves, error).await);
        }
        if let Err(error) = moves.copy_companions().await {
            return Err(abandon(moves, SwitchError::Undone { cause: Box::new(error) }).await);
        }
        if self.caller.is_stopping() {
            return Err(abandon(moves, SwitchError::Stopped).await);
        }
        self.move_all(moves, planned.places).await
    }

    async fn go_on(&'a self, mut journal: Journal<'a>) -> Result<Carried<'a>, SwitchError> {
        self.caller.step("An earlier run of this switch was interrupted. Going on where it stopped.");
        let book = journal.book().await.map_err(still_unended)?;
        if journal.head.holder != self.holder {
            journal.head.holder = self.holder.clone();
            journal.write_head().await.map_err(still_unended)?;
        }
        let moves = self.moves(journal, book, true);
        let places = match moves.look().await {
            Ok((places, _)) => places,
            Err(error) => return Err(held(&moves, error.into()).await),
        };
        match moves.copy_companions().await {
            Ok(()) => self.move_all(moves, places).await,
            Err(error) => Err(self.undo(moves, error).await),
        }
    }

    fn moves(&'a self, journal: Journal<'a>, book: Book, has_certificates: bool) -> Moves<'a> {
        Moves {
            looking: self.looking(),
            caller: self.caller,
            switch: journal.head.switch_id.clone(),
            journal: tokio::sync::Mutex::new(journal),
            book: Mutex::new(book),
            copied: Mutex::new(BTreeMap::new()),
            // By chance: what an earlier run has written must not be taken for what this one writes.
            editions: AtomicUsize::new(usize::from(fastrand::u16(..)) << 16),
            gaps: tokio::sync::Semaphore::new(crate::CONCURRENT_GAPS),
            has_certificates,
        }
    }

    async fn move_all(&self, moves: Moves<'a>, mut places: Places) -> Result<Carried<'a>, SwitchError> {
        for _ in 0..PASSES {
            let errors = moves.pass(Goal::Switched, &places).await;
            if let Some(error) = errors.into_iter().next() {
                return Err(self.undo(moves, error).await);
            }
            let (now, routes) = moves.look().await.map_err(|error| not_ended(error.into()))?;
            places = now;
            if unsettled(&moves, &places, Goal::Switched).is_empty() {
                moves.clean_up(&routes).await.map_err(not_ended)?;
                return end(moves).await.map_err(not_ended);
            }
        }
        Err(told(&moves, MoveError::KeepsChanging, &places))
    }

    /// Moves everything back.
    async fn undo(&self, moves: Moves<'a>, cause: MoveError) -> SwitchError {
        self.caller.step(&format!("A route could not be moved: {cause}. Moving back what has moved."));
        let Ok((places, _)) = moves.look().await else { return held(&moves, cause).await };
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

fn unfinished(head: &Head) -> SwitchError {
    SwitchError::Unfinished {
        standby: head.standby_namespace.clone(),
        active: head.active_namespace.clone(),
        holder: head.holder.clone(),
    }
}

fn not_ended(cause: MoveError) -> SwitchError {
    SwitchError::NotEnded { cause: Box::new(cause) }
}

/// The last line of the journal but one.
async fn end(moves: Moves<'_>) -> Result<Carried<'_>, MoveError> {
    let routes = moves.book().moved();
    let mut journal = moves.journal.into_inner();
    journal.head.state = State::Switched;
    journal.head.routes = Some(routes.clone());
    journal.write_head().await?;
    Ok(Carried { moved: routes, is_repeated: false, journal: Some(Box::new(journal)) })
}

/// Takes back what was prepared, with all routes at home, and removes the journal.
async fn abandon(moves: Moves<'_>, error: SwitchError) -> SwitchError {
    let undone: Result<(), MoveError> = async {
        moves.undo_companions().await?;
        Ok(moves.journal.into_inner().remove().await?)
    }
    .await;
    match undone {
        Ok(()) | Err(MoveError::Journal(JournalError::Taken { .. })) => error,
        Err(failed) => SwitchError::Prepared(Box::new(failed)),
    }
}

/// The routes that are not where `goal` wants them.
fn unsettled(moves: &Moves<'_>, places: &Places, goal: Goal) -> Vec<usize> {
    let book = moves.book();
    let routes = book.routes.iter().enumerate();
    let unsettled = routes.filter(|(_, route)| !places.of(route, &moves.switch).is_settled_at(goal.side(route.home)));
    unsettled.map(|(number, _)| number).collect()
}

/// An interrupted switch could not be gone on with.
fn still_unended(error: JournalError) -> SwitchError {
    unended(error.into(), Vec::new(), Vec::new())
}

fn unended(cause: MoveError, offline: Vec<String>, elsewhere: Vec<String>) -> SwitchError {
    SwitchError::Unended { cause: Box::new(cause), offline, elsewhere, unseen: Vec::new() }
}

/// Says of every route where it is.
fn told(moves: &Moves<'_>, cause: MoveError, places: &Places) -> SwitchError {
    let (mut offline, mut elsewhere) = (Vec::new(), Vec::new());
    for route in &moves.book().routes {
        match whereabouts(moves, route, places) {
            Some(sides) => elsewhere.push(format!("{} in {sides}", route.in_words())),
            None => offline.push(route.in_words()),
        }
    }
    unended(cause, offline, elsewhere)
}

/// The namespaces that the route is in.
fn whereabouts(moves: &Moves<'_>, route: &RouteEntry, places: &Places) -> Option<String> {
    let place = places.of(route, &moves.switch);
    let is_live = |side: &Side| place.is_at(*side) || place.stood_in_at(*side);
    let names: Vec<&str> = Side::BOTH.into_iter().filter(is_live).map(|side| moves.names().of(side).as_str()).collect();
    (!names.is_empty()).then(|| names.join(" and "))
}

/// The active side cannot be looked at, because the rights there are gone: does what can be done on the own side.
async fn held(moves: &Moves<'_>, cause: MoveError) -> SwitchError {
    if let Ok(routes) = moves.look_at(Side::Standby).await {
        let mut places = Places::default();
        places.add(Side::Standby, &routes);
        for error in moves.hold(&places).await {
            moves.caller.say(&format!("Putting back: {error}."));
        }
    }
    told_as_far_as_seen(moves, cause).await
}

/// Says what is seen in the namespaces that can be looked at.
async fn told_as_far_as_seen(moves: &Moves<'_>, cause: MoveError) -> SwitchError {
    let mut places = Places::default();
    let mut unseen = Vec::new();
    for side in Side::BOTH {
        match moves.look_at(side).await {
            Ok(routes) => places.add(side, &routes),
            Err(_) => unseen.push(moves.names().of(side).clone()),
        }
    }
    if unseen.is_empty() {
        return told(moves, cause, &places);
    }
    let seen =
        |route: &RouteEntry| whereabouts(moves, route, &places).map(|sides| format!("{} in {sides}", route.in_words()));
    let elsewhere = moves.book().routes.iter().filter_map(seen).collect();
    SwitchError::Unended { cause: Box::new(cause), offline: Vec::new(), elsewhere, unseen }
}
