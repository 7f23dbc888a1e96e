//! Switches that nobody would continue: interrupted ones whose `HostMigration` was deleted before anyone went on.
//!
//! Deleting the object does not bring routes back that have moved already, and some may be nowhere but in the journal. So
//! whoever wins the Lease ends these switches before it looks at any object: then no other switch runs that
//! could meet them.

use crate::engine::{Engine, SwitchRequest};
use crate::interrupted::orphan;
use crate::logs;
use crate::reconcile::Context;
use route_switch::journal::Head;

/// Ends every such switch, once each; one that still cannot be ended waits for the next leader. Begins no other when
/// `is_stopping`.
pub(super) async fn end_all<E: Engine>(context: &Context<E>, is_stopping: impl Fn() -> bool) {
    let cluster = context.objects.cluster();
    let namespaces = match context.journals.sites().await {
        Ok(namespaces) => namespaces,
        Err(error) => return tracing::warn!("Interrupted switches could not be looked for: {error}."),
    };
    for namespace in namespaces {
        if is_stopping() {
            return;
        }
        match orphan(cluster, &context.journals, &namespace).await {
            Ok(Some(head)) => end(context, head).await,
            Ok(None) => {}
            Err(error) => tracing::warn!(namespace, "Whether a switch was interrupted is not known: {error}."),
        }
    }
}

/// Ends the switch in the name of the object that is gone.
async fn end<E: Engine>(context: &Context<E>, head: Head) {
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
        Ok(switched) => tracing::info!(namespace, hostmigration, "The switch is completed: {}", switched.summary),
        Err(failed) => {
            // One that was undone has ended too.
            if !matches!(orphan(context.objects.cluster(), &context.journals, &namespace).await, Ok(None)) {
                context.metrics.unended.left(&namespace, &hostmigration);
            }
            tracing::warn!(namespace, hostmigration, "The switch is not completed: {}", failed.sentence);
        }
    }
}
