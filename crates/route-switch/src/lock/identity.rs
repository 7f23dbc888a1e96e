//! Who holds a lock, as its Lease says. Plain functions on plain data.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::journal::Holder;
use crate::json::{at, set_metadata, text_at};
use crate::labels;
use lagoon_task::cluster::Metadata;

/// The value of [`labels::ROLE`] on a Lease.
const LOCK: &str = "lock";

/// On a Lease: the digests of the routes that the switch whose journal is in the other namespace may have left offline.
pub(crate) const OFFLINE: &str = "activestandby.lagoon.sh/offline";

/// One run: who carries it out, where that object is, and what tells it from other runs of the same object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The namespace of the holder.
    pub(crate) namespace: String,
    /// Who carries it out.
    pub(crate) holder: Holder,
    /// Made anew for each run: a `HostMigration` may be carried out by one controller after another.
    pub(crate) run: String,
}

impl Identity {
    /// As a Lease's `holderIdentity`. No part of it can have a slash.
    pub(crate) fn text(&self) -> String {
        let Holder { kind, name, uid } = &self.holder;
        format!("{kind}/{}/{name}/{uid}/{}", self.namespace, self.run)
    }

    /// Reads what [`text`](Self::text) writes.
    fn parse(text: &str) -> Option<Self> {
        let [kind, namespace, name, uid, run] = text.split('/').collect::<Vec<_>>().try_into().ok()?;
        let holder = Holder { kind: kind.to_owned(), name: name.to_owned(), uid: uid.to_owned() };
        Some(Self { namespace: namespace.to_owned(), holder, run: run.to_owned() })
    }
}

/// What a Lease says of who holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeldBy {
    /// Nobody.
    Nobody,
    /// A run.
    Run(Identity),
    /// Somebody that this program cannot tell anything about.
    Unknown(String),
}

/// Who holds a Lease.
pub(crate) fn held_by(lease: &Value) -> HeldBy {
    match text(lease) {
        "" => HeldBy::Nobody,
        text => Identity::parse(text).map_or_else(|| HeldBy::Unknown(text.to_owned()), HeldBy::Run),
    }
}

/// Whether the Lease is held by this very run.
pub(crate) fn is_held_by(lease: &Value, run: &Identity) -> bool {
    text(lease) == run.text()
}

/// Since when it is held, as its Lease says.
pub(crate) fn since(lease: &Value) -> String {
    text_at(lease, &["spec", "acquireTime"]).unwrap_or("an unknown time").to_owned()
}

/// The Lease of a run that starts `now`, in place of the one there, if there is one. What that one says of routes that may be
/// offline stays.
pub(crate) fn lease(name: &str, namespace: &str, run: &Identity, now: &str, there: Option<&Value>) -> Value {
    let transitions = there.and_then(|there| at(there, &["spec", "leaseTransitions"])?.as_i64());
    let metadata = json!({ "name": name, "namespace": namespace, "labels": { labels::ROLE: LOCK } });
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": run.text(),
            "acquireTime": now,
            "leaseTransitions": transitions.map_or(0, |transitions| transitions.saturating_add(1)),
        },
    });
    match there {
        None => lease,
        Some(there) => in_place_of(&Metadata::of(there), with_offline(lease, &offline(there))),
    }
}

/// The Lease, to be written in place of the one that was seen.
pub(crate) fn in_place_of(seen: &Metadata, mut lease: Value) -> Value {
    set_metadata(&mut lease, "uid", seen.uid.as_str());
    set_metadata(&mut lease, "resourceVersion", seen.resource_version.as_str());
    lease
}

/// The digests of the routes that may be offline, as a Lease says.
pub(crate) fn offline(lease: &Value) -> BTreeSet<String> {
    let text = text_at(lease, &["metadata", "annotations", OFFLINE]).unwrap_or_default();
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

/// The Lease, saying that these may be offline.
pub(crate) fn with_offline(mut lease: Value, digests: &BTreeSet<String>) -> Value {
    let text = digests.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    set_metadata(&mut lease, "annotations", json!({ OFFLINE: text }));
    lease
}

/// The Lease, held by nobody.
pub(crate) fn given_back(mut lease: Value) -> Value {
    if let Some(spec) = lease.get_mut("spec").and_then(Value::as_object_mut) {
        spec.shift_remove("holderIdentity");
    }
    lease
}

fn text(lease: &Value) -> &str {
    text_at(lease, &["spec", "holderIdentity"]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Identity {
        let holder = Holder { kind: "Pod".to_owned(), name: "task-1".to_owned(), uid: "uid-1".to_owned() };
        Identity { namespace: "shop-develop".to_owned(), holder, run: "abc".to_owned() }
    }

    #[test]
    fn lease_names_its_run_and_no_other() {
        let first = lease("lock", "shop-main", &run(), "2026-01-01T00:00:00.000000Z", None);
        assert_eq!(held_by(&first), HeldBy::Run(run()));
        assert!(is_held_by(&first, &run()));
        assert!(!is_held_by(&first, &Identity { run: "later".to_owned(), ..run() }));
        let second = lease("lock", "shop-main", &run(), "2026-01-02T00:00:00.000000Z", Some(&first));
        assert_eq!(second["spec"]["leaseTransitions"], 1);
    }

    #[test]
    fn lease_keeps_what_it_says_of_offline_routes_until_it_says_otherwise() {
        let digests = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        let told = with_offline(lease("lock", "shop-main", &run(), "2026-01-01T00:00:00.000000Z", None), &digests);
        assert_eq!(offline(&told), digests);
        let returned = given_back(told);
        assert_eq!(held_by(&returned), HeldBy::Nobody);
        let next = lease("lock", "shop-main", &run(), "2026-01-02T00:00:00.000000Z", Some(&returned));
        assert_eq!(offline(&next), digests);
        assert!(offline(&with_offline(next, &BTreeSet::new())).is_empty());
    }

    #[test]
    fn lease_of_whatever_shape_is_read() {
        let cases = [
            (json!({}), HeldBy::Nobody),
            (json!({ "spec": { "holderIdentity": "" } }), HeldBy::Nobody),
            (json!({ "spec": { "holderIdentity": 7 } }), HeldBy::Nobody),
            (json!({ "spec": { "holderIdentity": "kubectl" } }), HeldBy::Unknown("kubectl".to_owned())),
            (json!({ "spec": { "holderIdentity": "a/b/c/d/e/f" } }), HeldBy::Unknown("a/b/c/d/e/f".to_owned())),
        ];
        for (lease, expected) in cases {
            assert_eq!(held_by(&lease), expected, "{lease}");
        }
    }
}
