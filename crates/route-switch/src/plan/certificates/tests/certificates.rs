use super::*;
use lagoon_task::cluster::Metadata;

/// cert-manager's Certificate for Secret `secret`, owned by the routes of these uids.
fn certificate(name: &str, secret: &str, owners: &[&str]) -> Certificate {
    let object = json!({
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": { "name": name, "uid": format!("uid-of-certificate-{name}") },
        "spec": { "secretName": secret, "dnsNames": ["www.example.com"] },
        "status": { "revision": owners.len() },
    });
    Certificate {
        metadata: Metadata::of(&object),
        secret: secret.to_owned(),
        owners: crate::fixtures::names(owners),
        manifest: object.to_string(),
    }
}

/// The same for another host.
fn different(certificate: Certificate) -> Certificate {
    let manifest = certificate.manifest.replace("www.example.com", "old.example.com");
    Certificate { manifest, ..certificate }
}

fn observed_with(standby: &[Value], active: &[Value], here: &[Certificate], there: &[Certificate]) -> Observed {
    let mut observed = observed(standby, active);
    observed.sides.standby.certificates = here.to_vec();
    observed.sides.active.certificates = there.to_vec();
    observed
}

/// (home, name, copied)
fn entries(observed: &Observed) -> Vec<(Side, String, bool)> {
    let certificates = plan(observed, None).unwrap().book.certificates;
    certificates.into_iter().map(|entry| (entry.home, entry.name, entry.copied)).collect()
}

fn another_there(here: &str, there: &str) -> String {
    format!(
        "Certificate \"site\" in namespace \"{here}\": it should go along with its routes, but namespace \"{there}\" has \
         another Certificate of that name. Rename one of the two Certificates, or delete the one that is not needed."
    )
}

fn one(home: Side, name: &str, copied: bool) -> (Side, String, bool) {
    (home, name.to_owned(), copied)
}

#[test]
fn one_that_a_route_owns_goes_and_is_not_copied_because_cert_manager_makes_it_anew() {
    let observed = observed_with(&[mover("www", "tls")], &[], &[certificate("tls", "tls", &["uid-of-www"])], &[]);
    assert_eq!(entries(&observed), [one(Side::Standby, "tls", false)]);
}

#[test]
fn one_that_nobody_owns_is_copied_with_all_that_it_says() {
    let independent = certificate("site", "tls", &[]);
    let observed = observed_with(&[mover("www", "tls")], &[], std::slice::from_ref(&independent), &[]);
    assert_eq!(entries(&observed), [one(Side::Standby, "site", true)]);
    let entry = plan(&observed, None).unwrap().book.certificates.remove(0);
    assert_eq!((entry.uid.as_str(), entry.secret.as_str()), ("uid-of-certificate-site", "tls"));
    assert_eq!(entry.object().to_string(), independent.manifest);
}

#[test]
fn one_of_another_secret_or_of_another_owner_stays() {
    let others = [
        certificate("other", "another", &[]),
        certificate("gateways", "tls", &["uid-of-a-gateway"]),
        certificate("stayers", "tls", &["uid-of-old"]),
    ];
    let observed = observed_with(&[mover("www", "tls"), stayer("old", "tls")], &[], &others, &[]);
    assert_eq!(entries(&observed), []);
    let observed = observed_with(&[stayer("www", "tls")], &[], &[certificate("tls", "tls", &["uid-of-www"])], &[]);
    assert_eq!(entries(&observed), [], "of a route that stays");
}

#[test]
fn one_that_is_on_the_other_side_already_in_the_same_words_stays_where_it_is() {
    let same = [certificate("site", "tls", &[])];
    assert_eq!(entries(&observed_with(&[mover("www", "tls")], &[], &same, &same)), []);
    let both = observed_with(&[mover("www", "tls")], &[mover("api", "tls")], &same, &same);
    assert_eq!(entries(&both), [], "whether that one's routes move or not");
}

#[test]
fn one_of_the_same_name_that_says_something_else_and_stays_is_in_the_way() {
    let own = [certificate("site", "tls", &[])];
    let others = [
        certificate("site", "another", &[]),
        different(certificate("site", "tls", &[])),
        certificate("site", "another", &["uid-of-a-gateway"]),
    ];
    for other in others {
        let observed = observed_with(&[mover("www", "tls")], &[], &own, std::slice::from_ref(&other));
        assert_eq!(problems(&observed), [another_there(STANDBY, ACTIVE)], "{other:?}");
    }
}

