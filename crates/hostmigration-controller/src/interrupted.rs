//! A switch that was interrupted and whose `HostMigration` is gone.

use hostmigration::{HostMigration, KIND};
use kube::api::ApiResource;
use lagoon_task::cluster::{Cluster, ClusterError};
use lagoon_task::environment::is_dns_label;
use route_switch::journal::{Head, JournalError, State};

use crate::journals::Journals;

/// The head of the namespace's journal, if its switch has not ended and was that of a `HostMigration` that is gone.
pub(super) async fn orphan(
    cluster: &Cluster,
    journals: &Journals,
    namespace: &str,
) -> Result<Option<Head>, OrphanError> {
    for head in journals.of(namespace).await? {
        // Whoever may write in the namespace may have written this journal, so its names are checked like an object's.
        let is_ours = head.holder.kind == KIND && head.standby_namespace == namespace;
        if head.state != State::Moving || !is_ours || !is_dns_label(&head.active_namespace) {
            continue;
        }
        let objects = cluster.objects(&ApiResource::erase::<HostMigration>(&()), namespace);
        let found = objects.get_metadata(&head.holder.name).await?;
        if found.is_none_or(|found| found.uid != head.holder.uid) {
            return Ok(Some(head));
        }
    }
    Ok(None)
}

#[derive(Debug, thiserror::Error)]
pub(super) enum OrphanError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}
