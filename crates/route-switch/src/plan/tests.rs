use serde_json::{Value, json};

use super::*;
use crate::fixtures::{
    ACTIVE, STANDBY, annotated, http_route, ingress, names, observed, served_from, staying, things, to, with,
};
use crate::labels;
use crate::plan::observed::{Idling, Thing};
use crate::route::SERVICE;

mod begun;
mod beside;
mod gateway;
mod property;
mod rights;

/// Every reason why the switch cannot be carried out.
fn problems(observed: &Observed) -> Vec<String> {
    plan(observed, None).unwrap_err().iter().map(ToString::to_string).collect()
}

/// What is worth knowing about a switch that can be carried out.
fn notes(observed: &Observed) -> Vec<String> {
    plan(observed, None).unwrap().notes
}

fn no_service(service: &str) -> String {
    format!(
        "Ingress \"www\" in namespace \"shop-standby\": it sends requests to Service \"{service}\", and namespace \
         \"shop-main\" has none. Deploy the other environment so that it has this service, or remove the label activestandby.lagoon.sh/migrate from the route."
    )
}

#[test]
fn routes_of_both_sides_are_planned_with_what_the_switch_needs_of_them() {
    let of_standby = served_from(ingress("www"), &["www-tls"]);
    let of_active = with(ingress("api"), &["metadata", "labels"], json!({ "dioscuri.amazee.io/migrate": "true" }));
    let plan = plan(&observed(std::slice::from_ref(&of_standby), &[of_active]), None).unwrap();
    assert_eq!(plan.notes, Vec::<String>::new());
    let [api, www] = plan.book.routes.as_slice() else { panic!("{:?}", plan.book.routes) };
    assert_eq!((api.name.as_str(), api.home), ("api", Side::Active));
    assert_eq!((www.name.as_str(), www.home, www.kind.as_str()), ("www", Side::Standby, "Ingress"));
    assert_eq!((www.uid.as_str(), www.resource_version.as_str()), ("uid-of-www", "7"));
    assert_eq!(www.urls, ["https://www.example.com"]);
    assert_eq!(www.secrets, names(&["www-tls"]));
    assert_eq!(www.object(), of_standby);
    assert!(!www.may_overlap, "the cluster has not been asked yet");
    let moved = plan.book.moved();
    assert_eq!(moved.to_standby, ["http://api.example.com"]);
    assert_eq!(moved.to_active, ["https://www.example.com"]);
}

#[test]
fn entries_are_in_the_order_of_their_kinds_and_then_of_their_names() {
    let standby = [http_route("a"), ingress("c"), ingress("a")];
    let plan = plan(&observed(&standby, &[ingress("b"), http_route("b")]), None).unwrap();
    let order: Vec<_> =
        plan.book.routes.iter().map(|route| (route.kind.as_str(), route.name.as_str(), route.home)).collect();
    assert_eq!(
        order,
        [
            ("Ingress", "a", Side::Standby),
            ("Ingress", "b", Side::Active),
            ("Ingress", "c", Side::Standby),
            ("HTTPRoute", "a", Side::Standby),
            ("HTTPRoute", "b", Side::Active),
        ]
    );
}

#[test]
fn route_without_the_label_stays_unchecked() {
    let other_service = json!([{ "http": { "paths": [{ "backend": to("absent") }] } }]);
    let stayer = with(staying(ingress("stays")), &["spec", "rules"], other_service);
    let labelled_otherwise = with(stayer.clone(), &["metadata", "labels"], json!({ labels::MIGRATE: "yes" }));
    let plan = plan(&observed(&[stayer, labelled_otherwise], &[]), None).unwrap();
    assert!(plan.book.routes.is_empty());
    assert!(plan.book.secrets.is_empty() && plan.book.certificates.is_empty());
}

#[test]
fn a_switch_of_no_routes_is_a_plan_of_nothing() {
    let plan = plan(&Observed::default(), None).unwrap();
    assert!(plan.book.routes.is_empty() && plan.notes.is_empty());
}

