use super::*;
use crate::fixtures::names;

#[test]
fn the_servers_rules_are_rights_but_for_those_of_named_objects() {
    let rule = |names: Value| json!({ "verbs": ["delete"], "apiGroups": ["", "x"], "resources": ["secrets"], "resourceNames": names });
    let status = |rules: Value| json!({ "incomplete": false, "resourceRules": rules });
    assert!(Rights::of(&status(json!([]))).forbid("delete", "", "secrets"));
    assert!(Rights::of(&status(json!([rule(json!(["one"]))]))).forbid("delete", "", "secrets"));
    for names in [json!([]), json!(null)] {
        assert!(!Rights::of(&status(json!([rule(names)]))).forbid("delete", "x", "secrets"));
    }
    let incomplete = json!({ "incomplete": true, "resourceRules": [] });
    assert!(!Rights::of(&incomplete).forbid("delete", "", "secrets"));
}

#[test]
fn owners_are_told_by_their_uids() {
    let object = json!({ "metadata": { "ownerReferences": [{ "uid": "a" }, { "name": "b" }, { "uid": "c" }] } });
    assert_eq!(owners::uids(&object), names(&["a", "c"]));
    for none in [json!({}), json!(null), json!({ "metadata": { "ownerReferences": null } })] {
        assert_eq!(owners::uids(&none), BTreeSet::new(), "{none}");
    }
}

#[test]
fn a_kind_that_is_not_built_in_is_there_if_the_cluster_has_its_group() {
    let kinds = |groups: &[&str]| -> Vec<String> { kinds(&names(groups)).map(|kind| kind.resource().kind).collect() };
    assert_eq!(kinds(&[]), ["Ingress"]);
    assert_eq!(kinds(&["gateway.networking.k8s.io", "apps"]), ["Ingress", "HTTPRoute", "GRPCRoute", "TLSRoute"]);
}
