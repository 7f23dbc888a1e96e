use super::*;

/// What an `HTTPRoute` of this specification serves and names.
fn of_spec(spec: Value) -> References {
    read(&with(http_route("www"), &["spec"], spec), STANDBY).references
}

fn of_rules(rules: &Value) -> References {
    of_spec(json!({ "rules": rules }))
}

fn acceptances(generation: i64, parents: Value) -> Vec<Acceptance> {
    let route = with(http_route("www"), &["status", "parents"], parents);
    read(&with(route, &["metadata", "generation"], generation), STANDBY).acceptances
}

/// Namespace, if it is another one, and name of what is named of this kind.
fn named<'a>(references: &'a References, kind: &str) -> Vec<(Option<&'a str>, &'a str)> {
    let of_kind = references.named.iter().filter(|one| one.target.kind == kind);
    of_kind.map(|one| (one.namespace.as_deref(), one.name.as_str())).collect()
}

#[test]
fn its_gateways_are_told_by_namespace_and_name() {
    let parents = json!([
        { "name": "own", "sectionName": "https" },
        { "name": "own", "sectionName": "http" },
        { "name": "shared", "namespace": "gateways", "group": "gateway.networking.k8s.io", "kind": "Gateway" },
        { "name": "mesh", "group": "", "kind": "Service" },
        { "name": "other", "kind": "Mesh" },
        { "namespace": "nameless" },
    ]);
    let references = of_spec(json!({ "parentRefs": parents }));
    assert_eq!(named(&references, "Gateway"), [(None, "own"), (None, "own"), (Some("gateways"), "shared")]);
    assert_eq!(named(&references, "Service"), [(None, "mesh")]);
    assert_eq!(unchecked(&references), [("Mesh \"other\"", "spec.parentRefs[4]")]);
}

#[test]
fn its_hosts_are_https_unless_every_parent_is_plainly_a_listener_without() {
    let cases = [
        (json!([]), "https"),
        (json!([{ "name": "g" }]), "https"),
        (json!([{ "name": "g", "sectionName": "https" }]), "https"),
        (json!([{ "name": "g", "port": 443 }]), "https"),
        (json!([{ "name": "g", "port": 80 }]), "http"),
        (json!([{ "name": "g", "sectionName": "http" }, { "name": "g", "sectionName": "web" }]), "http"),
        (json!([{ "name": "g", "port": 80 }, { "name": "g", "port": 443 }]), "https"),
    ];
    for (parents, scheme) in cases {
        let spec = json!({ "parentRefs": parents, "hostnames": ["b.example.com", "*.example.com", "b.example.com"] });
        assert_eq!(
            of_spec(spec).urls,
            [format!("{scheme}://b.example.com"), format!("{scheme}://*.example.com")],
            "{parents}"
        );
    }
    assert!(of_spec(json!({})).urls.is_empty(), "the listener's hosts are not its own");
}

#[test]
fn its_services_are_told_by_whether_they_need_a_grant() {
    let references = of_rules(&json!([
        { "backendRefs": [{ "name": "web", "port": 80, "weight": 90 }, { "name": "canary", "port": 80, "weight": 0 }] },
        { "backendRefs": [{ "name": "api", "namespace": "backends", "kind": "Service", "group": "" }] },
        { "backendRefs": [{ "name": "own", "namespace": "shop-standby" }] },
        { "backendRefs": [{ "name": "bucket", "kind": "Bucket", "group": "example.com" }, { "port": 80 }] },
        {},
    ]));
    let services = [(None, "canary"), (None, "own"), (None, "web"), (Some("backends"), "api")];
    assert_eq!(BTreeSet::from_iter(named(&references, "Service")), BTreeSet::from(services));
    assert_eq!(unchecked(&references), [("Bucket \"bucket\"", "spec.rules[3].backendRefs[0]")]);
    assert!(references.certificates().next().is_none());
}

#[test]
fn a_mirror_sends_requests_to_a_service_too() {
    let mirror = |backend: Value| json!([{ "type": "RequestMirror", "requestMirror": { "backendRef": backend } }]);
    let references = of_rules(&json!([
        { "filters": mirror(json!({ "name": "shadow" })) },
        { "filters": mirror(json!({ "name": "shadow", "namespace": "backends" })) },
        { "backendRefs": [{ "name": "web", "filters": mirror(json!({ "name": "inner" })) }] },
    ]));
    assert_eq!(services(&references), names(&["shadow", "web", "inner"]));
    assert!(named(&references, "Service").contains(&(Some("backends"), "shadow")));
}

