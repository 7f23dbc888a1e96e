//! Why a switch was not carried out, in words for the person who pressed the button.

use crate::cluster::ensure::SureError;
use crate::journal::{Head, Holder, JournalError};
use crate::lock::LockError;
use crate::moves::MoveError;
use crate::plan::Problem;
use lagoon_task::cluster::{ClusterError, ObjectName};
use lagoon_task::output::escape;

const NOTHING: &str = "Nothing has changed.";
const AGAIN: &str = "Running the task again is safe.";

/// Why a switch was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// The namespaces could not be looked at.
    #[error("The switch could not begin. {0}. {NOTHING} {AGAIN}")]
    Look(#[from] ClusterError),
    /// There are reasons why the switch would harm the site.
    #[error("{}", problems(.0))]
    Problems(Vec<Problem>),
    /// The journal could not be read or written, before anything was moved.
    #[error("The switch could not begin. {0}. {NOTHING} {AGAIN}")]
    Journal(#[from] JournalError),
    /// The lock could not be taken.
    #[error("{}", not_taken(.0))]
    Lock(#[from] LockError),
    /// Another run has taken the lock over: this one had been stopped, or somebody deleted its Lease.
    #[error(
        "This run has lost the lock on the two environments: another run has taken it over, or somebody has deleted its \
         Lease. It has stopped without changing anything more. If no other run ends the switch, run the task again."
    )]
    LockLost(#[source] Box<SwitchError>),
    /// A switch of another pair or the other way has not ended.
    #[error(
        "A switch of namespaces \"{}\" and \"{}\" has begun and not ended, and this task asks for another one. {NOTHING} \
         Run the task of the earlier switch again first: it was started in namespace \"{}\", as {}.",
        escape(.standby), escape(.active), escape(.standby), .holder.object_name(.standby)
    )]
    Unfinished {
        /// The namespace of the environment that was to become active.
        standby: String,
        /// The namespace of the environment that was active.
        active: String,
        /// Who carried it out.
        holder: Holder,
    },
    /// A journal that others can write says that routes are offline, and nothing else does.
    #[error("{}", unproven(.journal, .namespace, .switch, .routes))]
    Unproven {
        /// The journal.
        journal: ObjectName,
        /// The namespace where a record would be.
        namespace: String,
        /// The switch, as the journal says.
        switch: String,
        /// The routes, in words.
        routes: Vec<String>,
    },
    /// Routes that were offline are where they had been; the rest of the switch is for the next run.
    #[error(
        "The switch is not finished. An interrupted run has left routes offline, as its journal says; they are back where \
         they were:\n{}Run the task again: it is safe, goes on from here, and finishes the switch.", bullets(.0)
    )]
    PutBack(Vec<String>),
    /// The task was asked to stop before it had moved anything.
    #[error("The task was stopped before it had moved a route. {NOTHING} {AGAIN}")]
    Stopped,
    /// What was begun before the first move could not be taken back.
    #[error(
        "The switch has not begun to move routes, and every route is where it was, but what it had prepared could not be \
         removed again: {0}. Run the task again: it is safe and goes on from here."
    )]
    Prepared(#[source] Box<MoveError>),
    /// A route could not be moved; everything is as it was.
    #[error(
        "The switch was undone because {cause}. All routes are back where they were: nothing has changed. Remove the \
         cause, then switch again."
    )]
    Undone {
        /// What failed first.
        #[source]
        cause: Box<MoveError>,
    },
    /// A route could not be moved, and not everything could be put back.
    #[error("{}", unfinished(.cause, .unseen, .offline, .elsewhere))]
    Unended {
        /// What failed first.
        #[source]
        cause: Box<MoveError>,
        /// The routes that are nowhere, in words; their manifests are in the journal.
        offline: Vec<String>,
        /// Where the other routes are, in words; empty when that could not be told.
        elsewhere: Vec<String>,
        /// The namespaces that could not be looked at.
        unseen: Vec<String>,
        /// How many hosts the routes have that are nowhere, or that may be nowhere because a namespace could not be looked
        /// at; `None` if no route was looked for.
        hosts_offline: Option<usize>,
    },
    /// All routes have moved, and something after that failed.
    #[error(
        "The routes have moved, but the switch could not be ended: {cause}. Run the task again: it is safe, moves nothing \
         a second time, and ends the switch."
    )]
    NotEnded {
        /// What failed.
        #[source]
        cause: Box<MoveError>,
    },
}

impl SwitchError {
    pub(crate) fn unfinished(head: &Head) -> Self {
        Self::Unfinished {
            standby: head.standby_namespace.clone(),
            active: head.active_namespace.clone(),
            holder: head.holder.clone(),
        }
    }

