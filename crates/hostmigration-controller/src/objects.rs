//! Reading and changing `HostMigration` objects.

use kube::api::{ApiResource, DynamicObject, ObjectMeta, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::decision::{BEGUN, MIGRATE};
use crate::identity::Identity;
use hostmigration::{HostMigration, HostMigrationSpec, KIND};
use lagoon_task::cluster::{Cause, Cluster, ClusterError, ObjectName, Objects};

/// The `HostMigration` objects of all namespaces.
#[derive(Clone)]
pub struct HostMigrations {
    cluster: Cluster,
    resource: ApiResource,
}

/// A field of a `HostMigration` is not what the definition in `crds/` says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{object} is not understood: its field {field} is not what crds/hostmigrations.yaml defines")]
pub struct Malformed {
    /// The object.
    pub object: ObjectName,
    /// `spec` or `status`.
    pub field: &'static str,
}

impl HostMigrations {
    /// The `HostMigration` objects that `cluster` holds.
    #[must_use]
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster, resource: ApiResource::erase::<HostMigration>(&()) }
    }

    /// Where they are.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// All of them, to be watched.
    #[must_use]
    pub fn all(&self) -> Api<DynamicObject> {
        Api::all_with(self.cluster.client(), &self.resource)
    }

    /// All of them, to be listed.
    #[must_use]
    pub fn everywhere(&self) -> Objects<'_> {
        self.cluster.objects_everywhere(&self.resource)
    }

    /// Those of one namespace, to be listed.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Objects<'_> {
        self.cluster.objects(&self.resource, namespace)
    }

    /// The object as it is now; `None` when it is gone, even if there is another of its name.
    pub async fn read(&self, object: &Identity) -> Result<Option<HostMigration>, ReadError> {
        let api = self.of(&object.namespace);
        let name = ObjectName::new(KIND, &object.namespace, &object.name);
        let error = |cause| ClusterError::Read { object: name, cause };
        match self.cluster.call(error, api.get(&object.name)).await {
            Ok(found) if found.uid().as_ref() == Some(&object.uid) => Ok(Some(typed(&found)?)),
            Ok(_) => Ok(None),
            Err(error) if matches!(error.cause(), Cause::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Merges `patch` into the object and answers with the object as it is then.
    pub async fn patch(&self, object: &HostMigration, patch: Value) -> Result<HostMigration, ReadError> {
        let api = self.of(&object.namespace().unwrap_or_default());
        let error = |cause| ClusterError::Change { object: object_name(object), cause };
        let (name, parameters, patch) = (object.name_any(), PatchParams::default(), Patch::Merge(patch));
        let changed = self.cluster.call(error, api.patch(&name, &parameters, &patch)).await?;
        Ok(typed(&changed)?)
    }

    /// Those of one namespace.
    #[must_use]
    pub fn of(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.cluster.client(), namespace, &self.resource)
    }
}

/// Why a `HostMigration` could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The request failed.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The object is not what it should be.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl ReadError {
    /// Why the request failed, if that is what happened.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Cluster(error) => Some(error.cause()),
            Self::Malformed(_) => None,
        }
    }
}

/// The object's name in errors.
#[must_use]
pub fn object_name(object: &HostMigration) -> ObjectName {
    ObjectName::new(KIND, object.namespace().unwrap_or_default(), object.name_any())
}

/// An object of a list. The API server's lists leave out its kind, which nothing here asks for.
#[must_use]
pub fn dynamic(object: Value) -> Option<DynamicObject> {
    serde_json::from_value(object).ok()
}

/// The object as its type. One object that is odd must not hide all others, as it does when they are listed by their
/// type; and a missing `spec`, which the definition allows, is an empty one.
pub fn typed(object: &DynamicObject) -> Result<HostMigration, Malformed> {
    let name = || ObjectName::new(KIND, object.namespace().unwrap_or_default(), object.name_any());
    let malformed = |field| Malformed { object: name(), field };
    Ok(HostMigration {
        metadata: lean(&object.metadata),
        spec: HostMigrationSpec { hosts: None, ..part(object, "spec").map_err(malformed)? },
        status: part(object, "status").map_err(malformed)?,
    })
}

/// The metadata without what nothing here asks for. Attempts keep their object while they take long, and a tenant can make
/// it as large as the API server takes it.
fn lean(metadata: &ObjectMeta) -> ObjectMeta {
    let mut annotations = metadata.annotations.clone().unwrap_or_default();
    annotations.retain(|name, _| [MIGRATE, BEGUN].contains(&name.as_str()));
    ObjectMeta {
        name: metadata.name.clone(),
        namespace: metadata.namespace.clone(),
        uid: metadata.uid.clone(),
        resource_version: metadata.resource_version.clone(),
        creation_timestamp: metadata.creation_timestamp.clone(),
        deletion_timestamp: metadata.deletion_timestamp.clone(),
        finalizers: metadata.finalizers.clone(),
        annotations: Some(annotations),
        ..ObjectMeta::default()
    }
}

fn part<T: DeserializeOwned + Default>(object: &DynamicObject, field: &'static str) -> Result<T, &'static str> {
    match object.data.get(field) {
        None | Some(Value::Null) => Ok(T::default()),
        Some(value) => T::deserialize(value).map_err(|_| field),
    }
}

#[cfg(test)]
mod tests;
