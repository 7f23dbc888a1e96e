use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use hostmigration::{HostMigrationSpec, HostMigrationStatus};

const TIME: &str = "2026-01-01T00:00:00Z";

fn object(annotation: Option<&str>, kinds: &[&str]) -> HostMigration {
    let conditions: Vec<_> = kinds.iter().map(|kind| condition(kind, "True")).collect();
    let mut object = HostMigration::new("host-migration-abcde", HostMigrationSpec::default());
    object.metadata.annotations = annotation.map(|value| [(MIGRATE.to_owned(), value.to_owned())].into());
    object.status = Some(HostMigrationStatus { conditions: Some(conditions) });
    object
}

fn condition(kind: &str, status: &str) -> Condition {
    let time = TIME.to_owned();
    Condition { kind: kind.to_owned(), status: status.to_owned(), last_transition_time: time, ..Condition::default() }
}

/// The object with this controller's mark, beside its other annotations.
fn begun_by_us(mut object: HostMigration) -> HostMigration {
    object.metadata.annotations.get_or_insert_default().insert(BEGUN.to_owned(), TIME.to_owned());
    object
}

/// What is decided of the object with this controller's mark and without it.
fn decide_both(object: HostMigration) -> (Decision, Decision) {
    let of_another = decide(&object);
    (decide(&begun_by_us(object)), of_another)
}

/// Only what this controller has begun is gone on with.
fn without_mark(decision: Decision) -> Decision {
    if decision == Decision::Resume { Decision::GiveUp } else { decision }
}

fn deleted(mut object: HostMigration, finalizers: &[&str]) -> HostMigration {
    object.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
    object.metadata.finalizers = Some(finalizers.iter().map(|&finalizer| finalizer.to_owned()).collect());
    object
}

#[test]
fn annotation_and_latest_condition_decide() {
    let cases: &[(Option<&str>, &[&str], Decision)] = &[
        (None, &[], Decision::Nothing),
        (Some("true"), &[], Decision::Start),
        (Some("false"), &[], Decision::Nothing),
        // Only the very word asks.
        (Some(""), &[], Decision::Nothing),
        (Some("True"), &[], Decision::Nothing),
        (Some(" true"), &[], Decision::Nothing),
        // Begun and not ended.
        (Some("false"), &["started"], Decision::Resume),
        (None, &["started"], Decision::Resume),
        (Some("false"), &["started", "failed", "started"], Decision::Resume),
        // Ended.
        (Some("false"), &["started", "completed"], Decision::Nothing),
        (Some("false"), &["started", "failed"], Decision::Nothing),
        (Some("false"), &["completed"], Decision::Nothing),
        // Asked for again, whatever was before.
        (Some("true"), &["started"], Decision::Start),
        (Some("true"), &["started", "completed"], Decision::Start),
        (Some("true"), &["started", "failed"], Decision::Start),
        // Types that this controller does not write say nothing.
        (Some("false"), &["started", "waiting"], Decision::Resume),
        (Some("false"), &["started", "completed", "waiting"], Decision::Nothing),
        (Some("false"), &["waiting", ""], Decision::Nothing),
        // Another controller's spelling.
        (Some("false"), &["Started"], Decision::Resume),
        (Some("false"), &["started", "Completed"], Decision::Nothing),
    ];
    for (annotation, kinds, decision) in cases {
        let decided = decide_both(object(*annotation, kinds));
        assert_eq!(decided, (*decision, without_mark(*decision)), "{annotation:?} {kinds:?}");
    }
}

#[test]
fn an_object_without_anything_asks_for_nothing() {
    assert_eq!(decide(&HostMigration::new("x", HostMigrationSpec::default())), Decision::Nothing);
    let mut bare = HostMigration::new("x", HostMigrationSpec::default());
    bare.status = Some(HostMigrationStatus { conditions: None });
    assert_eq!(decide(&bare), Decision::Nothing);
}

#[test]
fn other_annotations_do_not_ask() {
    let mut other = object(None, &[]);
    other.metadata.annotations = Some([("lagoon.sh/migrate".to_owned(), "true".to_owned())].into());
    assert_eq!(decide(&other), Decision::Nothing);
}

#[test]
fn a_condition_that_does_not_hold_does_not_count() {
    for status in ["False", "", "Unknown"] {
        let mut object = object(Some("false"), &["started"]);
        let conditions = object.status.as_mut().and_then(|status| status.conditions.as_mut()).unwrap();
        conditions.push(condition("completed", status));
        assert_eq!(decide_both(object), (Decision::Resume, Decision::GiveUp), "{status:?}");
    }
}

