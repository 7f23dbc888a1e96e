//! How a switch ends, and what is said of one that does not.

use std::collections::BTreeSet;

use crate::SwitchError;
use crate::journal::{Book, Head, Journal, JournalError, Moved, RouteEntry, State};
use crate::lock::Lock;
use crate::moves::{Goal, MoveError, Moves, Places};
use crate::side::Side;

pub(super) fn not_ended(cause: MoveError) -> SwitchError {
    SwitchError::NotEnded { cause: Box::new(cause) }
}

/// Writes the last line of the journal but one. Answers with what has moved.
pub(super) async fn end(moves: Moves<'_>) -> Result<(Moved, Journal<'_>), MoveError> {
    let book = moves.book().clone();
    let (mut journal, lock) = (moves.journal.into_inner(), moves.lock);
    let routes = moved(&journal.head, &book);
    journal.head.gaps.clear();
    journal.head.ended = None;
    journal.head.state = State::Switched;
    journal.head.routes = Some(routes.clone());
    journal.write_head().await?;
    forget_offline(lock.as_deref());
    Ok((routes, journal))
}

fn forget_offline(lock: Option<&Lock>) {
    if let Some(lock) = lock {
        lock.forget_offline();
    }
}

/// What has moved once this switch is done.
pub(super) fn moved(head: &Head, book: &Book) -> Moved {
    head.ended.clone().unwrap_or_default().and(book.moved())
}

/// Takes back what was prepared, with all routes at home, and removes the journal.
pub(super) async fn abandon(moves: Moves<'_>, error: SwitchError) -> SwitchError {
    let undone: Result<(), MoveError> = async {
        moves.undo_companions().await?;
        let (mut journal, lock) = (moves.journal.into_inner(), moves.lock);
        match journal.head.ended.take() {
            // What had been switched before stays switched.
            Some(ended) => {
                journal.head.state = State::Switched;
                journal.head.routes = Some(ended);
                journal.head.gaps.clear();
                journal.write_head().await?;
            }
            None => journal.remove().await?,
        }
        forget_offline(lock.as_deref());
        Ok(())
    }
    .await;
    match undone {
        Ok(()) | Err(MoveError::Journal(JournalError::Taken { .. })) => error,
        Err(failed) => SwitchError::Prepared(Box::new(failed)),
    }
}

/// The routes that are not where `goal` wants them.
pub(super) fn unsettled(moves: &Moves<'_>, places: &Places, goal: Goal) -> Vec<usize> {
    let book = moves.book();
    let routes = book.routes.iter().enumerate();
    let unsettled = routes.filter(|(_, route)| !places.of(route, &moves.switch).is_settled_at(goal.side(route.home)));
    unsettled.map(|(number, _)| number).collect()
}

/// An interrupted switch could not be gone on with.
pub(super) fn still_unended(error: JournalError) -> SwitchError {
    let cause = Box::new(error.into());
    let (offline, elsewhere, unseen) = Default::default();
    SwitchError::Unended { cause, offline, elsewhere, unseen, hosts_offline: None }
}

/// Says of every route where it is.
pub(super) fn told(moves: &Moves<'_>, cause: MoveError, places: &Places) -> SwitchError {
    let (mut offline, mut elsewhere, mut hosts) = (Vec::new(), Vec::new(), BTreeSet::new());
    for route in &moves.book().routes {
        if let Some(sides) = whereabouts(moves, route, places) {
            elsewhere.push(format!("{} in {sides}", route.in_words()));
        } else {
            offline.push(route.in_words());
            hosts.extend(route.hosts().map(str::to_owned));
        }
    }
    let (cause, hosts_offline) = (Box::new(cause), Some(hosts.len()));
    SwitchError::Unended { cause, offline, elsewhere, unseen: Vec::new(), hosts_offline }
}

/// Whether every route is live somewhere.
pub(super) fn all_live(moves: &Moves<'_>, places: &Places) -> bool {
    moves.book().routes.iter().all(|route| whereabouts(moves, route, places).is_some())
}

/// The namespaces that the route is in.
fn whereabouts(moves: &Moves<'_>, route: &RouteEntry, places: &Places) -> Option<String> {
    let place = places.of(route, &moves.switch);
    let is_live = |side: &Side| place.is_at(*side);
    let names: Vec<&str> = Side::BOTH.into_iter().filter(is_live).map(|side| moves.names().of(side).as_str()).collect();
    (!names.is_empty()).then(|| names.join(" and "))
}

/// The active side cannot be looked at, because the rights there are gone: does what can be done on the own side.
pub(super) async fn held(moves: &Moves<'_>, cause: MoveError) -> SwitchError {
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
pub(super) async fn told_as_far_as_seen(moves: &Moves<'_>, cause: MoveError) -> SwitchError {
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
    let (mut elsewhere, mut hosts) = (Vec::new(), BTreeSet::new());
    for (number, route) in moves.book().routes.iter().enumerate() {
        match whereabouts(moves, route, &places) {
            Some(sides) => elsewhere.push(format!("{} in {sides}", route.in_words())),
            None if moves.gaps.is_open(number) => hosts.extend(route.hosts().map(str::to_owned)),
            None => {}
        }
    }
    let (cause, hosts_offline) = (Box::new(cause), Some(hosts.len()));
    SwitchError::Unended { cause, offline: Vec::new(), elsewhere, unseen, hosts_offline }
}
