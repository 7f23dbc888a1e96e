use super::*;
use crate::fixtures::{any_json, any_object, moved};

/// An object with labels and annotations as a server takes them, and anything else in it.
fn object() -> impl Strategy<Value = Value> {
    let entries = || prop::collection::btree_map("[a-z./]{1,12}", any::<String>(), 0..4);
    let labels = || {
        prop_oneof![
            entries(),
            entries().prop_map(|mut all| {
                all.insert(labels::MIGRATE.to_owned(), "true".to_owned());
                all.insert(labels::LEGACY_MIGRATE.to_owned(), "true".to_owned());
                all
            }),
        ]
    };
    ("[a-z]{1,20}", labels(), entries(), any_json(), any_json()).prop_map(|(name, labels, annotations, spec, other)| {
        json!({
            "metadata": { "name": name, "uid": "u", "labels": labels, "annotations": annotations, "other": other },
            "spec": spec,
            "type": "Opaque",
            "data": { "key": "QQ==" },
            "other": other,
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_copy_that_comes_back_always_says_the_same(original in object()) {
        let back = returned(&copied(&original, ACTIVE, SWITCH), STANDBY, SWITCH);
        prop_assert!(say_the_same(&back, &original), "{}", back);
        prop_assert!(same_content(&back, &original));
    }

    #[test]
    fn kept_secret_always_comes_back_with_all_that_it_says(mut original in object()) {
        // Only what a Secret has.
        original.as_object_mut().unwrap().retain(|field, _| ["metadata", "type", "data"].contains(&field.as_str()));
        original["apiVersion"] = "v1".into();
        original["kind"] = "Secret".into();
        let back = under_its_own_name(&kept_aside(&original, ACTIVE, "aside", SWITCH)).unwrap();
        prop_assert!(say_the_same(&back, &original), "{}", back);
        prop_assert!(same_content(&back, &original));
    }

    #[test]
    fn a_moved_route_says_all_that_its_author_wrote(original in object()) {
        let moved = moved(&original, STANDBY, ACTIVE, SWITCH);
        for path in ["/spec", "/other", "/metadata/annotations", "/metadata/other", "/metadata/name"] {
            prop_assert_eq!(moved.pointer(path), original.pointer(path), "{}", path);
        }
        for (label, value) in original["metadata"]["labels"].as_object().unwrap() {
            if !label.starts_with("activestandby.lagoon.sh/") && label != labels::LEGACY_MIGRATE {
                prop_assert_eq!(&moved["metadata"]["labels"][label], value);
            }
        }
        prop_assert_eq!(moved["metadata"].get("uid"), None);
    }

    #[test]
    fn kept_secrets_name_is_always_a_name(name in ".{0,300}") {
        let kept = kept_name(&crate::plan::already_done::new_switch_id(), &name);
        prop_assert!(is_dns_label(&kept) && is_dns_subdomain(&kept) && kept.len() <= 63, "{}", kept);
        prop_assert_eq!(kept_name("s", &name), kept_name("s", &name));
    }

    #[test]
    fn object_never_differs_from_itself(object in prop_oneof![any_json(), any_object(), object()]) {
        prop_assert_eq!(difference(&object, &object), None);
        let moved = moved(&object, STANDBY, ACTIVE, SWITCH);
        prop_assert_eq!(difference(&moved, &moved), None);
    }

    #[test]
    fn difference_is_the_same_both_ways(one in any_object(), other in any_object()) {
        prop_assert_eq!(difference(&one, &other), difference(&other, &one));
        let differs = one["spec"] != other["spec"];
        prop_assert!(differs || difference(&one, &other).is_none_or(|field| field.starts_with("metadata.labels")));
    }

    #[test]
    fn nothing_of_any_shape_makes_a_manifest_panic(object in prop_oneof![any_json(), any_object()]) {
        for made in [
            carried(&object),
            at_home(&object, STANDBY),
            returned(&object, STANDBY, SWITCH),
            copied(&object, STANDBY, SWITCH),
            moved(&object, STANDBY, ACTIVE, SWITCH),
        ] {
            prop_assert!(made.pointer("/metadata/uid").is_none());
            prop_assert!(say_the_same(&made, &made));
        }
        let aside = kept_aside(&object, ACTIVE, "aside", SWITCH);
        prop_assert_eq!(under_its_own_name(&aside).is_some(), object["metadata"].is_object());
        prop_assert!(same_content(&object, &object));
    }
}
