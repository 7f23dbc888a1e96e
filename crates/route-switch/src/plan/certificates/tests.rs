use serde_json::{Value, json};

use super::*;
use crate::fixtures::{ACTIVE, STANDBY, annotated, ingress, observed, served_from, staying};
use crate::journal::Book;
use crate::plan::observed::SecretUsers;
use crate::plan::{Plan, plan};

mod certificates;

/// A route that moves and serves its certificate from this Secret.
fn mover(name: &str, secret: &str) -> Value {
    served_from(ingress(name), &[secret])
}

/// A route that stays and serves its certificate from this Secret.
fn stayer(name: &str, secret: &str) -> Value {
    staying(mover(name, secret))
}

/// What is where the Secret goes: with other content.
fn other_content() -> SecretThere {
    SecretThere { uid: "uid-there".to_owned(), same: Some(false), ..SecretThere::default() }
}

fn issued() -> SecretThere {
    SecretThere { issued: true, ..other_content() }
}

/// These routes, with Secret `tls` of other content where the routes of the sides in `homes` go.
fn with_secret_there(standby: &[Value], active: &[Value], homes: &[Side], there: &SecretThere) -> Observed {
    let mut observed = observed(standby, active);
    for home in homes {
        observed.destinations.insert((*home, "tls".to_owned()), there.clone());
    }
    observed
}

fn users(of: &[(&str, &[&str])]) -> SecretUsers {
    of.iter().map(|(secret, users)| ((*secret).to_owned(), crate::fixtures::names(users))).collect()
}

fn ways(observed: &Observed) -> Vec<(Side, String, SecretWay)> {
    let Plan { book, .. } = plan(observed, None).unwrap();
    book.secrets.into_iter().map(|entry| (entry.home, entry.name, entry.way)).collect()
}

fn problems(observed: &Observed) -> Vec<String> {
    plan(observed, None).unwrap_err().iter().map(ToString::to_string).collect()
}

fn in_the_way(here: &str, there: &str, why: &str) -> String {
    format!(
        "Secret \"tls\" in namespace \"{here}\": it should go along with its routes, but namespace \"{there}\" has a \
         Secret of that name with other content, which {why}. Rename one of the two Secrets, or delete the one that is not \
         needed."
    )
}

#[test]
fn a_secret_whose_name_is_free_is_copied_once_for_all_routes_that_name_it() {
    let standby = [mover("a", "tls"), mover("b", "tls"), served_from(ingress("c"), &["tls", "second"])];
    let observed = observed(&standby, &[mover("d", "third"), stayer("e", "stays")]);
    assert_eq!(
        ways(&observed),
        [
            (Side::Standby, "second".to_owned(), SecretWay::Copy),
            (Side::Standby, "tls".to_owned(), SecretWay::Copy),
            (Side::Active, "third".to_owned(), SecretWay::Copy),
        ]
    );
}

#[test]
fn an_entry_without_a_secret_names_none() {
    let tls = json!([{ "hosts": ["www.example.com"] }, { "secretName": "" }, { "secretName": "tls" }, null, 7]);
    let route = crate::fixtures::with(ingress("www"), &["spec", "tls"], tls);
    assert_eq!(ways(&observed(&[route], &[])), [(Side::Standby, "tls".to_owned(), SecretWay::Copy)]);
}

#[test]
fn a_secret_that_is_there_with_the_same_content_stays_where_it_is() {
    let same = SecretThere { same: Some(true), ..other_content() };
    let own_is_missing = SecretThere { same: None, ..other_content() };
    for there in [same, own_is_missing] {
        for active in [vec![], vec![stayer("api", "tls")]] {
            let observed = with_secret_there(&[mover("www", "tls")], &active, &[Side::Standby], &there);
            assert_eq!(ways(&observed), [], "{there:?} {active:?}");
        }
    }
}

