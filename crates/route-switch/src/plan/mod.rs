//! Decides what a switch does, or every reason why it cannot. Plain functions on plain data.

pub mod already_done;
pub mod certificates;
mod checks;
pub(crate) mod claim;
mod findings;
pub mod manifest;
pub mod observed;
pub(crate) mod table;
pub(crate) mod users;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use serde_json::value::RawValue;

pub(crate) use findings::{Findings, subject};
pub use findings::{Plan, Problem};

use crate::journal::{Book, Rewrites, RouteEntry};
use crate::json::text_at;
use crate::route::{Reference, Route, Sighting, traefik_entry};
use crate::side::Side;
use checks::Checking;
use lagoon_task::output::escape;
use observed::{Missing, Namespace, Observed};

/// Plans what is still to do, or tells all that is in its way. `begun` is what an interrupted run of this switch has done:
/// its entries stay in the book.
pub fn plan(observed: &Observed, begun: Option<Book>) -> Result<Plan, Vec<Problem>> {
    let mut findings = Findings::default();
    for side in Side::BOTH {
        let (here, there) = (observed.sides.of(side), observed.sides.of(side.other()));
        if let Some(missing) = here.missing {
            findings.add(no_namespace(&here.name, missing));
            continue;
        }
        if !here.unseen.is_empty() {
            findings.note(format!(
                "The deployer may not see the {} objects in namespace \"{}\", so none of them moves.",
                here.unseen.join(", "),
                here.name
            ));
        }
        for (kind, name) in &here.stuck {
            findings.problem(
                format!("{kind} \"{name}\" in namespace \"{}\"", here.name),
                "it has the label activestandby.lagoon.sh/migrate=true, and objects of this kind and version are not moved: its \
                 hosts would stay",
                "Remove the label from it, or name its hosts in a kind of route that is moved (docs/routes.md)",
            );
        }
        for route in here.movers() {
            Checking { observed, here, there, route }.check(&mut findings);
        }
    }
    rights(observed, &mut findings);
    nothing_seen(observed, &mut findings);
    builds(observed, begun.is_some(), &mut findings);
    let mut book = begun.unwrap_or_default();
    book.secrets.extend(certificates::secrets(observed, &book.secrets, &mut findings));
    book.certificates.extend(certificates::certificates(observed, &book.certificates, &mut findings));
    book.routes.extend(entries(observed));
    sort(&mut book.routes);
    result(&book, &mut findings);
    findings.into_plan(book)
}

/// A namespace that is not there, for this reason.
pub(crate) fn no_namespace(name: &str, missing: Missing) -> Problem {
    let deploy = "Check in Lagoon that both environments are deployed, then switch again";
    let (problem, remedy) = match missing {
        Missing::Absent => ("there is no namespace of that name", deploy),
        Missing::Deleted => ("it is being deleted", deploy),
        Missing::Hidden => (
            "there is no namespace of that name, or the deployer has no rights in it",
            "Lagoon gives these rights for the time of a switch and takes them away when one ends. Look in Lagoon which of \
             the two environments is active: if the switch is done, by another run, there is nothing left to do. If not, \
             check that both environments are deployed, then run the task again",
        ),
    };
    Problem::new(format!("Namespace \"{name}\""), problem, remedy)
}

/// A build of Lagoon creates and deletes the routes of its environment. A switch that has begun is ended all the same: its
/// routes may be offline.
fn builds(observed: &Observed, has_begun: bool, findings: &mut Findings) {
    if Side::BOTH.iter().all(|side| observed.sides.of(*side).movers().next().is_none()) {
        return;
    }
    for here in Side::BOTH.map(|side| observed.sides.of(side)) {
        for build in &here.builds {
            let object = format!("Pod \"{build}\" in namespace \"{}\"", here.name);
            if has_begun {
                findings
                    .note(format!("{object} is a build of Lagoon: it may change routes while the switch is ended."));
            } else {
                findings.problem(
                    object,
                    "it is a build of Lagoon that runs, and builds create and delete routes",
                    "Wait until it has ended, or cancel it in Lagoon, then switch again",
                );
            }
        }
    }
}

