use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::fixtures::{ACTIVE, STANDBY, ingress, names, observed, staying, with};
use crate::journal::{Holder, Moved, State, VERSION};
use crate::labels;
use lagoon_task::environment::is_dns_label;

const SWITCH: &str = "0mzvq8k2p-a1b2c";
const EARLIER: &str = "0mzvq8k2o-zzzzz";
const LATER: &str = "0mzvq8k2q-00000";

/// The journal of the switch, which has moved these URLs.
fn head(to_standby: &[&str], to_active: &[&str]) -> Head {
    Head {
        version: VERSION,
        switch_id: SWITCH.to_owned(),
        state: State::Switched,
        holder: Holder { kind: "Pod".to_owned(), name: "task".to_owned(), uid: String::new() },
        standby_namespace: STANDBY.to_owned(),
        active_namespace: ACTIVE.to_owned(),
        parts: Vec::new(),
        routes: Some(Moved { to_standby: names(to_standby), to_active: names(to_active) }),
        gaps: BTreeSet::new(),
        ended: None,
    }
}

/// A route that the switch of this id has moved.
fn moved_by(switch: &str, name: &str) -> Value {
    with(ingress(name), &["metadata", "labels", labels::SWITCH], switch)
}

#[test]
fn an_id_is_a_moment_and_chance_and_fits_a_label_and_a_name() {
    let id = new_switch_id();
    let (moment, chance) = id.split_once('-').unwrap();
    assert_eq!((moment.len(), chance.len()), (9, 5));
    assert!(is_dns_label(&id), "{id}");
    let many: BTreeSet<String> = std::iter::repeat_with(new_switch_id).take(100).collect();
    assert_eq!(many.len(), 100, "two of one moment differ");
}

#[test]
fn moments_are_written_in_base_36_with_as_many_digits_as_ever_needed() {
    assert_eq!(moment(0), "000000000");
    assert_eq!(moment(35), "00000000z");
    assert_eq!(moment(36), "000000010");
    assert_eq!(moment(36_u128.pow(9) - 1), "zzzzzzzzz");
}

#[test]
fn the_routes_are_in_place_while_one_carries_this_switchs_id_and_none_a_later_ones() {
    let cases = [
        (vec![moved_by(SWITCH, "a")], vec![moved_by(SWITCH, "b")], true, "all of them"),
        (vec![moved_by(SWITCH, "a")], vec![ingress("b")], true, "and a new one without"),
        (vec![moved_by(SWITCH, "a")], vec![moved_by(EARLIER, "b")], true, "and one that an earlier one left"),
        (vec![], vec![moved_by(SWITCH, "b")], true, "the last one"),
        (vec![moved_by(SWITCH, "a")], vec![moved_by(LATER, "b")], false, "and one of a later one"),
        (vec![moved_by(LATER, "a")], vec![moved_by(LATER, "b")], false, "all of a later one"),
        (vec![moved_by(EARLIER, "a")], vec![], false, "only an earlier one's"),
        (vec![ingress("a")], vec![ingress("b")], false, "none: they were deployed anew"),
        (vec![], vec![], false, "no routes"),
        (vec![staying(moved_by(SWITCH, "a"))], vec![ingress("b")], false, "none of those that move"),
    ];
    for (standby, active, in_place, what) in cases {
        assert_eq!(is_in_place(&observed(&standby, &active), &head(&[], &[])), in_place, "{what}");
    }
}

#[test]
fn routes_that_another_program_has_moved_back_are_not_in_place_whatever_id_they_carry() {
    let (a, b) = ("http://a.example.com", "http://b.example.com");
    let cases = [
        (head(&[a], &[b]), true, "where the switch has put them"),
        (head(&[b], &[a]), false, "both moved back"),
        (head(&[a, b], &[]), false, "one moved back"),
        (head(&[a, b], &[a, b]), true, "the same hosts on both sides"),
        (head(&["https://a.example.com"], &["http://old.example.com"]), true, "their hosts have changed since"),
        (Head { routes: None, ..head(&[], &[]) }, true, "a journal that does not tell"),
    ];
    let observed = observed(&[moved_by(SWITCH, "a")], &[moved_by(SWITCH, "b")]);
    for (head, in_place, what) in cases {
        assert_eq!(is_in_place(&observed, &head), in_place, "{what}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_id_of_a_later_switch_is_greater(one in 0_u64..101_559_956_668_416, other in 0_u64..101_559_956_668_416) {
        prop_assert_eq!(one.cmp(&other), moment(one.into()).cmp(&moment(other.into())));
        if one < other {
            let (last, first) = (moment(one.into()) + "-zzzzz", moment(other.into()) + "-00000");
            prop_assert!(last < first);
        }
    }
}
