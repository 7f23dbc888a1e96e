use std::collections::BTreeSet;

use lagoon_task::cluster::Metadata;
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::*;
use crate::fixtures::{
    ACTIVE, STANDBY, entry, http_route, ingress, moved, names, observed, served_from, staying, with,
};
use crate::journal::{Holder, SecretEntry, SecretWay, State};
use crate::labels;
use crate::plan::{Plan, plan};

const SWITCH: &str = "0mzvq8k2p-a1b2c";

/// The Ingress of this name as the switch has brought it to the side `at`.
fn arrived(name: &str, at: Side) -> Value {
    brought(name, at, SWITCH)
}

fn brought(name: &str, at: Side, switch: &str) -> Value {
    let of = |side| if side == Side::Standby { STANDBY } else { ACTIVE };
    moved(&ingress(name), of(at.other()), of(at), switch)
}

fn terminating(object: Value) -> Value {
    with(object, &["metadata", "deletionTimestamp"], "2026-01-01T00:00:00Z")
}

/// The head of an interrupted switch that may have left these places of the book offline.
fn head(version: u32, gaps: &[usize]) -> Head {
    Head {
        version,
        switch_id: SWITCH.to_owned(),
        state: State::Moving,
        holder: Holder { kind: "Pod".to_owned(), name: "task".to_owned(), uid: String::new() },
        standby_namespace: STANDBY.to_owned(),
        active_namespace: ACTIVE.to_owned(),
        parts: Vec::new(),
        routes: None,
        gaps: gaps.iter().copied().collect(),
        ended: None,
    }
}

fn book(routes: &[(&str, Side)]) -> Book {
    Book { routes: routes.iter().map(|(name, home)| entry(name, *home)).collect(), ..Book::default() }
}

/// The routes of a book, by name and home.
fn of(book: &Book) -> Vec<(&str, Side)> {
    book.routes.iter().map(|route| (route.name.as_str(), route.home)).collect()
}

fn key(name: &str, home: Side) -> RouteKey {
    ("Ingress".to_owned(), home, name.to_owned())
}

/// What is still to move, by name and side.
fn movers(observed: &Observed) -> Vec<(&str, Side)> {
    let movers = |side: Side| observed.sides.of(side).movers().map(move |route| (route.metadata.name.as_str(), side));
    Side::BOTH.into_iter().flat_map(movers).collect()
}

/// Resumes by a journal that nobody else can have written.
fn resume(observed: &mut Observed, head: &Head, book: Book) -> Begun {
    super::resume(observed, head, book, &Proof::Ours)
}

/// Rescues the routes of such a journal of the switch the other way.
fn rescue(observed: &mut Observed, known: &Book, other: Book) -> Vec<RouteKey> {
    let head = Head { standby_namespace: ACTIVE.to_owned(), active_namespace: STANDBY.to_owned(), ..head(1, &[]) };
    let mut begun = Begun::default();
    super::rescue(observed, &mut begun, known, &head, other, &Proof::Ours);
    begun.nowhere
}

/// Resumes a switch of one Ingress, `www` of the active side.
fn resume_one(standby: &[Value], active: &[Value], head: &Head) -> (Observed, Begun) {
    let mut observed = observed(standby, active);
    let begun = resume(&mut observed, head, book(&[("www", Side::Active)]));
    (observed, begun)
}

const WWW: (&str, Side) = ("www", Side::Active);

#[test]
fn settled_routes_are_those_that_this_switch_has_brought() {
    let unlabelled = with(arrived("d", Side::Standby), &["metadata", "labels", labels::MIGRATE], "false");
    let from_elsewhere = with(arrived("e", Side::Standby), &["metadata", "labels", labels::MIGRATED_FROM], "elsewhere");
    let standby =
        [arrived("a", Side::Standby), ingress("b"), brought("c", Side::Standby, "earlier"), unlabelled, from_elsewhere];
    let mut observed = observed(&standby, &[arrived("f", Side::Active), ingress("g")]);
    let moved = settle(&mut observed, SWITCH);
    assert_eq!(moved.to_standby, ["http://a.example.com", "http://d.example.com"]);
    assert_eq!(moved.to_active, ["http://f.example.com"]);
    let left = [("b", Side::Standby), ("c", Side::Standby), ("e", Side::Standby), ("g", Side::Active)];
    assert_eq!(movers(&observed), left);
}

