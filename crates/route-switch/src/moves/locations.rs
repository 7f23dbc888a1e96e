//! Which routes are where. A switch never counts how far it is: it looks.

use std::collections::HashMap;

use crate::journal::RouteEntry;
use crate::labels;
use crate::route::Route;
use crate::side::{Side, Sides};
use lagoon_task::cluster::Metadata;

/// The routes of both namespaces, by kind and name.
#[derive(Default)]
pub struct Places {
    seen: Sides<HashMap<(String, String), Metadata>>,
}

/// Where one route is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The route itself, on each side.
    pub at: Sides<Option<Metadata>>,
}

impl Places {
    /// Takes down the routes of one side.
    pub fn add(&mut self, side: Side, routes: &[Route]) {
        let seen = self.seen.of_mut(side);
        for route in routes {
            let mut metadata = route.metadata.clone();
            let switch = route.switch().map(|switch| (labels::SWITCH.to_owned(), switch.to_owned()));
            metadata.labels = switch.into_iter().collect();
            seen.insert((route.kind_name(), route.metadata.name.clone()), metadata);
        }
    }

    /// Where the route is in a switch.
    #[must_use]
    pub fn of(&self, route: &RouteEntry, switch: &str) -> Place {
        let at = |side: Side| {
            let key = (route.kind.clone(), route.name.clone());
            self.seen.of(side).get(&key).filter(|seen| belongs(seen, route.home, side, switch)).cloned()
        };
        Place { at: Sides { standby: at(Side::Standby), active: at(Side::Active) } }
    }
}

/// Whether an object on `side` is the one whose home is `home`, and not another of its name: what this switch has
/// brought to a side says so by its label, and what is at home does not.
#[must_use]
pub fn belongs(seen: &Metadata, home: Side, side: Side, switch: &str) -> bool {
    let brought = seen.labels.get(labels::SWITCH).is_some_and(|label| label == switch);
    brought == (home != side)
}

impl Place {
    /// Whether the route is on this side to stay: one that is being deleted serves nobody for long.
    #[must_use]
    pub fn is_at(&self, side: Side) -> bool {
        self.at.of(side).as_ref().is_some_and(|seen| seen.deletion_timestamp.is_none())
    }

    /// Whether the route is being deleted from this side, and something keeps it there.
    #[must_use]
    pub fn is_going_from(&self, side: Side) -> bool {
        self.holds_name_at(side) && !self.is_at(side)
    }

    /// Whether the route's name is taken by it on this side, be it that it is being deleted.
    #[must_use]
    pub fn holds_name_at(&self, side: Side) -> bool {
        self.at.of(side).is_some()
    }

    /// Whether the route is on this side, and nothing of it is on the other one but what goes as soon as its controller
    /// lets it.
    #[must_use]
    pub fn is_settled_at(&self, side: Side) -> bool {
        self.is_at(side) && !self.is_at(side.other())
    }
}

#[cfg(test)]
mod tests;
