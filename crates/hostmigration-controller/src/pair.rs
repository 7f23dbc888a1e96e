//! Whether two namespaces are what Lagoon makes of an active/standby pair. Plain functions on plain data.
//!
//! The controller's rights reach every namespace; those of who creates a `HostMigration` reach one. So what it names must
//! be a pair that Lagoon itself would switch. Only Lagoon's controller can write a namespace's labels. Lagoon gives the
//! type `production` to exactly two environments of a project, the active and the standby one (its API,
//! `productionEnvironment` and `standbyProductionEnvironment`), and `development` to all others.

use std::collections::BTreeMap;

use lagoon_task::output::escape;

/// Lagoon's label on the namespaces of a project's environments.
const PROJECT: &str = "lagoon.sh/project";
/// What kind of an environment it is.
const TYPE: &str = "lagoon.sh/environmentType";
/// Which of the cluster's Lagoon controllers it belongs to.
const CONTROLLER: &str = "lagoon.sh/controller";

/// What counts of a namespace that is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Tells it from an earlier or later one of its name.
    pub uid: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Facts {
    /// Whether it is still the namespace that was checked, of the same project, Lagoon and type.
    #[must_use]
    pub fn is_still(&self, checked: &Self) -> bool {
        let label = |facts: &Self, name: &str| facts.labels.get(name).cloned();
        self.uid == checked.uid
            && [PROJECT, CONTROLLER, TYPE].iter().all(|name| label(self, name) == label(checked, name))
    }
}

/// A namespace as it was seen.
#[derive(Debug, Clone, Copy)]
pub struct Namespace<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its labels; none if there is no such namespace.
    pub labels: Option<&'a BTreeMap<String, String>>,
}

impl Namespace<'_> {
    fn label(&self, name: &str) -> Option<&str> {
        self.labels?.get(name).map(String::as_str)
    }
}

/// Why two namespaces are not switched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAPair {
    /// One is not there.
    #[error(
        "Namespace \"{}\": there is no namespace of that name. Nothing has changed. Check in Lagoon that both environments \
         are deployed, then switch again.", escape(.0)
    )]
    Missing(String),
    /// They are not of one project, or of none.
    #[error(
        "Namespace \"{}\" does not belong to the same Lagoon project as namespace \"{}\" (label {PROJECT}), so their routes \
         are not switched. Nothing has changed.",
        escape(active),
        escape(standby)
    )]
    Project {
        /// The standby environment's.
        standby: String,
        /// The active environment's.
        active: String,
    },
    /// They belong to different Lagoons.
    #[error(
        "Namespace \"{}\" does not belong to the same Lagoon as namespace \"{}\" (label {CONTROLLER}), so their routes are \
         not switched. Nothing has changed.",
        escape(active),
        escape(standby)
    )]
    Controller {
        /// The standby environment's.
        standby: String,
        /// The active environment's.
        active: String,
    },
    /// One is neither the active nor the standby environment of its project.
    #[error(
        "Namespace \"{}\" is not one of the two production environments of its Lagoon project (label {TYPE}), so its routes \
         are not switched. Nothing has changed. Set both environments as active and standby production environments in \
         Lagoon and deploy them, then switch again.", escape(.0)
    )]
    NotProduction(String),
}

/// Whether the two may be switched. `any_type` leaves out what type of environment they are; the project always counts.
pub fn check(standby: Namespace<'_>, active: Namespace<'_>, any_type: bool) -> Result<(), NotAPair> {
    for namespace in [standby, active] {
        if namespace.labels.is_none() {
            return Err(NotAPair::Missing(namespace.name.to_owned()));
        }
    }
    let names = || (standby.name.to_owned(), active.name.to_owned());
    // Two namespaces without a project are not of the same one.
    if standby.label(PROJECT).is_none() || standby.label(PROJECT) != active.label(PROJECT) {
        let (standby, active) = names();
        return Err(NotAPair::Project { standby, active });
    }
    if standby.label(CONTROLLER) != active.label(CONTROLLER) {
        let (standby, active) = names();
        return Err(NotAPair::Controller { standby, active });
    }
    for namespace in [standby, active] {
        if !any_type && namespace.label(TYPE) != Some("production") {
            return Err(NotAPair::NotProduction(namespace.name.to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let usual = [(PROJECT, "shop"), (TYPE, "production"), (CONTROLLER, "lagoon")];
        let all = usual.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut labels: BTreeMap<String, String> = all.collect();
        labels.retain(|_, value| !value.is_empty());
        labels
    }

    fn checked(
        standby: Option<&[(&str, &str)]>,
        active: Option<&[(&str, &str)]>,
        any_type: bool,
    ) -> Result<(), NotAPair> {
        let (standby, active) = (standby.map(labels), active.map(labels));
        let standby = Namespace { name: "shop-develop", labels: standby.as_ref() };
        check(standby, Namespace { name: "shop-main", labels: active.as_ref() }, any_type)
    }

    #[test]
    fn two_production_environments_of_a_project_are_a_pair() {
        assert_eq!(checked(Some(&[]), Some(&[]), false), Ok(()));
    }

    #[test]
    fn namespace_that_is_missing_ends_the_attempt() {
        let missing = |name: &str| Err(NotAPair::Missing(name.to_owned()));
        assert_eq!(checked(Some(&[]), None, true), missing("shop-main"));
        assert_eq!(checked(None, Some(&[]), true), missing("shop-develop"));
    }

    #[test]
    fn other_project_or_lagoon_is_no_pair_whatever_the_type() {
        for other in ["other", ""] {
            assert!(matches!(checked(Some(&[]), Some(&[(PROJECT, other)]), true), Err(NotAPair::Project { .. })));
            assert!(matches!(checked(Some(&[]), Some(&[(CONTROLLER, other)]), true), Err(NotAPair::Controller { .. })));
        }
        let none = [(PROJECT, "")];
        assert!(matches!(checked(Some(&none), Some(&none), true), Err(NotAPair::Project { .. })));
    }

    #[test]
    fn development_environment_is_no_part_of_a_pair_unless_an_operator_says_so() {
        for of_another_type in [[(TYPE, "development")], [(TYPE, "")]] {
            let not_production = |name: &str| Err(NotAPair::NotProduction(name.to_owned()));
            assert_eq!(checked(Some(&of_another_type), Some(&[]), false), not_production("shop-develop"));
            assert_eq!(checked(Some(&[]), Some(&of_another_type), false), not_production("shop-main"));
            assert_eq!(checked(Some(&of_another_type), Some(&[]), true), Ok(()));
        }
    }
}
