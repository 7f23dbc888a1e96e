//! What a task leaves on its own pod for Lagoon: the result in an annotation, and live progress in a label.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::backoff::Backoff;
use crate::cluster::{Cause, Cluster, ClusterError, ObjectName};
use crate::output::Output;

/// The annotation from which Lagoon takes a task's result.
///
/// ```
/// assert_eq!(lagoon_task::report::RESULT_ANNOTATION, "lagoon.sh/taskData");
/// ```
pub const RESULT_ANNOTATION: &str = "lagoon.sh/taskData";

/// The label whose change makes Lagoon ship the log so far.
///
/// ```
/// assert_eq!(lagoon_task::report::STEP_LABEL, "lagoon.sh/taskStep");
/// ```
pub const STEP_LABEL: &str = "lagoon.sh/taskStep";

/// Bytes that the annotations of one object may hold together (Kubernetes' `TotalAnnotationSizeLimitB`).
///
/// ```
/// assert_eq!(lagoon_task::report::ANNOTATIONS_LIMIT, 256 * 1024);
/// ```
pub const ANNOTATIONS_LIMIT: usize = 262_144;

/// Each change of the pod makes Lagoon send a message and the whole log, so there is at most one in this time.
const STEP_INTERVAL: Duration = Duration::from_secs(5);

/// A pod that others change at the same time.
const CONFLICTS: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1)).attempts(5);

/// A label's value holds at most this many bytes.
const LONGEST_LABEL: usize = 63;

/// Why a result did not get to Lagoon.
///
/// ```
/// use lagoon_task::ReportError;
///
/// let error = lagoon_task::report::encode(&serde_json::json!({})).unwrap_err();
/// assert!(matches!(error, ReportError::Empty));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// It cannot be written as JSON.
    #[error("The task's result cannot be written as JSON: {0}.")]
    NotJson(#[source] serde_json::Error),
    /// It says nothing. Lagoon stops at such a result and shows the task as running for ever.
    #[error("The task's result is empty, and Lagoon cannot take an empty one.")]
    Empty,
    /// It does not fit into an annotation.
    #[error(
        "The task's result is too large for Lagoon: {bytes} bytes as an annotation, and Kubernetes takes at most \
         {ANNOTATIONS_LIMIT}."
    )]
    TooLarge {
        /// Bytes of the annotation's name and value.
        bytes: usize,
    },
    /// A secret runs over several of its fields, so that it cannot be hidden inside one.
    #[error(
        "The task's result holds a secret that cannot be hidden without damage to the result, so Lagoon does not get it."
    )]
    Secret,
    /// The pod could not be annotated.
    #[error("Lagoon did not get the task's result. {0}.")]
    Pod(#[from] ClusterError),
}

/// The value of [`RESULT_ANNOTATION`] for a result, as it is: standard base64, padded, of its JSON.
///
/// ```
/// use lagoon_task::report::encode;
///
/// assert_eq!(encode(&serde_json::json!({ "pages": 3 })).unwrap(), "eyJwYWdlcyI6M30=");
/// ```
pub fn encode(result: &impl Serialize) -> Result<String, ReportError> {
    let value = serde_json::to_value(result).map_err(ReportError::NotJson)?;
    if is_empty(&value) {
        return Err(ReportError::Empty);
    }
    let encoded = STANDARD.encode(value.to_string());
    let bytes = RESULT_ANNOTATION.len() + encoded.len();
    if bytes > ANNOTATIONS_LIMIT {
        return Err(ReportError::TooLarge { bytes });
    }
    Ok(encoded)
}

/// A result with the secrets hidden that `output` knows, and whether it held any. It stays JSON: a secret is hidden inside
/// the string that holds it, a number that is one becomes a string, and keys stay apart.
pub(crate) fn without_secrets(result: &impl Serialize, output: &Output) -> Result<(Value, bool), ReportError> {
    let value = serde_json::to_value(result).map_err(ReportError::NotJson)?;
    let safe = hide_secrets(value.clone(), output);
    let text = safe.to_string();
    if output.hide_secrets(&text) != text {
        return Err(ReportError::Secret);
    }
    let hidden = safe != value;
    Ok((safe, hidden))
}

