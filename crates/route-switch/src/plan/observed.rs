//! What was seen of the two namespaces before a switch is planned.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::route::{Route, Target};
use crate::side::{Side, Sides};
use lagoon_task::cluster::Metadata;

/// Both namespaces.
#[derive(Clone, Default)]
pub struct Observed {
    /// What each of them holds.
    pub sides: Sides<Namespace>,
    /// Of each Secret that a route to be moved serves its certificate from: what is there where the route goes.
    pub destinations: BTreeMap<(Side, String), SecretThere>,
    /// Namespaces whose `ReferenceGrants` may not be read.
    pub unreadable_grants: BTreeSet<String>,
    /// The `ReferenceGrants` of all namespaces that routes name.
    pub grants: Vec<Grant>,
    /// The switch that is resumed.
    pub resumed: Option<String>,
}

/// Why a namespace cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// There is none of that name.
    Absent,
    /// It is being deleted.
    Deleted,
    /// There is none, or there are no rights in it: the API server answers the same to both.
    Hidden,
}

/// One namespace.
#[derive(Clone, Default)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Why it cannot be used at all.
    pub missing: Option<Missing>,
    /// All routes of all kinds, whether they move or not.
    pub routes: Vec<Route>,
    /// The kinds of routes that the deployer may not see here.
    pub unseen: Vec<String>,
    /// The kinds of routes that the cluster does not know in the version that can be moved, though it knows their group.
    pub unknown: Vec<String>,
    /// Objects with the label that has them moved, and that cannot be moved: their kind and name.
    pub stuck: Vec<(String, String)>,
    /// Of the things that routes name: those that are there, by kind and name. `None` where that kind cannot be read.
    pub things: BTreeMap<&'static Target, Option<BTreeMap<String, Thing>>>,
    /// Of the Services whose endpoints somebody keeps: whether one is ready. `None` where that cannot be read.
    pub ready: Option<BTreeMap<String, bool>>,
    /// cert-manager's Certificates.
    pub certificates: Vec<Certificate>,
    /// Whether its Services sleep, as its labels say.
    pub idling: Idling,
    /// What Lagoon writes on the objects of this environment, and of no other: labels and annotations.
    pub own_words: BTreeMap<String, String>,
    /// What the deployer may do.
    pub rights: Rights,
    /// The pods of builds of Lagoon that have not ended.
    pub builds: Vec<String>,
    /// Who uses which Secret, in words: looked for only where a Secret would have to make way.
    pub users: SecretUsers,
}

/// Something that routes may name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thing {
    /// What of it can be named: ports, sections. Empty where anything can.
    pub parts: BTreeSet<String>,
    /// Whether it is a Service that stands for a host elsewhere: then it has no endpoints of its own.
    pub is_external: bool,
}

/// Whether the Services of an environment have been put to sleep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Idling {
    /// No.
    #[default]
    Awake,
    /// Lagoon wakes them at the first request.
    Idled,
    /// Somebody has to wake them.
    ForceScaled,
}

/// Who uses which Secret, in words, by the Secret's name.
pub type SecretUsers = BTreeMap<String, BTreeSet<String>>;

/// cert-manager's Certificate: what keeps a Secret supplied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its metadata.
    pub metadata: Metadata,
    /// The Secret that it is for.
    pub secret: String,
    /// The routes that own it, by uid: cert-manager makes it for them, and it goes with them.
    pub owners: BTreeSet<String>,
    /// The whole object as JSON.
    pub manifest: String,
}

/// A Secret in the namespace that a route goes to, of the name that the route's own Secret has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretThere {
    /// Its uid.
    pub uid: String,
    /// Whether its content is that of the route's own Secret; `None` when the route's own namespace has no such Secret.
    pub same: Option<bool>,
    /// Whether cert-manager issued it.
    pub issued: bool,
    /// The switch that has put it there.
    pub switch: Option<String>,
}

/// Who may name what in a namespace, from other namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The namespace that it is about.
    pub namespace: String,
    /// The kinds of routes that it is for, each with its namespace.
    pub from: BTreeSet<(String, String)>,
    /// The Services that they may name; `None` means any.
    pub services: BTreeSet<Option<String>>,
}

/// What the deployer may do in a namespace, as the API server's rules say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// Whether the rules are all there are. If not, what they do not grant may still be granted.
    pub complete: bool,
    /// Verbs, groups and resources that go together.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// Verbs, or `*`.
    pub verbs: Vec<String>,
    /// API groups, or `*`.
    pub groups: Vec<String>,
    /// Plural names of kinds, or `*`.
    pub resources: Vec<String>,
}

impl Rights {
    /// Reads the status of a `SelfSubjectRulesReview`.
    #[must_use]
    pub fn of(status: &Value) -> Self {
        let strings = |rule: &Value, field: &str| -> Vec<String> {
            rule[field].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let rules = status["resourceRules"].as_array().into_iter().flatten();
        Self {
            // An answer without rules is none.
            complete: status["resourceRules"].is_array() && !status["incomplete"].as_bool().unwrap_or(false),
            rules: rules
                // A rule for named objects alone does not do for a switch.
                .filter(|rule| rule["resourceNames"].as_array().is_none_or(Vec::is_empty))
                .map(|rule| Rule {
                    verbs: strings(rule, "verbs"),
                    groups: strings(rule, "apiGroups"),
                    resources: strings(rule, "resources"),
                })
                .collect(),
        }
    }

    /// Whether the deployer surely may not do `verb` on `resource`.
    #[must_use]
    pub fn forbid(&self, verb: &str, group: &str, resource: &str) -> bool {
        let holds = |list: &[String], value: &str| list.iter().any(|entry| entry == "*" || entry == value);
        let allows =
            |rule: &Rule| holds(&rule.verbs, verb) && holds(&rule.groups, group) && holds(&rule.resources, resource);
        self.complete && !self.rules.iter().any(allows)
    }
}

impl Namespace {
    /// Whether it has one of this kind and name; `None` where that kind cannot be read.
    #[must_use]
    pub fn thing(&self, target: &Target, name: &str) -> Option<Option<&Thing>> {
        self.things.get(target)?.as_ref().map(|things| things.get(name))
    }

    /// The routes that are to move.
    pub fn movers(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().filter(|route| route.migrates() && !route.is_settled)
    }
}