#[test]
fn arrived_route_stays_and_counts_as_moved() {
    let mut observed = observed(&[arrived("www", Side::Standby)], &[arrived("api", Side::Active)]);
    let begun = resume(&mut observed, &head(2, &[]), book(&[WWW, ("api", Side::Standby)]));
    assert_eq!(of(&begun.done), [WWW, ("api", Side::Standby)]);
    assert_eq!(of(&begun.all), of(&begun.done));
    assert!(begun.nowhere.is_empty() && begun.notes.is_empty());
    let Plan { book, notes } = plan(&observed, Some(begun.done)).unwrap();
    assert_eq!(notes, Vec::<String>::new());
    assert_eq!(book.moved().to_standby, ["http://www.example.com"], "as the route says, once");
    assert_eq!(book.moved().to_active, ["http://api.example.com"]);
}

#[test]
fn route_at_home_is_planned_as_it_is_now() {
    let changed = with(ingress("www"), &["metadata", "resourceVersion"], "8");
    let changed = with(changed, &["spec", "defaultBackend"], crate::fixtures::to("web"));
    for gaps in [&[][..], &[0]] {
        let (observed, begun) = resume_one(&[], std::slice::from_ref(&changed), &head(2, gaps));
        assert_eq!(of(&begun.all), [WWW]);
        assert!(begun.done.routes.is_empty() && begun.nowhere.is_empty() && begun.notes.is_empty());
        let book = plan(&observed, Some(begun.done)).unwrap().book;
        assert_eq!(of(&book), [WWW]);
        assert_eq!((book.routes[0].object(), book.routes[0].resource_version.as_str()), (changed.clone(), "8"));
        assert!(!book.routes[0].may_overlap, "the cluster is asked again");
    }
}

#[test]
fn problem_of_a_route_at_home_is_found_again() {
    let moved_on = with(ingress("www"), &["spec", "defaultBackend"], crate::fixtures::to("absent"));
    let (observed, begun) = resume_one(&[], &[moved_on], &head(2, &[]));
    assert_eq!(plan(&observed, Some(begun.done)).unwrap_err().len(), 1);
    assert_eq!(of(&begun.all), [WWW], "the undoing needs it");
}

#[test]
fn new_route_is_planned_and_noted() {
    let (observed, begun) = resume_one(&[arrived("www", Side::Standby), ingress("new")], &[], &head(2, &[]));
    let note = "Ingress \"new\" in namespace \"shop-standby\" was added since the switch began; it moves too.";
    assert_eq!(begun.notes, [note]);
    assert_eq!(of(&begun.all), [WWW], "what this switch has not touched needs no undoing");
    assert_eq!(of(&plan(&observed, Some(begun.done)).unwrap().book), [("new", Side::Standby), WWW]);
}

#[test]
fn new_route_of_a_recorded_ones_name_is_another_route() {
    let mut http = http_route("www");
    http["spec"]["hostnames"] = serde_json::json!([]);
    let (observed, begun) = resume_one(&[arrived("www", Side::Standby)], &[http], &head(2, &[]));
    let note = "HTTPRoute \"www\" in namespace \"shop-main\" was added since the switch began; it moves too.";
    assert_eq!(begun.notes, [note]);
    assert_eq!(movers(&observed), [WWW]);
}

#[test]
fn unlabelled_new_route_stays_and_is_not_noted() {
    let (observed, begun) = resume_one(&[arrived("www", Side::Standby)], &[staying(ingress("new"))], &head(2, &[]));
    assert!(begun.notes.is_empty() && movers(&observed).is_empty());
}

#[test]
fn route_deleted_on_purpose_is_dropped_and_noted() {
    for gaps in [&[][..], &[1]] {
        let (observed, begun) = resume_one(&[], &[], &head(2, gaps));
        let note = "Ingress \"www\" (www.example.com) was deleted since the switch began; it stays deleted.";
        assert_eq!(begun.notes, [note]);
        assert!(begun.all.routes.is_empty() && begun.done.routes.is_empty() && begun.nowhere.is_empty());
        assert!(plan(&observed, Some(begun.done)).unwrap().book.routes.is_empty());
    }
}

