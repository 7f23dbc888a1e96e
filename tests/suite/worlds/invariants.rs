//! What must hold at every moment of a world.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::history::{History, Moment};

/// What a world's content and deployments say of hosts and keys.
#[derive(Default)]
pub struct Expected {
    /// Hosts that a deployment deletes, at a moment that is not known.
    pub deleted_hosts: BTreeSet<String>,
    /// Keys that a renewal replaces, likewise.
    pub renewed_keys: BTreeSet<String>,
    /// What each host may be served with: the data of Secrets, as text.
    pub certificates: BTreeMap<String, BTreeSet<String>>,
}

/// The hosts of a route.
pub fn hosts(route: &Value) -> Vec<&str> {
    let rules = route["spec"]["rules"].as_array().into_iter().flatten().filter_map(|rule| rule["host"].as_str());
    let names = route["spec"]["hostnames"].as_array().into_iter().flatten().filter_map(Value::as_str);
    rules.chain(names).collect()
}

/// Every host that has been there is live, or complete in a journal. The bytes of every key that has been there are in a
/// Secret. Every route serves a certificate of its own.
pub fn assert_hold(history: &History, expected: &Expected, why: &str) {
    // The spec with which each host was seen last.
    let mut known: BTreeMap<String, Value> = BTreeMap::new();
    let mut keys: BTreeSet<String> = BTreeSet::new();
    let mut before = Vec::new();
    history.replay(|after, moment| {
        before.push(after.to_owned());
        let why = || format!("{why}\n{}", before.join("\n"));
        let mut live = BTreeSet::new();
        for ((plural, namespace, name), object) in moment {
            match *plural {
                "ingresses" | "httproutes" => {
                    for host in hosts(object) {
                        live.insert(host.to_owned());
                        known.insert(host.to_owned(), object["spec"].clone());
                        if let Some(wrong) = wrong_certificate(moment, namespace, host, object, expected) {
                            panic!("{}\n{host} of {name} in {namespace} serves {wrong}", why());
                        }
                    }
                }
                "secrets" => keys.extend(key(object)),
                _ => {}
            }
        }
        for (host, spec) in &known {
            let is_kept = live.contains(host) || expected.deleted_hosts.contains(host) || is_in_a_journal(moment, spec);
            assert!(is_kept, "{}\n{host} is neither live nor in a journal", why());
        }
        let secrets = moment.iter().filter(|((plural, ..), _)| *plural == "secrets");
        let present: BTreeSet<String> = secrets.filter_map(|(_, secret)| key(secret)).collect();
        let lost: Vec<&String> =
            keys.difference(&present).filter(|key| !expected.renewed_keys.contains(*key)).collect();
        assert!(lost.is_empty(), "{}\n{lost:?} are in no Secret", why());
    });
}

fn key(secret: &Value) -> Option<String> {
    let bytes = STANDARD.decode(secret["data"]["tls.key"].as_str()?).unwrap();
    Some(String::from_utf8(bytes).unwrap())
}

/// What the route serves this host with, if that is none of the host's certificates.
fn wrong_certificate(
    moment: &Moment,
    namespace: &str,
    host: &str,
    route: &Value,
    expected: &Expected,
) -> Option<String> {
    let secret = route["spec"]["tls"][0]["secretName"].as_str()?;
    let own = expected.certificates.get(host)?;
    let Some(secret) = moment.get(&("secrets", namespace.to_owned(), secret.to_owned())) else {
        return Some("none".to_owned());
    };
    (!own.contains(&secret["data"].to_string())).then(|| format!("{:?}", key(secret)))
}

/// Whether an unfinished journal has a route of this spec.
fn is_in_a_journal(moment: &Moment, spec: &Value) -> bool {
    let maps = || moment.iter().filter(|((plural, ..), _)| *plural == "configmaps");
    let unfinished =
        maps().filter(|((.., name), map)| name.starts_with("activestandby-journal") && state(map) == "moving");
    unfinished.into_iter().any(|((_, namespace, _), map)| {
        let changes = maps().filter(|((_, there, name), _)| there == namespace && name.contains("-change-"));
        let changes = changes.filter_map(|(_, map)| Some(text(map, "change.json")?["route"].clone()));
        let mut entries = routes_of_book(map).unwrap_or_default();
        entries.extend(changes);
        entries.iter().any(|entry| entry["manifest"]["spec"] == *spec)
    })
}

fn text(map: &Value, key: &str) -> Option<Value> {
    serde_json::from_str(map["data"][key].as_str()?).ok()
}

/// How far the switch of this journal is.
pub fn state(map: &Value) -> String {
    let head = text(map, "journal.json").unwrap_or_else(|| json!({}));
    head["state"].as_str().unwrap_or_default().to_owned()
}

/// The routes of a journal of one part.
fn routes_of_book(map: &Value) -> Option<Vec<Value>> {
    let packed = STANDARD.decode(map["binaryData"]["book.json.gz"].as_str()?).ok()?;
    let book: Value = serde_json::from_reader(GzDecoder::new(packed.as_slice())).ok()?;
    Some(book["routes"].as_array()?.clone())
}
