//! What an earlier run of the switch adds to what is seen. Plain functions on plain data.
//!
//! A journal is a claim. What is seen decides: a route that is there is where it is, whatever the journal says, and one that
//! is not there is created only where an interrupted run can have deleted it.

use crate::journal::{Book, Head, Moved, RouteEntry, RouteKey};
use crate::mutants::{Mutant, is_planted};
use crate::plan::observed::Observed;
use crate::plan::{Problem, subject};
use crate::route::{Route, kind_named};
use crate::side::{Side, Sides};
use lagoon_task::output::escape;

/// From this version on a journal tells which routes an interrupted run may have left offline.
const TELLS_GAPS: u32 = 2;

/// What an interrupted run has done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Begun {
    /// What it has written down of what is done already: this is no longer planned.
    pub(crate) done: Book,
    /// All of what it has written down that is not gone on purpose: what an undoing needs.
    pub(crate) all: Book,
    /// The routes that are nowhere and are to be created.
    pub(crate) nowhere: Vec<RouteKey>,
    /// The book as it was written down, as text.
    pub(crate) written: String,
    /// What has changed since, for the log.
    pub(crate) notes: Vec<String>,
    /// What of it cannot be looked at, so that it cannot be gone on with.
    pub(crate) problems: Vec<Problem>,
}

/// Marks the routes that the switch `id` has brought to where they are as settled, and answers with their URLs.
pub(crate) fn settle(observed: &mut Observed, id: &str) -> Moved {
    let names = names(observed);
    let mut moved = Moved::default();
    for side in Side::BOTH {
        for route in &mut observed.sides.of_mut(side).routes {
            if route.was_brought_by(id, names.of(side.other())) {
                route.is_settled = true;
                let urls = route.references.urls.clone();
                moved = moved.and(match side {
                    Side::Standby => Moved { to_standby: urls, ..Moved::default() },
                    Side::Active => Moved { to_active: urls, ..Moved::default() },
                });
            }
        }
    }
    moved
}

/// Adds to what is seen what an interrupted run has left nowhere or on its way.
pub(crate) fn resume(observed: &mut Observed, head: &Head, book: Book) -> Begun {
    let trusts_journal = head.version < TELLS_GAPS || is_planted(Mutant::DeletedRouteRecreated);
    let may_be_offline = |place: usize| trusts_journal || head.gaps.contains(&place);
    if observed.sides.active.missing.is_some() {
        // Nothing was seen, so nothing is gone.
        let nowhere = book.routes.iter().enumerate().filter(|(place, _)| may_be_offline(*place));
        return Begun { nowhere: nowhere.map(|(_, entry)| entry.key()).collect(), all: book, ..Begun::default() };
    }
    settle(observed, &head.switch_id);
    let names = names(observed);
    let mut begun = Begun::default();
    for side in Side::BOTH {
        let is_new = |route: &&Route| !book.routes.iter().any(|entry| is_of(route, entry, side));
        for route in observed.sides.of(side).movers().filter(is_new) {
            let route = escape(&subject(route, names.of(side)));
            begun.notes.push(format!("{route} was added since the switch began; it moves too."));
        }
    }
    for (place, entry) in book.routes.into_iter().enumerate() {
        match whereabouts(observed, &entry) {
            Whereabouts::AtHome => begun.all.routes.push(entry),
            Whereabouts::Arrived => {
                begun.all.routes.push(entry.clone());
                begun.done.routes.push(entry);
            }
            Whereabouts::Hidden => {
                begun.problems.push(Problem::new(
                    entry.in_words(),
                    format!(
                        "the switch has begun to move it, and {} objects can no longer be seen in both namespaces",
                        entry.kind
                    ),
                    "Ask your Lagoon administrator for the right to see them (docs/install.md, \"Rights\")",
                ));
                begun.all.routes.push(entry.clone());
                begun.done.routes.push(entry);
            }
            Whereabouts::Nowhere if may_be_offline(place) => {
                begun.nowhere.extend(restore(observed, &entry));
                begun.all.routes.push(entry);
            }
            Whereabouts::Nowhere => {
                begun.notes.push(format!("{} was deleted since the switch began; it stays deleted.", entry.in_words()));
            }
            Whereabouts::Stays => {
                begun
                    .notes
                    .push(format!("{} lost its label since the switch began; it stays where it is.", entry.in_words()));
            }
            Whereabouts::Foreign => begun.notes.push(format!(
                "{} is where it was to go, but not as this switch has brought it there; it stays as it is.",
                entry.in_words()
            )),
        }
    }
    for (into, from) in [(&mut begun.all, &book.secrets), (&mut begun.done, &book.secrets)] {
        into.secrets.clone_from(from);
        into.certificates.clone_from(&book.certificates);
    }
    begun
}