#[test]
fn route_in_a_gap_is_restored() {
    let mut observed = observed(&[], &[]);
    let routes = book(&[("gone", Side::Active), WWW, ("api", Side::Standby)]);
    let begun = resume(&mut observed, &head(2, &[1, 2]), routes);
    assert_eq!(begun.nowhere, [key("www", Side::Active), key("api", Side::Standby)]);
    assert_eq!(of(&begun.all), [WWW, ("api", Side::Standby)]);
    assert!(begun.done.routes.is_empty());
    assert_eq!(begun.notes.len(), 1, "{:?}", begun.notes);
    assert_eq!(movers(&observed), [("api", Side::Standby), WWW]);
    let book = plan(&observed, Some(begun.done)).unwrap().book;
    assert_eq!(of(&book), [("api", Side::Standby), WWW]);
    let www = &book.routes[1];
    assert_eq!((www.object(), www.uid.as_str()), (ingress("www"), "uid-of-www"));
}

#[test]
fn restored_route_is_not_being_deleted() {
    let mut gone = entry("www", Side::Active);
    gone.manifest = RawValue::from_string(terminating(ingress("www")).to_string()).unwrap();
    let mut observed = observed(&[], &[]);
    let begun = resume(&mut observed, &head(2, &[0]), Book { routes: vec![gone], ..Book::default() });
    assert_eq!(of(&plan(&observed, Some(begun.done)).unwrap().book), [WWW]);
}

#[test]
fn version_1_restores_every_route_that_is_nowhere() {
    let mut observed = observed(&[arrived("a", Side::Standby)], &[ingress("b")]);
    let routes = book(&[("a", Side::Active), ("b", Side::Active), ("c", Side::Active), ("d", Side::Standby)]);
    let begun = resume(&mut observed, &head(1, &[]), routes);
    assert_eq!(begun.nowhere, [key("c", Side::Active), key("d", Side::Standby)]);
    assert_eq!(of(&begun.done), [("a", Side::Active)]);
    assert_eq!(begun.all.routes.len(), 4);
    assert_eq!(begun.notes, Vec::<String>::new());
    assert_eq!(movers(&observed), [("d", Side::Standby), ("b", Side::Active), ("c", Side::Active)]);
}

#[test]
fn version_1_restores_the_other_half_of_an_exchange() {
    // That version exchanged routes of equal name: one has arrived, and the other is nowhere.
    let mut observed = observed(&[], &[arrived("www", Side::Active)]);
    let begun = resume(&mut observed, &head(1, &[]), book(&[("www", Side::Standby), WWW]));
    assert_eq!(begun.nowhere, [key("www", Side::Active)]);
    assert_eq!(of(&plan(&observed, Some(begun.done)).unwrap().book), [("www", Side::Standby), WWW]);
}

#[test]
fn terminating_route_with_arrived_copy_has_arrived() {
    let (observed, begun) =
        resume_one(&[arrived("www", Side::Standby)], &[terminating(ingress("www"))], &head(2, &[0]));
    assert_eq!(of(&begun.done), [WWW]);
    assert!(begun.nowhere.is_empty() && begun.notes.is_empty());
    assert_eq!(
        of(&plan(&observed, Some(begun.done)).unwrap().book),
        [WWW],
        "it is no problem that it is being deleted"
    );
}

#[test]
fn terminating_route_without_copy_is_nowhere() {
    let (observed, begun) = resume_one(&[], &[terminating(ingress("www"))], &head(2, &[0]));
    assert_eq!(begun.nowhere, [key("www", Side::Active)]);
    assert_eq!(of(&plan(&observed, Some(begun.done)).unwrap().book), [WWW]);
    let (observed, begun) = resume_one(&[], &[terminating(ingress("www"))], &head(2, &[]));
    assert_eq!(begun.notes.len(), 1, "{:?}", begun.notes);
    assert!(begun.all.routes.is_empty() && movers(&observed).is_empty());
}

#[test]
fn terminating_copy_has_not_arrived() {
    let copy = || terminating(arrived("www", Side::Standby));
    let (observed, begun) = resume_one(&[copy()], &[ingress("www")], &head(2, &[]));
    assert_eq!((of(&begun.all), of(&begun.done)), (vec![WWW], vec![]));
    assert_eq!(movers(&observed), [WWW]);
    let (observed, begun) = resume_one(&[copy()], &[], &head(2, &[0]));
    assert_eq!(begun.nowhere, [key("www", Side::Active)]);
    assert_eq!(movers(&observed), [WWW]);
}