#[test]
fn each_service_that_a_route_sends_requests_to_must_be_on_the_other_side() {
    let rules = json!([
        { "host": "a.example.com", "http": { "paths": [{ "backend": to("one") }, { "backend": to("two") }] } },
        { "host": "b.example.com" },
        { "http": { "paths": [{ "backend": to("three") }, { "backend": to("web") }, { "backend": to("one") }] } },
    ]);
    let route = with(ingress("www"), &["spec", "rules"], rules);
    let route = with(route, &["spec", "defaultBackend"], to("four"));
    let expected = ["four", "one", "three", "two"].map(no_service);
    let mut observed = observed(&[route], &[]);
    observed.sides.standby.things.insert(&SERVICE, things(&["one", "two", "three", "four", "web"]));
    assert_eq!(problems(&observed), expected, "what its own namespace has does not matter");
    observed.sides.active.things.insert(&SERVICE, things(&["one", "two", "three", "four", "web"]));
    observed.sides.standby.things.insert(&SERVICE, things(&[]));
    assert!(plan(&observed, None).is_ok(), "nor does what it has not");
}

#[test]
fn all_problems_are_told_at_once_each_with_its_object_and_what_to_do() {
    let no_service = json!([{ "http": { "paths": [{ "backend": to("absent") }] } }]);
    let stuck = with(ingress("www"), &["metadata", "finalizers"], json!(["example.com/keeps"]));
    let stuck = with(stuck, &["spec", "rules"], no_service);
    let mut observed = observed(&[stuck], &[ingress("api"), staying(ingress("www"))]);
    observed.sides.standby.things.insert(&SERVICE, things(&[]));
    observed.sides.standby.rights.rules.clear();
    let problems = plan(&observed, None).unwrap_err();
    let objects: BTreeSet<&str> = problems.iter().map(|problem| problem.object.as_str()).collect();
    assert_eq!(
        objects,
        BTreeSet::from([
            "Ingress \"www\" in namespace \"shop-standby\"",
            "Ingress \"api\" in namespace \"shop-main\"",
            "Namespace \"shop-standby\"",
        ])
    );
    // The finalizer, the Service, the name; the other route's Service; four rights.
    assert_eq!(problems.len(), 3 + 1 + 4, "{problems:?}");
    assert!(problems.is_sorted(), "{problems:?}");
    assert!(problems.iter().all(|problem| !problem.remedy.is_empty()));
}

#[test]
fn route_of_equal_name_is_in_the_way() {
    let taken = |name: &str, here: &str, there: &str| {
        format!(
            "Ingress \"{name}\" in namespace \"{here}\": namespace \"{there}\" has a route of the same name, Ingress \
             \"{name}\". Rename one of the two (routes are best named after their hosts), or delete the one that is not \
             needed."
        )
    };
    let stays = observed(&[ingress("www")], &[staying(ingress("www"))]);
    assert_eq!(problems(&stays), [taken("www", STANDBY, ACTIVE)]);
    let both_move = observed(&[ingress("www"), ingress("a")], &[ingress("b"), ingress("www")]);
    assert_eq!(problems(&both_move), [taken("www", ACTIVE, STANDBY), taken("www", STANDBY, ACTIVE)]);
    for free in [vec![staying(http_route("www"))], vec![http_route("www")], vec![staying(ingress("www2"))], vec![]] {
        assert!(plan(&observed(&[ingress("www")], &free), None).is_ok(), "{free:?}");
    }
}

#[test]
fn settled_route_of_equal_name_is_this_one() {
    let mut observed = observed(&[ingress("www")], &[ingress("www")]);
    observed.sides.active.routes[0].is_settled = true;
    let plan = plan(&observed, Some(Book::default())).unwrap();
    let planned: Vec<_> = plan.book.routes.iter().map(|route| (route.name.as_str(), route.home)).collect();
    assert_eq!(planned, [("www", Side::Standby)]);
}

