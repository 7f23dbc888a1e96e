use super::*;
use crate::route::{CONFIG_MAP, MIDDLEWARE, SECRET, Target};

const AUTH: &str = "nginx.ingress.kubernetes.io/auth-secret";
const MIDDLEWARES: &str = "traefik.ingress.kubernetes.io/router.middlewares";

/// A route in the standby environment with this annotation, and whether each side has what it names.
fn naming(
    annotation: &str,
    value: &str,
    kind: &'static Target,
    here: Option<&[&str]>,
    there: Option<&[&str]>,
) -> Observed {
    let mut observed = observed(&[annotated(ingress("www"), annotation, value)], &[]);
    observed.sides.standby.things.insert(kind, here.and_then(things));
    observed.sides.active.things.insert(kind, there.and_then(things));
    observed
}

#[test]
fn what_an_annotation_names_must_be_there_if_it_is_here() {
    let both = [
        ("nginx.ingress.kubernetes.io/auth-secret", "users", &SECRET, "users"),
        ("nginx.ingress.kubernetes.io/auth-secret", "shop-standby/users", &SECRET, "users"),
        ("nginx.ingress.kubernetes.io/auth-tls-secret", "shop-standby/ca", &SECRET, "ca"),
        ("nginx.ingress.kubernetes.io/proxy-ssl-secret", "shop-standby/ssl", &SECRET, "ssl"),
        ("nginx.ingress.kubernetes.io/auth-proxy-set-headers", "headers", &CONFIG_MAP, "headers"),
        ("haproxy.org/server-ca", "ca", &SECRET, "ca"),
        (MIDDLEWARES, "shop-standby-login@kubernetescrd", &MIDDLEWARE, "login"),
    ];
    for (annotation, value, kind, name) in both {
        let told = problems(&naming(annotation, value, kind, Some(&[name]), Some(&["another"])));
        let words = kind.kind;
        assert_eq!(
            told,
            [format!(
                "Ingress \"www\" in namespace \"shop-standby\": it names {words} \"{name}\" (in {annotation}), and \
                 namespace \"shop-main\" has none: it would answer errors there. Create {words} \"{name}\" there too, or \
                 remove it from the route."
            )]
        );
        assert!(notes(&naming(annotation, value, kind, Some(&[name]), Some(&[name]))).is_empty(), "{annotation}: both");
        assert!(notes(&naming(annotation, value, kind, Some(&[]), Some(&[]))).is_empty(), "{annotation}: neither");
        assert!(
            notes(&naming(annotation, value, kind, Some(&[]), Some(&[name]))).is_empty(),
            "{annotation}: only there"
        );
    }
}

#[test]
fn what_the_deployer_may_not_look_up_is_worth_a_note() {
    let note = "Ingress \"www\" in namespace \"shop-standby\" names Secret \"users\" (in nginx.ingress.kubernetes.io/auth-secret), which the deployer may not look up: \
                make sure that namespace \"shop-main\" has it too.";
    let users: Option<&[&str]> = Some(&["users"]);
    for (here, there) in [(None, None), (users, None), (None, users), (None, Some([].as_slice()))] {
        assert_eq!(notes(&naming(AUTH, "users", &SECRET, here, there)), [note], "{here:?} {there:?}");
    }
    let unseen = observed(&[annotated(ingress("www"), AUTH, "users")], &[]);
    assert_eq!(notes(&unseen), [note], "nobody has looked");
}

#[test]
fn a_default_backend_is_looked_up_among_the_services() {
    let route = annotated(ingress("www"), "nginx.ingress.kubernetes.io/default-backend", "errors");
    let mut observed = observed(&[route], &[]);
    assert!(notes(&observed).is_empty(), "neither side has it");
    observed.sides.standby.things.insert(&SERVICE, things(&["web", "errors"]));
    let told = problems(&observed);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("it names Service \"errors\""), "{told:?}");
    observed.sides.active.things.insert(&SERVICE, things(&["web", "errors"]));
    assert!(notes(&observed).is_empty());
}

