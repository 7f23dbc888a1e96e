use super::*;
use crate::fixtures::{entry, ingress, read, with};

const SWITCH: &str = "0mzvq8k2p-a1b2c";

fn seen(switch: Option<&str>) -> Metadata {
    let labels = switch.map(|switch| (labels::SWITCH.to_owned(), switch.to_owned()));
    Metadata { name: "www".to_owned(), labels: labels.into_iter().collect(), ..Metadata::default() }
}

fn going() -> Metadata {
    Metadata { deletion_timestamp: Some("2026-01-01T00:00:00Z".to_owned()), ..seen(None) }
}

/// A route as it is seen on a side, which this switch has put there or not.
fn route(name: &str, brought_by: Option<&str>) -> Route {
    let object = ingress(name);
    let object = match brought_by {
        Some(switch) => with(object, &["metadata", "labels", labels::SWITCH], switch),
        None => object,
    };
    read(&object, "any")
}

#[test]
fn what_this_switch_has_brought_belongs_to_the_route_from_the_other_side() {
    let cases = [
        (None, false, "what no switch has moved is at home"),
        (Some("another"), false, "what another switch has left is at home"),
        (Some(SWITCH), true, "what this switch has brought is not"),
    ];
    for (label, brought, what) in cases {
        for home in Side::BOTH {
            assert_eq!(belongs(&seen(label), home, home, SWITCH), !brought, "{what}");
            assert_eq!(belongs(&seen(label), home, home.other(), SWITCH), brought, "{what}");
        }
    }
}

#[test]
fn two_routes_of_a_name_are_told_apart_on_each_side() {
    let mut places = Places::default();
    places.add(Side::Standby, &[route("www", Some(SWITCH)), route("api", None)]);
    places.add(Side::Active, &[route("www", None), route("api", Some("another"))]);
    let of = |name: &str, home: Side| {
        let place = places.of(&entry(name, home), SWITCH);
        (place.is_at(Side::Standby), place.is_at(Side::Active))
    };
    assert_eq!(of("www", Side::Active), (true, true), "its copy has been created and it has not yet been deleted");
    assert_eq!(of("www", Side::Standby), (false, false), "it is nowhere");
    assert_eq!(of("api", Side::Standby), (true, false));
    assert_eq!(of("api", Side::Active), (false, true));
    assert_eq!(of("absent", Side::Active), (false, false));
}

#[test]
fn a_route_of_another_kind_is_another_route() {
    let mut places = Places::default();
    places.add(Side::Standby, &[route("www", None)]);
    let mut other = entry("www", Side::Standby);
    other.kind = "HTTPRoute".to_owned();
    assert_eq!(places.of(&other, SWITCH), Place::default());
}

#[test]
fn a_route_is_settled_where_it_alone_is() {
    let at = |standby, active| Place { at: Sides { standby, active } };
    let cases = [
        (at(Some(seen(None)), None), true, "only there"),
        (at(Some(seen(None)), Some(going())), true, "what else there is goes"),
        (at(Some(seen(None)), Some(seen(None))), false, "on both sides"),
        (at(None, Some(seen(None))), false, "on the other side"),
        (at(None, None), false, "nowhere"),
    ];
    for (place, settled, what) in cases {
        assert_eq!(place.is_settled_at(Side::Standby), settled, "{what}");
        let mirrored = Place { at: Sides { standby: place.at.active, active: place.at.standby } };
        assert_eq!(mirrored.is_settled_at(Side::Active), settled, "{what}, mirrored");
    }
}

#[test]
fn a_route_that_is_being_deleted_is_on_no_side_and_takes_its_name() {
    let place = Place { at: Sides { standby: Some(going()), active: None } };
    assert!(!place.is_at(Side::Standby) && !place.is_settled_at(Side::Standby));
    assert!(place.is_going_from(Side::Standby) && place.holds_name_at(Side::Standby));
    assert!(!place.is_going_from(Side::Active) && !place.holds_name_at(Side::Active));
}