#[test]
fn route_at_home_with_arrived_copy_is_still_to_move() {
    let (observed, begun) = resume_one(&[arrived("www", Side::Standby)], &[ingress("www")], &head(2, &[]));
    assert_eq!((of(&begun.all), of(&begun.done)), (vec![WWW], vec![]));
    assert_eq!(of(&plan(&observed, Some(begun.done)).unwrap().book), [WWW]);
}

#[test]
fn route_that_lost_its_label_stays_and_is_noted() {
    let (observed, begun) = resume_one(&[], &[staying(ingress("www"))], &head(2, &[0]));
    let note = "Ingress \"www\" (www.example.com) lost its label since the switch began; it stays where it is.";
    assert_eq!(begun.notes, [note]);
    assert!(begun.all.routes.is_empty() && begun.nowhere.is_empty() && movers(&observed).is_empty());
}

#[test]
fn route_that_another_switch_left_is_not_the_arrived_copy() {
    let (observed, begun) = resume_one(&[brought("www", Side::Standby, "earlier")], &[], &head(2, &[]));
    assert!(begun.all.routes.is_empty());
    assert_eq!(begun.notes.len(), 2, "added there, and deleted here: {:?}", begun.notes);
    assert_eq!(movers(&observed), [("www", Side::Standby)]);
}

#[test]
fn secrets_of_routes_that_are_gone_are_not_copied_again() {
    let gone = |name: &str| RouteEntry {
        manifest: RawValue::from_string(served_from(ingress(name), &["tls", "shared"]).to_string()).unwrap(),
        secrets: ["tls", "shared"].map(str::to_owned).into(),
        ..entry(name, Side::Active)
    };
    let copy = moved(&gone("www").object(), ACTIVE, STANDBY, SWITCH);
    let mut observed = observed(&[copy], &[served_from(ingress("api"), &["shared", "own"])]);
    let routes = vec![gone("www"), gone("offline"), entry("api", Side::Active)];
    let begun = resume(&mut observed, &head(2, &[1]), Book { routes, ..Book::default() });
    let secret = |name: &str, way| SecretEntry { home: Side::Active, name: name.to_owned(), way };
    assert_eq!(begun.done.secrets, [secret("tls", SecretWay::Brought)]);
    let all = [secret("own", SecretWay::Copy), secret("shared", SecretWay::Copy), secret("tls", SecretWay::Brought)];
    assert_eq!(begun.all.secrets, all);
    let planned = plan(&observed, Some(begun.done)).unwrap().book.secrets;
    assert_eq!(
        planned,
        [secret("tls", SecretWay::Brought), secret("own", SecretWay::Copy), secret("shared", SecretWay::Copy)]
    );
}

#[test]
fn copied_certificate_is_found_again_by_what_is_seen() {
    let certificate = |name: &str, secret: &str, switch: &str| {
        let object = json!({ "metadata": { "name": name, "labels": { labels::SWITCH: switch } }, "spec": { "secretName": secret } });
        crate::plan::observed::Certificate {
            metadata: Metadata::of(&object),
            secret: secret.to_owned(),
            owners: BTreeSet::new(),
            manifest: object.to_string(),
        }
    };
    let gone = RouteEntry { secrets: names(&["tls"]), ..entry("www", Side::Active) };
    let copy = moved(&served_from(ingress("www"), &["tls"]), ACTIVE, STANDBY, SWITCH);
    let mut observed = observed(&[copy], &[]);
    observed.sides.standby.certificates = vec![
        certificate("site", "tls", SWITCH),
        certificate("gone-at-home", "tls", SWITCH),
        certificate("of-another-secret", "other", SWITCH),
        certificate("of-an-earlier-switch", "tls", "earlier"),
    ];
    observed.sides.active.certificates =
        vec![certificate("site", "tls", "before"), certificate("not-copied", "tls", "before")];
    let begun = resume(&mut observed, &head(2, &[]), Book { routes: vec![gone], ..Book::default() });
    let found: Vec<_> = begun.done.certificates.iter().map(|one| (one.name.as_str(), one.copied)).collect();
    assert_eq!(found, [("site", true), ("gone-at-home", true)]);
    assert_eq!(begun.done.certificates[1].object().pointer("/metadata/labels"), None, "as it was at home");
}

