//! Asks the cluster of each route whether it could be created where it goes, while the old one is still there.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};

use super::journal::{Book, RouteEntry};
use super::observe::Looking;
use super::plan::Problem;
use super::route::kind_named;
use super::side::Side;
use super::{CONCURRENT, manifest, sure};
use crate::task::cluster::{Cause, ClusterError};

/// What the cluster says to a route on the other side.
enum Answer {
    /// It can be created while the old one is still there.
    MayOverlap,
    /// Its host is taken as long as the old one is there.
    HostIsTaken,
    /// It is refused for another reason.
    Refused(Problem),
}

/// Notes in the book which routes may overlap; answers with what is in the way of the others.
pub(super) async fn probe(looking: Looking<'_>, switch: &str, book: &mut Book) -> Result<Vec<Problem>, ClusterError> {
    let names: BTreeSet<(String, Side, String)> =
        book.routes.iter().map(|route| (route.kind.clone(), route.home, route.name.clone())).collect();
    let routes = &book.routes;
    let ask = |place: usize| {
        let route = &routes[place];
        // Its name is free there only once the other one of that name has gone.
        let name_is_taken = names.contains(&(route.kind.clone(), route.home.other(), route.name.clone()));
        async move { Ok((place, ask(looking, switch, route, name_is_taken).await?)) }
    };
    let asked = stream::iter(0..routes.len()).map(ask).buffer_unordered(CONCURRENT);
    let answers: Vec<(usize, Answer)> = asked.try_collect().await?;
    let mut problems = Vec::new();
    for (place, answer) in answers {
        match answer {
            Answer::MayOverlap => book.routes[place].may_overlap = true,
            Answer::HostIsTaken => book.routes[place].may_overlap = false,
            Answer::Refused(problem) => problems.push(problem),
        }
    }
    problems.sort();
    Ok(problems)
}

async fn ask(
    looking: Looking<'_>,
    switch: &str,
    route: &RouteEntry,
    name_is_taken: bool,
) -> Result<Answer, ClusterError> {
    let Some(kind) = kind_named(&route.kind) else { return Ok(Answer::HostIsTaken) };
    let (from, to) = (looking.names.of(route.home), looking.names.of(route.home.other()));
    let object = if name_is_taken {
        let name = manifest::stand_in_name(switch, &route.kind, &route.name);
        manifest::stand_in(&route.object(), to, &name, switch, &BTreeMap::new())
    } else {
        manifest::moved(&route.object(), from, to, switch)
    };
    let objects = looking.cluster.objects(&kind.resource(), to);
    let Err(error) = sure::ask(|| objects.could_create(&object)).await else {
        return Ok(Answer::MayOverlap);
    };
    match error.cause() {
        Cause::Denied(words) if host_is_taken(words) => Ok(Answer::HostIsTaken),
        Cause::Denied(_) | Cause::Invalid { .. } | Cause::Forbidden(_) | Cause::AlreadyExists => {
            Ok(Answer::Refused(Problem::new(
                format!("{} \"{}\" in namespace \"{from}\"", route.kind, route.name),
                format!("namespace \"{to}\" does not take it: {}", error.cause()),
                "Remove the reason, or ask your Lagoon administrator",
            )))
        }
        _ => Err(error),
    }
}

/// Whether an admission webhook or policy refuses a route because another route has its host. The words are those of
/// ingress-nginx (`host "a" and path "/" is already defined in ingress b/c`), of the policies that come with Gatekeeper
/// (`ingress host conflicts with an existing ingress`) and Kyverno (`The Ingress host name must be unique.`), and their
/// like.
#[must_use]
pub(super) fn host_is_taken(words: &str) -> bool {
    let words = words.to_lowercase();
    let says = |any: &[&str]| any.iter().any(|part| words.contains(part));
    says(&["host", "domain", "path", "route"])
        && (says(&["duplicate", "conflict", "must be unique"])
            || says(&["already", "is taken", "in use"])
                && says(&["defin", "exist", "use", "taken", "claim", "own", "served"]))
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
