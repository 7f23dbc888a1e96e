//! What must be so after every world, whatever was in it.

use std::collections::{BTreeMap, BTreeSet};

use hostmigration::HostMigration;
use serde_json::Value;

use super::rule::{Rule, is_labelled};
use super::stage::Seen;
use super::world::World;
use crate::controller_bench::{conditions, last_words};

type Everything = BTreeMap<Seen, Value>;

/// What is wrong after a world, in words.
pub fn problems(world: &World, rule: &Rule<'_>, before: &Everything, after: &Everything) -> Vec<String> {
    let mut problems = Vec::new();
    for (seen, object) in before.iter().filter(|(seen, object)| is_bystander(world, rule, seen, object)) {
        if after.get(seen).is_none_or(|now| version(now) != version(object)) {
            problems.push(format!("{seen:?} was no switch's business, and it is not as it was"));
        }
    }
    for (seen, route) in
        before.iter().filter(|(seen, route)| is_route(seen) && is_labelled(route) && in_pair(world, seen))
    {
        let is_it = |(now, object): &(&Seen, &Value)| {
            is_route(now) && in_pair(world, now) && now.name == seen.name && object["spec"] == route["spec"]
        };
        if !after.iter().any(|found| is_it(&found)) {
            problems.push(format!("{seen:?} is nowhere"));
        }
        let secrets =
            route["spec"]["tls"].as_array().into_iter().flatten().filter_map(|tls| tls["secretName"].as_str());
        for secret in secrets {
            problems.extend(lost_key(world, before, after, &seen.namespace, secret));
        }
    }
    problems.extend(made_from_nothing(world, rule, before, after));
    problems
}

/// The key that a route had is still with one of the two environments.
fn lost_key(world: &World, before: &Everything, after: &Everything, namespace: &str, name: &str) -> Option<String> {
    let place = Seen { namespace: namespace.to_owned(), plural: "secrets", name: name.to_owned() };
    let key = &before.get(&place)?["data"];
    let mut secrets = after.iter().filter(|(now, _)| now.plural == "secrets" && in_pair(world, now));
    let is_there = secrets.any(|(_, secret)| secret["data"] == *key);
    (!is_there).then(|| format!("the key of {place:?} is nowhere"))
}

/// Routes and Secrets that were not there before, or were there with another content.
fn made_from_nothing(world: &World, rule: &Rule<'_>, before: &Everything, after: &Everything) -> Vec<String> {
    let content = |seen: &Seen, object: &Value| match seen.plural {
        "secrets" => Some(format!("{} {}", object["type"], object["data"])),
        "ingresses" | "httproutes" => Some(format!("{} {} {}", seen.plural, seen.name, object["spec"])),
        _ => None,
    };
    let own = |all: &'_ Everything| -> BTreeSet<String> {
        all.iter().filter(|(seen, _)| in_pair(world, seen)).filter_map(|(seen, object)| content(seen, object)).collect()
    };
    let known = own(before);
    let new = after.iter().filter(|(seen, object)| {
        // What is vouched for by who may write in the active environment may be recreated by name.
        let is_allowed = is_route(seen) && rule.routes.contains(&(seen.plural.to_owned(), seen.name.clone()));
        let is_known = content(seen, object).is_none_or(|content| known.contains(&content));
        let is_new_name = !before.keys().any(|one| (one.plural, &one.name) == (seen.plural, &seen.name));
        in_pair(world, seen) && !is_known && !(is_allowed && is_new_name)
    });
    new.map(|(seen, object)| format!("{seen:?} was not there before: {object}")).collect()
}

fn is_bystander(world: &World, rule: &Rule<'_>, seen: &Seen, object: &Value) -> bool {
    if !in_pair(world, seen) {
        return true;
    }
    match seen.plural {
        "ingresses" | "httproutes" => !rule.routes.contains(&(seen.plural.to_owned(), seen.name.clone())),
        "secrets" => {
            let is_kept = seen.name.starts_with("activestandby-");
            object["type"] != "kubernetes.io/tls" || !rule.secrets.contains(&seen.name) && !is_kept
        }
        "certificates" => !rule.certificates.contains(&seen.name),
        "configmaps" => {
            let is_journal = object["metadata"]["labels"]["activestandby.lagoon.sh/role"] == "journal";
            !(is_journal && seen.name.starts_with("activestandby-journal"))
        }
        "leases" => seen.name != "activestandby-switch",
        _ => true,
    }
}

fn in_pair(world: &World, seen: &Seen) -> bool {
    world.pair().contains(&seen.namespace.as_str())
}

fn is_route(seen: &Seen) -> bool {
    ["ingresses", "httproutes"].contains(&seen.plural)
}

fn version(object: &Value) -> [&Value; 2] {
    ["uid", "resourceVersion"].map(|field| &object["metadata"][field])
}

/// A switch that says that it is completed has moved every deployed route that is there once.
pub fn not_moved(world: &World, before: &Everything, after: &Everything) -> Vec<String> {
    let labelled = before.iter().filter(|(seen, route)| {
        is_route(seen)
            && in_pair(world, seen)
            && is_labelled(route)
            && route["metadata"]["labels"]["activestandby.lagoon.sh/switch"].is_null()
    });
    let other = |namespace: &str| world.pair().into_iter().find(|one| *one != namespace).unwrap_or_default().to_owned();
    let stayed = labelled.filter(|(seen, route)| {
        let there = Seen { namespace: other(&seen.namespace), ..(*seen).clone() };
        after.get(&there).is_none_or(|now| now["spec"] != route["spec"])
    });
    stayed.map(|(seen, _)| format!("the switch is completed, and {seen:?} is not on the other side")).collect()
}

/// Whether a text could do harm where it is shown.
pub fn is_harmful(text: &str) -> bool {
    text.contains(['\u{1b}', '\u{202e}']) || ["<script>", "one\ntwo"].iter().any(|odd| text.contains(odd))
}

/// How a request ended, in a word.
pub fn ending(object: &HostMigration) -> &'static str {
    match conditions(object).last() {
        Some(&"completed") => "completed",
        Some(&"failed") => "failed",
        Some(_) => "tried again",
        None => "not asked for",
    }
}

/// What people read of a request that could do harm.
pub fn harmful_texts<'a>(object: &'a HostMigration, notes: &'a [String]) -> Vec<&'a str> {
    let words = notes.iter().map(String::as_str).chain([last_words(object)]);
    words.filter(|text| is_harmful(text)).collect()
}
