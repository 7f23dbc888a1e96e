//! Looks again before each write whether a namespace still is the one that was checked.

use std::pin::Pin;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;

use crate::pair::Facts;
use lagoon_task::cluster::{Cause, Cluster, ClusterError, ObjectName, WriteGuard};
use lagoon_task::output::escape;

/// How old the knowledge may be that a namespace is the one that was checked.
const FRESH: Duration = Duration::from_millis(500);

/// What counts of a namespace; `None` where there is none of that name, or it is being deleted.
pub(crate) async fn facts(cluster: &Cluster, namespace: &str) -> Result<Option<Facts>, ClusterError> {
    let api: Api<Namespace> = Api::all(cluster.client());
    let error = |cause| ClusterError::Read { object: ObjectName::new("Namespace", "", namespace), cause };
    let found = cluster.call(error, api.get_metadata_opt(namespace)).await?.map(|found| found.metadata);
    let found = found.filter(|found| found.deletion_timestamp.is_none());
    Ok(found.map(|found| Facts { uid: found.uid.unwrap_or_default(), labels: found.labels.unwrap_or_default() }))
}

/// Lets writes through to a namespace as long as it is the one that was checked. Writes elsewhere are none of its business.
pub(crate) struct PairGuard {
    cluster: Cluster,
    checked: Vec<Checked>,
}

struct Checked {
    namespace: String,
    facts: Facts,
    /// When it was seen so last.
    seen: Mutex<Option<Instant>>,
}

impl PairGuard {
    /// For these namespaces, which were checked just now.
    pub(crate) fn new(cluster: &Cluster, namespaces: impl IntoIterator<Item = (String, Facts)>) -> Self {
        let checked = namespaces.into_iter();
        let checked = checked.map(|(namespace, facts)| Checked { namespace, facts, seen: Mutex::default() });
        Self { cluster: cluster.clone(), checked: checked.collect() }
    }

    async fn check(&self, namespace: &str) -> Result<(), Cause> {
        let Some(checked) = self.checked.iter().find(|checked| checked.namespace == namespace) else { return Ok(()) };
        let is_fresh = checked.seen().is_some_and(|seen| seen.elapsed() <= FRESH);
        if is_fresh {
            return Ok(());
        }
        let asked = Instant::now();
        let now = facts(&self.cluster, namespace).await.map_err(|error| error.cause().clone())?;
        if now.is_some_and(|now| now.is_still(&checked.facts)) {
            *checked.seen() = Some(asked);
            return Ok(());
        }
        Err(Cause::Withheld(format!(
            "namespace \"{}\" is no longer the one that the switch began with",
            escape(namespace)
        )))
    }
}

impl Checked {
    fn seen(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WriteGuard for PairGuard {
    fn may_write<'a>(&'a self, namespace: &'a str) -> Pin<Box<dyn Future<Output = Result<(), Cause>> + Send + 'a>> {
        Box::pin(self.check(namespace))
    }
}
