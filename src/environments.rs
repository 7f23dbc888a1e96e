//! The two environments of a switch, by their names in Lagoon.

/// The names of the two environments, as Lagoon has them before the switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentNames {
    /// The environment that is active before the switch.
    pub production: String,
    /// The environment that is standby before the switch.
    pub standby: String,
}
