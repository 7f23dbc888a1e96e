//! Decides what a switch does, or every reason why it cannot. Plain functions on plain data.

pub mod already_done;
pub mod certificates;
pub(crate) mod claim;
mod findings;
pub mod manifest;
pub mod observed;
pub(crate) mod table;
pub(crate) mod users;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

pub(crate) use findings::{Findings, same_name, subject};
pub use findings::{Plan, Problem};

use crate::journal::{BOOK_LIMIT, Book, RouteEntry};
use crate::route::{Beside, BesideKind, Route, Sighting};
use crate::side::Side;
use observed::{Missing, Namespace, Observed};

/// Bytes of a route that is moved, at most: 256 KiB, as much as all the annotations that an object may have.
pub(crate) const LARGEST_ROUTE: usize = 256 * 1024;

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
        for kind in &here.unseen {
            findings.note(format!(
                "The deployer may not see the {kind} objects in namespace \"{}\", so none of them moves.",
                here.name
            ));
        }
        for route in here.movers() {
            Checking { observed, here, there, route }.check(&mut findings);
        }
    }
    for kind in &observed.sides.active.unknown {
        findings.note(format!(
            "This cluster does not know the version of {kind} objects that can be moved (v1). If the site has older ones, they \
             stay where they are."
        ));
    }
    rights(observed, &mut findings);
    nothing_seen(observed, &mut findings);
    builds(observed, begun.is_some(), &mut findings);
    let mut book = begun.unwrap_or_default();
    book.secrets.extend(certificates::secrets(observed, &book.secrets, &mut findings));
    book.certificates.extend(certificates::certificates(observed, &book.certificates, &mut findings));
    book.routes.extend(entries(observed));
    sort(&mut book.routes);
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

/// Finalizers of controllers that remove them when the route goes. Any other could keep a deleted route for ever.
const REMOVED_BY_THEIR_CONTROLLER: [&str; 4] =
    ["ingress.k8s.aws/", "group.ingress.k8s.aws/", "networking.gke.io/", "foregroundDeletion"];

/// One route on its way from `here` to `there`.
struct Checking<'a> {
    observed: &'a Observed,
    here: &'a Namespace,
    there: &'a Namespace,
    route: &'a Route,
}

