use serde_json::Value;

use super::*;
use crate::fixtures::{annotated, ingress, observed, staying, with};

#[test]
fn a_refusal_because_another_route_has_the_host_is_told_from_any_other() {
    let taken = [
        // ingress-nginx
        r#"host "www.example.com" and path "/" is already defined in ingress shop-standby/www"#,
        r#"HOST "_" and PATH "/api(/|$)(.*)" is ALREADY defined in ingress a/b"#,
        // Gatekeeper's library
        "[k8suniqueingresshost] ingress host conflicts with an existing ingress <www.example.com>",
        // Their like
        "host www.example.com is already claimed by shop-standby/www",
        "hostname \"www.example.com\" already exists in another ingress",
        "domain www.example.com is taken: owned by namespace shop-standby",
        "the host is already in use",
        "Duplicate host www.example.com",
        "route www.example.com is already served elsewhere",
    ];
    for words in taken {
        assert!(host_is_taken(words), "{words}");
    }
    let others = [
        "",
        "ingresses must have the label team",
        "host www.example.com is not allowed in namespace shop-main",
        "path /admin is forbidden",
        "annotation nginx.ingress.kubernetes.io/server-snippet is not allowed",
        "the hostname must end in .example.com",
        "quota exceeded: already 10 of 10 ingresses",
        "without explanation",
    ];
    for words in others {
        assert!(!host_is_taken(words), "{words}");
    }
}

#[test]
fn kyvernos_policies_say_that_the_host_must_be_unique() {
    let taken = [
        r"resource Ingress/shop-main/www was blocked due to the following policies\n\nunique-ingress-host:\n  \
          check-single-host-create: The Ingress host name must be unique.",
        "The Ingress host and path combination must be unique across the cluster.",
    ];
    for words in taken {
        assert!(host_is_taken(words), "{words}");
    }
    assert!(!host_is_taken("the label team must be unique"));
}

#[test]
fn ingress_nginx_names_the_route_that_has_the_host() {
    let cases = [
        ("host \"a\" and path \"/\" is already defined in ingress shop-main/www", Some(("shop-main", "www"))),
        ("host \"a\" and path \"/\" is already defined in ingress shop-main/www.", Some(("shop-main", "www"))),
        ("host \"a\" and path \"/\" is already defined in ingress shop-main/a.b, so no", Some(("shop-main", "a.b"))),
        ("the host is already defined in ingress", None),
        ("The Ingress host name must be unique.", None),
    ];
    for (words, expected) in cases {
        assert_eq!(holder(words), expected, "{words}");
    }
}

#[test]
fn a_route_that_shares_host_and_path_with_another_one_has_a_rival() {
    let host = |route: Value, host: &str| {
        let mut route = route;
        route["spec"]["rules"][0]["host"] = host.into();
        route
    };
    let canary = annotated(ingress("canary"), "nginx.ingress.kubernetes.io/canary", "true");
    let class = with(ingress("class"), &["spec", "ingressClassName"], "other");
    let standby = [ingress("standby"), host(staying(ingress("older")), "www.example.com")];
    let active = [ingress("www"), host(canary, "www.example.com"), host(class, "www.example.com")];
    let found: Vec<_> = rivals(&observed(&standby, &active)).into_iter().collect();
    let key = ("Ingress".to_owned(), Side::Active, "www".to_owned());
    assert_eq!(found, [(key, "Ingress \"older\" in namespace \"shop-standby\"".to_owned())]);
}

#[test]
fn route_that_is_going_is_no_rival_of_itself() {
    let gone = with(ingress("www"), &["metadata", "deletionTimestamp"], "2026-01-01T00:00:00Z");
    let mut observed = observed(&[], &[gone, ingress("www")]);
    observed.sides.active.routes[0].is_settled = true;
    assert_eq!(rivals(&observed).into_iter().collect::<Vec<_>>(), []);
}
