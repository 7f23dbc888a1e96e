use super::*;

const AUTH: &str = "nginx.ingress.kubernetes.io/auth-secret";
const MIDDLEWARES: &str = "traefik.ingress.kubernetes.io/router.middlewares";

/// A route in the standby environment with this annotation, and whether each side has what it names.
fn naming(annotation: &str, value: &str, kind: BesideKind, here: Option<&[&str]>, there: Option<&[&str]>) -> Observed {
    let mut observed = observed(&[annotated(ingress("www"), annotation, value)], &[]);
    observed.sides.standby.beside.insert(kind, here.map(names));
    observed.sides.active.beside.insert(kind, there.map(names));
    observed
}

#[test]
fn what_an_annotation_names_must_be_there_if_it_is_here() {
    let both = [
        ("nginx.ingress.kubernetes.io/auth-secret", "users", BesideKind::Secret, "users"),
        ("nginx.ingress.kubernetes.io/auth-secret", "shop-standby/users", BesideKind::Secret, "users"),
        ("nginx.ingress.kubernetes.io/auth-tls-secret", "shop-standby/ca", BesideKind::Secret, "ca"),
        ("nginx.ingress.kubernetes.io/proxy-ssl-secret", "shop-standby/ssl", BesideKind::Secret, "ssl"),
        ("nginx.ingress.kubernetes.io/auth-proxy-set-headers", "headers", BesideKind::ConfigMap, "headers"),
        ("haproxy.org/server-ca", "ca", BesideKind::Secret, "ca"),
        (MIDDLEWARES, "shop-standby-login@kubernetescrd", BesideKind::Middleware, "login"),
    ];
    for (annotation, value, kind, name) in both {
        let told = problems(&naming(annotation, value, kind, Some(&[name]), Some(&["another"])));
        let words = kind.name();
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
    let note = "Ingress \"www\" in namespace \"shop-standby\" names Secret \"users\", which the deployer may not look up: \
                make sure that namespace \"shop-main\" has it too.";
    let users: Option<&[&str]> = Some(&["users"]);
    for (here, there) in [(None, None), (users, None), (None, users), (None, Some([].as_slice()))] {
        assert_eq!(notes(&naming(AUTH, "users", BesideKind::Secret, here, there)), [note], "{here:?} {there:?}");
    }
    let unseen = observed(&[annotated(ingress("www"), AUTH, "users")], &[]);
    assert_eq!(notes(&unseen), [note], "nobody has looked");
}

#[test]
fn a_default_backend_is_looked_up_among_the_services() {
    let route = annotated(ingress("www"), "nginx.ingress.kubernetes.io/default-backend", "errors");
    let mut observed = observed(&[route], &[]);
    assert!(notes(&observed).is_empty(), "neither side has it");
    observed.sides.standby.services = names(&["web", "errors"]);
    let told = problems(&observed);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("it names Service \"errors\""), "{told:?}");
    observed.sides.active.services = names(&["web", "errors"]);
    assert!(notes(&observed).is_empty());
}

#[test]
fn what_another_namespace_has_is_not_asked_for() {
    for value in ["ingress/users", "/users", "file://users", "", "  "] {
        let observed = naming(AUTH, value, BesideKind::Secret, Some(&["users"]), Some(&[]));
        assert!(notes(&observed).is_empty(), "{value:?}");
    }
    for value in ["ingress-login@kubernetescrd", "shop-standby-login@file", "shop-standby-login", "@", ","] {
        let observed = naming(MIDDLEWARES, value, BesideKind::Middleware, Some(&["login"]), Some(&[]));
        assert!(notes(&observed).is_empty(), "{value:?}");
    }
}

#[test]
fn each_missing_thing_is_told() {
    let value = "shop-standby-a@kubernetescrd, other-b@kubernetescrd,shop-standby-c@kubernetescrd";
    let told = problems(&naming(MIDDLEWARES, value, BesideKind::Middleware, Some(&["a", "b", "c"]), Some(&[])));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("Middleware \"a\"") && told[1].contains("Middleware \"c\""), "{told:?}");
}

#[test]
fn a_secret_that_goes_along_for_its_certificate_may_be_named_by_an_annotation_too() {
    let route = annotated(served_from(ingress("www"), &["www-tls"]), AUTH, "www-tls");
    let mut observed = observed(&[route], &[]);
    observed.sides.standby.beside.insert(BesideKind::Secret, Some(names(&["www-tls"])));
    observed.sides.active.beside.insert(BesideKind::Secret, Some(names(&[])));
    assert!(notes(&observed).is_empty());
}