/// The entries of all routes that are still to move.
fn entries(observed: &Observed) -> Vec<RouteEntry> {
    let mut entries = Vec::new();
    for side in Side::BOTH {
        entries.extend(observed.sides.of(side).movers().filter_map(|route| entry(observed, route, side)));
    }
    entries
}

/// By kind, then by name.
fn sort(entries: &mut [RouteEntry]) {
    let order: BTreeMap<String, usize> =
        crate::route::KINDS.iter().enumerate().map(|(place, kind)| (kind.resource().kind, place)).collect();
    entries.sort_by(|one, other| {
        let place = |entry: &RouteEntry| order.get(&entry.kind).copied();
        (place(one), &one.name, one.home).cmp(&(place(other), &other.name, other.home))
    });
}

fn entry(observed: &Observed, route: &Route, home: Side) -> Option<RouteEntry> {
    let manifest = RawValue::from_string(route.manifest.as_deref()?.to_owned()).ok()?;
    Some(RouteEntry {
        kind: route.kind_name(),
        home,
        name: route.metadata.name.clone(),
        // Until the cluster has been asked.
        may_overlap: false,
        urls: route.references.urls.clone(),
        secrets: route.references.certificates().cloned().collect(),
        acceptances: route.acceptances.iter().filter(|one| one.accepted == Some(true)).cloned().collect(),
        uid: route.metadata.uid.clone(),
        resource_version: route.metadata.resource_version.clone(),
        rewrites: rewrites(observed, route, home),
        is_unproven: route.sighting == Sighting::Unproven,
        manifest,
    })
}

/// What of the route has to read differently where it goes.
fn rewrites(observed: &Observed, route: &Route, home: Side) -> Rewrites {
    let (here, there) = (observed.sides.of(home), observed.sides.of(home.other()));
    let has =
        |namespace: &Namespace, named: &Reference| matches!(namespace.thing(named.target, &named.name), Some(Some(_)));
    let on_both = route.references.named.iter().filter(|named| has(here, named) && has(there, named));
    let followed = on_both.filter_map(|named| traefik_entry(named, route.kind.places(), &here.name)).collect();
    Rewrites { followed, words: words_there(route, &there.own_words) }
}

/// Of the words with which Lagoon tells environments apart: those that the route has, as the objects of `there` have them.
fn words_there(route: &Route, there: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    // There can be thousands of routes, and a manifest is text.
    if there.is_empty() {
        return BTreeMap::new();
    }
    let route: Value = route.manifest.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let has = |word: &str| {
        ["labels", "annotations"].iter().any(|place| text_at(&route, &["metadata", place, word]).is_some())
    };
    there.iter().filter(|(word, _)| has(word)).map(|(word, value)| (word.clone(), value.clone())).collect()
}

/// Without any route in sight, those of a kind that may not be seen are all that the site can have: to say that none moves
/// would have Lagoon exchange the environments with every host where it was.
fn nothing_seen(observed: &Observed, findings: &mut Findings) {
    let sides = Side::BOTH.map(|side| observed.sides.of(side));
    if sides.iter().any(|here| !here.routes.is_empty()) {
        return;
    }
    for here in sides {
        for kind in &here.unseen {
            findings.problem(
                format!("Namespace \"{}\"", here.name),
                format!(
                    "the deployer may not see the {kind} objects there, and neither environment has a route of another \
                     kind: the site's routes cannot be moved"
                ),
                "Ask your Lagoon administrator for the right to see and move them (docs/install.md, \"Rights\"), or \
                 deploy a route that can be seen, then switch again",
            );
        }
    }
}

