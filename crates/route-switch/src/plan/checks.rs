//! What may be in the way of one route: itself, and what it names. Plain functions on plain data.

use crate::journal::{BOOK_LIMIT, LARGEST_ROUTE};
use crate::plan::findings::{Findings, same_name, subject};
use crate::plan::observed::{Idling, Namespace, Observed, Thing};
use crate::route::{GATEWAY, Purpose, Reference, Route, SECRET, SERVICE, is_by_url};

/// Finalizers of controllers that remove them when the route goes. Any other could keep a deleted route for ever.
const REMOVED_BY_THEIR_CONTROLLER: [&str; 4] =
    ["ingress.k8s.aws/", "group.ingress.k8s.aws/", "networking.gke.io/", "foregroundDeletion"];

/// One route on its way from `here` to `there`.
pub(super) struct Checking<'a> {
    pub(super) observed: &'a Observed,
    pub(super) here: &'a Namespace,
    pub(super) there: &'a Namespace,
    pub(super) route: &'a Route,
}

impl Checking<'_> {
    pub(super) fn check(&self, findings: &mut Findings) {
        if self.there.missing.is_some() {
            return;
        }
        self.check_itself(findings);
        for reference in &self.route.references.named {
            self.check_reference(reference, findings);
        }
        for object in &self.route.references.unchecked {
            findings.note(format!(
                "{} names {} (in {}), which could not be looked up: make sure that namespace \"{}\" has it too.",
                self.subject(),
                object.what,
                object.field,
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

    fn check_reference(&self, reference: &Reference, findings: &mut Findings) {
        match &reference.namespace {
            None => self.check_own(reference, findings),
            // What is named with the namespace that the route goes to is at home there.
            Some(namespace) if *namespace == self.there.name => self.check_own(reference, findings),
            Some(namespace) if is_by_url(reference) => findings.note(format!(
                "{} asks Service \"{}\" in namespace \"{namespace}\" (in {}), before the switch and after it.",
                self.subject(),
                reference.name,
                reference.field
            )),
            Some(namespace) if self.route.kind.needs_grants() && *reference.target == SERVICE => {
                self.check_grant(namespace, reference, findings);
            }
            // It stays where it is, and so does what the route says of it.
            Some(_) => {}
        }
    }

    /// Something of the route's own namespace, which the route will look for in the other one.
    fn check_own(&self, reference: &Reference, findings: &mut Findings) {
        if self.goes_along(reference) {
            return;
        }
        let (target, name) = (reference.target, &reference.name);
        let here = self.here.thing(target, name);
        let is_needed = match reference.purpose {
            Purpose::Serves | Purpose::Attaches => Some(true),
            Purpose::Certifies => Some(false),
            Purpose::Authenticates | Purpose::Transforms => here.map(|here| here.is_some()),
        };
        match (is_needed, self.there.thing(target, name)) {
            (Some(false), _) if reference.purpose == Purpose::Certifies => {}
            (Some(true), Some(None)) => self.is_missing(reference, findings),
            (_, Some(Some(there))) if is_needed.is_some() => {
                self.check_part(reference, here.flatten(), there, findings);
                if *target == SERVICE && reference.purpose == Purpose::Serves {
                    self.check_readiness(reference, there, findings);
                }
            }
            (Some(false), Some(None)) => {}
            // A controller tells what it makes of a Gateway.
            _ if *target == GATEWAY => {}
            _ => findings.note(format!(
                "{} names {} \"{name}\" (in {}), which the deployer may not look up: make sure that namespace \"{}\" has it \
                 too.",
                self.subject(),
                target.kind,
                reference.field,
                self.there.name
            )),
        }
    }

    /// Whether a route takes it along, which serves its certificate from it.
    fn goes_along(&self, reference: &Reference) -> bool {
        *reference.target == SECRET
            && reference.namespace.is_none()
            && self.here.movers().any(|route| route.references.certificates().any(|name| *name == reference.name))
    }

    fn is_missing(&self, reference: &Reference, findings: &mut Findings) {
        let (kind, name, there) = (reference.target.kind, &reference.name, &self.there.name);
        match reference.purpose {
            Purpose::Serves => findings.problem(
                self.subject(),
                format!("it sends requests to {kind} \"{name}\", and namespace \"{there}\" has none"),
                "Deploy the other environment so that it has this service, or remove the label activestandby.lagoon.sh/migrate from the route",
            ),
            Purpose::Attaches => findings.problem(
                self.subject(),
                format!("it is attached to {kind} \"{name}\" of its own namespace, and namespace \"{there}\" has none"),
                format!("Create the {kind} there too, or attach the route to a shared one with its namespace"),
            ),
            _ => findings.problem(
                self.subject(),
                format!(
                    "it names {kind} \"{name}\" (in {}), and namespace \"{there}\" has none: it would answer errors there",
                    reference.field
                ),
                format!("Create {kind} \"{name}\" there too, or remove it from the route"),
            ),
        }
    }

    /// A port of a Service or a section of a Gateway. What the old namespace does not have either was no use before.
    fn check_part(&self, reference: &Reference, here: Option<&Thing>, there: &Thing, findings: &mut Findings) {
        let Some(part) = &reference.part else { return };
        let lacks = |thing: &Thing| !thing.parts.is_empty() && !thing.parts.contains(part);
        if lacks(there) && !here.is_some_and(lacks) {
            findings.problem(
                self.subject(),
                format!(
                    "it names \"{part}\" of {} \"{}\" (in {}), and the one in namespace \"{}\" has only {}",
                    reference.target.kind,
                    reference.name,
                    reference.field,
                    self.there.name,
                    there.parts.iter().map(|part| format!("\"{part}\"")).collect::<Vec<_>>().join(", ")
                ),
                "Deploy the other environment so that the two are alike",
            );
        }
    }

    fn check_readiness(&self, reference: &Reference, there: &Thing, findings: &mut Findings) {
        let name = &reference.name;
        let Some(ready) = self.there.ready.as_ref().filter(|_| !there.is_external) else { return };
        let object = format!("Service \"{name}\" in namespace \"{}\"", self.there.name);
        match ready.get(name) {
            Some(true) => {}
            Some(false) => self.is_not_ready(object, findings),
            // Nobody keeps its endpoints, as far as can be seen.
            None => findings.note(format!(
                "{object} has no ready endpoint at the moment; the environment may be idle, and Lagoon wakes it at the first \
                 request."
            )),
        }
    }

    fn is_not_ready(&self, object: String, findings: &mut Findings) {
        match self.there.idling {
            Idling::Idled => findings.note(format!(
                "{object} has no ready endpoint: its environment is idle, and Lagoon wakes it at the first request."
            )),
            Idling::ForceScaled => findings.problem(
                object,
                "it has no ready endpoint: its environment was scaled down by force, and no request wakes it",
                "Start the environment in Lagoon, then switch again",
            ),
            Idling::Awake => findings.problem(
                object,
                "it has no ready endpoint, and its environment is not idle: visitors would get errors",
                "Look in Lagoon why the service does not run, deploy the environment again, then switch again",
            ),
        }
    }

    fn check_grant(&self, namespace: &str, reference: &Reference, findings: &mut Findings) {
        let (kind, name, there) = (self.route.kind_name(), &reference.name, &self.there.name);
        let from = (kind, there.clone());
        let granted = self.observed.grants.iter().any(|grant| {
            grant.namespace == namespace
                && grant.from.contains(&from)
                && grant.services.iter().any(|granted| granted.as_ref().is_none_or(|granted| granted == name))
        });
        if granted {
            return;
        }
        if self.observed.unreadable_grants.contains(namespace) {
            findings.note(format!(
                "{} sends requests to Service \"{name}\" in namespace \"{namespace}\", whose ReferenceGrants the deployer \
                 may not read: make sure that one allows it from namespace \"{there}\".",
                self.subject(),
            ));
        } else {
            findings.problem(
                self.subject(),
                format!(
                    "it sends requests to Service \"{name}\" in namespace \"{namespace}\", where no ReferenceGrant allows \
                     that from namespace \"{there}\"",
                ),
                "Create such a ReferenceGrant there",
            );
        }
    }
}