#[test]
fn two_of_equal_name_that_both_go_are_in_each_others_way() {
    let (own, other) = (certificate("site", "tls", &[]), certificate("site", "other-tls", &[]));
    let routes = ([mover("www", "tls")], [mover("api", "other-tls")]);
    let observed = observed_with(&routes.0, &routes.1, &[own], &[other]);
    assert_eq!(problems(&observed), [another_there(ACTIVE, STANDBY), another_there(STANDBY, ACTIVE)]);
}

#[test]
fn two_of_equal_name_that_routes_own_both_go() {
    let same = SecretThere { same: Some(true), ..other_content() };
    let both = [Side::Standby, Side::Active];
    let mut observed = with_secret_there(&[mover("www", "tls")], &[mover("api", "tls")], &both, &same);
    observed.sides.standby.certificates = vec![certificate("tls", "tls", &["uid-of-www"])];
    observed.sides.active.certificates = vec![different(certificate("tls", "tls", &["uid-of-api"]))];
    assert_eq!(entries(&observed), [one(Side::Standby, "tls", false), one(Side::Active, "tls", false)]);
}

#[test]
fn an_issued_secret_that_a_certificate_keeps_supplied_is_not_replaced() {
    let why = "a Certificate there keeps supplied";
    let keepers = [
        (certificate("keeper", "tls", &[]), "of another name"),
        (different(certificate("site", "tls", &[])), "that says something else"),
        (certificate("keeper", "tls", &["uid-of-a-gateway"]), "of a Gateway"),
    ];
    for (keeper, what) in keepers {
        let mut observed = with_secret_there(&[mover("www", "tls")], &[], &[Side::Standby], &issued());
        observed.sides.standby.certificates = vec![certificate("site", "tls", &[])];
        observed.sides.active.certificates = vec![keeper];
        let told = problems(&observed);
        assert!(told.contains(&in_the_way(STANDBY, ACTIVE, why)), "{what}: {told:?}");
    }
}

#[test]
fn an_issued_secret_is_replaced_though_a_certificate_of_the_same_words_or_of_another_secret_is_there() {
    let mut observed = with_secret_there(&[mover("www", "tls")], &[], &[Side::Standby], &issued());
    observed.sides.standby.certificates = vec![certificate("site", "tls", &[])];
    observed.sides.active.certificates = vec![certificate("site", "tls", &[]), certificate("keeper", "another", &[])];
    assert_eq!(ways(&observed), [(Side::Standby, "tls".to_owned(), SecretWay::Replace)]);
    assert_eq!(entries(&observed), []);
}

#[test]
fn one_that_a_route_owns_and_one_of_equal_name_that_none_owns_are_in_each_others_way() {
    let same = SecretThere { same: Some(true), ..other_content() };
    for other_secret in ["other-tls", "tls"] {
        let routes = ([mover("www", "tls")], [mover("api", other_secret)]);
        let mut observed = with_secret_there(&routes.0, &routes.1, &Side::BOTH, &same);
        observed.sides.standby.certificates = vec![certificate("site", "tls", &[])];
        observed.sides.active.certificates = vec![certificate("site", other_secret, &["uid-of-api"])];
        let expected = [another_there(ACTIVE, STANDBY), another_there(STANDBY, ACTIVE)];
        assert_eq!(problems(&observed), expected, "{other_secret}");
    }
}

#[test]
fn planned_certificate_is_not_planned_again() {
    let own = certificate("site", "tls", &[]);
    let seen = observed_with(&[mover("www", "tls")], &[], std::slice::from_ref(&own), &[]);
    let begun = plan(&seen, None).unwrap().book.certificates;
    // What an earlier run has copied is there now, and was renewed since.
    let mut resumed = seen.clone();
    resumed.sides.active.certificates = vec![different(own)];
    resumed.sides.standby.certificates.push(certificate("second", "tls", &[]));
    let book = plan(&resumed, Some(Book { certificates: begun, ..Book::default() })).unwrap().book;
    let names: Vec<_> = book.certificates.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["site", "second"]);
}