/// Lagoon exchanges the environments after a switch, so the site's hosts must have moved: a new switch that would leave all of
/// them where they are is none. A site without any has nothing that could stay.
pub(crate) fn nothing_moves(observed: &Observed) -> Option<Problem> {
    let is_missing = |side: Side| observed.sides.of(side).missing.is_some();
    let moves = |side: Side| observed.sides.of(side).movers().next().is_some();
    let is_bare = Side::BOTH.into_iter().all(|side| observed.sides.of(side).routes.is_empty());
    if is_bare || Side::BOTH.into_iter().any(|side| is_missing(side) || moves(side)) {
        return None;
    }
    let names = &observed.sides;
    Some(Problem::new(
        format!("Namespaces \"{}\" and \"{}\"", names.standby.name, names.active.name),
        "no route there has the label activestandby.lagoon.sh/migrate=true, so nothing would move",
        "Name the site's hosts in .lagoon.yml under production_routes, deploy both environments, then switch again",
    ))
}

/// What is to be known of a switch that moves none of the active environment's hosts, the public ones.
pub(crate) fn public_hosts_stay(observed: &Observed) -> Option<String> {
    let active = &observed.sides.active;
    (active.movers().next().is_none() && !active.routes.is_empty()).then(|| {
        escape(&format!(
            "No route in namespace \"{}\" has the label activestandby.lagoon.sh/migrate=true: the hosts there stay where they \
             are.",
            active.name
        ))
    })
}

/// Lagoon's columns for the hosts that have moved hold so many bytes each; a longer result is lost, and with it the exchange
/// of the environments (`production_routes` and `standby_routes` are of the type `text`).
const LONGEST_RESULT: usize = 65_535;

fn result(book: &Book, findings: &mut Findings) {
    let moved = book.moved();
    for (urls, whose) in [(moved.to_standby, "active"), (moved.to_active, "standby")] {
        let length = urls.iter().map(|url| url.len() + 1).sum::<usize>().saturating_sub(1);
        if length > LONGEST_RESULT {
            findings.problem(
                format!("The {} hosts of the {whose} environment", urls.len()),
                format!("their names are {length} bytes long together, and Lagoon keeps no more than {LONGEST_RESULT}"),
                "Take the label activestandby.lagoon.sh/migrate from some routes",
            );
        }
    }
}

/// The rights that a switch of these routes needs, and that the rules surely do not give.
fn rights(observed: &Observed, findings: &mut Findings) {
    for side in Side::BOTH {
        let (here, there) = (observed.sides.of(side), observed.sides.of(side.other()));
        if here.missing.is_some() || there.missing.is_some() {
            continue;
        }
        let kinds = here.movers().map(|route| route.kind.resource()).map(|kind| (kind.group, kind.plural));
        let mut resources: BTreeSet<(String, String)> = kinds.collect();
        if here.movers().any(|route| route.references.certificates().next().is_some()) {
            resources.insert((String::new(), "secrets".to_owned()));
        }
        for resource in &resources {
            right(here, "delete", resource, findings);
            right(there, "create", resource, findings);
            // If the switch has to be undone, they go the other way.
            right(there, "delete", resource, findings);
            right(here, "create", resource, findings);
        }
    }
    let journal = (String::new(), "configmaps".to_owned());
    let standby = &observed.sides.standby;
    if Side::BOTH.iter().any(|side| observed.sides.of(*side).movers().next().is_some()) && standby.missing.is_none() {
        for verb in ["create", "update"] {
            right(standby, verb, &journal, findings);
        }
    }
}

fn right(namespace: &Namespace, verb: &str, (group, resource): &(String, String), findings: &mut Findings) {
    if namespace.rights.forbid(verb, group, resource) {
        findings.problem(
            format!("Namespace \"{}\"", namespace.name),
            format!("the deployer has no right to {verb} {resource} there"),
            "Ask your Lagoon administrator: Lagoon binds the deployer to the ClusterRole \"admin\" in both namespaces",
        );
    }
}

#[cfg(test)]
mod tests;
