use super::*;
use crate::fixtures::{ACTIVE, STANDBY, entry, names};
use crate::journal::{SecretEntry, SecretWay};
use crate::side::Side;

fn shown(book: &Book) -> String {
    table(book, &Sides { standby: STANDBY.to_owned(), active: ACTIVE.to_owned() })
}

fn secret(home: Side, name: &str) -> SecretEntry {
    SecretEntry { home, name: name.to_owned(), way: SecretWay::Copy }
}

#[test]
fn each_route_has_a_row_and_the_columns_stand_below_each_other() {
    let mut www = entry("www", Side::Active);
    www.secrets = names(&["www-tls", "kept"]);
    www.urls.push("http://example.com".to_owned());
    let mut api = entry("api", Side::Standby);
    api.may_overlap = false;
    api.urls.clear();
    let book = Book {
        routes: vec![www, api],
        secrets: vec![secret(Side::Active, "www-tls"), secret(Side::Standby, "kept")],
        ..Book::default()
    };
    assert_eq!(
        shown(&book),
        "\
ROUTE        HOSTS                        FROM          TO            GAP     SECRETS THAT GO ALONG
Ingress www  www.example.com,example.com  shop-main     shop-standby  no gap  www-tls
Ingress api  -                            shop-standby  shop-main     gap     -
gap: this cluster takes a host only once, so the route's hosts do not answer for some milliseconds
"
    );
}

#[test]
fn a_table_of_nothing_is_its_heading() {
    assert_eq!(shown(&Book::default()), "ROUTE  HOSTS  FROM  TO  GAP  SECRETS THAT GO ALONG\n");
}

#[test]
fn names_are_escaped_and_wide_letters_count_once() {
    let mut odd = entry("é\u{1b}[2J\n", Side::Active);
    odd.urls = vec!["https://\u{202e}".to_owned()];
    let shown = shown(&Book { routes: vec![odd, entry("éé", Side::Active)], ..Book::default() });
    assert_eq!(shown.lines().count(), 3);
    assert!(shown.contains(r"é\u{1b}[2J\n") && shown.contains(r"\u{202e}"), "{shown}");
    assert!(!shown.contains(|one: char| one != '\n' && one.is_control()), "{shown}");
}

#[test]
fn the_columns_of_a_table_with_escaped_names_stand_below_each_other_too() {
    let shown = shown(&Book {
        routes: vec![entry("a\u{1b}\u{1b}b", Side::Active), entry("c", Side::Active)],
        ..Book::default()
    });
    let places: Vec<_> = shown.lines().map(|line| line.find("shop-main").or(line.find("FROM"))).collect();
    assert!(places.iter().all(|place| *place == places[0] && place.is_some()), "{shown}");
}
