use super::*;
use crate::fixtures::{any_json, any_object};

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
    fn what_is_put_aside_always_comes_back_with_all_that_it_says(mut original in object()) {
        // Only what a Secret has.
        original.as_object_mut().unwrap().retain(|field, _| ["metadata", "type", "data"].contains(&field.as_str()));
        original["apiVersion"] = "v1".into();
        original["kind"] = "Secret".into();
        let back = unparked(&parked(&original, ACTIVE, "aside", SWITCH)).unwrap();
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
    fn a_stand_in_never_moves_and_never_has_cert_manager_act(original in object()) {
        let original = annotated(original, "cert-manager.io/issuer", "x");
        let stand_in = stand_in(&original, ACTIVE, "aside", SWITCH, &BTreeMap::new());
        let text = stand_in["metadata"].to_string();
        prop_assert!(!text.contains(labels::MIGRATE) && !text.contains("cert-manager.io/issuer"), "{}", text);
        prop_assert!(!text.contains(labels::LEGACY_MIGRATE), "{}", text);
    }

    #[test]
    fn the_name_of_a_stand_in_is_always_a_name(name in ".{0,300}", kind in "[A-Za-z]{0,20}") {
        let stand_in = stand_in_name(&crate::plan::already_done::new_switch_id(), &kind, &name);
        prop_assert!(is_dns_label(&stand_in) && is_dns_subdomain(&stand_in) && stand_in.len() <= 63, "{}", stand_in);
        prop_assert_eq!(stand_in_name("s", &kind, &name), stand_in_name("s", &kind, &name));
    }

    #[test]
    fn nothing_of_any_shape_makes_a_manifest_panic(object in prop_oneof![any_json(), any_object()]) {
        let secrets = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        for made in [
            carried(&object),
            at_home(&object, STANDBY),
            returned(&object, STANDBY, SWITCH),
            copied(&object, STANDBY, SWITCH),
            moved(&object, STANDBY, ACTIVE, SWITCH),
            stand_in(&object, ACTIVE, "aside", SWITCH, &secrets),
        ] {
            prop_assert!(made.pointer("/metadata/uid").is_none());
            prop_assert!(say_the_same(&made, &made));
        }
        let aside = parked(&object, ACTIVE, "aside", SWITCH);
        prop_assert!(unparked(&aside).is_some());
        prop_assert!(same_content(&object, &object));
    }
}