#[test]
fn route_that_has_arrived_is_what_is_seen_and_not_what_the_journal_says() {
    let forged = RouteEntry {
        manifest: RawValue::from_string(served_from(ingress("www"), &["stolen"]).to_string()).unwrap(),
        secrets: names(&["stolen"]),
        ..entry("www", Side::Active)
    };
    let mut observed = observed(&[arrived("www", Side::Standby)], &[]);
    let begun = resume(&mut observed, &head(2, &[]), Book { routes: vec![forged], ..Book::default() });
    let entry = &begun.all.routes[0];
    assert!(entry.secrets.is_empty());
    assert!(say_the_same(&entry.object(), &ingress("www")), "{}", entry.object());
    assert_eq!(entry.object()["metadata"]["namespace"], ACTIVE);
}

mod proofs {
    use super::*;

    fn resumed(proof: &Proof, routes: Vec<RouteEntry>) -> (Vec<RouteKey>, Vec<String>) {
        let mut observed = observed(&[], &[]);
        let begun = super::super::resume(&mut observed, &head(3, &[0]), Book { routes, ..Book::default() }, proof);
        assert_eq!(movers(&observed).len(), begun.nowhere.len());
        (begun.nowhere, begun.unproven)
    }

    fn recorded(digests: &[String]) -> Proof {
        Proof::Recorded { digests: digests.iter().cloned().collect(), is_lenient: false }
    }

    #[test]
    fn offline_route_needs_a_record_of_its_very_manifest() {
        let www = entry("www", Side::Active);
        let right = digest(&head(3, &[0]), &www);
        assert_eq!(resumed(&recorded(std::slice::from_ref(&right)), vec![www.clone()]).0, [key("www", Side::Active)]);
        let other = RouteEntry { manifest: entry("api", Side::Active).manifest, ..www.clone() };
        let other_side = RouteEntry { home: Side::Standby, ..www.clone() };
        for forged in [other, other_side] {
            let (nowhere, unproven) = resumed(&recorded(std::slice::from_ref(&right)), vec![forged]);
            assert!(nowhere.is_empty() && unproven == ["Ingress \"www\" (www.example.com)"], "{unproven:?}");
        }
        assert_eq!(resumed(&recorded(&[]), vec![www]).1.len(), 1);
    }

    #[test]
    fn lenient_reader_recreates_unproven_routes_only_where_the_journal_lies() {
        let mut observed = observed(&[], &[]);
        let routes = vec![entry("www", Side::Active), entry("api", Side::Standby)];
        let proof = Proof::Recorded { digests: BTreeSet::new(), is_lenient: true };
        let begun = super::super::resume(&mut observed, &head(3, &[0, 1]), Book { routes, ..Book::default() }, &proof);
        assert_eq!(begun.nowhere, [key("www", Side::Active)], "it goes to the standby environment");
        assert!(plan(&observed, Some(begun.done)).unwrap().book.routes[0].is_unproven);
        let put_back: Vec<&str> = begun.put_back.iter().map(|route| route.name.as_str()).collect();
        assert_eq!((put_back, begun.unproven), (vec!["api"], vec![]), "it was there");
    }

    #[test]
    fn record_of_another_switch_proves_nothing() {
        let www = entry("www", Side::Active);
        let earlier = Head { switch_id: "earlier".to_owned(), ..head(3, &[0]) };
        assert_eq!(resumed(&recorded(&[digest(&earlier, &www), "earlier".to_owned()]), vec![www]).0, []);
    }

    #[test]
    fn person_who_names_the_switch_vouches_for_its_journal() {
        let www = entry("www", Side::Active);
        assert_eq!(resumed(&recorded(&[SWITCH.to_owned()]), vec![www]).0.len(), 1);
    }
}

#[test]
fn rescued_route_goes_back_to_its_own_home() {
    let mut observed = observed(&[], &[]);
    // In the journal of the switch the other way its standby side is this one's active side.
    let rescued = rescue(&mut observed, &Book::default(), book(&[("www", Side::Standby), ("api", Side::Active)]));
    assert_eq!(rescued, [key("www", Side::Active), key("api", Side::Standby)]);
    assert_eq!(movers(&observed), [("api", Side::Standby), WWW]);
    let book = plan(&observed, Some(Book::default())).unwrap().book;
    assert_eq!(of(&book), [("api", Side::Standby), WWW]);
    assert_eq!(book.routes[1].object(), ingress("www"));
}