#[test]
fn a_route_that_is_being_deleted_is_not_moved_and_its_finalizers_are_no_further_problem() {
    let going = with(ingress("www"), &["metadata", "deletionTimestamp"], "2026-01-01T00:00:00Z");
    let going = with(going, &["metadata", "finalizers"], json!(["example.com/keeps"]));
    assert_eq!(
        problems(&observed(&[], &[going])),
        [
            "Ingress \"www\" in namespace \"shop-main\": it is being deleted. Wait until it is gone, or remove what keeps \
          it, then switch again."
        ]
    );
}

#[test]
fn a_finalizer_that_nothing_is_known_to_remove_is_a_problem() {
    let finalizers = [
        ("ingress.k8s.aws/resources", true),
        ("group.ingress.k8s.aws/my-group", true),
        ("networking.gke.io/ingress-finalizer-V2", true),
        ("foregroundDeletion", true),
        ("example.com/keeps", false),
        ("", false),
    ];
    for (finalizer, goes) in finalizers {
        let route = with(ingress("www"), &["metadata", "finalizers"], json!([finalizer]));
        assert_eq!(plan(&observed(&[route], &[]), None).is_ok(), goes, "{finalizer}");
    }
    let two = json!(["example.com/a", "ingress.k8s.aws/resources", "example.com/b"]);
    let route = with(ingress("www"), &["metadata", "finalizers"], two);
    let problem = |finalizer| {
        format!(
            "Ingress \"www\" in namespace \"shop-standby\": its finalizer \"{finalizer}\" would keep it from going, and \
             nothing is known to remove it. Ask your Lagoon administrator what it is for and to remove it from the route."
        )
    };
    assert_eq!(problems(&observed(&[route], &[])), [problem("example.com/a"), problem("example.com/b")]);
}

#[test]
fn a_missing_namespace_is_the_only_problem_told_of_its_routes() {
    let mut observed = observed(&[ingress("www")], &[ingress("www")]);
    observed.sides.active.missing = Some(Missing::Absent);
    observed.sides.active.things.insert(&SERVICE, things(&[]));
    observed.sides.standby.rights.rules.clear();
    let missing = "Namespace \"shop-main\": there is no namespace of that name. Check in Lagoon that both environments \
                   are deployed, then switch again.";
    assert_eq!(problems(&observed)[0], missing);
    assert!(problems(&observed).iter().all(|problem| !problem.contains("Ingress")), "{:?}", problems(&observed));
    observed.sides.standby.missing = Some(Missing::Deleted);
    let both = problems(&observed);
    assert_eq!(both.len(), 2);
    assert_eq!(both[0], missing);
    assert!(both[1].starts_with("Namespace \"shop-standby\": it is being deleted."), "{both:?}");
}

#[test]
fn a_service_of_an_idle_environment_is_worth_a_note() {
    let note = "Service \"web\" in namespace \"shop-main\" has no ready endpoint: its environment is idle, and Lagoon wakes \
                it at the first request.";
    let mut observed = observed(&[ingress("www"), ingress("api")], &[]);
    observed.sides.active.idling = Idling::Idled;
    assert_eq!(notes(&observed), Vec::<String>::new(), "where it cannot be told");
    observed.sides.active.ready = ready(&[("web", false)]);
    observed.sides.standby.ready = ready(&[("web", false)]);
    assert_eq!(notes(&observed), [note], "once for all routes, and only where they go");
    observed.sides.active.ready = ready(&[("web", true)]);
    assert_eq!(notes(&observed), Vec::<String>::new());
    observed.sides.active.ready = ready(&[]);
    assert!(notes(&observed)[0].contains("the environment may be idle"), "nobody keeps its endpoints");
}

#[allow(clippy::unnecessary_wraps, reason = "as an observation has them")]
fn ready(services: &[(&str, bool)]) -> Option<BTreeMap<String, bool>> {
    Some(services.iter().map(|(name, ready)| ((*name).to_owned(), *ready)).collect())
}

