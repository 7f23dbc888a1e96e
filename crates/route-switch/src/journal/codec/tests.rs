use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use super::*;
use crate::fixtures::{any_json, entry};
use crate::journal::RouteEntry;
use crate::route::Acceptance;
use crate::side::Side;

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap()
}

fn side() -> impl Strategy<Value = Side> {
    prop::sample::select(&Side::BOTH)
}

fn route() -> impl Strategy<Value = RouteEntry> {
    let acceptance = (any::<String>(), any::<Option<bool>>()).prop_map(|(text, accepted)| Acceptance {
        condition: text.clone(),
        parent: text.clone(),
        controller: "example.com/c".to_owned(),
        accepted,
        reason: text,
    });
    let texts = || prop::collection::vec(any::<String>(), 0..3);
    let parts = (side(), any::<bool>(), texts(), texts(), prop::collection::vec(acceptance, 0..3), any_json());
    parts.prop_map(|(home, may_overlap, urls, secrets, acceptances, manifest)| RouteEntry {
        may_overlap,
        urls,
        secrets: secrets.into_iter().collect(),
        acceptances,
        manifest: raw(&manifest),
        ..entry("www", home)
    })
}

fn book() -> impl Strategy<Value = Book> {
    prop::collection::vec(route(), 0..5).prop_map(|routes| Book { routes, ..Book::default() })
}

/// A book to the letter: its parts have no equality of their own.
fn text(book: &Book) -> String {
    serde_json::to_string(book).unwrap()
}

/// A book of this many routes whose manifests do not pack well.
fn large(routes: usize) -> Book {
    let mut chance = fastrand::Rng::with_seed(7);
    let noise = |chance: &mut fastrand::Rng| -> String { (0..200).map(|_| chance.alphanumeric()).collect() };
    let routes = (0..routes)
        .map(|number| RouteEntry {
            manifest: raw(&Value::from(noise(&mut chance))),
            ..entry(&format!("r{number}"), Side::Active)
        })
        .collect();
    Book { routes, ..Book::default() }
}

#[test]
fn a_book_that_does_not_fit_is_in_parts_none_of_which_is_too_large() {
    let book = large(100);
    let parts = pack(&book, 1000).unwrap();
    assert!(parts.len() > 5, "{}", parts.len());
    assert!(parts.iter().all(|part| !part.is_empty() && part.len() <= 1000));
    assert_eq!(text(&unpack(&parts).unwrap()), text(&book));
    assert_eq!(pack(&book, PART_LIMIT).unwrap().len(), 1);
}

#[test]
fn there_is_always_a_first_part() {
    let parts = pack(&Book::default(), PART_LIMIT).unwrap();
    assert_eq!(parts.len(), 1);
    assert_eq!(text(&unpack(&parts).unwrap()), text(&Book::default()));
    assert!(pack(&Book::default(), 0).unwrap().iter().all(|part| part.len() == 1), "no part is empty");
}

#[test]
fn a_manifest_is_kept_to_the_letter() {
    let manifest = r#"{"b": 1.10, "a":[ 123456789012345678901234567890, 1e400 ], "b": 2}"#;
    let route =
        RouteEntry { manifest: RawValue::from_string(manifest.to_owned()).unwrap(), ..entry("www", Side::Standby) };
    let book = Book { routes: vec![route], ..Book::default() };
    let back = unpack(&pack(&book, 16).unwrap()).unwrap();
    assert_eq!(back.routes[0].manifest.get(), manifest);
}

#[test]
fn parts_that_are_missing_or_in_another_order_are_an_error() {
    let parts = pack(&large(20), 500).unwrap();
    assert!(parts.len() > 3);
    let mut exchanged = parts.clone();
    exchanged.swap(1, 2);
    let damaged = [vec![], vec![Vec::new()], parts[1..].to_vec(), parts[..parts.len() - 1].to_vec(), exchanged];
    for parts in damaged {
        let error = unpack(&parts).unwrap_err().to_string();
        assert!(error.starts_with("it is damaged ("), "{error}");
    }
}

#[test]
fn an_error_does_not_quote_what_the_book_says() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(br#"{"routes": "MARKER", "secrets": [], "certificates": []}"#).unwrap();
    let error = unpack(&[packed.finish().unwrap()]).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("MARKER"), "{error:?}");
    assert_eq!(error.to_string(), "it is damaged (at line 1, column 19)");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_book_comes_back_to_the_letter_from_parts_of_any_size(book in book(), limit in 1_usize..300) {
        let parts = pack(&book, limit).unwrap();
        prop_assert!(!parts.is_empty() && parts.iter().all(|part| part.len() <= limit));
        prop_assert_eq!(text(&unpack(&parts).unwrap()), text(&book));
    }

    #[test]
    fn a_damaged_book_is_an_error_or_says_what_it_said(
        book in book(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut parts = pack(&book, PART_LIMIT).unwrap();
        let place = place.index(parts[0].len());
        parts[0][place] = byte;
        // Some bytes of gzip's heading mean nothing.
        if let Ok(read) = unpack(&parts) {
            prop_assert_eq!(text(&read), text(&book));
        }
    }

    #[test]
    fn a_book_cut_off_anywhere_is_an_error(book in book(), place in any::<prop::sample::Index>()) {
        let mut parts = pack(&book, PART_LIMIT).unwrap();
        let place = place.index(parts[0].len());
        parts[0].truncate(place);
        prop_assert!(unpack(&parts).is_err());
    }

    #[test]
    fn bytes_of_any_kind_are_an_error_without_a_panic(parts in prop::collection::vec(any::<Vec<u8>>(), 0..4)) {
        prop_assert!(unpack(&parts).is_err());
    }
}

/// 17 MiB of spaces are 17 KB when packed.
#[test]
fn book_that_unpacks_to_more_than_any_has_is_refused() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&vec![b' '; BOOK_LIMIT + 1]).unwrap();
    let bomb = packed.finish().unwrap();
    assert!(bomb.len() < PART_LIMIT / 10);
    assert!(matches!(unpack(&[bomb]), Err(PackError::TooLarge)));
}

#[test]
fn book_that_could_not_be_read_again_is_not_written() {
    let mut book = large(1);
    let manifest = format!("\"{}\"", "x".repeat(BOOK_LIMIT));
    book.routes[0].manifest = RawValue::from_string(manifest).unwrap();
    assert!(pack(&book, PART_LIMIT).unwrap_err().to_string().contains("larger than any"));
}