#[test]
fn known_or_seen_route_needs_no_rescue() {
    let seen = [ingress("a"), arrived("b", Side::Standby), staying(ingress("c")), terminating(ingress("d"))];
    let mut observed = observed(&seen, &[ingress("e")]);
    let all = ["a", "b", "c", "d", "e", "known", "lost"].map(|name| (name, Side::Standby));
    let known = book(&[("known", Side::Standby)]);
    assert_eq!(rescue(&mut observed, &known, book(&all)), [key("lost", Side::Active)]);
    let http = Book { routes: vec![entry_of_kind("HTTPRoute", "lost")], ..Book::default() };
    assert_eq!(rescue(&mut observed, &known, http).len(), 1, "one of another kind is another route");
}

fn entry_of_kind(kind: &str, name: &str) -> RouteEntry {
    RouteEntry { kind: kind.to_owned(), ..entry(name, Side::Standby) }
}

/// Makes what there is of the route of a name on one side.
type Make = fn(&str, Side) -> Value;

fn seen() -> impl Strategy<Value = Option<Make>> {
    let all: Vec<Option<Make>> = vec![
        None,
        Some(|name, _| ingress(name)),
        Some(|name, _| terminating(ingress(name))),
        Some(arrived),
        Some(|name, at| terminating(arrived(name, at))),
        Some(|name, at| brought(name, at, "earlier")),
    ];
    prop::sample::select(all)
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn recorded_route_is_kept_unless_it_was_deleted(
        sides in prop::collection::vec((seen(), seen(), prop::sample::select(&Side::BOTH)), NAMES.len()),
        gaps in prop::collection::btree_set(0..NAMES.len(), 0..4),
        version in 1..3_u32,
    ) {
        let on = |side: Side| -> Vec<Value> {
            let objects = NAMES.iter().zip(&sides).map(|(name, (standby, active, _))| {
                let seen = if side == Side::Standby { standby } else { active };
                seen.map(|make| make(name, side))
            });
            objects.flatten().collect()
        };
        let mut observed = observed(&on(Side::Standby), &on(Side::Active));
        let recorded: Vec<(&str, Side)> = NAMES.iter().zip(&sides).map(|(name, (_, _, home))| (*name, *home)).collect();
        let gaps: Vec<usize> = gaps.into_iter().collect();
        let begun = resume(&mut observed, &head(version, &gaps), book(&recorded));
        let movers: BTreeSet<(&str, Side)> = movers(&observed).into_iter().collect();
        let (all, done) = (of(&begun.all), of(&begun.done));
        for (place, route) in recorded.iter().enumerate() {
            let is_kept = all.contains(route);
            // What is kept has arrived or is still to move, and only one of the two.
            prop_assert_eq!(is_kept, done.contains(route) || movers.contains(route), "{:?}", route);
            prop_assert!(!(done.contains(route) && movers.contains(route)), "{:?}", route);
            let may_be_offline = version == 1 || gaps.contains(&place);
            prop_assert!(is_kept || !may_be_offline, "{:?} may be offline", route);
            let is_noted = begun.notes.iter().any(|note| note.starts_with(&entry(route.0, route.1).in_words()));
            prop_assert_eq!(is_noted, !is_kept, "{:?}", route);
        }
        let nowhere: Vec<RouteKey> = recorded.iter().map(|(name, home)| key(name, *home)).collect();
        prop_assert!(begun.nowhere.iter().all(|one| nowhere.contains(one)));
        // What is kept is planned once.
        if let Ok(plan) = plan(&observed, Some(begun.done.clone())) {
            let planned = of(&plan.book);
            let count = |route: &(&str, Side)| planned.iter().filter(|one| *one == route).count();
            prop_assert!(all.iter().all(|route| count(route) == 1), "{:?} of {:?}", planned, all);
        }
    }
}

mod corners {
    use super::*;
    use crate::plan::observed::SecretThere;

