use super::*;
use lagoon_task::cluster::{ClusterError, ObjectName};

fn word(parent: &str, controller: &str, accepted: Option<bool>) -> Acceptance {
    Acceptance {
        condition: "Accepted".to_owned(),
        parent: parent.to_owned(),
        controller: controller.to_owned(),
        accepted,
        reason: format!("{parent} by {controller}"),
    }
}

#[test]
fn every_controller_that_had_accepted_the_route_has_to_accept_it_again() {
    let (yes, no, wait) = (Some(true), Some(false), None);
    let wanted = [word("a", "x", yes), word("b", "x", yes)];
    let refused = |parent: &str| Verdict::Refused(format!("{parent} by x"));
    let cases = [
        (vec![word("a", "x", yes), word("b", "x", yes)], Verdict::Accepted, "both have"),
        (vec![word("b", "x", yes), word("a", "x", yes)], Verdict::Accepted, "in any order"),
        (vec![word("a", "x", yes)], Verdict::Waiting, "one has said nothing"),
        (vec![], Verdict::Waiting, "neither has"),
        (vec![word("a", "x", yes), word("b", "x", wait)], Verdict::Waiting, "one has not looked"),
        (vec![word("a", "x", no), word("b", "x", yes)], refused("a"), "one refuses"),
        (vec![word("b", "x", no)], refused("b"), "a refusal need not wait for the other"),
        (vec![word("a", "x", yes), word("b", "y", yes)], Verdict::Waiting, "another controller"),
        (vec![word("a", "x", yes), word("b", "x", yes), word("c", "x", no)], Verdict::Accepted, "a new parent's word"),
        (vec![word("a", "x", yes), word("b", "x", yes), word("a", "y", no)], Verdict::Accepted, "another's refusal"),
    ];
    for (found, expected, what) in cases {
        assert_eq!(verdict(&wanted, &found), expected, "{what}");
    }
    assert_eq!(verdict(&[], &[word("a", "x", no)]), Verdict::Accepted, "nobody had accepted it");
}

#[test]
fn a_parent_in_the_old_namespace_is_the_same_one_when_the_route_names_it_by_its_namespace() {
    let own = [word("/public//0", "x", Some(true))];
    for (parent, expected) in [
        ("/public//0", Verdict::Accepted),
        ("shop-develop/public//0", Verdict::Accepted),
        ("/public/https/0", Verdict::Waiting),
    ] {
        assert_eq!(verdict(&own, &[word(parent, "x", Some(true))]), expected, "{parent}");
    }
    let elsewhere = [word("one/public//0", "x", Some(true))];
    assert_eq!(verdict(&elsewhere, &[word("two/public//0", "x", Some(true))]), Verdict::Waiting);
}

#[test]
fn only_a_denied_create_can_mean_that_the_host_is_taken() {
    let words = "host \"a\" and path \"/\" is already defined in ingress b/c".to_owned();
    let object = || ObjectName::new("Ingress", "shop-main", "www");
    let failed = |cause| ClusterError::Create { object: object(), cause };
    let cases = [
        (MoveError::Sure(SureError::Cluster(failed(Cause::Denied(words.clone())))), true),
        (MoveError::Sure(SureError::Cluster(failed(Cause::Denied("no".to_owned())))), false),
        (MoveError::Sure(SureError::Cluster(failed(Cause::Forbidden(words.clone())))), false),
        (MoveError::Sure(SureError::Cluster(failed(Cause::AlreadyExists))), false),
        (MoveError::Sure(SureError::Changed { object: object() }), false),
        (MoveError::Kind(words.clone()), false),
        (MoveError::NotAccepted { route: "r".to_owned(), namespace: "n".to_owned(), reason: words }, false),
    ];
    for (error, taken) in cases {
        assert_eq!(is_host_taken(&error), taken, "{error:?}");
    }
}