/// Annotates the task's pod with `result`, in one patch.
pub(crate) async fn annotate(
    cluster: &Cluster,
    namespace: &str,
    pod: &str,
    result: &impl Serialize,
) -> Result<(), ReportError> {
    let encoded = encode(result)?;
    let patch = Patch::Merge(json!({ "metadata": { "annotations": { RESULT_ANNOTATION: encoded } } }));
    let pods: Api<Pod> = Api::namespaced(cluster.client(), namespace);
    let object = ObjectName::new("Pod", namespace, pod);
    let parameters = PatchParams::default();
    let mut conflicts = CONFLICTS.start();
    loop {
        let patched = pods.patch_metadata(pod, &parameters, &patch);
        let error = |cause| ClusterError::Change { object: object.clone(), cause };
        let Err(error) = cluster.call(error, patched).await else { return Ok(()) };
        // What counts is what is on the pod: the answer to an attempt that was carried out may have been lost.
        let read = |cause| ClusterError::Read { object: object.clone(), cause };
        let found = cluster.call(read, pods.get_metadata(pod)).await;
        if found.is_ok_and(|found| found.annotations().get(RESULT_ANNOTATION) == Some(&encoded)) {
            return Ok(());
        }
        if *error.cause() != Cause::Conflict || !conflicts.pause().await {
            return Err(error.into());
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn hide_secrets(value: Value, output: &Output) -> Value {
    match value {
        Value::String(text) => Value::String(output.hide_secrets(&text)),
        Value::Number(number) => {
            let (text, safe) = (number.to_string(), output.hide_secrets(&number.to_string()));
            if safe == text { Value::Number(number) } else { Value::String(safe) }
        }
        Value::Array(items) => items.into_iter().map(|item| hide_secrets(item, output)).collect(),
        Value::Object(fields) => {
            let mut safe = Map::new();
            for (name, field) in fields {
                let name = unused(&safe, output.hide_secrets(&name));
                safe.insert(name, hide_secrets(field, output));
            }
            Value::Object(safe)
        }
        Value::Null | Value::Bool(_) => value,
    }
}

/// `name`, or with a number after it where two keys have become the same.
fn unused(fields: &Map<String, Value>, name: String) -> String {
    // Among one more numbers than there are fields one is unused.
    let numbered = (2..=fields.len() + 2).map(|number| format!("{name} {number}"));
    std::iter::once(name.clone()).chain(numbered).find(|name| !fields.contains_key(name)).unwrap_or(name)
}

/// Puts the current step on the task's pod, in the background.
#[derive(Debug)]
pub(crate) struct Progress {
    steps: watch::Sender<String>,
    count: std::sync::atomic::AtomicU32,
}

impl Progress {
    /// Starts the background work; it ends when the `Progress` is dropped. Must be called on a tokio runtime.
    pub(crate) fn start(cluster: Cluster, namespace: String, pod: String) -> Self {
        let (steps, mut changes) = watch::channel(String::new());
        tokio::spawn(async move {
            while changes.changed().await.is_ok() {
                let label = changes.borrow_and_update().clone();
                // Progress is a courtesy: whether it arrived changes nothing for the task.
                let _ = cluster.try_to_patch_pod(&namespace, &pod, json!({ "labels": { STEP_LABEL: label } })).await;
                tokio::time::sleep(STEP_INTERVAL).await;
            }
        });
        Self { steps, count: std::sync::atomic::AtomicU32::new(0) }
    }

    /// Notes a new step; of several within five seconds the pod gets the last.
    pub(crate) fn step(&self, text: &str) {
        let number = self.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        self.steps.send_replace(label(number, text));
    }
}

/// A label's value for a step: its number, so that it differs from the one before, and its words.
fn label(number: u32, text: &str) -> String {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut label = number.to_string();
    for word in words {
        if label.len() + 1 + word.len() > LONGEST_LABEL {
            break;
        }
        label.push('-');
        label.push_str(&word.to_ascii_lowercase());
    }
    label
}

#[cfg(test)]
mod tests;
