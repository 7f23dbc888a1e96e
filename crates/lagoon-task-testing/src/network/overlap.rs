//! Whether an Ingress claims a host and path that another one has, and how ingress-nginx says so.

use k8s_openapi::api::networking::v1::Ingress;
use kube::ResourceExt;

/// What a rule without a host stands for.
const ANY_HOST: &str = "_";

/// The refusal of `ingress`, if another of `existing` has one of its hosts and paths.
pub(super) fn refusal(ingress: &Ingress, existing: &[Ingress]) -> Option<String> {
    let is_other =
        |other: &&Ingress| other.name_any() != ingress.name_any() || other.namespace() != ingress.namespace();
    let taken: Vec<_> = existing.iter().filter(is_other).map(|other| (other, claims(other))).collect();
    claims(ingress).into_iter().find_map(|claim| {
        let (other, _) = taken.iter().find(|(_, claims)| claims.contains(&claim))?;
        let (host, path) = claim;
        let (namespace, name) = (other.namespace().unwrap_or_default(), other.name_any());
        Some(format!("host \"{host}\" and path \"{path}\" is already defined in ingress {namespace}/{name}"))
    })
}

/// Every host and path of an Ingress. A rule without `http` claims nothing.
fn claims(ingress: &Ingress) -> Vec<(&str, &str)> {
    let rules = ingress.spec.iter().flat_map(|spec| spec.rules.iter().flatten());
    rules
        .flat_map(|rule| {
            let host = rule.host.as_deref().filter(|host| !host.is_empty()).unwrap_or(ANY_HOST);
            let paths = rule.http.iter().flat_map(|http| &http.paths);
            paths.map(move |path| (host, path.path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn ingress(namespace: &str, name: &str, rules: &Value) -> Ingress {
        let metadata = json!({ "namespace": namespace, "name": name });
        serde_json::from_value(json!({ "metadata": metadata, "spec": { "rules": rules } })).unwrap()
    }

    fn rule(host: &str, paths: &[&str]) -> Value {
        let backend = json!({ "service": { "name": "nginx", "port": { "number": 80 } } });
        let paths: Vec<Value> =
            paths.iter().map(|path| json!({ "path": path, "pathType": "Prefix", "backend": backend })).collect();
        json!({ "host": host, "http": { "paths": paths } })
    }

    #[test]
    fn the_second_path_of_the_second_rule_counts_too() {
        let rules = json!([rule("a.example.com", &["/"]), rule("b.example.com", &["/", "/shop"])]);
        let there = [ingress("there", "b", &json!([rule("b.example.com", &["/shop"])]))];
        let says = r#"host "b.example.com" and path "/shop" is already defined in ingress there/b"#;
        assert_eq!(refusal(&ingress("here", "ab", &rules), &there).as_deref(), Some(says));
    }

    #[test]
    fn neither_itself_nor_another_path_nor_a_rule_without_paths_is_in_the_way() {
        let this = ingress("here", "a", &json!([rule("a.example.com", &["/"]), { "host": "c.example.com" }]));
        let existing = [
            this.clone(),
            ingress("there", "a", &json!([rule("a.example.com", &["/shop"]), { "host": "c.example.com" }])),
            ingress("there", "b", &json!([rule("b.example.com", &["/"])])),
        ];
        assert_eq!(refusal(&this, &existing), None);
    }

    #[test]
    fn rules_without_a_host_meet_each_other() {
        let this = ingress("here", "a", &json!([rule("", &[""])]));
        let says = r#"host "_" and path "/" is already defined in ingress there/a"#;
        let there = [ingress("there", "a", &json!([rule("", &["/"])]))];
        assert_eq!(refusal(&this, &there).as_deref(), Some(says));
    }
}
