use super::*;
use crate::plan::observed::{Rights, Rule};

fn rule(verbs: &[&str], groups: &[&str], resources: &[&str]) -> Rule {
    Rule { verbs: names(verbs), groups: names(groups), resources: names(resources) }
}

fn complete(rules: Vec<Rule>) -> Rights {
    Rights { complete: true, rules }
}

/// What the lock needs on both sides.
fn leases() -> Rule {
    rule(&["create", "update"], &["coordination.k8s.io"], &["leases"])
}

fn no_right(namespace: &str, what: &str) -> String {
    format!(
        "Namespace \"{namespace}\": the deployer has no right to {what} there. Ask your Lagoon administrator: Lagoon binds \
         the deployer to the ClusterRole \"admin\" in both namespaces."
    )
}

#[test]
fn a_right_is_surely_missing_only_where_the_rules_are_complete_and_none_gives_it() {
    let ingresses = rule(&["create", "delete"], &["networking.k8s.io", "extensions"], &["ingresses", "x"]);
    let cases = [
        (vec![], true, "no rules"),
        (vec![ingresses], false, "the very rule"),
        (vec![rule(&["*"], &["*"], &["*"])], false, "all of everything"),
        (vec![rule(&["*"], &["networking.k8s.io"], &["ingresses"])], false, "any verb"),
        (vec![rule(&["delete"], &["*"], &["ingresses"])], false, "any group"),
        (vec![rule(&["delete"], &["networking.k8s.io"], &["*"])], false, "any resource"),
        (vec![rule(&["get"], &["*"], &["*"])], true, "another verb"),
        (vec![rule(&["*"], &[""], &["*"])], true, "another group"),
        (vec![rule(&["*"], &["*"], &["secrets", "ingresses/status"])], true, "other resources"),
        (vec![rule(&[], &["*"], &["*"]), rule(&["*"], &[], &["*"])], true, "two halves of a rule"),
    ];
    for (rules, forbidden, what) in cases {
        let rights = complete(rules.clone());
        assert_eq!(rights.forbid("delete", "networking.k8s.io", "ingresses"), forbidden, "{what}");
        let rights = Rights { complete: false, rules };
        assert!(!rights.forbid("delete", "networking.k8s.io", "ingresses"), "{what}, incomplete");
    }
    assert!(!Rights::default().forbid("delete", "", "secrets"), "nothing is known");
}

#[test]
fn every_right_to_routes_and_the_journal_is_asked_for() {
    let mut observed = observed(&[ingress("www")], &[]);
    observed.sides.standby.rights = complete(Vec::new());
    observed.sides.active.rights = complete(Vec::new());
    assert_eq!(
        problems(&observed),
        [
            no_right(ACTIVE, "create ingresses"),
            no_right(ACTIVE, "delete ingresses"),
            // The journal is in the standby environment.
            no_right(STANDBY, "create configmaps"),
            no_right(STANDBY, "create ingresses"),
            no_right(STANDBY, "delete ingresses"),
            no_right(STANDBY, "update configmaps"),
        ]
    );
}

#[test]
fn rights_to_secrets_that_the_way_back_needs_are_asked_for() {
    let mut observed = observed(&[served_from(ingress("www"), &["www-tls"])], &[]);
    let rules = vec![rule(&["*"], &["*"], &["ingresses", "configmaps", "leases"])];
    observed.sides.standby.rights = complete(rules.clone());
    observed.sides.active.rights = complete(rules);
    assert_eq!(
        problems(&observed),
        [
            no_right(ACTIVE, "create secrets"),
            no_right(ACTIVE, "delete secrets"),
            no_right(STANDBY, "create secrets"),
            no_right(STANDBY, "delete secrets"),
        ]
    );
}

#[test]
fn a_right_to_secrets_is_needed_only_by_routes_with_certificates() {
    let mut observed = observed(&[], &[ingress("www")]);
    observed.sides.active.rights = complete(vec![rule(&["*"], &["networking.k8s.io"], &["ingresses"]), leases()]);
    assert!(plan(&observed, None).is_ok());
}

#[test]
fn a_right_to_a_kind_is_needed_only_where_such_routes_move() {
    let mut observed = observed(&[http_route("www")], &[staying(ingress("api"))]);
    let routes = rule(&["*"], &["gateway.networking.k8s.io"], &["httproutes"]);
    let rules = vec![routes, rule(&["*"], &[""], &["configmaps"]), leases()];
    observed.sides.standby.rights = complete(rules.clone());
    observed.sides.active.rights = complete(rules);
    assert!(plan(&observed, None).is_ok());
    observed.sides.active.rights = complete(vec![leases()]);
    let expected = [no_right(ACTIVE, "create httproutes"), no_right(ACTIVE, "delete httproutes")];
    assert_eq!(problems(&observed), expected);
}

#[test]
fn no_right_is_needed_when_nothing_moves() {
    let mut observed = observed(&[staying(ingress("www"))], &[]);
    observed.sides.standby.rights = complete(Vec::new());
    observed.sides.active.rights = complete(Vec::new());
    assert!(plan(&observed, None).is_ok());
}