#[test]
fn a_secret_with_other_content_that_a_stayer_uses_is_in_the_way() {
    let why = "Ingress \"api\" in namespace \"shop-main\" uses";
    let auth = annotated(staying(ingress("api")), "nginx.ingress.kubernetes.io/auth-secret", "tls");
    for user in [stayer("api", "tls"), auth] {
        for there in [other_content(), issued()] {
            let observed =
                with_secret_there(&[mover("www", "tls")], std::slice::from_ref(&user), &[Side::Standby], &there);
            assert_eq!(problems(&observed), [in_the_way(STANDBY, ACTIVE, why)], "{there:?}");
        }
    }
}

#[test]
fn a_secret_with_other_content_that_nothing_uses_is_replaced_if_cert_manager_issued_it() {
    let routes = [mover("www", "tls")];
    let observed = with_secret_there(&routes, &[], &[Side::Standby], &issued());
    assert_eq!(ways(&observed), [(Side::Standby, "tls".to_owned(), SecretWay::Replace)]);
    let observed = with_secret_there(&routes, &[stayer("api", "another")], &[Side::Standby], &other_content());
    let why = "cert-manager did not issue, so it may be needed";
    assert_eq!(problems(&observed), [in_the_way(STANDBY, ACTIVE, why)]);
}

#[test]
fn secret_that_goes_both_ways_is_in_the_way() {
    let [of_www, of_api] = [("www", STANDBY), ("api", ACTIVE)]
        .map(|(route, namespace)| format!("Ingress \"{route}\" in namespace \"{namespace}\" uses"));
    for there in [other_content(), issued()] {
        let observed = with_secret_there(&[mover("www", "tls")], &[mover("api", "tls")], &Side::BOTH, &there);
        let expected = [in_the_way(ACTIVE, STANDBY, &of_www), in_the_way(STANDBY, ACTIVE, &of_api)];
        assert_eq!(problems(&observed), expected, "{there:?}");
    }
}

#[test]
fn secret_in_use_is_not_replaced() {
    let mut observed = with_secret_there(&[mover("www", "tls")], &[], &[Side::Standby], &issued());
    observed.sides.standby.users = users(&[("tls", &["Pod \"of-the-own-side\""])]);
    observed.sides.active.users = users(&[("another", &["Pod \"web-1\""])]);
    assert_eq!(ways(&observed), [(Side::Standby, "tls".to_owned(), SecretWay::Replace)]);
    observed.sides.active.users = users(&[("tls", &["Pod \"web-1\"", "Gateway \"public\""])]);
    assert_eq!(
        problems(&observed),
        [in_the_way(STANDBY, ACTIVE, "Gateway \"public\" in namespace \"shop-main\" uses")]
    );
    observed.destinations.clear();
    let copied = [(Side::Standby, "tls".to_owned(), SecretWay::Copy)];
    assert_eq!(ways(&observed), copied, "a pod that waits for a Secret is no reason not to bring one");
}

#[test]
fn planned_secret_is_not_planned_again() {
    let known = SecretEntry { home: Side::Standby, name: "tls".to_owned(), way: SecretWay::Replace };
    let routes = [mover("www", "tls"), mover("api", "second")];
    let mut observed = with_secret_there(&routes, &[mover("own", "tls")], &Side::BOTH, &other_content());
    observed.sides.active.routes[0].is_settled = true;
    let begun = Book { secrets: vec![known.clone()], ..Book::default() };
    let planned = plan(&observed, Some(begun)).unwrap().book.secrets;
    let second = SecretEntry { home: Side::Standby, name: "second".to_owned(), way: SecretWay::Copy };
    assert_eq!(planned, [known, second]);
}

#[test]
fn a_secret_that_a_stayer_names_too_is_copied_all_the_same() {
    let observed = observed(&[mover("www", "tls"), stayer("old", "tls")], &[]);
    assert_eq!(ways(&observed), [(Side::Standby, "tls".to_owned(), SecretWay::Copy)]);
}

#[test]
fn a_name_is_escaped_where_it_is_in_the_way() {
    let mut observed = observed(&[mover("www", "t\u{1b}ls")], &[]);
    observed.destinations.insert((Side::Standby, "t\u{1b}ls".to_owned()), other_content());
    assert!(problems(&observed)[0].starts_with(r#"Secret "t\u{1b}ls" in"#), "{:?}", problems(&observed));
}
