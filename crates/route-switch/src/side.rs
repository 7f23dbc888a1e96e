//! The two namespaces of a switch.

use serde::{Deserialize, Serialize};

/// One of the two environments of a switch, by its part before the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The environment that is to become active; the task's pod runs there. Lagoon's `sourceNamespace`.
    Standby,
    /// The environment that is active before the switch. Lagoon's `destinationNamespace`.
    Active,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Standby, Self::Active];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Standby => Self::Active,
            Self::Active => Self::Standby,
        }
    }
}

/// Something for each of the two environments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sides<T> {
    /// For the standby environment.
    pub standby: T,
    /// For the active environment.
    pub active: T,
}

impl<T> Sides<T> {
    /// What there is for `side`.
    pub fn of(&self, side: Side) -> &T {
        match side {
            Side::Standby => &self.standby,
            Side::Active => &self.active,
        }
    }

    /// What there is for `side`, to be changed.
    pub fn of_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Standby => &mut self.standby,
            Side::Active => &mut self.active,
        }
    }
}
