use super::*;

/// What the annotation of a route in the standby environment names there.
fn beside(annotation: &str, value: &str) -> Vec<(&'static str, String)> {
    let references = read(&annotated(ingress("www"), annotation, value), STANDBY).references;
    let of_it = references.named.into_iter().filter(|one| one.field == annotation && one.namespace.is_none());
    of_it.map(|one| (one.target.kind, one.name)).collect()
}

#[test]
fn each_controllers_annotations_name_things_of_their_kind() {
    let table = [
        ("nginx.ingress.kubernetes.io/auth-secret", "Secret"),
        ("nginx.ingress.kubernetes.io/auth-tls-secret", "Secret"),
        ("nginx.ingress.kubernetes.io/proxy-ssl-secret", "Secret"),
        ("nginx.ingress.kubernetes.io/secure-verify-ca-secret", "Secret"),
        ("haproxy-ingress.github.io/secure-crt-secret", "Secret"),
        ("nginx.org/basic-auth-secret", "Secret"),
        ("nginx.com/jwt-key", "Secret"),
        ("haproxy.org/server-ca", "Secret"),
        ("haproxy.org/server-crt", "Secret"),
        ("haproxy.org/client-ca", "Secret"),
        ("nginx.ingress.kubernetes.io/auth-proxy-set-headers", "ConfigMap"),
        ("nginx.ingress.kubernetes.io/custom-headers", "ConfigMap"),
        ("nginx.ingress.kubernetes.io/fastcgi-params-configmap", "ConfigMap"),
        ("nginx.ingress.kubernetes.io/default-backend", "Service"),
        ("a-prefix-of-its-own/auth-secret", "Secret"),
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
    assert_eq!(beside(annotation, "shop-standby-login@kubernetescrd")[0].0, "Middleware");
}

#[test]
fn a_route_of_another_namespace_names_other_things() {
    let route = annotated(ingress("www"), "nginx.ingress.kubernetes.io/auth-tls-secret", "shop-main/ca");
    assert!(!read(&route, STANDBY).references.name_secret("ca"));
    assert!(read(&route, ACTIVE).references.name_secret("ca"));
}
