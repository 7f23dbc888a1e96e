//! Who uses which Secret. Plain functions on plain data.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::plan::observed::SecretUsers;
use lagoon_task::cluster::Metadata;

/// Fields that hold a Secret's name, and those that hold an object or a list of objects with one in `name`.
const NAMES: [&str; 1] = ["secretName"];
const REFERENCES: [&str; 4] = ["secret", "secrets", "imagePullSecrets", "certificateRefs"];

/// Adds the Secrets that an object of this kind names: a pod in its volumes, its environment and for its images, a service
/// account, a Gateway, a Certificate.
pub(crate) fn add(users: &mut SecretUsers, kind: &str, object: &Value) {
    let mut names = BTreeSet::new();
    collect(object, &mut names);
    let words = format!("{kind} \"{}\"", Metadata::of(object).name);
    for name in names {
        users.entry(name).or_default().insert(words.clone());
    }
}

/// Whether a pod may still use what it names.
pub(crate) fn is_running(pod: &Value) -> bool {
    !pod.pointer("/status/phase").is_some_and(|phase| phase == "Succeeded" || phase == "Failed")
}

/// The name of a pod that is a build of Lagoon and has not ended.
pub(crate) fn build(pod: &Value) -> Option<String> {
    let metadata = Metadata::of(pod);
    let is_build = metadata.labels.get("lagoon.sh/jobType").is_some_and(|kind| kind == "build");
    (is_build && is_running(pod)).then_some(metadata.name)
}

fn collect(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        Value::Object(fields) => {
            for (field, inner) in fields {
                match inner {
                    Value::String(name) if NAMES.contains(&field.as_str()) => {
                        names.insert(name.clone());
                    }
                    _ if REFERENCES.contains(&field.as_str())
                        || field.ends_with("ecretRef")
                        || field == "secretKeyRef" =>
                    {
                        named(inner, names);
                    }
                    _ => {}
                }
                collect(inner, names);
            }
        }
        _ => {}
    }
}

/// The names of what is referred to, one or a list.
fn named(value: &Value, names: &mut BTreeSet<String>) {
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    names.extend(items.iter().filter_map(|item| item["name"].as_str()).map(str::to_owned));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_way_to_name_a_secret_is_seen() {
        let pod = json!({ "metadata": { "name": "web-0" }, "spec": {
            "volumes": [
                { "name": "one", "secret": { "secretName": "volume" } },
                { "name": "two", "projected": { "sources": [{ "secret": { "name": "projected" } }] } },
                { "name": "three", "csi": { "nodePublishSecretRef": { "name": "csi" } } },
                { "name": "four", "configMap": { "name": "no-secret" } },
            ],
            "imagePullSecrets": [{ "name": "pull" }],
            "initContainers": [{ "env": [{ "valueFrom": { "secretKeyRef": { "name": "key", "key": "a" } } }] }],
            "containers": [{ "envFrom": [{ "secretRef": { "name": "all" } }] }],
        } });
        let mut users = SecretUsers::new();
        add(&mut users, "Pod", &pod);
        let names: Vec<&str> = users.keys().map(String::as_str).collect();
        assert_eq!(names, ["all", "csi", "key", "projected", "pull", "volume"]);
        let gateway = json!({ "spec": { "listeners": [{ "tls": { "certificateRefs": [{ "name": "gateway" }] } }] } });
        let account = json!({ "secrets": [{ "name": "token" }], "imagePullSecrets": [{ "name": "pull" }] });
        let certificate = json!({ "spec": { "secretName": "issued" } });
        for (kind, object) in [("Gateway", gateway), ("ServiceAccount", account), ("Certificate", certificate)] {
            add(&mut users, kind, &object);
        }
        assert!(["gateway", "token", "issued"].iter().all(|name| users.contains_key(*name)));
        assert_eq!(users["pull"].len(), 2);
    }
}
