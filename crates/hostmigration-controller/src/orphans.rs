//! Switches that nobody would continue: interrupted ones whose `HostMigration` was deleted before anyone went on.
//!
//! Deleting the object does not bring routes back that have moved already, and some may be nowhere but in the journal. So
//! whoever holds the Lease looks for such journals, before it looks at any object and then again and again.

use std::collections::HashMap;

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use crate::engine::{Engine, SwitchRequest};
use crate::identity::Identity;
use crate::interrupted::{OrphanError, orphan};
use crate::logs;
use crate::reconcile::Context;
use lagoon_task::cluster::{Cluster, ClusterError};
use route_switch::journal::{self, Head, JournalError, NAME, State};
use route_switch::labels::{JOURNAL, ROLE};

/// Journals in one answer of the list.
const PAGE: u32 = 100;

/// Journals that are read at the same time.
const CONCURRENT: usize = 8;

/// Looks for interrupted switches. A journal of a switch that has ended is read again only when it has changed.
#[derive(Default)]
pub(super) struct Search {
    /// The resource versions of such journals, by namespace.
    ended: HashMap<String, String>,
}

enum Found {
    Orphan(Identity),
    /// Its object is there.
    Held,
    Ended,
}

impl Search {
    /// The objects that are gone and whose switches have not ended.
    pub(super) async fn find(&mut self, cluster: &Cluster) -> Vec<Identity> {
        let journals = match journals(cluster).await {
            Ok(journals) => journals,
            Err(error) => {
                tracing::warn!("Interrupted switches could not be looked for: {error}.");
                return Vec::new();
            }
        };
        self.ended.retain(|namespace, version| journals.get(namespace) == Some(version));
        let changed: Vec<_> =
            journals.into_iter().filter(|(namespace, _)| !self.ended.contains_key(namespace)).collect();
        let looks = stream::iter(changed).map(|(namespace, version)| look(cluster.clone(), namespace, version));
        let looks: Vec<_> = looks.buffered(CONCURRENT).collect().await;
        let mut orphans = Vec::new();
        for (namespace, version, found) in looks {
            match found {
                Ok(Found::Orphan(identity)) => orphans.push(identity),
                Ok(Found::Held) => {}
                Ok(Found::Ended) => drop(self.ended.insert(namespace, version)),
                Err(error) => {
                    tracing::warn!(namespace, "Whether a switch was interrupted is not known: {error}.");
                    if is_final(&error) {
                        self.ended.insert(namespace, version);
                    }
                }
            }
        }
        orphans
    }
}

/// Whether the same journal gives the same error again.
fn is_final(error: &OrphanError) -> bool {
    matches!(error, OrphanError::Journal(JournalError::TooNew { .. } | JournalError::Damaged { .. }))
}

/// Looks at the journal in a namespace, of which this version was listed.
async fn look(cluster: Cluster, namespace: String, version: String) -> (String, String, Result<Found, OrphanError>) {
    let found = find_in(&cluster, &namespace).await;
    (namespace, version, found)
}

async fn find_in(cluster: &Cluster, namespace: &str) -> Result<Found, OrphanError> {
    let journal = journal::find(cluster, namespace).await?;
    if journal.is_none_or(|journal| journal.head.state != State::Moving) {
        return Ok(Found::Ended);
    }
    Ok(orphan(cluster, namespace).await?.map_or(Found::Held, |head| {
        let Head { standby_namespace: namespace, holder, .. } = head;
        Found::Orphan(Identity { namespace, name: holder.name, uid: holder.uid })
    }))
}

/// The resource versions of all journals, by namespace.
async fn journals(cluster: &Cluster) -> Result<HashMap<String, String>, ClusterError> {
    let all: Api<ConfigMap> = Api::all(cluster.client());
    let mut page = ListParams::default().labels(&format!("{ROLE}={JOURNAL}")).limit(PAGE);
    let mut journals = HashMap::new();
    loop {
        let error = |cause| ClusterError::List { kind: "ConfigMap".to_owned(), namespace: String::new(), cause };
        let listed = cluster.call(error, all.list_metadata(&page)).await?;
        let heads = listed.items.into_iter().filter(|part| part.name_any() == NAME);
        journals.extend(heads.filter_map(|journal| Some((journal.namespace()?, journal.resource_version()?))));
        match listed.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(journals),
        }
    }
}

/// Ends the switch of an object that is gone, if it has not ended. Answers whether nothing is left to do.
pub(super) async fn end<E: Engine>(context: &Context<E>, gone: &Identity) -> bool {
    let ended = match orphan(context.objects.cluster(), &gone.namespace).await {
        Ok(Some(head)) => carry_out(context, head).await,
        Ok(None) => true,
        Err(error) => {
            let Identity { namespace, name: hostmigration, .. } = gone;
            tracing::warn!(namespace, hostmigration, "Whether a switch was interrupted is not known: {error}.");
            is_final(&error)
        }
    };
    if ended {
        context.note_ended(&gone.namespace, &gone.name);
    }
    ended
}

/// Ends the switch in the name of the object that is gone.
async fn carry_out<E: Engine>(context: &Context<E>, head: Head) -> bool {
    let (namespace, hostmigration) = (head.standby_namespace, head.holder.name);
    tracing::info!(namespace, hostmigration, "The object is gone and its switch has not ended: it is continued.");
    let request = SwitchRequest {
        output: logs::switch_output(&namespace, &hostmigration, context.secrets.clone()),
        standby_namespace: namespace.clone(),
        active_namespace: head.active_namespace,
        object_name: hostmigration.clone(),
        object_uid: head.holder.uid,
        is_begun: true,
    };
    context.metrics.resumed.inc();
    match context.engine.switch(request).await {
        Ok(switched) => {
            context.metrics.unended.completed(&namespace);
            tracing::info!(namespace, hostmigration, "The switch is completed: {}", switched.summary);
            true
        }
        Err(failed) => {
            // One that was undone has ended too.
            let has_ended = matches!(orphan(context.objects.cluster(), &namespace).await, Ok(None));
            if !has_ended {
                context.metrics.unended.left(&namespace, &hostmigration);
            }
            tracing::warn!(namespace, hostmigration, "The switch is not completed: {}", failed.sentence);
            has_ended
        }
    }
}
