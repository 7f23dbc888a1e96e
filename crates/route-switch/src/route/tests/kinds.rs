use super::*;

fn ingress_route(spec: &Value) -> Value {
    json!({
        "apiVersion": "traefik.io/v1alpha1",
        "kind": "IngressRoute",
        "metadata": { "name": "www", "labels": { labels::MIGRATE: "true" } },
        "spec": spec,
    })
}

/// The kinds and names of what a route names in its own namespace, and those elsewhere with their namespace.
fn named(route: &Value) -> Vec<String> {
    let references = read(route, STANDBY).references;
    let words = references.named.iter().map(|one| {
        let namespace = one.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        let part = one.part.as_ref().map(|part| format!(":{part}")).unwrap_or_default();
        format!("{} {namespace}{}{part}", one.target.kind, one.name)
    });
    words.collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn ingress_route_serves_the_hosts_of_its_rules() {
    let hosts = |rule: &str| {
        let route = ingress_route(&json!({ "routes": [{ "match": rule }] }));
        read(&route, STANDBY).references.urls
    };
    let cases = [
        ("Host(`www.example.com`)", vec!["http://www.example.com"]),
        ("Host(`a.example.com`) || Host(\"b.example.com\")", vec!["http://a.example.com", "http://b.example.com"]),
        ("Host(`a.example.com`, `b.example.com`)", vec!["http://a.example.com", "http://b.example.com"]),
        ("PathPrefix(`/api`) && Host(`A.example.com`)", vec!["http://a.example.com"]),
        ("HostRegexp(`.+`) || !Host(`x.example.com`)", vec![]),
        ("Host(", vec![]),
        ("Host()", vec![]),
    ];
    for (rule, wanted) in cases {
        assert_eq!(hosts(rule), wanted, "{rule}");
    }
    let secure = ingress_route(&json!({ "routes": [{ "match": "Host(`a.example.com`)" }], "tls": {} }));
    assert_eq!(read(&secure, STANDBY).references.urls, ["https://a.example.com"]);
}

#[test]
fn ingress_route_names_what_traefik_looks_up() {
    let route = ingress_route(&json!({
        "routes": [{
            "match": "Host(`www.example.com`)",
            "middlewares": [{ "name": "auth" }, { "name": "limit", "namespace": "shop-standby" }, { "name": "log@file" }],
            "services": [
                { "name": "web", "port": "http", "serversTransport": "slow" },
                { "name": "api", "namespace": "backends", "port": 8080 },
                { "name": "both", "kind": "TraefikService" },
                { "name": "odd", "kind": "Bucket" },
            ],
        }],
        "tls": { "secretName": "www-tls", "options": { "name": "strict" }, "store": { "name": "default" } },
    }));
    assert_eq!(
        named(&route),
        [
            "Middleware auth",
            "Middleware limit",
            "Secret www-tls",
            "ServersTransport slow",
            "Service backends/api:8080",
            "Service web:http",
            "TLSOption strict",
            "TLSStore default",
            "TraefikService both",
        ]
    );
    let references = read(&route, STANDBY).references;
    assert_eq!(unchecked(&references), [("Bucket \"odd\"", "spec.routes[0].services[3]")]);
    assert_eq!(references.certificates().collect::<Vec<_>>(), ["www-tls"]);
}

#[test]
fn grpc_and_tls_routes_are_read_as_http_routes_are() {
    for kind in ["GRPCRoute", "TLSRoute"] {
        let rules = json!([{ "backendRefs": [{ "name": "web", "port": 9000 }] }]);
        let route = with(with(http_route("www"), &["kind"], kind), &["spec", "rules"], rules);
        assert_eq!(named(&route), ["Gateway gateways/public", "Service web:9000"], "{kind}");
        assert_eq!(read(&route, STANDBY).references.urls, ["https://www.example.com"]);
    }
}

#[test]
fn what_names_the_old_namespace_names_the_new_one_afterwards() {
    let route = with(
        http_route("www"),
        &["spec"],
        json!({
            "parentRefs": [{ "name": "own", "namespace": STANDBY }],
            "rules": [{
                "filters": [{ "requestMirror": { "backendRef": { "name": "shadow", "namespace": STANDBY } } }],
                "backendRefs": [
                    { "name": "web", "namespace": STANDBY },
                    { "name": "api", "namespace": "backends" },
                    { "name": "bucket", "kind": "Bucket", "group": "example.com", "namespace": STANDBY },
                ],
            }],
        }),
    );
    let moved = crate::fixtures::moved(&route, STANDBY, ACTIVE, "s");
    let backends = &moved["spec"]["rules"][0]["backendRefs"];
    assert_eq!(backends[0]["namespace"], ACTIVE);
    assert_eq!(backends[1]["namespace"], "backends");
    assert_eq!(backends[2]["namespace"], STANDBY, "nobody knows what that is");
    assert_eq!(moved["spec"]["rules"][0]["filters"][0]["requestMirror"]["backendRef"]["namespace"], ACTIVE);
    assert_eq!(moved["spec"]["parentRefs"][0]["namespace"], STANDBY, "visitors come in there");
}

#[test]
fn urls_of_services_follow_and_others_do_not() {
    let url = |value: &str| {
        let route = annotated(ingress("www"), "nginx.ingress.kubernetes.io/auth-url", value);
        let moved = crate::fixtures::moved(&route, STANDBY, ACTIVE, "s");
        moved["metadata"]["annotations"]["nginx.ingress.kubernetes.io/auth-url"].as_str().unwrap().to_owned()
    };
    let cases = [
        ("http://auth.shop-standby.svc.cluster.local/check?a=b", "http://auth.shop-main.svc.cluster.local/check?a=b"),
        ("http://auth.shop-standby.svc:8080", "http://auth.shop-main.svc:8080"),
        ("http://auth.other.svc/check", "http://auth.other.svc/check"),
        (
            "https://shop-standby.example.com/auth.shop-standby.svc",
            "https://shop-standby.example.com/auth.shop-standby.svc",
        ),
        ("auth.shop-standby.svc", "auth.shop-standby.svc"),
    ];
    for (before, after) in cases {
        assert_eq!(url(before), after);
    }
}
