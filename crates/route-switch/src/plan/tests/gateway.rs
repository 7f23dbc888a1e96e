use super::*;
use crate::plan::observed::Grant;
use crate::route::GATEWAY;

fn sending_to(namespace: &str) -> Value {
    let rules = json!([{ "backendRefs": [{ "name": "web", "namespace": namespace, "port": 80 }] }]);
    with(http_route("www"), &["spec", "rules"], rules)
}

fn grant(namespace: &str, from: &[&str], services: &[Option<&str>]) -> Grant {
    let services = services.iter().map(|name| name.map(str::to_owned)).collect();
    let from = from.iter().map(|from| ("HTTPRoute".to_owned(), (*from).to_owned())).collect();
    Grant { namespace: namespace.to_owned(), from, services }
}

fn attached_to(gateways: Value) -> Value {
    with(http_route("www"), &["spec", "parentRefs"], gateways)
}

#[test]
fn a_gateway_of_the_routes_own_namespace_must_be_on_the_other_side_too() {
    let mut observed =
        observed(&[attached_to(json!([{ "name": "own" }, { "name": "public", "namespace": "x" }]))], &[]);
    assert!(notes(&observed).is_empty(), "where they cannot be read the controller's word decides");
    observed.sides.active.things.insert(&GATEWAY, things(&["public"]));
    assert_eq!(
        problems(&observed),
        [
            "HTTPRoute \"www\" in namespace \"shop-standby\": it is attached to Gateway \"own\" of its own namespace, and \
          namespace \"shop-main\" has none. Create the Gateway there too, or attach the route to a shared one with its \
          namespace."
        ]
    );
    observed.sides.active.things.insert(&GATEWAY, things(&["own"]));
    assert!(notes(&observed).is_empty());
}

#[test]
fn a_shared_gateway_is_not_looked_for() {
    let parents = json!([
        { "name": "public", "namespace": "gateways" },
        { "name": "mesh", "kind": "Service", "group": "" },
    ]);
    let mut observed = observed(&[attached_to(parents)], &[]);
    observed.sides.active.things.insert(&GATEWAY, things(&[]));
    observed.sides.active.things.insert(&SERVICE, things(&["web", "mesh"]));
    assert!(notes(&observed).is_empty());
}

#[test]
fn a_service_elsewhere_needs_a_grant_for_the_namespace_that_the_route_goes_to() {
    let grants = [
        (vec![], false, "none"),
        (vec![grant("backends", &[ACTIVE], &[None])], true, "any Service"),
        (vec![grant("backends", &[ACTIVE], &[Some("api"), Some("web")])], true, "this Service"),
        (vec![grant("backends", &[ACTIVE], &[Some("api")])], false, "another Service"),
        (vec![grant("backends", &[ACTIVE], &[])], false, "no Service"),
        (vec![grant("backends", &[STANDBY], &[None])], false, "only where the route is now"),
        (vec![grant("elsewhere", &[ACTIVE], &[None])], false, "a grant of another namespace"),
        (vec![grant("backends", &[STANDBY], &[None]), grant("backends", &[ACTIVE], &[None])], true, "one of two"),
    ];
    for (grants, granted, what) in grants {
        let mut observed = observed(&[sending_to("backends")], &[]);
        observed.grants = grants;
        if granted {
            assert!(notes(&observed).is_empty(), "{what}");
            continue;
        }
        assert_eq!(
            problems(&observed),
            ["HTTPRoute \"www\" in namespace \"shop-standby\": it sends requests to Service \"web\" in namespace \
              \"backends\", where no ReferenceGrant allows that from namespace \"shop-main\". Create such a \
              ReferenceGrant there."],
            "{what}"
        );
    }
}

#[test]
fn grants_that_may_not_be_read_are_worth_a_note() {
    let mut observed = observed(&[sending_to("backends")], &[]);
    observed.unreadable_grants = names(&["backends"]);
    assert_eq!(
        notes(&observed),
        [
            "HTTPRoute \"www\" in namespace \"shop-standby\" sends requests to Service \"web\" in namespace \"backends\", \
          whose ReferenceGrants the deployer may not read: make sure that one allows it from namespace \"shop-main\"."
        ]
    );
    observed.unreadable_grants = names(&["elsewhere"]);
    assert_eq!(problems(&observed).len(), 1);
}

#[test]
fn a_service_named_with_the_namespace_that_the_route_goes_to_needs_no_grant_but_must_be_there() {
    let mut observed = observed(&[sending_to(ACTIVE)], &[]);
    assert!(notes(&observed).is_empty());
    observed.sides.active.ready = Some(BTreeMap::from([("web".to_owned(), false)]));
    assert_eq!(problems(&observed).len(), 1, "it is not ready");
    observed.sides.active.things.insert(&SERVICE, things(&[]));
    let told = problems(&observed);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("to Service \"web\", and namespace \"shop-main\" has none"), "{told:?}");
}

#[test]
fn a_service_named_with_the_namespace_that_the_route_leaves_is_looked_for_in_the_other_one() {
    let mut observed = observed(&[sending_to(STANDBY)], &[]);
    assert!(notes(&observed).is_empty());
    observed.sides.active.things.insert(&SERVICE, things(&[]));
    let told = problems(&observed);
    assert!(told[0].contains("to Service \"web\", and namespace \"shop-main\" has none"), "{told:?}");
}

#[test]
fn only_those_who_had_accepted_a_route_are_asked_again() {
    let status = |controller: &str, status: &str| {
        let conditions = json!([{ "type": "Accepted", "status": status, "observedGeneration": 3 }]);
        json!({ "parentRef": { "name": "public" }, "controllerName": controller, "conditions": conditions })
    };
    let parents =
        json!([status("example.com/a", "True"), status("example.com/b", "False"), status("example.com/c", "?")]);
    let route = with(http_route("www"), &["status", "parents"], parents);
    let route = with(route, &["metadata", "generation"], 3);
    let plan = plan(&observed(&[route], &[]), None).unwrap();
    let controllers: Vec<_> =
        plan.book.routes[0].acceptances.iter().map(|acceptance| acceptance.controller.as_str()).collect();
    assert_eq!(controllers, ["example.com/a"]);
}
