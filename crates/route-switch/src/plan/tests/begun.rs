use super::*;
use crate::fixtures::entry;
use crate::journal::{SecretEntry, SecretWay};

fn with_builds(mut observed: Observed) -> Observed {
    observed.sides.standby.builds = names(&["lagoon-build-1"]);
    observed.sides.active.builds = names(&["lagoon-build-2", "lagoon-build-3"]);
    observed
}

#[test]
fn running_build_stops_new_switch() {
    let build = |name: &str, namespace: &str| {
        format!(
            "Pod \"{name}\" in namespace \"{namespace}\": it is a build of Lagoon that runs, and builds create and delete \
             routes. Wait until it has ended, or cancel it in Lagoon, then switch again."
        )
    };
    assert_eq!(
        problems(&with_builds(observed(&[ingress("www")], &[]))),
        [build("lagoon-build-1", STANDBY), build("lagoon-build-2", ACTIVE), build("lagoon-build-3", ACTIVE),]
    );
}

#[test]
fn running_build_is_noted_once_switch_has_begun() {
    let plan = plan(&with_builds(observed(&[ingress("www")], &[])), Some(Book::default())).unwrap();
    let note = |name: &str, namespace: &str| {
        format!(
            "Pod \"{name}\" in namespace \"{namespace}\" is a build of Lagoon: it may change routes while the switch is ended."
        )
    };
    assert_eq!(
        plan.notes,
        [note("lagoon-build-1", STANDBY), note("lagoon-build-2", ACTIVE), note("lagoon-build-3", ACTIVE)]
    );
    assert_eq!(plan.book.routes.len(), 1);
}

#[test]
fn begun_entries_stay_in_the_book_in_order() {
    let begun = Book {
        routes: vec![entry("b", Side::Active), entry("d", Side::Standby)],
        secrets: vec![SecretEntry { home: Side::Active, name: "tls".to_owned(), way: SecretWay::Copy }],
        ..Book::default()
    };
    let plan = plan(&observed(&[http_route("a"), ingress("c")], &[ingress("a")]), Some(begun)).unwrap();
    let order: Vec<_> = plan.book.routes.iter().map(|route| (route.kind.as_str(), route.name.as_str())).collect();
    assert_eq!(order, [("Ingress", "a"), ("Ingress", "b"), ("Ingress", "c"), ("Ingress", "d"), ("HTTPRoute", "a")]);
    assert_eq!(plan.book.secrets.len(), 1);
    assert!(plan.book.routes[1].may_overlap, "what an earlier run has found out is kept");
}

#[test]
fn begun_switch_with_nothing_left_plans_its_own_entries() {
    let begun = Book { routes: vec![entry("www", Side::Active)], ..Book::default() };
    let mut observed = observed(&[ingress("www")], &[]);
    observed.sides.standby.routes[0].is_settled = true;
    // What is done needs no Service any more, and no right.
    observed.sides.active.things.insert(&SERVICE, things(&[]));
    observed.sides.active.rights.rules.clear();
    let plan = plan(&observed, Some(begun)).unwrap();
    assert_eq!(plan.book.moved().to_standby, ["https://www.example.com"]);
}

#[test]
fn problem_of_a_remaining_route_stops_begun_switch() {
    let begun = Book { routes: vec![entry("www", Side::Active)], ..Book::default() };
    let observed = observed(&[ingress("api")], &[staying(ingress("api"))]);
    let problems = plan(&observed, Some(begun)).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].object, "Ingress \"api\" in namespace \"shop-standby\"");
}
