use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;
use crate::fixtures::{entry, names};
use crate::journal::{CertificateEntry, RouteEntry, SecretEntry};

fn route(name: &str, home: Side, secrets: &[&str]) -> RouteEntry {
    RouteEntry { secrets: names(secrets), ..entry(name, home) }
}

fn both_ways(name: &str) -> [SecretEntry; 2] {
    Side::BOTH.map(|home| SecretEntry { home, name: name.to_owned(), way: SecretWay::Exchange })
}

fn certificate(home: Side, name: &str, secret: &str, exchanged: bool) -> CertificateEntry {
    CertificateEntry {
        home,
        name: name.to_owned(),
        uid: String::new(),
        secret: secret.to_owned(),
        copied: true,
        exchanged,
        manifest: RawValue::from_string("{}".to_owned()).unwrap(),
    }
}

/// The routes of each component, by their places in the book.
fn parted(book: &Book) -> Vec<Vec<usize>> {
    components(book).into_iter().map(|component| component.routes).collect()
}

#[test]
fn independent_routes_move_alone() {
    let routes = vec![
        route("a", Side::Standby, &["shared"]),
        route("b", Side::Standby, &["shared"]),
        route("c", Side::Active, &["shared"]),
    ];
    let copied = SecretEntry { home: Side::Standby, name: "shared".to_owned(), way: SecretWay::Copy };
    let certificates = vec![certificate(Side::Standby, "shared", "shared", false)];
    let book = Book { routes, secrets: vec![copied], certificates };
    assert_eq!(parted(&book), [[0], [1], [2]], "a Secret that is only copied ties nothing together");
    for component in components(&book) {
        assert!(!component.is_exchange());
        assert!(component.exchanged_secrets.is_empty() && component.exchanged_certificates.is_empty());
    }
    assert_eq!(components(&Book::default()), []);
}

#[test]
fn two_routes_of_a_kind_and_name_change_places() {
    let mut other_kind = route("www", Side::Active, &[]);
    other_kind.kind = "HTTPRoute".to_owned();
    let routes = vec![
        route("www", Side::Standby, &[]),
        route("api", Side::Active, &[]),
        other_kind,
        route("www", Side::Active, &[]),
    ];
    let book = Book { routes, ..Book::default() };
    assert_eq!(parted(&book), [vec![0, 3], vec![1], vec![2]]);
    assert!(components(&book)[0].is_exchange());
}

#[test]
fn routes_that_name_a_secret_that_goes_both_ways_are_together_also_by_way_of_others() {
    let routes = vec![
        route("a", Side::Standby, &["one"]),
        route("b", Side::Active, &["one", "two"]),
        route("c", Side::Standby, &["two"]),
        route("d", Side::Standby, &["three"]),
        route("c", Side::Active, &[]),
    ];
    let secrets = both_ways("two").into_iter().chain(both_ways("one")).chain(both_ways("unnamed")).collect();
    let book = Book { routes, secrets, ..Book::default() };
    assert_eq!(parted(&book), [vec![0, 1, 2, 4], vec![3]]);
    assert_eq!(components(&book)[0].exchanged_secrets, ["one", "two"], "each once");
}

#[test]
fn certificates_that_change_places_go_with_the_routes_of_their_secrets() {
    let routes = vec![
        route("a", Side::Standby, &["a-tls"]),
        route("b", Side::Active, &["b-tls"]),
        route("c", Side::Standby, &["b-tls"]),
    ];
    let certificates = vec![
        certificate(Side::Standby, "kept", "a-tls", false),
        certificate(Side::Standby, "site", "a-tls", true),
        certificate(Side::Active, "site", "b-tls", true),
    ];
    let book = Book { routes, certificates, ..Book::default() };
    assert_eq!(parted(&book), [vec![0, 1], vec![2]], "the third names a Secret of that name on the other side");
    assert_eq!(components(&book)[0].exchanged_certificates, [1, 2]);
}

fn book() -> impl Strategy<Value = Book> {
    let secrets = || prop::collection::btree_set(prop::sample::select(vec!["s", "t", "u", "v"]), 0..3);
    let parts =
        (prop::sample::select(vec!["a", "b", "c", "d", "e", "f"]), prop::sample::select(&Side::BOTH), secrets());
    (prop::collection::vec(parts, 0..12), secrets(), secrets()).prop_map(|(routes, exchanged, copied)| {
        // A namespace has a name once.
        let mut seen = BTreeSet::new();
        let routes = routes.into_iter().filter(|(name, home, _)| seen.insert((*name, *home)));
        let secrets = exchanged.iter().flat_map(|name| both_ways(name));
        let copied = copied.difference(&exchanged).map(|name| SecretEntry {
            home: Side::Standby,
            name: (*name).to_owned(),
            way: SecretWay::Copy,
        });
        Book {
            routes: routes
                .map(|(name, home, secrets)| route(name, home, &secrets.into_iter().collect::<Vec<_>>()))
                .collect(),
            secrets: secrets.chain(copied).collect(),
            certificates: Vec::new(),
        }
    })
}

/// Whether two routes cannot move without each other.
fn are_tied(book: &Book, one: &RouteEntry, other: &RouteEntry) -> bool {
    one.name == other.name
        || one
            .secrets
            .intersection(&other.secrets)
            .any(|name| book.secrets.iter().any(|entry| entry.name == *name && entry.way == SecretWay::Exchange))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_route_is_in_exactly_one_component(book in book()) {
        let mut all: Vec<usize> = parted(&book).concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..book.routes.len()).collect::<Vec<_>>());
        prop_assert!(components(&book).iter().all(|component| !component.routes.is_empty()));
    }

    #[test]
    fn routes_are_together_exactly_if_they_are_tied_step_by_step(book in book()) {
        let parts = parted(&book);
        // The same by the plainest means: join two parts as long as any two are tied.
        let mut expected: Vec<Vec<usize>> = (0..book.routes.len()).map(|place| vec![place]).collect();
        let tied = |one: &[usize], other: &[usize]| {
            one.iter().any(|one| other.iter().any(|other| are_tied(&book, &book.routes[*one], &book.routes[*other])))
        };
        while let Some((first, second)) = (0..expected.len())
            .flat_map(|one| (one + 1..expected.len()).map(move |other| (one, other)))
            .find(|(one, other)| tied(&expected[*one], &expected[*other]))
        {
            let other = expected.remove(second);
            expected[first].extend(other);
        }
        for part in &mut expected {
            part.sort_unstable();
        }
        expected.sort();
        prop_assert_eq!(parts, expected);
    }

    #[test]
    fn a_component_names_the_secrets_that_its_routes_exchange_and_no_two_name_the_same(book in book()) {
        let mut seen = BTreeSet::new();
        for component in components(&book) {
            let named: BTreeSet<&String> =
                component.routes.iter().flat_map(|place| &book.routes[*place].secrets).collect();
            for secret in &component.exchanged_secrets {
                prop_assert!(named.contains(secret) && is_exchanged(&book, secret));
                prop_assert!(seen.insert(secret.clone()), "{} twice", secret);
            }
        }
    }
}
