use super::*;

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

#[test]
fn a_lease_that_is_taken_over_counts_a_transition() {
    let (earlier, now) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T00:01:00Z"));
    let first = taken(LeaseSpec::default(), "replica-a", earlier);
    assert_eq!(first.holder_identity.as_deref(), Some("replica-a"));
    assert_eq!((first.lease_transitions, first.lease_duration_seconds), (Some(1), Some(15)));
    let second = taken(first, "replica-b", now);
    assert_eq!(second.holder_identity.as_deref(), Some("replica-b"));
    assert_eq!(second.lease_transitions, Some(2));
    assert_eq!((second.acquire_time, second.renew_time), (Some(MicroTime(now)), Some(MicroTime(now))));
}

#[test]
fn a_lease_that_is_renewed_keeps_the_time_it_was_acquired() {
    let (earlier, now) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T00:01:00Z"));
    let renewed = taken(taken(LeaseSpec::default(), "replica-a", earlier), "replica-a", now);
    assert_eq!((renewed.acquire_time, renewed.renew_time), (Some(MicroTime(earlier)), Some(MicroTime(now))));
    assert_eq!(renewed.lease_transitions, Some(1));
}

#[test]
fn numbers_at_their_limit_do_not_overflow() {
    let spec = LeaseSpec { lease_transitions: Some(i32::MAX), ..LeaseSpec::default() };
    assert_eq!(taken(spec, "replica-a", at("2026-01-01T00:00:00Z")).lease_transitions, Some(i32::MAX));
}