#[test]
fn what_another_namespace_has_is_not_asked_for() {
    for value in ["ingress/users", "/users", "file://users", "", "  "] {
        let observed = naming(AUTH, value, &SECRET, Some(&["users"]), Some(&[]));
        assert!(notes(&observed).is_empty(), "{value:?}");
    }
    for value in ["ingress-login@kubernetescrd", "shop-standby-login@file", "shop-standby-login", "@", ","] {
        let observed = naming(MIDDLEWARES, value, &MIDDLEWARE, Some(&["login"]), Some(&[]));
        assert!(notes(&observed).is_empty(), "{value:?}");
    }
}

#[test]
fn each_missing_thing_is_told() {
    let value = "shop-standby-a@kubernetescrd, other-b@kubernetescrd,shop-standby-c@kubernetescrd";
    let told = problems(&naming(MIDDLEWARES, value, &MIDDLEWARE, Some(&["a", "b", "c"]), Some(&[])));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("Middleware \"a\"") && told[1].contains("Middleware \"c\""), "{told:?}");
}

#[test]
fn a_secret_that_goes_along_for_its_certificate_may_be_named_by_an_annotation_too() {
    let route = annotated(served_from(ingress("www"), &["www-tls"]), AUTH, "www-tls");
    let mut observed = observed(&[route], &[]);
    observed.sides.standby.things.insert(&SECRET, things(&["www-tls"]));
    observed.sides.active.things.insert(&SECRET, things(&[]));
    assert!(notes(&observed).is_empty());
}

#[test]
fn traefiks_entry_follows_where_both_sides_have_what_it_names() {
    let value = "shop-standby-auth@kubernetescrd,shop-standby-2-x@kubernetescrd,limit@file";
    let there: Option<&[&str]> = Some(&["auth"]);
    let observed = naming(MIDDLEWARES, value, &MIDDLEWARE, there, there);
    let plan = plan(&observed, None).unwrap();
    let entry = &plan.book.routes[0];
    assert_eq!(entry.rewrites.followed, names(&["shop-standby-auth@kubernetescrd"]));
    let moved = crate::plan::manifest::moved(entry, STANDBY, ACTIVE, "s");
    let after = &moved["metadata"]["annotations"][MIDDLEWARES];
    assert_eq!(*after, "shop-main-auth@kubernetescrd,shop-standby-2-x@kubernetescrd,limit@file");
}

#[test]
fn lagoons_own_words_are_those_of_the_other_environment() {
    let route = annotated(ingress("www"), "lagoon.sh/branch", "standby");
    let route = with(route, &["metadata", "labels", "lagoon.sh/environment"], "standby");
    let mut observed = observed(&[route], &[]);
    let words = [("lagoon.sh/branch", "main"), ("lagoon.sh/environment", "main"), ("lagoon.sh/prNumber", "4")];
    observed.sides.active.own_words = words.map(|(word, value)| (word.to_owned(), value.to_owned())).into();
    let plan = plan(&observed, None).unwrap();
    let metadata = crate::plan::manifest::moved(&plan.book.routes[0], STANDBY, ACTIVE, "s")["metadata"].clone();
    assert_eq!(
        (&metadata["annotations"]["lagoon.sh/branch"], &metadata["labels"]["lagoon.sh/environment"]),
        (&json!("main"), &json!("main"))
    );
    assert!(metadata["annotations"].get("lagoon.sh/prNumber").is_none(), "what the route does not say it need not say");
}

#[test]
fn url_that_leads_to_another_namespace_is_told() {
    let told = |url: &str| {
        let route = annotated(ingress("www"), "nginx.ingress.kubernetes.io/auth-url", url);
        notes(&observed(&[route], &[]))
    };
    assert_eq!(told("http://web.backends.svc.cluster.local/").len(), 1);
    assert!(told("https://login.example.com/").is_empty());
}
