//! What the controller may ask the API server for, decided from what was there before it did anything.

use std::collections::{BTreeMap, BTreeSet};

use lagoon_task_testing::Request;
use serde_json::Value;
use switch_testing::forged::SWITCH;

use super::stage::Seen;
use super::world::{Asked, World};

const MIGRATE: &str = "activestandby.lagoon.sh/migrate";
const JOURNAL: &str = "activestandby-journal";
const LOCK: &str = "activestandby-switch";

/// What a plain switch of the tenant's pair may touch, by name.
pub struct Rule<'a> {
    world: &'a World,
    /// Whether anybody who may has asked for a switch of the pair.
    is_asked: bool,
    /// Names of routes, by the plural of their kind.
    pub routes: BTreeSet<(String, String)>,
    /// Secrets that labelled routes serve their certificates from.
    pub secrets: BTreeSet<String>,
    /// What labelled routes name in their annotations: whether it is there is looked up.
    beside: BTreeSet<String>,
    /// Certificates of those Secrets, and those that labelled routes own.
    pub certificates: BTreeSet<String>,
}

impl<'a> Rule<'a> {
    /// Works out what a switch may touch from what is seen in the pair's namespaces.
    ///
    /// - A route moves if it carries the label. One that carries the label of the forged journal's switch counts as moved by
    ///   that, and may be moved back; it is the tenant's own. And what somebody who may write in the *active* environment vouches
    ///   for, by that switch's id on the Lease there, is believed: they could create these routes there themselves.
    /// - A Secret goes along if a labelled route names it for TLS. Of one of that name on the other side it is asked whether it
    ///   is the same. Which types are never copied, the policy and [`outcome`](super::outcome) say.
    /// - A Certificate goes along if it is for such a Secret or owned by such a route.
    pub fn of(world: &'a World, before: &BTreeMap<Seen, Value>) -> Self {
        let mut rule = Self {
            world,
            is_asked: is_asked(world),
            routes: BTreeSet::new(),
            secrets: BTreeSet::new(),
            beside: BTreeSet::new(),
            certificates: BTreeSet::new(),
        };
        let mut uids = BTreeSet::new();
        let in_pair = || before.iter().filter(|(seen, _)| world.pair().contains(&seen.namespace.as_str()));
        for (seen, route) in in_pair().filter(|(seen, _)| ["ingresses", "httproutes"].contains(&seen.plural)) {
            let labels = &route["metadata"]["labels"];
            if is_labelled(route) || labels["activestandby.lagoon.sh/switch"] == SWITCH {
                rule.routes.insert((seen.plural.to_owned(), seen.name.clone()));
                uids.insert(route["metadata"]["uid"].to_string());
            }
            if is_labelled(route) {
                rule.secrets.extend(strings(&route["spec"]["tls"], "secretName"));
                let annotations = route["metadata"]["annotations"].as_object().into_iter().flatten();
                let named = annotations.filter_map(|(_, value)| value.as_str()?.rsplit('/').next());
                rule.beside.extend(named.map(|name| name.trim().to_owned()));
            }
        }
        if is_vouched_for(world, before) {
            rule.routes.extend(journaled_routes(world));
        }
        for (seen, certificate) in in_pair().filter(|(seen, _)| seen.plural == "certificates") {
            let secret = certificate["spec"]["secretName"].as_str().unwrap_or_default();
            let mut owners = certificate["metadata"]["ownerReferences"].as_array().into_iter().flatten();
            if rule.secrets.contains(secret) || owners.any(|owner| uids.contains(&owner["uid"].to_string())) {
                rule.certificates.insert(seen.name.clone());
            }
        }
        rule
    }

    /// Whether the world explains the request.
    pub fn allows(&self, request: &Request) -> bool {
        let place = request.namespace.as_str();
        if self.world.pair().contains(&place) && self.is_asked && self.is_of_a_switch(request) {
            return true;
        }
        // Each request is answered where it lies, also one for a switch that is not carried out.
        let is_asked_here = self.world.asks.iter().any(|ask| ask.namespace == place);
        if is_asked_here && (request.resource == "events" && ["create", "patch"].contains(&request.verb.as_str())) {
            return true;
        }
        let is_patched = self.world.asks.iter().any(|ask| ask.namespace == place && ask.name == request.name);
        // A journal found by its label in one of the project's namespaces is read, and whether its request is still there.
        let is_own = self.world.pair().contains(&place) || place == self.world.feature;
        match (request.verb.as_str(), request.resource.as_str()) {
            ("patch", "hostmigrations") => is_patched,
            ("get", "hostmigrations") => is_own,
            ("get", "configmaps") => is_own && request.name == JOURNAL,
            // One that cannot be read is told beside it.
            ("create" | "patch", "events") => is_own && request.name.starts_with("activestandby-journal."),
            _ => false,
        }
    }

