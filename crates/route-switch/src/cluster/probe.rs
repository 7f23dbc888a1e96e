//! Asks the cluster of each route whether it could be created where it goes, while the old one is still there.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};

use crate::CONCURRENT;
use crate::cluster::ensure;
use crate::cluster::observe::Looking;
use crate::journal::{Book, RouteEntry};
use crate::plan::manifest;
use crate::plan::observed::Observed;
use crate::plan::{Problem, subject};
use crate::route::{Route, kind_named};
use crate::side::{Side, Sides};
use lagoon_task::cluster::{Cause, ClusterError, Metadata};

/// What the cluster says to a route on the other side.
enum Answer {
    /// It can be created while the old one is still there.
    MayOverlap,
    /// Its host is taken as long as the old one is there.
    HostIsTaken(String),
    /// It is refused for another reason.
    Refused(Problem),
}

/// Of routes to be moved that share a host and path with another one, by kind, home and name: that other one, in words.
/// Where a guard lets no two routes have one host such a route can be created nowhere once it has been deleted.
type Rivals = BTreeMap<(String, Side, String), String>;

/// The routes to be moved that share a host and path with another one.
fn rivals(observed: &Observed) -> Rivals {
    let key = |side: Side, route: &Route| (route.kind_name(), side, route.metadata.name.clone());
    let all =
        || Side::BOTH.into_iter().flat_map(|side| observed.sides.of(side).routes.iter().map(move |one| (side, one)));
    let mut claimed: BTreeMap<&str, Vec<(Side, &Route)>> = BTreeMap::new();
    for (side, route) in all().filter(|(_, route)| route.metadata.deletion_timestamp.is_none()) {
        for claim in &route.references.claims {
            claimed.entry(claim).or_default().push((side, route));
        }
    }
    let mut rivals = Rivals::new();
    for routes in claimed.values().filter(|routes| routes.len() > 1) {
        for (place, (side, route)) in routes.iter().enumerate().filter(|(_, (_, route))| route.migrates()) {
            if let Some((other_side, other)) = routes.get(usize::from(place == 0)) {
                rivals.insert(key(*side, route), subject(other, &observed.sides.of(*other_side).name));
            }
        }
    }
    rivals
}

/// Notes in the book which routes may overlap; answers with what is in the way of those that are still to move.
pub(crate) async fn probe(
    looking: Looking<'_>,
    switch: &str,
    book: &mut Book,
    observed: &Observed,
) -> Result<Vec<Problem>, ClusterError> {
    let rivals = rivals(observed);
    let routes = &book.routes;
    let is_at = |route: &RouteEntry, side: Side, is_settled: bool| {
        let mut there = observed.sides.of(side).routes.iter().filter(|one| one.is_settled == is_settled);
        there.any(|one| one.metadata.name == route.name && one.kind_name() == route.kind)
    };
    let to_move = routes
        .iter()
        .enumerate()
        .filter(|(_, route)| is_at(route, route.home, false) && !is_at(route, route.home.other(), true));
    let asks: Vec<_> =
        to_move.map(|(place, route)| async move { Ok((place, ask(looking, switch, route).await?)) }).collect();
    let asked = stream::iter(asks).buffer_unordered(CONCURRENT);
    let answers: Vec<(usize, Answer)> = asked.try_collect().await?;
    let mut problems = Vec::new();
    for (place, answer) in answers {
        let Some(route) = book.routes.get_mut(place) else { continue };
        match answer {
            Answer::MayOverlap => route.may_overlap = true,
            Answer::HostIsTaken(words) => {
                route.may_overlap = false;
                problems.extend(taken_by_another(looking.names, route, &words, &rivals));
            }
            Answer::Refused(problem) => problems.push(problem),
        }
    }
    problems.sort();
    Ok(problems)
}