#[test]
fn a_deleted_object_is_finished_and_let_go_but_never_begun() {
    type Case<'a> = (Option<&'a str>, &'a [&'a str], &'a [&'a str], Decision);
    let cases: &[Case] = &[
        (Some("true"), &[], &[FINALIZER], Decision::RemoveFinalizer),
        (Some("true"), &["started", "failed"], &[FINALIZER], Decision::RemoveFinalizer),
        (Some("false"), &["started", "completed"], &["other/finalizer", FINALIZER], Decision::RemoveFinalizer),
        // First what was begun.
        (Some("false"), &["started"], &[FINALIZER], Decision::Resume),
        (Some("true"), &["started"], &[FINALIZER], Decision::Resume),
        (Some("false"), &["started"], &["other/finalizer"], Decision::Resume),
        // Somebody else's finalizer is somebody else's.
        (Some("true"), &[], &["other/finalizer"], Decision::Nothing),
        (Some("false"), &["started", "completed"], &["other/finalizer"], Decision::Nothing),
        (Some("true"), &[], &[], Decision::Nothing),
    ];
    for (annotation, kinds, finalizers, decision) in cases {
        let object = deleted(object(*annotation, kinds), finalizers);
        let decided = decide_both(object);
        assert_eq!(decided, (*decision, without_mark(*decision)), "{annotation:?} {kinds:?} {finalizers:?}");
    }
}

#[test]
fn a_mark_is_good_for_the_switch_that_it_was_made_for_only() {
    // Begun and ended by this controller, then begun by the archived one, to which the operator had gone back.
    let mut object = begun_by_us(object(Some("false"), &["started", "completed", "started"]));
    let conditions = object.status.as_mut().and_then(|status| status.conditions.as_mut()).unwrap();
    conditions[2].last_transition_time = "2026-01-02T00:00:00Z".to_owned();
    assert_eq!(decide(&object), Decision::GiveUp);
    assert_eq!(decide(&deleted(object, &[FINALIZER])), Decision::GiveUp);
}

#[test]
fn a_finalizer_on_an_object_that_lives_stays() {
    let mut object = object(Some("false"), &["started", "completed"]);
    object.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    assert_eq!(decide(&object), Decision::Nothing);
}

#[test]
fn a_destination_is_the_name_of_another_namespace() {
    let long = "a".repeat(64);
    let cases: &[(Option<&str>, Result<&str, DestinationError>)] = &[
        (Some("shop-main"), Ok("shop-main")),
        (None, Err(DestinationError::Missing)),
        (Some(""), Err(DestinationError::Missing)),
        (Some(" "), Err(DestinationError::NotANamespace)),
        (Some("Shop"), Err(DestinationError::NotANamespace)),
        (Some("shop.main"), Err(DestinationError::NotANamespace)),
        (Some("../shop"), Err(DestinationError::NotANamespace)),
        (Some(&long), Err(DestinationError::NotANamespace)),
        (Some("shop-standby"), Err(DestinationError::Own)),
    ];
    for (name, expected) in cases {
        let mut object = object(Some("true"), &[]);
        object.metadata.namespace = Some("shop-standby".to_owned());
        object.spec.destination_namespace = name.map(str::to_owned);
        assert_eq!(destination(&object), *expected, "{name:?}");
    }
}

#[test]
fn the_longer_a_switch_has_not_ended_the_longer_is_the_wait() {
    let now: Timestamp = "2026-01-01T01:00:00Z".parse().unwrap();
    let cases: &[(&[&str], &str, u64)] = &[
        (&["started"], "2026-01-01T01:00:00Z", 5),
        (&["started"], "2026-01-01T00:59:00Z", 15),
        (&["started"], "2026-01-01T00:00:00Z", 60),
        // From a clock that is ahead, and no time at all.
        (&["started"], "2026-01-01T02:00:00Z", 5),
        (&["started"], "yesterday", 5),
        // Not begun, or ended long ago and to be begun again.
        (&[], "", 5),
        (&["started", "failed"], "2026-01-01T00:00:00Z", 5),
    ];
    for (kinds, time, seconds) in cases {
        let mut object = object(Some("false"), kinds);
        for condition in object.status.as_mut().and_then(|status| status.conditions.as_mut()).unwrap() {
            condition.last_transition_time = (*time).to_owned();
        }
        assert_eq!(wait_before_next(&object, now), Duration::from_secs(*seconds), "{kinds:?} {time}");
    }
}
