//! What a switch writes down before it deletes anything: who, where to, and every route as it was.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::route::{Acceptance, kind_named};
use crate::side::{Side, Sides};
use lagoon_task::cluster::ObjectName;
use lagoon_task::environment::{is_dns_label, is_dns_subdomain};

/// The version of the form that this program writes. It reads no later one. Since version 2 the head tells which routes may
/// be offline; since version 3 the book has routes alone.
pub const VERSION: u32 = 3;

/// The first part of a journal, which is read alone by who only wants to know how far the switch is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The form's version.
    pub version: u32,
    /// The switch. A later switch has a greater id.
    pub switch_id: String,
    /// How far it is.
    pub state: State,
    /// Who carries it out.
    pub holder: Holder,
    /// The namespace of the environment that is to become active.
    pub standby_namespace: String,
    /// The namespace of the environment that is active before the switch.
    pub active_namespace: String,
    /// The parts with the book, by the names of their `ConfigMaps`.
    pub parts: Vec<String>,
    /// Which routes moved, once they have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<Moved>,
    /// The routes that an interrupted run may have left offline, by their places in the book. One of the others that is
    /// nowhere was deleted by somebody.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub gaps: BTreeSet<usize>,
    /// What an earlier run of this switch had ended, if this one only brings along what has been added since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Moved>,
}

/// How far a switch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Routes may be anywhere; the book tells where each belongs.
    Moving,
    /// All routes are where they belong, and Lagoon may not know it yet.
    Switched,
    /// The result has been handed to Lagoon.
    Reported,
}

/// Who carries out a switch: a task's pod, or the controller for a `HostMigration`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// `Pod` or `HostMigration`.
    pub kind: String,
    /// Its name, in the namespace of the journal.
    pub name: String,
    /// Its uid; empty when that is not known.
    #[serde(default)]
    pub uid: String,
}

/// The URLs of the routes that moved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Moved {
    /// Those that moved from the active environment's namespace to the standby's: the site's public ones.
    pub to_standby: Vec<String>,
    /// Those that moved from the standby environment's namespace to the active's.
    pub to_active: Vec<String>,
}

/// Everything that moves. The routes are written down, which may be nowhere else; what goes along with them is always found
/// again by what is seen.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Book {
    /// The routes.
    pub routes: Vec<RouteEntry>,
    /// The Secrets that go along.
    #[serde(skip)]
    pub secrets: Vec<SecretEntry>,
    /// cert-manager's Certificates that go along, or go.
    #[serde(skip)]
    pub certificates: Vec<CertificateEntry>,
}

/// A route that moves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteEntry {
    /// Its kind's name.
    pub kind: String,
    /// Where it was before the switch.
    pub home: Side,
    /// Its name.
    pub name: String,
    /// Whether its copy may be created before it is deleted.
    pub may_overlap: bool,
    /// The URLs that it serves.
    pub urls: Vec<String>,
    /// The Secrets that it serves its certificates from.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub secrets: BTreeSet<String>,
    /// Who had accepted it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acceptances: Vec<Acceptance>,
    /// Its uid.
    pub uid: String,
    /// The version of it that the manifest is of.
    pub resource_version: String,
    /// What of it reads differently on the other side.
    #[serde(default, skip_serializing_if = "Rewrites::is_empty")]
    pub rewrites: Rewrites,
    /// Whether it is nowhere by the word of a journal alone that others may have written: then it is not created where it
    /// was.
    #[serde(skip)]
    pub is_unproven: bool,
    /// The whole of it.
    pub manifest: Box<RawValue>,
}

/// What of a route reads differently on the other side, beside what names its namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewrites {
    /// The entries of Traefik's lists that name something of the route's own namespace, which the other one has too.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub followed: BTreeSet<String>,
    /// Lagoon's own labels and annotations that tell environments apart, as the other environment's objects have them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub words: BTreeMap<String, String>,
}

impl Rewrites {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.followed.is_empty() && self.words.is_empty()
    }
}

/// A Secret that goes along with the routes that name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretEntry {
    /// Where it was before the switch.
    pub home: Side,
    /// Its name.
    pub name: String,
    /// How it goes along.
    pub way: SecretWay,
}

/// How a Secret goes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretWay {
    /// It is created on the other side.
    Copy,
    /// It takes the place of an old one there that nothing uses, and that is kept under another name.
    Replace,
    /// An earlier run has copied it and moved its routes. It is not copied again: nothing is read for a route that is not
    /// seen where the Secret is.
    Brought,
}

/// A Certificate of a route that moves.
#[derive(Debug, Clone)]
pub struct CertificateEntry {
    /// Where it was before the switch.
    pub home: Side,
    /// Its name.
    pub name: String,
    /// Its uid; empty for one that an earlier run has deleted there.
    pub uid: String,
    /// The Secret that it is for.
    pub secret: String,
    /// Whether it is created on the other side; one that a route owns is not, cert-manager makes it anew.
    pub copied: bool,
    /// The whole of it.
    pub manifest: Box<RawValue>,
}

/// The kinds of holders that there are.
const HOLDERS: [&str; 2] = ["Pod", "HostMigration"];

/// An id is a label's value too.
const LONGEST_ID: usize = 63;

/// What tells a route from the others of a switch: its kind, where it was, and its name.
pub type RouteKey = (String, Side, String);

