//! A switch that was interrupted and whose `HostMigration` is gone.

use hostmigration::{HostMigration, KIND};
use kube::api::ApiResource;
use lagoon_task::cluster::{Cluster, ClusterError};
use route_switch::journal::{Head, JournalError, State};

use crate::journals::Journals;

/// The head of the namespace's journal, if its switch has not ended and was that of a `HostMigration` that is gone.
pub(super) async fn orphan(
    cluster: &Cluster,
    journals: &Journals,
    namespace: &str,
) -> Result<Option<Head>, OrphanError> {
    for head in journals.of(namespace).await? {
        if head.standby_namespace == namespace && is_orphan(cluster, &head).await? {
            return Ok(Some(head));
        }
    }
    Ok(None)
}

/// Whether the switch of this journal has not ended and was that of a `HostMigration` that is gone.
pub(super) async fn is_orphan(cluster: &Cluster, head: &Head) -> Result<bool, ClusterError> {
    if head.state != State::Moving || head.holder.kind != KIND {
        return Ok(false);
    }
    let objects = cluster.objects(&ApiResource::erase::<HostMigration>(&()), &head.standby_namespace);
    let found = objects.get_metadata(&head.holder.name).await?;
    Ok(found.is_none_or(|found| found.uid != head.holder.uid))
}

#[derive(Debug, thiserror::Error)]
pub(super) enum OrphanError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}
