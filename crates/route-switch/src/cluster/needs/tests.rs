use serde_json::json;

use super::*;

#[test]
fn a_grant_says_for_which_kinds_of_which_namespaces_it_is() {
    let object = json!({
        "metadata": { "namespace": "backends" },
        "spec": {
            "from": [
                { "group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "shop-main" },
                { "group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "gateways" },
            ],
            "to": [
                { "group": "", "kind": "Service", "name": "web" },
                { "group": "", "kind": "Service" },
                { "group": "", "kind": "Secret", "name": "tls" },
            ],
        },
    });
    let grant = grant(&object);
    assert_eq!(grant.namespace, "backends");
    let pair = |kind: &str, namespace: &str| (kind.to_owned(), namespace.to_owned());
    assert_eq!(grant.from, BTreeSet::from([pair("HTTPRoute", "shop-main"), pair("Gateway", "gateways")]));
    assert_eq!(grant.services, BTreeSet::from([None, Some("web".to_owned())]));
}

#[test]
fn environment_sleeps_as_its_labels_say() {
    let of = |labels: &[(&str, &str)]| {
        idling(&labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect())
    };
    assert_eq!(of(&[]), Idling::Awake);
    assert_eq!(of(&[("idling.amazee.io/idled", "true")]), Idling::Idled);
    assert_eq!(of(&[("idling.lagoon.sh/idled", "true")]), Idling::Idled);
    assert_eq!(of(&[("idling.amazee.io/idled", "false")]), Idling::Awake);
    let both = [("idling.amazee.io/idled", "true"), ("idling.amazee.io/force-scaled", "true")];
    assert_eq!(of(&both), Idling::ForceScaled, "no request wakes it");
}

#[test]
fn service_has_ports_by_number_and_name_and_gateway_listeners_by_name() {
    let parts = |target: &Target, spec: Value| thing(target, &json!({ "spec": spec })).parts;
    let of_service = parts(&SERVICE, json!({ "ports": [{ "name": "http", "port": 80 }, { "port": 8080 }] }));
    assert_eq!(of_service, ["80", "8080", "http"].map(str::to_owned).into());
    let listeners = parts(&GATEWAY, json!({ "listeners": [{ "name": "web", "port": 80 }] }));
    assert_eq!(listeners, ["web"].map(str::to_owned).into());
    assert!(thing(&SERVICE, &json!({ "spec": { "type": "ExternalName" } })).is_external);
}