#[test]
fn a_service_that_no_request_wakes_is_a_problem() {
    let mut observed = observed(&[ingress("www")], &[]);
    observed.sides.active.ready = ready(&[("web", false)]);
    for (idling, words) in [(Idling::Awake, "is not idle"), (Idling::ForceScaled, "scaled down by force")] {
        observed.sides.active.idling = idling;
        let told = problems(&observed);
        assert!(told.len() == 1 && told[0].contains(words), "{told:?}");
    }
    let external = Thing { is_external: true, ..Thing::default() };
    observed.sides.active.things.insert(&SERVICE, Some(BTreeMap::from([("web".to_owned(), external)])));
    assert!(notes(&observed).is_empty(), "a host elsewhere has no endpoints of its own");
}

#[test]
fn a_service_must_have_the_port_that_a_route_names() {
    let service =
        |ports: &[&str]| Some(BTreeMap::from([("web".to_owned(), Thing { parts: names(ports), ..Thing::default() })]));
    let mut observed = observed(&[ingress("www")], &[]);
    for (here, there, is_told) in [
        (service(&["http", "80"]), service(&["http", "80"]), false),
        (service(&["80"]), service(&["8080"]), true),
        (service(&["8080"]), service(&["8080"]), false),
        (service(&["80"]), service(&[]), false),
    ] {
        observed.sides.standby.things.insert(&SERVICE, here);
        observed.sides.active.things.insert(&SERVICE, there);
        if is_told {
            let told = problems(&observed);
            assert!(
                told[0].contains("it names \"80\" of Service \"web\"") && told[0].contains("has only \"8080\""),
                "{told:?}"
            );
        } else {
            assert!(notes(&observed).is_empty());
        }
    }
}

#[test]
fn what_cannot_be_looked_up_is_worth_a_note() {
    let bucket = json!({ "resource": { "apiGroup": "example.com", "kind": "Bucket", "name": "assets" } });
    let route = with(ingress("www"), &["spec", "defaultBackend"], bucket);
    assert_eq!(
        notes(&observed(&[route], &[])),
        ["Ingress \"www\" in namespace \"shop-standby\" names Bucket \"assets\" (in \
          spec.defaultBackend.resource), which could not be looked up: make sure that namespace \"shop-main\" has it too."]
    );
}

#[test]
fn a_kind_of_routes_that_may_not_be_seen_is_worth_a_note() {
    let mut observed = observed(&[ingress("www")], &[]);
    observed.sides.active.unseen = vec!["HTTPRoute".to_owned()];
    let note = "The deployer may not see the HTTPRoute objects in namespace \"shop-main\", so none of them moves.";
    assert_eq!(notes(&observed), [note]);
}

#[test]
fn a_labelled_object_that_cannot_be_moved_is_a_problem() {
    let mut observed = observed(&[ingress("api")], &[ingress("www")]);
    observed.sides.active.unknown = vec!["HTTPRoute".to_owned()];
    assert!(notes(&observed).is_empty(), "a cluster without the kind");
    observed.sides.active.stuck = vec![("IngressRouteTCP".to_owned(), "mail".to_owned())];
    let told = problems(&observed);
    assert!(told.len() == 1 && told[0].contains("IngressRouteTCP \"mail\" in namespace \"shop-main\""), "{told:?}");
}

#[test]
fn a_site_whose_routes_may_all_be_unseen_is_not_told_that_it_has_none() {
    let mut bare = observed(&[], &[]);
    assert_eq!(notes(&bare), [""; 0], "a site without routes, on a cluster where all kinds can be seen");
    bare.sides.standby.unseen = vec!["HTTPRoute".to_owned()];
    bare.sides.active.unseen = vec!["HTTPRoute".to_owned()];
    let problems = problems(&bare);
    assert_eq!(problems.len(), 2, "{problems:#?}");
    for (problem, namespace) in problems.iter().zip([ACTIVE, STANDBY]) {
        assert!(
            problem.starts_with(&format!("Namespace \"{namespace}\": the deployer may not see the HTTPRoute objects")),
            "{problem}"
        );
    }
    // With a route that stays, the site has routes of its own, and those of the other kind are worth a note.
    let mut with_ingress = observed(&[staying(ingress("own"))], &[]);
    with_ingress.sides.standby.unseen = vec!["HTTPRoute".to_owned()];
    let note = "The deployer may not see the HTTPRoute objects in namespace \"shop-standby\", so none of them moves.";
    assert_eq!(notes(&with_ingress), [note]);
}

