//! Deletes finished objects, as `--keep-finished` asks for: the newest of each namespace stay.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::api::{DeleteParams, Preconditions};

use crate::identity::Identity;
use crate::objects::{dynamic, typed};
use crate::reconcile::Context;
use crate::watched::is_finished;
use hostmigration::{HostMigration, KIND};
use lagoon_task::cluster::{Cause, ClusterError};
use route_switch::journal::{JournalError, State};

/// A finished object.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Old {
    identity: Identity,
    resource_version: Option<String>,
    created: Option<Time>,
}

/// Deletes what these namespaces have beyond the `keep` newest finished objects.
pub(crate) async fn prune<E>(context: &Context<E>, namespaces: Vec<String>, keep: usize) {
    for namespace in namespaces {
        if context.stopping.is_requested() {
            return;
        }
        if let Err(error) = prune_one(context, &namespace, keep).await {
            tracing::warn!(namespace, "Finished HostMigrations could not be deleted: {error}.");
        }
    }
}

async fn prune_one<E>(context: &Context<E>, namespace: &str, keep: usize) -> Result<(), PruneError> {
    let all = finished(context, namespace).await?;
    let mut journals = context.journals.of(namespace).await?.into_iter();
    let holder = journals.find(|head| head.state == State::Moving).map(|head| head.holder.uid);
    for old in surplus(all, keep, holder.as_deref()) {
        let Identity { namespace, name, uid } = old.identity;
        let preconditions = Preconditions { uid: Some(uid), resource_version: old.resource_version };
        let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        let object = lagoon_task::ObjectName::new(KIND, &namespace, &name);
        let error = |cause| ClusterError::Delete { object, cause };
        let api = context.objects.of(&namespace);
        match context.objects.cluster().call(error, api.delete(&name, &parameters)).await {
            Ok(_) => {
                context.metrics.pruned.inc();
                tracing::info!(namespace, hostmigration = name, "The finished object is deleted.");
            }
            // Somebody else has changed or deleted it.
            Err(error) if matches!(error.cause(), Cause::Conflict | Cause::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn finished<E>(context: &Context<E>, namespace: &str) -> Result<Vec<Old>, ClusterError> {
    let take = |object| typed(&dynamic(object)?).ok().filter(is_old).as_ref().map(old);
    Ok(context.objects.in_namespace(namespace).list(take).await?.into_iter().flatten().collect())
}

fn is_old(object: &HostMigration) -> bool {
    is_finished(object) && object.metadata.deletion_timestamp.is_none()
}

fn old(object: &HostMigration) -> Old {
    Old {
        identity: Identity::of(object),
        resource_version: object.resource_version(),
        created: object.creation_timestamp(),
    }
}

/// What to delete, the oldest first. The `holder` of an unfinished switch's journal stays: without it the switch would
/// count as abandoned.
fn surplus(mut all: Vec<Old>, keep: usize, holder: Option<&str>) -> Vec<Old> {
    all.sort_by(|one, other| (&one.created, &one.identity.name).cmp(&(&other.created, &other.identity.name)));
    all.truncate(all.len().saturating_sub(keep));
    all.retain(|old| Some(old.identity.uid.as_str()) != holder);
    all
}

#[derive(Debug, thiserror::Error)]
enum PruneError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn old(name: &str, second: i64) -> Old {
        let [namespace, name, uid] = ["shop-develop", name, name].map(str::to_owned);
        let created = Timestamp::from_second(second).ok().map(Time);
        Old { identity: Identity { namespace, name, uid }, resource_version: None, created }
    }

    fn names(all: &[Old]) -> Vec<&str> {
        all.iter().map(|old| old.identity.name.as_str()).collect()
    }

    #[test]
    fn newest_objects_stay() {
        let all = vec![old("c", 3), old("a", 1), old("d", 4), old("b", 2)];
        assert_eq!(names(&surplus(all.clone(), 2, None)), ["a", "b"]);
        assert_eq!(names(&surplus(all.clone(), 0, None)), ["a", "b", "c", "d"]);
        assert_eq!(names(&surplus(all, 9, None)), [""; 0]);
    }

    #[test]
    fn holder_of_an_unfinished_switch_stays() {
        let all = vec![old("a", 1), old("b", 2), old("c", 3)];
        assert_eq!(names(&surplus(all, 1, Some("a"))), ["b"]);
    }
}