impl RouteEntry {
    /// Whether the manifest is that of a route of the entry's kind and name, in this namespace. One of a kind that this
    /// program does not know is not asked about.
    #[must_use]
    pub fn is_sound(&self, namespace: &str) -> bool {
        if !self.urls.iter().all(|url| has_only(url, ".:/-_*[]")) {
            return false;
        }
        let Some(kind) = kind_named(&self.kind) else { return has_only(&self.kind, "") };
        let (resource, object) = (kind.resource(), self.object());
        let text = |path: &str| object.pointer(path).and_then(Value::as_str);
        is_dns_subdomain(&self.name)
            && text("/metadata/name") == Some(self.name.as_str())
            && text("/metadata/namespace").is_none_or(|named| named == namespace)
            // The API server's lists leave these two out.
            && text("/kind").is_none_or(|named| named == resource.kind)
            && text("/apiVersion").is_none_or(|named| named == resource.api_version)
    }

    /// What tells the route from the others.
    #[must_use]
    pub fn key(&self) -> RouteKey {
        (self.kind.clone(), self.home, self.name.clone())
    }

    /// The route's manifest.
    #[must_use]
    pub fn object(&self) -> Value {
        parse(&self.manifest)
    }

    /// The hosts that it serves.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.urls.iter().map(|url| url.split_once("://").map_or(url.as_str(), |(_, host)| host))
    }

    /// The route in words, like `Ingress "www" (www.example.com)`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let hosts: Vec<&str> = self.hosts().collect();
        let hosts = if hosts.is_empty() { "no host of its own".to_owned() } else { hosts.join(", ") };
        lagoon_task::output::escape(&format!("{} \"{}\" ({hosts})", self.kind, self.name))
    }
}

impl CertificateEntry {
    /// The Certificate's manifest.
    #[must_use]
    pub fn object(&self) -> Value {
        parse(&self.manifest)
    }
}

impl Holder {
    /// Names the holder in a sentence.
    #[must_use]
    pub fn object_name(&self, namespace: &str) -> ObjectName {
        ObjectName::new(&self.kind, namespace, &self.name)
    }
}

/// Whether a text from a journal has letters and digits, and of other characters only these. What a journal says gets into
/// logs, conditions and names of objects.
fn has_only(text: &str, others: &str) -> bool {
    text.chars().all(|character| character.is_ascii_alphanumeric() || others.contains(character))
}

impl Head {
    /// Whether it has the form that this program gives one.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let holder = &self.holder;
        has_only(&self.switch_id, "-")
            && (1..=LONGEST_ID).contains(&self.switch_id.len())
            && is_dns_label(&self.standby_namespace)
            && is_dns_label(&self.active_namespace)
            && HOLDERS.contains(&holder.kind.as_str())
            && is_dns_subdomain(&holder.name)
            && has_only(&holder.uid, "-")
    }

    /// The namespaces of the switch.
    #[must_use]
    pub fn namespaces(&self) -> Sides<&str> {
        Sides { standby: &self.standby_namespace, active: &self.active_namespace }
    }

    /// Whether it is that of a switch of these namespaces, in this direction.
    #[must_use]
    pub fn is_of(&self, names: &Sides<String>) -> bool {
        self.standby_namespace == names.standby && self.active_namespace == names.active
    }

    /// Whether an interrupted switch with this head can be resumed with `other` without a write: parts aside.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        (self.version, &self.holder, &self.gaps) == (other.version, &other.holder, &other.gaps)
    }

    /// That of a switch that is over, and of which no more is known.
    pub(super) fn of_the_past(switch_id: String) -> Self {
        Self {
            version: VERSION,
            switch_id,
            state: State::Reported,
            holder: Holder { kind: String::new(), name: String::new(), uid: String::new() },
            standby_namespace: String::new(),
            active_namespace: String::new(),
            parts: Vec::new(),
            routes: None,
            gaps: BTreeSet::new(),
            ended: None,
        }
    }
}

impl Moved {
    /// These URLs in the order in which they stand in `recorded`; those that do not stand there come last.
    #[must_use]
    pub fn in_the_order_of(self, recorded: Option<Self>) -> Self {
        let mut first = recorded.unwrap_or_default();
        first.to_standby.retain(|url| self.to_standby.contains(url));
        first.to_active.retain(|url| self.to_active.contains(url));
        first.and(self)
    }

    /// These URLs, and after them those of `later`.
    #[must_use]
    pub fn and(mut self, later: Self) -> Self {
        for (urls, more) in [(&mut self.to_standby, later.to_standby), (&mut self.to_active, later.to_active)] {
            for url in more {
                if !urls.contains(&url) {
                    urls.push(url);
                }
            }
        }
        self
    }
}

impl Book {
    /// The URLs that are to move, in the order of the routes.
    #[must_use]
    pub fn moved(&self) -> Moved {
        let of = |home: Side| {
            let mut urls = Vec::new();
            for url in self.routes.iter().filter(|route| route.home == home).flat_map(|route| &route.urls) {
                if !urls.contains(url) {
                    urls.push(url.clone());
                }
            }
            urls
        };
        Moved { to_standby: of(Side::Active), to_active: of(Side::Standby) }
    }
}

fn parse(manifest: &RawValue) -> Value {
    // A raw value is JSON by its type.
    serde_json::from_str(manifest.get()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