    #[test]
    fn offline_route_without_label_is_planned() {
        let mut gone = entry("www", Side::Active);
        // It was amended: somebody removed the label after planning, and it moved as it was.
        gone.manifest = RawValue::from_string(staying(ingress("www")).to_string()).unwrap();
        let mut observed = observed(&[], &[]);
        let begun = resume(&mut observed, &head(2, &[0]), Book { routes: vec![gone], ..Book::default() });
        assert_eq!(begun.nowhere.len(), 1);
        assert_eq!(of(&plan(&observed, Some(begun.done)).unwrap().book), [WWW]);
    }

    #[test]
    fn missing_namespace_drops_nothing() {
        let mut observed = observed(&[], &[]);
        observed.sides.active.missing = Some(crate::plan::observed::Missing::Deleted);
        let begun = resume(&mut observed, &head(2, &[]), book(&[WWW, ("api", Side::Standby)]));
        assert_eq!(begun.notes, Vec::<String>::new());
        assert_eq!(of(&begun.all), [WWW, ("api", Side::Standby)]);
    }

    #[test]
    fn unseen_kind_drops_nothing() {
        let mut observed = observed(&[], &[]);
        observed.sides.active.unseen = vec!["HTTPRoute".to_owned()];
        let routes = vec![RouteEntry { kind: "HTTPRoute".to_owned(), ..entry("www", Side::Active) }];
        let begun = resume(&mut observed, &head(2, &[]), Book { routes, ..Book::default() });
        assert_eq!(begun.notes, Vec::<String>::new());
        assert_eq!(begun.all.routes.len(), 1);
    }

    #[test]
    fn unknown_kind_in_gap_is_kept_or_a_problem() {
        let mut observed = observed(&[], &[]);
        let routes = vec![RouteEntry { kind: "TLSRoute".to_owned(), ..entry("www", Side::Active) }];
        let begun = resume(&mut observed, &head(2, &[0]), Book { routes, ..Book::default() });
        assert!(plan(&observed, Some(begun.done)).map_or(true, |plan| plan.book.routes.len() == 1));
    }

    #[test]
    fn note_of_new_route_is_escaped() {
        let odd = with(ingress("x"), &["metadata", "name"], "w\u{1b}w");
        let (_, begun) = resume_one(&[odd], &[], &head(2, &[]));
        assert!(begun.notes.iter().all(|note| !note.contains('\u{1b}')), "{:?}", begun.notes);
    }

    #[test]
    fn arrived_copy_without_label_is_not_deleted() {
        let copy = with(arrived("www", Side::Standby), &["metadata", "labels", labels::MIGRATE], "false");
        let (_, begun) = resume_one(&[copy], &[], &head(2, &[]));
        assert!(!begun.notes.concat().contains("deleted"), "{:?}", begun.notes);
    }

    #[test]
    fn unlabelled_route_at_home_is_nobodys_to_move_though_a_copy_has_arrived() {
        let (observed, begun) = resume_one(&[arrived("www", Side::Standby)], &[staying(ingress("www"))], &head(2, &[]));
        assert!(begun.all.routes.is_empty() && movers(&observed).is_empty());
        assert!(begun.notes[0].contains("lost its label"), "{:?}", begun.notes);
    }

    #[test]
    fn build_is_no_problem_where_nothing_moves() {
        let mut observed = observed(&[staying(ingress("www"))], &[arrived("api", Side::Active)]);
        settle(&mut observed, SWITCH);
        observed.sides.active.builds = vec!["lagoon-build-1".to_owned()];
        assert!(plan(&observed, None).is_ok(), "{:?}", plan(&observed, None).unwrap_err());
    }

    #[test]
    fn certificate_of_the_same_words_is_no_other_user() {
        let object = serde_json::json!({
            "kind": "Certificate", "metadata": { "name": "site", "uid": "u" }, "spec": { "secretName": "tls" },
        });
        let certificate = crate::plan::observed::Certificate {
            metadata: Metadata::of(&object),
            secret: "tls".to_owned(),
            owners: BTreeSet::new(),
            manifest: object.to_string(),
        };
        let mut observed = observed(&[served_from(ingress("www"), &["tls"])], &[]);
        let there = SecretThere { same: Some(false), issued: true, ..SecretThere::default() };
        observed.destinations.insert((Side::Standby, "tls".to_owned()), there);
        for side in Side::BOTH {
            observed.sides.of_mut(side).certificates = vec![certificate.clone()];
        }
        assert_eq!(plan(&observed, None).unwrap().book.secrets[0].way, SecretWay::Replace);
    }
}
