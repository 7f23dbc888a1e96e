use proptest::prelude::*;

use super::*;
use crate::fixtures::any_object;
use crate::journal::SecretWay;

/// A route of either kind with anything in it.
fn any_route() -> impl Strategy<Value = Value> {
    let kinds = prop::sample::select(vec!["Ingress", "HTTPRoute"]);
    (any_object(), kinds, prop::sample::select(vec!["a", "b", "c"]), any::<bool>()).prop_map(
        |(object, kind, name, moves)| {
            let object = with(object, &["kind"], kind);
            let object = with(object, &["metadata", "name"], name);
            let object = with(object, &["metadata", "annotations"], json!({}));
            let object = with(object, &["metadata", "finalizers"], json!([]));
            with(object, &["metadata", "labels"], json!({ labels::MIGRATE: moves.to_string() }))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_route_that_moves_is_in_the_plan_or_there_is_a_problem(
        standby in prop::collection::vec(any_route(), 0..4),
        active in prop::collection::vec(any_route(), 0..4),
    ) {
        let observed = observed(&standby, &active);
        let movers = observed.sides.standby.movers().count() + observed.sides.active.movers().count();
        match plan(&observed, None) {
            Ok(plan) => {
                prop_assert_eq!(plan.book.routes.len(), movers);
                // Each Secret that such a route serves its certificate from goes along: the other side has none.
                for route in &plan.book.routes {
                    for secret in &route.secrets {
                        let goes = |entry: &crate::journal::SecretEntry| {
                            entry.home == route.home && entry.name == *secret && entry.way == SecretWay::Copy
                        };
                        prop_assert_eq!(plan.book.secrets.iter().filter(|entry| goes(entry)).count(), 1);
                    }
                }
            }
            Err(problems) => {
                prop_assert!(movers > 0 && !problems.is_empty());
                for problem in problems {
                    let text = problem.to_string();
                    prop_assert!(!text.contains(|one: char| one != '\t' && one.is_control()), "{}", text);
                    prop_assert!(problem.object.contains("in namespace \""), "{}", text);
                }
            }
        }
    }
}