#[test]
fn an_extension_is_traefiks_middleware_or_cannot_be_looked_up() {
    let filter = |group: &str, kind: &str, name: &str| json!({ "type": "ExtensionRef", "extensionRef": { "group": group, "kind": kind, "name": name } });
    let references = of_rules(&json!([{
        "filters": [
            filter("traefik.io", "Middleware", "login"),
            filter("traefik.containo.us", "Middleware", "old"),
            filter("example.com", "Middleware", "other"),
            filter("example.com", "Limit", "slow"),
            { "type": "RequestHeaderModifier", "requestHeaderModifier": { "set": [] } },
        ],
    }]));
    assert_eq!(named(&references, "Middleware"), [(None, "login"), (None, "old")]);
    let fields = ["spec.rules[0].filters[2].extensionRef", "spec.rules[0].filters[3].extensionRef"];
    assert_eq!(unchecked(&references), [("Limit \"slow\"", fields[1]), ("Middleware \"other\"", fields[0])]);
}

#[test]
fn a_controllers_word_counts_once_it_is_about_the_route_as_it_is_now() {
    let condition = |status: &str, observed: Value| json!({ "type": "Accepted", "status": status, "observedGeneration": observed, "message": "because" });
    let cases = [
        (vec![condition("True", json!(4))], Some(true), "of this generation"),
        (vec![condition("True", json!(5))], Some(true), "of a later one"),
        (vec![condition("True", json!(3))], None, "of an earlier one"),
        (vec![condition("False", json!(3))], None, "an earlier refusal"),
        (vec![condition("False", json!(4))], Some(false), "a refusal"),
        (vec![condition("Unknown", json!(4))], None, "undecided"),
        (vec![condition("True", json!(null))], Some(true), "of no generation"),
        (vec![json!({ "type": "ResolvedRefs", "status": "False" })], None, "about something else"),
        (vec![json!({ "type": "ResolvedRefs", "status": "False" }), condition("True", json!(4))], Some(true), "both"),
        (vec![], None, "no word"),
    ];
    for (conditions, accepted, what) in cases {
        let parent = json!({
            "parentRef": { "name": "public", "namespace": "gateways", "sectionName": "https", "port": 443 },
            "controllerName": "example.com/gateway",
            "conditions": conditions,
        });
        let said = acceptances(4, json!([parent]));
        let words = said.iter().find(|word| word.condition == "Accepted");
        assert_eq!(words.and_then(|word| word.accepted), accepted, "{what}");
        if let Some(word) = words {
            assert_eq!(word.parent, "gateways/public/https/443");
            assert_eq!(word.controller, "example.com/gateway");
        }
    }
}

#[test]
fn parents_of_one_name_in_different_namespaces_are_two_and_the_own_namespace_is_always_the_own() {
    let conditions = json!([{ "type": "Accepted", "status": "True" }]);
    let parent = |namespace: Value| json!({ "parentRef": { "name": "public", "namespace": namespace }, "conditions": conditions });
    let own = http_route("www")["metadata"]["namespace"].clone();
    let all = acceptances(1, json!([parent(json!("one")), parent(json!("two")), parent(own), parent(json!(null))]));
    let parents: Vec<&str> = all.iter().map(|acceptance| acceptance.parent.as_str()).collect();
    assert_eq!(parents, ["one/public//0", "two/public//0", "/public//0", "/public//0"]);
}

#[test]
fn a_refusal_comes_with_its_reason() {
    let conditions = json!([{ "type": "Accepted", "status": "False", "message": "no listener allows it" }]);
    let parents = json!([{ "parentRef": { "name": "public" }, "conditions": conditions }, { "parentRef": {} }]);
    let all = acceptances(1, parents);
    assert_eq!((all[0].parent.as_str(), all[0].reason.as_str()), ("/public//0", "no listener allows it"));
    assert_eq!(all.len(), 1, "one that says nothing is not asked");
}

#[test]
fn an_ingress_has_no_acceptances() {
    let route = with(ingress("www"), &["status", "parents"], json!([{ "parentRef": { "name": "public" } }]));
    assert!(read(&route, STANDBY).acceptances.is_empty());
}
