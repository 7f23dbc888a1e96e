//! What an object is to look like where it goes. Plain functions on plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;

use serde_json::{Map, Value, json};

use crate::journal::RouteEntry;
use crate::route::{Place, RouteKind, kind_named};
use crate::{labels, route};

/// Fields of `metadata` that the server sets, or that mean nothing in another namespace: an owner is always in the same
/// namespace as what it owns, and garbage collection would delete a copy that names one elsewhere.
const NOT_CARRIED: [&str; 10] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// What of an object its author wrote: what is carried from one namespace to the other, unknown fields among it.
#[must_use]
pub fn carried(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.shift_remove("status");
    }
    if let Some(metadata) = metadata(&mut object) {
        for field in NOT_CARRIED {
            metadata.shift_remove(field);
        }
    }
    object
}

/// The object in its own namespace, as it was before the switch.
#[must_use]
pub fn at_home(object: &Value, namespace: &str) -> Value {
    let mut object = carried(object);
    if let Some(metadata) = metadata(&mut object) {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
    object
}

/// A copy of the object on its way back: in its own namespace, and without this switch's label.
#[must_use]
pub fn returned(object: &Value, namespace: &str, switch: &str) -> Value {
    let mut object = at_home(object, namespace);
    if let Some(labels) = object.pointer_mut("/metadata/labels").and_then(Value::as_object_mut)
        && labels.get(labels::SWITCH).is_some_and(|label| label == switch)
    {
        labels.shift_remove(labels::SWITCH);
        if labels.is_empty()
            && let Some(metadata) = metadata(&mut object)
        {
            metadata.shift_remove("labels");
        }
    }
    object
}

/// A route that has been moved, as it is to be where it came from. `words` are those of the objects there with which Lagoon
/// tells environments apart.
#[must_use]
pub fn brought_back(object: &Value, from: &str, to: &str, places: Places, words: &BTreeMap<String, String>) -> Value {
    let mut object = at_home(object, to);
    route::follow(&mut object, places, from, to, &|_| true);
    reword(&mut object, words);
    if let Some(labels) = object.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        for label in [labels::SWITCH, labels::MIGRATING, labels::MIGRATED_FROM] {
            labels.shift_remove(label);
        }
    }
    object
}

/// A copy of the object in the other namespace, which tells by a label which switch made it.
#[must_use]
pub fn copied(object: &Value, namespace: &str, switch: &str) -> Value {
    let mut object = at_home(object, namespace);
    label(&mut object, labels::SWITCH, switch);
    object
}

/// A route in the other namespace, with the labels that it has while the switch goes on.
#[must_use]
pub fn moved(route: &RouteEntry, from: &str, to: &str, switch: &str) -> Value {
    let mut object = copied(&route.object(), to, switch);
    let places = kind_named(&route.kind).map_or(&[][..], RouteKind::places);
    route::follow(&mut object, places, from, to, &|entry| route.rewrites.followed.contains(entry));
    reword(&mut object, &route.rewrites.words);
    label(&mut object, labels::MIGRATE, "true");
    // Until all have moved.
    label(&mut object, labels::MIGRATING, "true");
    label(&mut object, labels::MIGRATED_FROM, from);
    if let Some(labels) = object.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.shift_remove(labels::LEGACY_MIGRATE);
    }
    object
}

/// Has the labels and annotations of Lagoon that tell environments apart say what they say in the other one.
fn reword(object: &mut Value, words: &BTreeMap<String, String>) {
    for place in ["labels", "annotations"] {
        let Some(entries) = metadata(object).and_then(|metadata| metadata.get_mut(place)?.as_object_mut()) else {
            continue;
        };
        for (word, value) in words.iter().filter(|(word, _)| OWN_WORDS.contains(&word.as_str())) {
            if let Some(entry) = entries.get_mut(word) {
                *entry = value.as_str().into();
            }
        }
    }
}

/// The labels and annotations with which Lagoon tells environments apart.
pub(crate) const OWN_WORDS: [&str; 7] = [
    "lagoon.sh/branch",
    "lagoon.sh/buildType",
    "lagoon.sh/environment",
    "lagoon.sh/environmentType",
    "lagoon.sh/prBaseBranch",
    "lagoon.sh/prHeadBranch",
    "lagoon.sh/prNumber",
];

/// The places of a kind of route.
type Places = &'static [&'static [Place]];

/// A Secret under another name, which keeps its content while its name is taken.
#[must_use]
pub fn kept_aside(secret: &Value, namespace: &str, name: &str, switch: &str) -> Value {
    let metadata = json!({
        "name": name,
        "namespace": namespace,
        "labels": { labels::SWITCH: switch, labels::ROLE: labels::KEPT },
        // What the Secret itself says of itself, for putting it back in place.
        "annotations": { KEPT_METADATA: metadata_of(&returned(secret, namespace, switch)) },
    });
    with_content_of(secret, &metadata)
}

fn metadata_of(object: &Value) -> String {
    object.get("metadata").map(Value::to_string).unwrap_or_default()
}

/// The Secret that [`kept_aside`] keeps, under its own name again.
#[must_use]
pub fn under_its_own_name(kept: &Value) -> Option<Value> {
    let metadata: Value =
        serde_json::from_str(kept.pointer("/metadata/annotations")?.get(KEPT_METADATA)?.as_str()?).ok()?;
    Some(with_content_of(kept, &metadata)).filter(|_| metadata.is_object())
}