#[test]
fn names_from_objects_are_escaped_in_problems_and_notes() {
    let route = with(ingress("www"), &["metadata", "name"], "w\u{1b}[2J\nw");
    let route = with(route, &["spec", "defaultBackend"], to("a\r\nb\u{202e}"));
    let route = with(route, &["metadata", "finalizers"], json!(["x\u{7}y"]));
    let all = problems(&observed(std::slice::from_ref(&route), &[])).concat();
    assert!(all.contains(r"w\u{1b}[2J\nw") && all.contains(r"a\r\nb\u{202e}") && all.contains(r"x\u{7}y"), "{all}");
    assert!(!all.contains(|one: char| one.is_control() || one == '\u{202e}'), "{all}");
    let bucket = json!({ "resource": { "kind": "B\u{1b}", "name": "a\nb" } });
    let route = with(ingress("www"), &["spec", "defaultBackend"], bucket);
    let all = notes(&observed(&[route], &[])).concat();
    assert!(all.contains(r#"B\u{1b} "a\nb""#) && !all.contains(char::is_control), "{all}");
    let problem = Problem::new("a\u{1b}", "b\n", "c\u{2028}");
    assert_eq!(problem.to_string(), r"a\u{1b}: b\n. c\u{2028}.");
}

#[test]
fn a_problem_reads_as_two_sentences() {
    let problem = Problem::new("Ingress \"www\"", "it is broken", "Mend it");
    assert_eq!(problem.to_string(), "Ingress \"www\": it is broken. Mend it.");
}

/// The same observation with the sides exchanged.
fn mirrored(observed: &Observed) -> Observed {
    let mut mirror = observed.clone();
    std::mem::swap(&mut mirror.sides.standby, &mut mirror.sides.active);
    mirror.destinations = observed
        .destinations
        .iter()
        .map(|((side, name), there)| ((side.other(), name.clone()), there.clone()))
        .collect();
    mirror
}

#[test]
fn both_directions_are_judged_alike() {
    let standby = [served_from(ingress("www"), &["www-tls"]), http_route("m")];
    let active = [ingress("www"), staying(ingress("api")), staying(http_route("m"))];
    let mut observed = observed(&standby, &active);
    observed.sides.active.things.insert(&SERVICE, things(&[]));
    let there = crate::plan::observed::SecretThere { same: Some(false), ..Default::default() };
    observed.destinations.insert((Side::Standby, "www-tls".to_owned()), there);
    let mirror = mirrored(&observed);
    // Only the journal's rights are needed on the standby side alone, and they are all there.
    assert_eq!(problems(&observed), problems(&mirror));
    // Two Services, the Secret, and one name for each of the routes that move.
    assert_eq!(problems(&observed).len(), 2 + 1 + 3, "{:?}", problems(&observed));
}

#[test]
fn a_plan_never_asks_for_a_value_to_be_of_a_certain_shape() {
    for spec in
        [json!(null), json!("x"), json!([]), json!({ "rules": {}, "tls": 1 }), json!({ "rules": [null, 1, []] })]
    {
        let route = with(ingress("www"), &["spec"], spec.clone());
        let plan = plan(&observed(&[route], &[]), None).unwrap();
        assert_eq!(plan.book.routes.len(), 1, "{spec}");
        assert!(plan.book.routes[0].urls.is_empty(), "{spec}");
    }
}
