//! What an earlier run of the switch adds to what is seen. Plain functions on plain data.
//!
//! A journal is a claim: where others may write too, one of them may have written it. What is seen decides. A route that is
//! there is where it is, whatever the journal says, and what it says of itself is read from it. One that is not there is
//! recreated only where it is shown that a run of this switch has deleted it.

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::journal::{Book, Head, Moved, RouteEntry, RouteKey, digest};
use crate::mutants::{Mutant, is_planted};
use crate::plan::manifest::{brought_back, moved, say_the_same};
use crate::plan::observed::Observed;
use crate::plan::{Problem, certificates, entry, subject};
use crate::route::{Route, Sighting, kind_named};
use crate::side::{Side, Sides};
use lagoon_task::output::escape;

/// From this version on a journal tells which routes an interrupted run may have left offline.
const TELLS_GAPS: u32 = 2;

/// What shows that a switch has deleted the routes that its journal says are offline.
#[derive(Debug, Clone)]
pub(crate) enum Proof {
    /// Nobody but this program can have written the journal.
    Ours,
    /// These digests, which are recorded where who writes the journal's namespace cannot write. The id of a switch among them
    /// stands for all its routes: a person vouches for it.
    Recorded {
        /// The digests.
        digests: BTreeSet<String>,
        /// Whether what they do not show is believed as far as it concerns the namespace of the journal alone.
        is_lenient: bool,
    },
}

/// What becomes of a route that is nowhere, and may be offline.
#[derive(Clone, Copy)]
enum Belief {
    /// It is recreated as any other.
    Proven,
    /// It is recreated only in the namespace of the journal: whoever wrote that gains nothing in the other one.
    There,
    /// It is not recreated.
    No,
}

impl Proof {
    fn shows(&self, head: &Head, route: &RouteEntry) -> bool {
        match self {
            Self::Ours => true,
            Self::Recorded { digests, .. } => {
                digests.contains(&head.switch_id) || digests.contains(&digest(head, route))
            }
        }
    }

    fn belief(&self, head: &Head, route: &RouteEntry) -> Belief {
        match self {
            _ if self.shows(head, route) => Belief::Proven,
            Self::Recorded { is_lenient: true, .. } => Belief::There,
            _ => Belief::No,
        }
    }
}

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
    /// The routes, in words, that are nowhere without a proof that a switch has deleted them.
    pub(crate) unproven: Vec<String>,
    /// Of these, those that are put back where they were, in the namespace of the journal, and no further.
    pub(crate) put_back: Vec<RouteEntry>,
}