impl Checking<'_> {
    fn check(&self, findings: &mut Findings) {
        if self.there.missing.is_some() {
            return;
        }
        self.check_itself(findings);
        self.check_services(findings);
        self.check_beside(findings);
        self.check_gateways(findings);
        self.check_grants(findings);
        for object in &self.route.references.unchecked {
            findings.note(format!(
                "{} names {object}, which could not be looked up: make sure that namespace \"{}\" has it too.",
                self.subject(),
                self.there.name
            ));
        }
    }

    fn subject(&self) -> String {
        subject(self.route, &self.here.name)
    }

    fn check_itself(&self, findings: &mut Findings) {
        let metadata = &self.route.metadata;
        if self.route.is_too_large() {
            findings.problem(
                self.subject(),
                format!(
                    "it is too large to be moved, or to tell what it needs: a route may have {} KiB, and all of an environment \
                     together {} MiB",
                    LARGEST_ROUTE / 1024,
                    BOOK_LIMIT / 1024 / 1024
                ),
                "Remove what makes it large, such as annotations or rules, then switch again",
            );
        }
        if metadata.deletion_timestamp.is_some() {
            findings.problem(
                self.subject(),
                "it is being deleted",
                "Wait until it is gone, or remove what keeps it, then switch again",
            );
        } else {
            let stuck = metadata
                .finalizers
                .iter()
                .filter(|finalizer| !REMOVED_BY_THEIR_CONTROLLER.iter().any(|known| finalizer.starts_with(known)));
            for finalizer in stuck {
                findings.problem(
                    self.subject(),
                    format!(
                        "its finalizer \"{finalizer}\" would keep it from going, and nothing is known to remove it"
                    ),
                    "Ask your Lagoon administrator what it is for and to remove it from the route",
                );
            }
        }
        // One that a switch has dealt with is this very route on its way.
        let taken = self.there.routes.iter().any(|other| !other.is_settled && same_name(other, self.route));
        if taken {
            let name = &self.route.metadata.name;
            findings.problem(
                self.subject(),
                format!(
                    "namespace \"{}\" has a route of the same name, {} \"{name}\"",
                    self.there.name,
                    self.route.kind_name()
                ),
                "Rename one of the two (routes are best named after their hosts), or delete the one that is not needed",
            );
        }
    }

    fn check_services(&self, findings: &mut Findings) {
        for service in &self.route.references.services {
            self.check_service(service, findings);
        }
    }

    fn check_service(&self, service: &str, findings: &mut Findings) {
        if !self.there.services.contains(service) {
            findings.problem(
                self.subject(),
                format!("it sends requests to Service \"{service}\", and namespace \"{}\" has none", self.there.name),
                "Deploy the other environment so that it has this service, or remove the label activestandby.lagoon.sh/migrate from the route",
            );
        } else if self.there.ready.as_ref().is_some_and(|ready| !ready.contains(service)) {
            findings.note(format!(
                "Service \"{service}\" in namespace \"{}\" has no ready endpoint at the moment; the environment may be \
                 idle, and Lagoon wakes it at the first request.",
                self.there.name
            ));
        }
    }

    fn check_beside(&self, findings: &mut Findings) {
        for beside in &self.route.references.beside {
            let (kind, name) = (beside.kind, &beside.name);
            let has = |namespace: &Namespace| match namespace.beside.get(&kind) {
                Some(Some(names)) => Some(names.contains(name)),
                _ if kind == BesideKind::Service => Some(namespace.services.contains(name)),
                _ => None,
            };
            let there = if self.goes_along(beside) { Some(true) } else { has(self.there) };
            match (has(self.here), there) {
                (Some(true), Some(false)) => findings.problem(
                    self.subject(),
                    format!(
                        "it names {} \"{name}\" (in {}), and namespace \"{}\" has none: it would answer errors there",
                        kind.name(),
                        beside.named_by,
                        self.there.name
                    ),
                    format!("Create {} \"{name}\" there too, or remove it from the route", kind.name()),
                ),
                (None, _) | (_, None) => findings.note(format!(
                    "{} names {} \"{name}\", which the deployer may not look up: make sure that namespace \"{}\" has it \
                     too.",
                    self.subject(),
                    kind.name(),
                    self.there.name
                )),
                _ => {}
            }
        }
    }

    /// Whether a route takes it along, which serves its certificate from it.
    fn goes_along(&self, beside: &Beside) -> bool {
        beside.kind == BesideKind::Secret
            && self.here.movers().any(|route| route.references.certificates.contains(&beside.name))
    }

    fn check_gateways(&self, findings: &mut Findings) {
        let own = self.route.references.gateways.iter().filter(|gateway| gateway.namespace.is_none());
        for gateway in own {
            if self.there.gateways.as_ref().is_some_and(|gateways| !gateways.contains(&gateway.name)) {
                findings.problem(
                    self.subject(),
                    format!(
                        "it is attached to Gateway \"{}\" of its own namespace, and namespace \"{}\" has none",
                        gateway.name, self.there.name
                    ),
                    "Create the Gateway there too, or attach the route to a shared one with its namespace",
                );
            }
        }
    }

    fn check_grants(&self, findings: &mut Findings) {
        for wanted in &self.route.references.granted {
            // What is named with the namespace that the route goes to is at home there.
            if wanted.namespace == self.there.name {
                self.check_service(&wanted.service, findings);
                continue;
            }
            let granted = self.observed.grants.iter().any(|grant| {
                grant.namespace == wanted.namespace
                    && grant.from.contains(&self.there.name)
                    && grant.services.iter().any(|name| name.as_ref().is_none_or(|name| *name == wanted.service))
            });
            if granted {
                continue;
            }
            if self.observed.unreadable_grants.contains(&wanted.namespace) {
                findings.note(format!(
                    "{} sends requests to Service \"{}\" in namespace \"{}\", whose ReferenceGrants the deployer may not \
                     read: make sure that one allows it from namespace \"{}\".",
                    self.subject(),
                    wanted.service,
                    wanted.namespace,
                    self.there.name
                ));
            } else {
                findings.problem(
                    self.subject(),
                    format!(
                        "it sends requests to Service \"{}\" in namespace \"{}\", where no ReferenceGrant allows that from \
                         namespace \"{}\"",
                        wanted.service, wanted.namespace, self.there.name
                    ),
                    "Create such a ReferenceGrant there",
                );
            }
        }
    }
}

/// The entries of all routes that are still to move.
fn entries(observed: &Observed) -> Vec<RouteEntry> {
    let mut entries = Vec::new();
    for side in Side::BOTH {
        entries.extend(observed.sides.of(side).movers().filter_map(|route| entry(route, side)));
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

fn entry(route: &Route, home: Side) -> Option<RouteEntry> {
    let manifest = RawValue::from_string(route.manifest.as_deref()?.to_owned()).ok()?;
    Some(RouteEntry {
        kind: route.kind_name(),
        home,
        name: route.metadata.name.clone(),
        // Until the cluster has been asked.
        may_overlap: false,
        urls: route.references.urls.clone(),
        secrets: route.references.certificates.clone(),
        acceptances: route.acceptances.iter().filter(|one| one.accepted == Some(true)).cloned().collect(),
        uid: route.metadata.uid.clone(),
        resource_version: route.metadata.resource_version.clone(),
        is_unproven: route.sighting == Sighting::Unproven,
        manifest,
    })
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

/// The rights that a switch of these routes needs, and that the rules surely do not give.
fn rights(observed: &Observed, findings: &mut Findings) {
    for side in Side::BOTH {
        let (here, there) = (observed.sides.of(side), observed.sides.of(side.other()));
        if here.missing.is_some() || there.missing.is_some() {
            continue;
        }
        let kinds = here.movers().map(|route| route.kind.resource()).map(|kind| (kind.group, kind.plural));
        let mut resources: BTreeSet<(String, String)> = kinds.collect();
        if here.movers().any(|route| !route.references.certificates.is_empty()) {
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
