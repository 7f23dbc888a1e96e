use super::*;

/// What the annotation of a route in the standby environment names there.
fn beside(annotation: &str, value: &str) -> Vec<(BesideKind, String)> {
    let references = read(&annotated(ingress("www"), annotation, value), STANDBY).references;
    assert!(references.beside.iter().all(|beside| beside.named_by == annotation));
    references.beside.into_iter().map(|beside| (beside.kind, beside.name)).collect()
}

#[test]
fn each_controllers_annotations_name_things_of_their_kind() {
    let table = [
        ("nginx.ingress.kubernetes.io/auth-secret", BesideKind::Secret),
        ("nginx.ingress.kubernetes.io/auth-tls-secret", BesideKind::Secret),
        ("nginx.ingress.kubernetes.io/proxy-ssl-secret", BesideKind::Secret),
        ("nginx.ingress.kubernetes.io/secure-verify-ca-secret", BesideKind::Secret),
        ("haproxy-ingress.github.io/secure-crt-secret", BesideKind::Secret),
        ("nginx.org/basic-auth-secret", BesideKind::Secret),
        ("nginx.com/jwt-key", BesideKind::Secret),
        ("haproxy.org/server-ca", BesideKind::Secret),
        ("haproxy.org/server-crt", BesideKind::Secret),
        ("haproxy.org/client-ca", BesideKind::Secret),
        ("nginx.ingress.kubernetes.io/auth-proxy-set-headers", BesideKind::ConfigMap),
        ("nginx.ingress.kubernetes.io/custom-headers", BesideKind::ConfigMap),
        ("nginx.ingress.kubernetes.io/fastcgi-params-configmap", BesideKind::ConfigMap),
        ("nginx.ingress.kubernetes.io/default-backend", BesideKind::Service),
        ("a-prefix-of-its-own/auth-secret", BesideKind::Secret),
    ];
    for (annotation, kind) in table {
        for value in ["thing", " thing ", "shop-standby/thing"] {
            assert_eq!(beside(annotation, value), [(kind, "thing".to_owned())], "{annotation}: {value:?}");
        }
        for value in ["", "  ", "shop-main/thing", "/thing", "shop/thing", "file://thing", "secret://shop-standby/x"] {
            assert_eq!(beside(annotation, value), [], "{annotation}: {value:?}");
        }
    }
}

#[test]
fn other_annotations_name_nothing() {
    for annotation in
        ["auth-secret", "nginx.ingress.kubernetes.io/auth-secret-type", "a/b/auth-secret", "x/Auth-Secret"]
    {
        assert_eq!(beside(annotation, "thing"), [], "{annotation}");
    }
}

#[test]
fn traefiks_list_names_the_middlewares_of_the_routes_own_namespace() {
    let annotation = "traefik.ingress.kubernetes.io/router.middlewares";
    let middlewares = |value: &str| beside(annotation, value).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
    assert_eq!(middlewares("shop-standby-login@kubernetescrd"), ["login"]);
    let several = "shop-standby-a@kubernetescrd, shop-standby-b-c@kubernetescrd,infra-d@kubernetescrd,e@file";
    assert_eq!(middlewares(several), ["a", "b-c"]);
    for none in ["shop-standby@kubernetescrd", "shop-standbylogin@kubernetescrd", "shop-standby-login@docker", "@", "a"]
    {
        assert_eq!(middlewares(none), [""; 0], "{none}");
    }
    assert_eq!(beside(annotation, "shop-standby-login@kubernetescrd")[0].0, BesideKind::Middleware);
}

#[test]
fn a_route_of_another_namespace_names_other_things() {
    let route = annotated(ingress("www"), "nginx.ingress.kubernetes.io/auth-tls-secret", "shop-main/ca");
    assert_eq!(read(&route, STANDBY).references.beside.len(), 0);
    assert_eq!(read(&route, ACTIVE).references.beside.len(), 1);
}

#[test]
fn each_kind_has_the_name_that_the_cluster_gives_it() {
    let kinds = [BesideKind::Secret, BesideKind::ConfigMap, BesideKind::Service, BesideKind::Middleware];
    assert_eq!(kinds.map(BesideKind::name), ["Secret", "ConfigMap", "Service", "Middleware"]);
}
