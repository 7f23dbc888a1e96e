//! Which `HostMigration` is meant.

use kube::{Resource, ResourceExt};

/// Names one object for good: a later object of the same name has another uid.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Namespace of the standby environment.
    pub namespace: String,
    /// Name in the namespace.
    pub name: String,
    /// Empty only for an object that the API server has not seen.
    pub uid: String,
}

impl Identity {
    /// That of `object`.
    #[must_use]
    pub fn of(object: &impl Resource) -> Self {
        Self {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
        }
    }
}