impl Begun {
    /// Takes in a route that is nowhere, by a journal that lies on the side `of_journal`.
    fn take_in(&mut self, observed: &mut Observed, entry: &RouteEntry, belief: Belief, of_journal: Side) -> bool {
        match belief {
            Belief::Proven => self.nowhere.extend(restore(observed, entry, false)),
            Belief::There if entry.home == of_journal => self.put_back.push(entry.clone()),
            Belief::There => self.nowhere.extend(restore(observed, entry, true)),
            Belief::No => self.unproven.push(entry.in_words()),
        }
        !matches!(belief, Belief::No)
    }
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
pub(crate) fn resume(observed: &mut Observed, head: &Head, book: Book, proof: &Proof) -> Begun {
    let may_be_offline = |place: usize| may_be_offline(head, place);
    observed.resumed = Some(head.switch_id.clone());
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
            Whereabouts::AtHome => begun.all.routes.extend(as_seen_at_home(observed, &entry)),
            Whereabouts::Arrived => {
                let entry = as_arrived(observed, head, entry);
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
                let belief = proof.belief(head, &entry);
                let is_unproven = matches!(belief, Belief::There);
                if begun.take_in(observed, &entry, belief, Side::Standby) {
                    begun.all.routes.push(RouteEntry { is_unproven, ..entry });
                }
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
    let gone: Vec<&RouteEntry> = begun.all.routes.iter().filter(|entry| !is_seen_at_home(observed, entry)).collect();
    let (secrets, certificates) = certificates::brought(observed, &head.switch_id, &gone);
    begun.all.secrets = certificates::all_named(observed).chain(secrets.clone()).collect();
    begun.done.secrets = secrets;
    for book in [&mut begun.all, &mut begun.done] {
        book.certificates.clone_from(&certificates);
    }
    begun
}

/// What the journal says of a route that is at home, as it now is.
fn as_seen_at_home(observed: &Observed, claimed: &RouteEntry) -> Option<RouteEntry> {
    let mut routes = observed.sides.of(claimed.home).movers();
    let seen = entry(observed, routes.find(|route| is_of(route, claimed, claimed.home))?, claimed.home)?;
    Some(RouteEntry { may_overlap: claimed.may_overlap, ..seen })
}

/// What the journal says of a route that has arrived, if its copy there says the same; else what that copy says.
fn as_arrived(observed: &Observed, head: &Head, mut claimed: RouteEntry) -> RouteEntry {
    let (from, to) = (&observed.sides.of(claimed.home).name, &observed.sides.of(claimed.home.other()).name);
    let mut there = observed.sides.of(claimed.home.other()).routes.iter();
    let Some(arrived) = there.find(|route| is_of(route, &claimed, claimed.home)) else { return claimed };
    let copy: Value = arrived.manifest.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let is_same = say_the_same(&copy, &moved(&claimed, from, to, &head.switch_id));
    let words = &observed.sides.of(claimed.home).own_words;
    let object = if is_same { claimed.object() } else { brought_back(&copy, to, from, arrived.kind.places(), words) };
    let references = arrived.kind.references(&object, from);
    claimed.secrets = references.certificates().cloned().collect();
    claimed.urls = references.urls;
    if let Some(manifest) = RawValue::from_string(object.to_string()).ok().filter(|_| !is_same) {
        claimed.manifest = manifest;
    }
    claimed
}

fn is_seen_at_home(observed: &Observed, entry: &RouteEntry) -> bool {
    let mut routes = observed.sides.of(entry.home).movers();
    routes.any(|route| route.sighting == Sighting::Seen && is_of(route, entry, entry.home))
}

/// Adds the routes of another unfinished switch of the two namespaces, of an older version of this program or one that asked
/// another way, where they are nowhere.
pub(crate) fn rescue(
    observed: &mut Observed,
    begun: &mut Begun,
    known: &Book,
    head: &Head,
    other: Book,
    proof: &Proof,
) {
    let is_other_way = head.standby_namespace != observed.sides.standby.name;
    for (place, recorded) in other.routes.into_iter().enumerate() {
        let mut entry = recorded.clone();
        if is_other_way {
            entry.home = entry.home.other();
        }
        let is_known = known.routes.iter().any(|one| one.kind == entry.kind && one.name == entry.name);
        let is_seen = Side::BOTH.iter().any(|side| {
            let mut routes = observed.sides.of(*side).routes.iter();
            routes.any(|route| route.kind_name() == entry.kind && route.metadata.name == entry.name)
        });
        if is_known || is_seen || !may_be_offline(head, place) {
            continue;
        }
        let of_journal = if is_other_way { Side::Active } else { Side::Standby };
        begun.take_in(observed, &entry, proof.belief(head, &recorded), of_journal);
    }
}

/// Whether the journal says of the route in this place of its book that it may be offline.
fn may_be_offline(head: &Head, place: usize) -> bool {
    head.version < TELLS_GAPS || is_planted(Mutant::DeletedRouteRecreated) || head.gaps.contains(&place)
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
    // A route without the label is nobody's to move, though a copy of it may have arrived.
    if route.migrates() { Whereabouts::AtHome } else { Whereabouts::Stays }
}

fn is_of(route: &Route, entry: &RouteEntry, home: Side) -> bool {
    entry.home == home && route.metadata.name == entry.name && route.kind_name() == entry.kind
}

/// Puts a route that is nowhere among those that are seen, at home.
fn restore(observed: &mut Observed, entry: &RouteEntry, is_unproven: bool) -> Option<RouteKey> {
    let kind = kind_named(&entry.kind)?;
    let here = observed.sides.of_mut(entry.home);
    let mut route = Route::to_be_moved(kind, &entry.object(), &here.name);
    route.metadata.deletion_timestamp = None;
    route.sighting = if is_unproven { Sighting::Unproven } else { Sighting::Nowhere };
    here.routes.push(route);
    Some(entry.key())
}

fn names(observed: &Observed) -> Sides<String> {
    Sides { standby: observed.sides.standby.name.clone(), active: observed.sides.active.name.clone() }
}

#[cfg(test)]
mod tests;
