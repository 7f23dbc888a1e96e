//! Switches that nobody would continue: interrupted ones whose `HostMigration` was deleted before anyone went on.
//!
//! Deleting the object does not bring routes back that have moved already, and some may be nowhere but in the journal. So
//! whoever holds the Lease looks for such journals, before it looks at any object and then again and again.

use std::collections::HashMap;

use futures::{StreamExt, stream};

use crate::engine::{Engine, SwitchRequest};
use crate::identity::Identity;
use crate::interrupted::{OrphanError, is_orphan, orphan};
use crate::logs;
use crate::reconcile::Context;
use lagoon_task::cluster::Cluster;
use route_switch::journal::{self, Head, Shelf, State};

/// Journals that are read at the same time.
const CONCURRENT: usize = 8;

/// Looks for interrupted switches. A journal of a switch that has ended is read again only when it has changed.
#[derive(Default)]
pub(super) struct Search {
    /// The resource versions of such journals.
    ended: HashMap<Shelf, String>,
}

enum Found {
    Orphan(Identity),
    /// Its object is there.
    Held,
    Ended,
}

impl Search {
    /// The objects that are gone and whose switches have not ended.
    pub(super) async fn find<E>(&mut self, context: &Context<E>) -> Vec<Identity> {
        let cluster = context.objects.cluster();
        let journals = match context.journals.all().await {
            Ok(journals) => journals,
            Err(error) => {
                tracing::warn!("Interrupted switches could not be looked for: {error}.");
                return Vec::new();
            }
        };
        context.metrics.unreadable.retain(&journals);
        self.ended.retain(|shelf, version| journals.get(shelf) == Some(version));
        let changed: Vec<_> = journals.into_iter().filter(|(shelf, _)| !self.ended.contains_key(shelf)).collect();
        let looks = stream::iter(changed).map(|(shelf, version)| look(cluster.clone(), shelf, version));
        let looks: Vec<_> = looks.buffered(CONCURRENT).collect().await;
        let mut orphans = Vec::new();
        for (shelf, version, found) in looks {
            match found {
                Ok(Found::Orphan(identity)) => orphans.push(identity),
                Ok(Found::Held) => {}
                Ok(Found::Ended) => drop(self.ended.insert(shelf, version)),
                Err(error) => {
                    tracing::warn!(
                        namespace = shelf.namespace,
                        "Whether a switch was interrupted is not known: {error}."
                    );
                    if is_final(&error) {
                        context.metrics.unreadable.found(&shelf, &version);
                        context.events.unreadable(&shelf, &error.to_string()).await;
                        self.ended.insert(shelf, version);
                    }
                }
            }
        }
        orphans
    }
}

/// Whether the same journal gives the same error again.
fn is_final(error: &OrphanError) -> bool {
    matches!(error, OrphanError::Journal(error) if error.unreadable().is_some())
}

/// Looks at a journal, of which this version was listed.
async fn look(cluster: Cluster, shelf: Shelf, version: String) -> (Shelf, String, Result<Found, OrphanError>) {
    let found = find_at(&cluster, &shelf).await;
    (shelf, version, found)
}

async fn find_at(cluster: &Cluster, shelf: &Shelf) -> Result<Found, OrphanError> {
    let journal = journal::find(cluster, shelf).await?;
    let Some(head) = journal.filter(|journal| journal.head.state == State::Moving).map(|journal| journal.head) else {
        return Ok(Found::Ended);
    };
    // What lies with another site than its own is nothing that this program has written.
    if !shelf.is_ours && head.standby_namespace != shelf.namespace || !is_orphan(cluster, &head).await? {
        return Ok(Found::Held);
    }
    let Head { standby_namespace: namespace, holder, .. } = head;
    Ok(Found::Orphan(Identity { namespace, name: holder.name, uid: holder.uid }))
}

/// Ends the switch of an object that is gone, if it has not ended. Answers whether nothing is left to do.
pub(super) async fn end<E: Engine>(context: &Context<E>, gone: &Identity) -> bool {
    let ended = match orphan(context.objects.cluster(), &context.journals, &gone.namespace).await {
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
            context.note_failed(&namespace, &hostmigration, &failed);
            // One that was undone has ended too.
            let has_ended = matches!(orphan(context.objects.cluster(), &context.journals, &namespace).await, Ok(None));
            if !has_ended {
                context.metrics.unended.left(&namespace, &hostmigration);
            }
            tracing::warn!(namespace, hostmigration, "The switch is not completed: {}", failed.sentence);
            has_ended
        }
    }
}