    /// What a switch asks for in the two namespaces.
    fn is_of_a_switch(&self, request: &Request) -> bool {
        let name = request.name.as_str();
        let (is_get, is_list) = (request.verb == "get", request.verb == "list");
        let is_change = ["create", "update", "patch", "delete"].contains(&request.verb.as_str());
        // The record has no name of what was to be created and was not.
        let is_refused =
            request.verb == "create" && name.is_empty() && request.status.is_some_and(|status| status >= 400);
        let is_kept = name.starts_with(&format!("activestandby-{SWITCH}-"));
        match request.resource.as_str() {
            // Routes are listed, so that reading one by its name tells nothing more; they move by name. Of one that is to be
            // accepted it is watched whether it is.
            plural @ ("ingresses" | "httproutes") => {
                let is_mover = self.routes.contains(&(plural.to_owned(), name.to_owned()));
                is_list || is_get || is_refused || is_mover
            }
            // Secrets are never listed: the attempt is refused, and then they are read by name.
            "secrets" if is_list => request.status == Some(403),
            "secrets" => {
                let is_carried = self.secrets.contains(name) || is_kept;
                (is_get || is_change) && is_carried || is_get && self.beside.contains(name) || is_refused
            }
            "certificates" => is_list || is_get || is_refused || self.certificates.contains(name),
            // The journal, and its parts, which are listed.
            "configmaps" => is_list || name == JOURNAL || name.starts_with("activestandby-journal-"),
            "leases" => name == LOCK || is_refused,
            // Who is said to hold the lock may be one of these; builds, and users of Secrets, are looked for.
            "pods" | "hostmigrations" => is_get || is_list,
            // What routes need on the other side.
            "services" | "endpointslices" | "serviceaccounts" | "gateways" | "middlewares" | "referencegrants"
            | "tlsoptions" | "serverstransports" | "kongplugins" | "issuers"
            // Kinds of routes that no world has, and those that are not moved: is one labelled?
            | "grpcroutes" | "tlsroutes" | "tcproutes" | "udproutes" => is_list,
            _ => false,
        }
    }
}

/// What every controller asks for, and what says nothing of anybody's objects.
pub fn is_of_no_world(request: &Request) -> bool {
    let name = request.name.as_str();
    match (request.verb.as_str(), request.resource.as_str()) {
        // Which kinds there are.
        ("get", "") => {
            let path = request.uri.split('?').next().unwrap_or_default();
            path.starts_with("/api") && path.split('/').count() <= 4
        }
        // What its own rights are; whether a namespace that somebody names is one of a pair; whether a route may name a Service
        // in another namespace: that is what such a grant is there to be read for.
        ("create", "selfsubjectaccessreviews" | "selfsubjectrulesreviews")
        | ("get", "namespaces")
        | ("list", "referencegrants") => true,
        ("list" | "watch", "hostmigrations") => request.namespace.is_empty(),
        ("list", "configmaps") if request.namespace.is_empty() => request.uri.contains("labelSelector="),
        ("create", "leases") if request.namespace == "lagoon" => ["", "hostmigration-controller"].contains(&name),
        ("get" | "update", "leases") => request.namespace == "lagoon" && name == "hostmigration-controller",
        ("get" | "list" | "create" | "update" | "delete", "configmaps") if request.namespace == "lagoon" => {
            request.verb == "list" || name.starts_with("activestandby-journal-")
        }
        _ => false,
    }
}

/// Whether a request, or a journal of one that is gone, asks for a switch of the pair. Who writes such a journal may create
/// such a request.
fn is_asked(world: &World) -> bool {
    let by_request = world.asks.iter().any(|ask| matches!(ask.kind, Asked::Pair | Asked::PairFromTheOtherSide));
    by_request || is_asked_by_a_journal(world)
}

/// Whether a journal says that the switch of a request has not ended.
pub fn is_asked_by_a_journal(world: &World) -> bool {
    heads(world).any(|(place, head)| {
        let named = ["standbyNamespace", "activeNamespace"].map(|field| head[field].as_str().unwrap_or_default());
        let is_pair = named[0] == place && named[0] != named[1] && named.iter().all(|name| world.pair().contains(name));
        is_pair && head["state"] == "moving" && head["holder"]["kind"] == "HostMigration"
    })
}

/// The heads of the forged journals, with their namespaces.
fn heads(world: &World) -> impl Iterator<Item = (&str, Value)> {
    let journals = world.written.iter().filter(|(_, object)| object["metadata"]["name"] == JOURNAL);
    journals.filter_map(|(place, journal)| {
        let head = serde_json::from_str(journal["data"]["journal.json"].as_str()?).ok()?;
        Some((place.as_str(), head))
    })
}

fn is_vouched_for(world: &World, before: &BTreeMap<Seen, Value>) -> bool {
    before.iter().any(|(seen, lease)| {
        let is_lock = seen.plural == "leases" && seen.name == LOCK && world.pair().contains(&seen.namespace.as_str());
        let offline = lease["metadata"]["annotations"]["activestandby.lagoon.sh/offline"].as_str().unwrap_or_default();
        // The journal of a switch lies in the standby environment's namespace, and what proves it in the other one.
        is_lock
            && offline.split_ascii_whitespace().any(|one| one == SWITCH)
            && heads(world).any(|(_, head)| head["activeNamespace"] == seen.namespace.as_str())
    })
}

/// The names under which a forged journal has routes.
fn journaled_routes(world: &World) -> impl Iterator<Item = (String, String)> {
    let names = ["invented", "odd", "admin", "elsewhere"].map(str::to_owned).into_iter();
    let deployed = world.deployed_routes().into_iter();
    let deployed = deployed.filter_map(|(_, route)| route["metadata"]["name"].as_str().map(str::to_owned));
    let names: Vec<String> = names.chain(deployed).collect();
    ["ingresses", "httproutes"].into_iter().flat_map(move |plural| {
        let names = names.clone();
        names.into_iter().map(move |name| (plural.to_owned(), name))
    })
}

pub fn is_labelled(route: &Value) -> bool {
    [MIGRATE, "dioscuri.amazee.io/migrate"].iter().any(|label| route["metadata"]["labels"][*label] == "true")
}

fn strings<'a>(list: &'a Value, field: &'a str) -> impl Iterator<Item = String> + 'a {
    list.as_array().into_iter().flatten().filter_map(move |item| item[field].as_str().map(str::to_owned))
}