/// Whether the route could be created there, as it is sent, and deleted here.
async fn ask(looking: Looking<'_>, switch: &str, route: &RouteEntry) -> Result<Answer, ClusterError> {
    let Some(kind) = kind_named(&route.kind) else { return Ok(Answer::HostIsTaken(String::new())) };
    let (from, to) = (looking.names.of(route.home), looking.names.of(route.home.other()));
    let refused = |problem: String| {
        Answer::Refused(Problem::new(
            format!("{} \"{}\" in namespace \"{from}\"", route.kind, route.name),
            problem,
            "Remove the reason, or ask your Lagoon administrator",
        ))
    };
    let here = looking.cluster.objects(&kind.resource(), from);
    let seen = Metadata { name: route.name.clone(), uid: route.uid.clone(), ..Metadata::default() };
    match ensure::ask(|| here.could_delete(&seen)).await {
        Err(error) if is_refusal(error.cause()) => {
            return Ok(refused(format!("the cluster does not let it be deleted: {}", error.cause())));
        }
        // It was made anew in this moment; the delete itself will show.
        Err(error) if *error.cause() != Cause::Conflict => return Err(error),
        _ => {}
    }
    let object = manifest::moved(route, from, to, switch);
    let there = looking.cluster.objects(&kind.resource(), to);
    match ensure::ask(|| there.could_create(&object)).await {
        Ok(kept) => Ok(match manifest::difference(&object, &kept) {
            Some(field) => refused(format!(
                "something in the cluster (a mutating webhook or policy) changes its {field} when it is created in \
                 namespace \"{to}\""
            )),
            None => Answer::MayOverlap,
        }),
        Err(error) => match error.cause() {
            Cause::Denied(words) if host_is_taken(words) => Ok(Answer::HostIsTaken(words.clone())),
            cause if is_refusal(cause) || *cause == Cause::AlreadyExists => {
                Ok(refused(format!("namespace \"{to}\" does not take it: {cause}")))
            }
            _ => Err(error),
        },
    }
}

/// Whether the cluster refuses something for a reason of its own, which does not pass by itself.
pub(crate) fn is_refusal(cause: &Cause) -> bool {
    matches!(cause, Cause::Denied(_) | Cause::Invalid { .. } | Cause::Forbidden(_))
}

/// The problem with a route whose host surely is taken by another one than itself.
fn taken_by_another(names: &Sides<String>, route: &RouteEntry, words: &str, rivals: &Rivals) -> Option<Problem> {
    let from = names.of(route.home);
    let holder = holder(words).filter(|(namespace, name)| *namespace != from.as_str() || *name != route.name);
    let holder = holder.map(|(namespace, name)| format!("{} \"{name}\" in namespace \"{namespace}\"", route.kind));
    let holder = holder.or_else(|| rivals.get(&(route.kind.clone(), route.home, route.name.clone())).cloned())?;
    Some(Problem::new(
        format!("{} \"{}\" in namespace \"{from}\"", route.kind, route.name),
        format!(
            "the cluster lets no two routes have one host, and {holder} has the same as this one: once deleted, this one \
             could be created nowhere"
        ),
        "Delete one of the two, or take the host out of it, then switch again",
    ))
}

/// The namespace and name of the route that has the host, where ingress-nginx says so.
pub(crate) fn holder(words: &str) -> Option<(&str, &str)> {
    let (_, holder) = words.split_once("is already defined in ingress ")?;
    let is_of_a_name = |letter: char| letter.is_ascii_alphanumeric() || "-./".contains(letter);
    let end = holder.find(|letter| !is_of_a_name(letter)).unwrap_or(holder.len());
    holder[..end].trim_end_matches('.').split_once('/')
}

/// Whether an admission webhook or policy refuses a route because another route has its host. The words are those of
/// ingress-nginx (`host "a" and path "/" is already defined in ingress b/c`), of the policies that come with Gatekeeper
/// (`ingress host conflicts with an existing ingress`) and Kyverno (`The Ingress host name must be unique.`), and their
/// like.
#[must_use]
pub(crate) fn host_is_taken(words: &str) -> bool {
    let words = words.to_lowercase();
    let says = |any: &[&str]| any.iter().any(|part| words.contains(part));
    says(&["host", "domain", "path", "route"])
        && (says(&["duplicate", "conflict", "must be unique"])
            || says(&["already", "is taken", "in use"])
                && says(&["defin", "exist", "use", "taken", "claim", "own", "served"]))
}

#[cfg(test)]
mod tests;