    /// Whether the same switch, tried again a little later, may go on without anyone doing anything.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Look(error)
            | Self::Journal(JournalError::Cluster(error) | JournalError::Sure(SureError::Cluster(error)))
            | Self::Lock(LockError::Cluster(error)) => error.cause().may_pass(),
            Self::Journal(error) => matches!(error, JournalError::Taken { .. }),
            Self::Problems(_) | Self::Unfinished { .. } | Self::Unproven { .. } | Self::Undone { .. } => false,
            Self::Lock(_)
            | Self::LockLost(_)
            | Self::PutBack(_)
            | Self::Stopped
            | Self::Prepared(_)
            | Self::Unended { .. }
            | Self::NotEnded { .. } => true,
        }
    }

    /// How many hosts are offline now; `None` when this error says nothing about that.
    #[must_use]
    pub fn hosts_offline(&self) -> Option<usize> {
        match self {
            Self::Unended { hosts_offline, .. } => *hosts_offline,
            Self::NotEnded { .. } | Self::PutBack(_) => Some(0),
            Self::LockLost(cause) => cause.hosts_offline(),
            _ => None,
        }
    }

    /// The journal that cannot be read, if that is what the error is about.
    #[must_use]
    pub fn unreadable_journal(&self) -> Option<&ObjectName> {
        let error = match self {
            Self::Journal(error) => error,
            Self::Unended { cause, .. } | Self::NotEnded { cause } | Self::Undone { cause } => match &**cause {
                MoveError::Journal(error) => error,
                _ => return None,
            },
            _ => return None,
        };
        error.unreadable()
    }
}

fn not_taken(error: &LockError) -> String {
    let (what, advice) = match error {
        LockError::Held { holder, .. } => (
            format!("Another run of this switch is under way: {error}"),
            format!(
                "Wait until that one has ended; if the switch is not done by then, run the task again. {}",
                if_it_does_not_end(&holder.kind)
            ),
        ),
        LockError::Unknown { lease, .. } => (
            format!("Another run of this switch may be under way: {error}"),
            format!("If no switch of these environments runs, delete {lease}, then run the task again."),
        ),
        LockError::Cluster(_) => (format!("The switch could not begin. {error}"), AGAIN.to_owned()),
    };
    format!("{what}. {NOTHING} {advice}")
}

/// The pod of a node that is lost looks like one that runs, and a `HostMigration` without a controller stays as it is.
fn if_it_does_not_end(kind: &str) -> &'static str {
    if kind == "Pod" {
        "If it does not end because its node is lost, ask your Lagoon administrator to delete that pod by force first."
    } else {
        "If it does not end because no controller carries it out, ask your Lagoon administrator to delete it first."
    }
}

fn problems(problems: &[Problem]) -> String {
    let reasons = if problems.len() == 1 { "one reason".to_owned() } else { format!("{} reasons", problems.len()) };
    format!("The switch cannot be carried out, for {reasons}:\n{}{NOTHING}", bullets(problems))
}

fn unfinished(cause: &MoveError, unseen: &[String], offline: &[String], elsewhere: &[String]) -> String {
    let unseen = match unseen {
        [] => String::new(),
        unseen => format!("; and namespace {} could not be looked at", unseen.join(" and ")),
    };
    let mut parts = vec![format!("The switch is not finished: {cause}{unseen}.")];
    if !offline.is_empty() {
        let title =
            "OFFLINE at the moment (ConfigMap activestandby-journal in the standby namespace has a full copy of each):";
        parts.push(format!("{title}\n{}", bullets(offline).trim_end()));
    }
    if !elsewhere.is_empty() {
        parts.push(format!("These routes are live:\n{}", bullets(elsewhere).trim_end()));
    }
    parts.push(
        "Remove the cause and run the task again: it is safe, goes on from here, and finishes the switch.".to_owned(),
    );
    parts.join("\n")
}

fn unproven(journal: &ObjectName, namespace: &str, switch: &str, routes: &[String]) -> String {
    format!(
        "{journal} says that an interrupted switch has left these routes offline, but nothing in namespace \"{}\" confirms it, \
         and anybody who may write in the journal's namespace could have written it:\n{}{NOTHING} If these routes are missing, \
         somebody with rights in that namespace can confirm the journal after a look at it (docs/trust.md): annotate Lease \
         \"{}\" there with {}={}, then run the switch again. If not, delete the journal.",
        escape(namespace),
        bullets(routes),
        crate::lock::NAME,
        crate::lock::OFFLINE,
        escape(switch),
    )
}

fn bullets<T: std::fmt::Display>(list: &[T]) -> String {
    let entries: Vec<String> = list.iter().map(|entry| format!("- {entry}\n")).collect();
    entries.concat()
}

#[cfg(test)]
mod tests;
