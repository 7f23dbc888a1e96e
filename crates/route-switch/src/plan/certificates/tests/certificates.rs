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

/// (home, name, copied, exchanged)
fn entries(observed: &Observed) -> Vec<(Side, String, bool, bool)> {
    let certificates = plan(observed).unwrap().book.certificates;
    certificates.into_iter().map(|entry| (entry.home, entry.name, entry.copied, entry.exchanged)).collect()
}

fn one(home: Side, name: &str, copied: bool, exchanged: bool) -> (Side, String, bool, bool) {
    (home, name.to_owned(), copied, exchanged)
}

#[test]
fn one_that_a_route_owns_goes_and_is_not_copied_because_cert_manager_makes_it_anew() {
    let observed = observed_with(&[mover("www", "tls")], &[], &[certificate("tls", "tls", &["uid-of-www"])], &[]);
    assert_eq!(entries(&observed), [one(Side::Standby, "tls", false, false)]);
}

#[test]
fn one_that_nobody_owns_is_copied_with_all_that_it_says() {
    let independent = certificate("site", "tls", &[]);
    let observed = observed_with(&[mover("www", "tls")], &[], std::slice::from_ref(&independent), &[]);
    assert_eq!(entries(&observed), [one(Side::Standby, "site", true, false)]);
    let entry = plan(&observed).unwrap().book.certificates.remove(0);
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
        assert_eq!(
            problems(&observed),
            ["Certificate \"site\" in namespace \"shop-standby\": it should go along with its routes, but namespace \
              \"shop-main\" has another Certificate of that name. Rename one of the two Certificates, or delete the one \
              that is not needed."],
            "{other:?}"
        );
    }
}

#[test]
fn two_of_a_name_that_both_go_change_places() {
    let (own, other) = (certificate("site", "tls", &[]), certificate("site", "other-tls", &[]));
    let routes = ([mover("www", "tls")], [mover("api", "other-tls")]);
    let observed = observed_with(&routes.0, &routes.1, &[own], &[other]);
    assert_eq!(entries(&observed), [one(Side::Standby, "site", true, true), one(Side::Active, "site", true, true)]);
}

#[test]
fn those_of_a_secret_that_is_exchanged_are_exchanged_with_it() {
    let both = [Side::Standby, Side::Active];
    let mut observed = with_secret_there(&[mover("www", "tls")], &[mover("api", "tls")], &both, &issued());
    observed.sides.standby.certificates = vec![certificate("tls", "tls", &["uid-of-www"])];
    observed.sides.active.certificates = vec![different(certificate("site", "tls", &[]))];
    assert_eq!(entries(&observed), [one(Side::Standby, "tls", false, true), one(Side::Active, "site", true, true)]);
}

#[test]
fn two_of_a_name_that_routes_own_need_no_exchange_while_their_secret_stays() {
    let same = SecretThere { same: Some(true), ..other_content() };
    let both = [Side::Standby, Side::Active];
    let mut observed = with_secret_there(&[mover("www", "tls")], &[mover("api", "tls")], &both, &same);
    observed.sides.standby.certificates = vec![certificate("tls", "tls", &["uid-of-www"])];
    observed.sides.active.certificates = vec![different(certificate("tls", "tls", &["uid-of-api"]))];
    assert_eq!(entries(&observed), [one(Side::Standby, "tls", false, false), one(Side::Active, "tls", false, false)]);
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
fn a_certificate_that_changes_places_with_one_that_a_route_owns_is_not_left_behind() {
    let same = SecretThere { same: Some(true), ..other_content() };
    for other_secret in ["other-tls", "tls"] {
        let routes = ([mover("www", "tls")], [mover("api", other_secret)]);
        let mut observed = with_secret_there(&routes.0, &routes.1, &Side::BOTH, &same);
        observed.sides.standby.certificates = vec![certificate("site", "tls", &[])];
        observed.sides.active.certificates = vec![certificate("site", other_secret, &["uid-of-api"])];
        let expected = [one(Side::Standby, "site", true, true), one(Side::Active, "site", false, true)];
        assert_eq!(entries(&observed), expected, "{other_secret}");
        let parts = crate::plan::groups::components(&plan(&observed).unwrap().book);
        assert_eq!(parts.len(), 1, "its name is free only once the other's route has left");
        assert_eq!(parts[0].exchanged_certificates, [0, 1]);
    }
}
