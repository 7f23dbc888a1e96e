//! The object in the payload: what it must be before anything is sent, and whether one in the cluster is the same.

use serde_json::{Map, Value};

use hostmigration::{API_VERSION, HostMigration, KIND};
use lagoon_task::environment::{is_dns_label, is_dns_subdomain};

/// The annotation that names the pod of the task that created the object. The pods of Lagoon's tasks have names of their
/// own, and one that is started a second time for the same task has the same name again.
pub const TASK: &str = "activestandby.lagoon.sh/task";

/// A `HostMigration` from a payload, checked, with the namespace that it goes to and the task's mark, and without a status.
/// Everything else in it is as it came.
#[derive(Debug, Clone)]
pub struct Requested {
    /// The object's name.
    pub name: String,
    /// The namespace it goes to: the task's own, where the standby environment is.
    pub namespace: String,
    /// The namespace of the active environment.
    pub destination: String,
    /// The name of the task's pod, which marks the object as the task's.
    pub task: String,
    /// The object as it is sent.
    pub object: Value,
}

/// Why the payload's object is refused. A payload must not be able to create other objects with the deployer's rights,
/// and its values stay out of the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// It is of another API group or version.
    #[error("{BEFORE} its `crd.apiVersion` is not {API_VERSION}, and the task creates nothing else. {AFTER}")]
    ApiVersion,
    /// It is of another kind.
    #[error("{BEFORE} its `crd.kind` is not {KIND}, and the task creates nothing else. {AFTER}")]
    Kind,
    /// It has no name, or one that Kubernetes does not take.
    #[error("{BEFORE} its `crd.metadata.name` is not the name of a Kubernetes object. {AFTER}")]
    Name,
    /// It does not say where to, or not with the name of a namespace.
    #[error("{BEFORE} its `crd.spec.destinationNamespace` is not the name of a Kubernetes namespace. {AFTER}")]
    Destination,
    /// It would switch a namespace with itself.
    #[error("{BEFORE} its `crd.spec.destinationNamespace` is the namespace of the task itself. {AFTER}")]
    SameNamespace,
    /// A field that Kubernetes knows has the wrong type.
    #[error("{BEFORE} its `crd.{field}` has the wrong type. {AFTER}")]
    Type {
        /// Path of the field.
        field: String,
    },
}

const BEFORE: &str = "The task's payload does not fit this task:";
const AFTER: &str = "Nothing has changed.";

impl Requested {
    /// Checks the payload's object, puts it into `namespace`, and marks it as that of the pod `task`.
    pub fn from_payload(mut object: Map<String, Value>, namespace: &str, task: &str) -> Result<Self, ObjectError> {
        if text(&object, &["apiVersion"]) != Some(API_VERSION) {
            return Err(ObjectError::ApiVersion);
        }
        if text(&object, &["kind"]) != Some(KIND) {
            return Err(ObjectError::Kind);
        }
        let name = text(&object, &["metadata", "name"]).filter(|name| is_dns_subdomain(name));
        let name = name.ok_or(ObjectError::Name)?.to_owned();
        let destination = text(&object, &["spec", "destinationNamespace"]).filter(|name| is_dns_label(name));
        let destination = destination.ok_or(ObjectError::Destination)?.to_owned();
        if destination == namespace {
            return Err(ObjectError::SameNamespace);
        }
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
        let mut object = Value::Object(object);
        check_types(&object)?;
        if let Some(fields) = object.as_object_mut() {
            // The resource has no status subresource, so the server would store it; only a controller may write it.
            fields.shift_remove("status");
        }
        mark(&mut object, task);
        Ok(Self { name, namespace: namespace.to_owned(), destination, task: task.to_owned(), object })
    }

    /// Whether `existing`, an object of the same name in the cluster, asks for the same switch. The server has dropped
    /// fields that its schema does not know, and the controller adds `hosts`.
    #[must_use]
    pub fn is_same_as(&self, existing: &Value) -> bool {
        let wanted = self.object.get("spec").and_then(Value::as_object);
        let found = existing.get("spec").and_then(Value::as_object);
        let (Some(wanted), Some(found)) = (wanted, found) else { return false };
        let agrees =
            |(field, value): (&String, &Value)| field == "hosts" || found.get(field).is_none_or(|other| other == value);
        found.get("destinationNamespace") == wanted.get("destinationNamespace") && wanted.iter().all(agrees)
    }
}

/// Writes the task's mark beside the annotations that the payload has.
fn mark(object: &mut Value, task: &str) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let annotations = metadata.entry("annotations").or_insert(Value::Null);
    if annotations.is_null() {
        *annotations = Map::new().into();
    }
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(TASK.to_owned(), task.into());
    }
}

/// Reads the object as the type that it claims to be, for its known fields only.
fn check_types(object: &Value) -> Result<(), ObjectError> {
    let known: Result<HostMigration, _> = serde_path_to_error::deserialize(object);
    // The error's text quotes the value; the path, made of field names, does not.
    known.map(drop).map_err(|error| ObjectError::Type { field: lagoon_task::output::escape(&error.path().to_string()) })
}

fn text<'object>(object: &'object Map<String, Value>, path: &[&str]) -> Option<&'object str> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(object.get(*first)?, |value, field| value.get(*field))?.as_str()
}

#[cfg(test)]
mod tests;