/// Adds the routes of a switch the other way, which an older version of this program has left unfinished at the same time,
/// where they are nowhere.
pub(crate) fn rescue(observed: &mut Observed, known: &Book, other: Book) -> Vec<RouteKey> {
    let mut rescued = Vec::new();
    for mut entry in other.routes {
        entry.home = entry.home.other();
        let is_known = known.routes.iter().any(|one| one.kind == entry.kind && one.name == entry.name);
        let is_seen = Side::BOTH.iter().any(|side| {
            let mut routes = observed.sides.of(*side).routes.iter();
            routes.any(|route| route.kind_name() == entry.kind && route.metadata.name == entry.name)
        });
        if !is_known && !is_seen {
            rescued.extend(restore(observed, &entry));
        }
    }
    rescued
}

enum Whereabouts {
    AtHome,
    Arrived,
    Nowhere,
    Stays,
    Foreign,
    Hidden,
}

fn whereabouts(observed: &mut Observed, entry: &RouteEntry) -> Whereabouts {
    let (home, other) = (entry.home, entry.home.other());
    let hides = |side: Side| {
        let here = observed.sides.of(side);
        here.unseen.contains(&entry.kind) || here.unknown.contains(&entry.kind)
    };
    if kind_named(&entry.kind).is_none() || Side::BOTH.into_iter().any(hides) {
        return Whereabouts::Hidden;
    }
    let is_alive = |route: &&Route| route.metadata.deletion_timestamp.is_none();
    let has_arrived = observed
        .sides
        .of(other)
        .routes
        .iter()
        .filter(is_alive)
        .any(|route| is_of(route, entry, home) && route.is_settled);
    let from = observed.sides.of(home).name.clone();
    let mut at_home =
        observed.sides.of_mut(home).routes.iter_mut().filter(|route| is_of(route, entry, home) && !route.is_settled);
    let Some(route) = at_home.next() else {
        if has_arrived {
            return Whereabouts::Arrived;
        }
        let mut there = observed.sides.of_mut(other).routes.iter_mut();
        let lost_its_mark = |route: &Route| route.switch().is_none() && route.came_from(&from);
        let is_alive = |route: &Route| route.metadata.deletion_timestamp.is_none();
        let foreign = there.find(|route| is_of(route, entry, home) && is_alive(route) && lost_its_mark(route));
        return foreign.map_or(Whereabouts::Nowhere, |route| {
            route.is_settled = true;
            Whereabouts::Foreign
        });
    };
    if route.metadata.deletion_timestamp.is_some() {
        // It goes as soon as its controller lets it.
        route.is_settled = true;
        return if has_arrived { Whereabouts::Arrived } else { Whereabouts::Nowhere };
    }
    match (route.migrates(), has_arrived) {
        (true, _) => Whereabouts::AtHome,
        (false, false) => Whereabouts::Stays,
        // It is on its way already, and is not left in both namespaces.
        (false, true) => Whereabouts::Arrived,
    }
}

fn is_of(route: &Route, entry: &RouteEntry, home: Side) -> bool {
    entry.home == home && route.metadata.name == entry.name && route.kind_name() == entry.kind
}

/// Puts a route that is nowhere among those that are seen, at home.
fn restore(observed: &mut Observed, entry: &RouteEntry) -> Option<RouteKey> {
    let kind = kind_named(&entry.kind)?;
    let here = observed.sides.of_mut(entry.home);
    let mut route = Route::to_be_moved(kind, &entry.object(), &here.name);
    route.metadata.deletion_timestamp = None;
    here.routes.push(route);
    Some(entry.key())
}

fn names(observed: &Observed) -> Sides<String> {
    Sides { standby: observed.sides.standby.name.clone(), active: observed.sides.active.name.clone() }
}

#[cfg(test)]
mod tests;