fn with_content_of(secret: &Value, metadata: &Value) -> Value {
    let mut made = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": secret["type"],
        "data": secret["data"],
    });
    if let Some(made) = made.as_object_mut().filter(|_| secret["immutable"] == true) {
        made.insert("immutable".to_owned(), true.into());
    }
    made
}

/// The object with a field of its metadata set.
#[must_use]
pub fn with_metadata(mut object: Value, field: &str, value: Value) -> Value {
    if let Some(metadata) = metadata(&mut object) {
        metadata.insert(field.to_owned(), value);
    }
    object
}

const KEPT_METADATA: &str = "activestandby.lagoon.sh/metadata";

/// The name under which a Secret is kept: the same in each run of the switch.
#[must_use]
pub fn kept_name(switch: &str, name: &str) -> String {
    let mut hasher = Fnv::default();
    for part in ["Secret", name] {
        hasher.write(part.as_bytes());
        hasher.write(&[0xff]);
    }
    format!("activestandby-{switch}-{:016x}", hasher.finish())
}

/// Where what the server would keep differs from what it is sent in a way that matters to a switch: a label that a switch
/// reads, or the specification. A webhook of the cluster may change what it is sent.
#[must_use]
pub fn difference(sent: &Value, kept: &Value) -> Option<String> {
    let label = |object: &Value, label: &str| object.pointer("/metadata/labels").map(|labels| labels[label].clone());
    let ours = [labels::MIGRATE, labels::LEGACY_MIGRATE, labels::MIGRATING, labels::MIGRATED_FROM, labels::SWITCH];
    let differs = |name: &&str| label(sent, name).unwrap_or_default() != label(kept, name).unwrap_or_default();
    if let Some(name) = ours.iter().find(|name| differs(name)) {
        return Some(format!("metadata.labels.\"{name}\""));
    }
    first_difference(&sent["spec"], &kept["spec"], "spec")
}

fn first_difference(one: &Value, other: &Value, path: &str) -> Option<String> {
    match (one, other) {
        (Value::Object(fields), Value::Object(others)) => {
            let names: BTreeSet<&String> = fields.keys().chain(others.keys()).collect();
            names.into_iter().find_map(|name| first_difference(&one[name], &other[name], &format!("{path}.{name}")))
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            let pairs = items.iter().zip(others).enumerate();
            pairs
                .into_iter()
                .find_map(|(place, (one, other))| first_difference(one, other, &format!("{path}[{place}]")))
        }
        _ => (one != other).then(|| path.to_owned()),
    }
}

/// Whether two objects say the same, but for what the server sets and for the labels of a switch.
#[must_use]
pub fn say_the_same(one: &Value, other: &Value) -> bool {
    comparable(one) == comparable(other)
}

fn comparable(object: &Value) -> Value {
    let mut object = carried(object);
    // The API server's lists of its own kinds do not say of each object what it is; a read of one does.
    if let Some(fields) = object.as_object_mut() {
        fields.shift_remove("apiVersion");
        fields.shift_remove("kind");
    }
    if let Some(metadata) = metadata(&mut object) {
        for place in ["labels", "annotations"] {
            let entries = metadata.get_mut(place).and_then(Value::as_object_mut);
            let empty = entries.is_none_or(|entries| {
                let ours = [labels::SWITCH, labels::MIGRATING, labels::MIGRATED_FROM];
                entries.retain(|entry, _| !ours.contains(&entry.as_str()));
                entries.is_empty()
            });
            if empty {
                metadata.shift_remove(place);
            }
        }
    }
    object
}

/// A certificate and its key, and what else such a Secret may hold besides these two.
const KEY_PAIR: [&str; 2] = ["tls.crt", "tls.key"];
const BESIDE_A_KEY_PAIR: usize = 3;

/// Whether a Secret holds a certificate with its key: by its type, or, if an `opaque` one counts, by its keys.
#[must_use]
pub fn is_key_pair(secret: &Value, opaque: bool) -> bool {
    match secret["type"].as_str() {
        Some("kubernetes.io/tls") => true,
        // The API server's own word for a Secret without a type.
        Some("Opaque") | None if opaque => secret["data"].as_object().is_some_and(|data| {
            KEY_PAIR.iter().all(|key| data.contains_key(*key)) && data.len() <= KEY_PAIR.len() + BESIDE_A_KEY_PAIR
        }),
        _ => false,
    }
}

/// Whether two Secrets hold the same.
#[must_use]
pub fn same_content(one: &Value, other: &Value) -> bool {
    content(one) == content(other)
}

/// A Secret's type and data; a Secret without data is one with no data.
fn content(secret: &Value) -> (&Value, Option<&Map<String, Value>>) {
    (&secret["type"], secret["data"].as_object().filter(|data| !data.is_empty()))
}

fn metadata(object: &mut Value) -> Option<&mut Map<String, Value>> {
    object.get_mut("metadata").and_then(Value::as_object_mut)
}

fn label(object: &mut Value, name: &str, value: &str) {
    let Some(metadata) = metadata(object) else { return };
    let labels = metadata.entry("labels").or_insert_with(|| json!({}));
    if !labels.is_object() {
        *labels = json!({});
    }
    if let Some(labels) = labels.as_object_mut() {
        labels.insert(name.to_owned(), value.into());
    }
}

/// FNV-1a: the same in every run and version of this program, which the standard library's hasher does not promise.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
