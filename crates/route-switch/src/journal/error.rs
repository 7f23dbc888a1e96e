//! Why a journal could not be used.

use crate::cluster::ensure::SureError;
use crate::journal::codec::{PackError, ParseError};
use crate::journal::entries::VERSION;
use lagoon_task::cluster::{ClusterError, ObjectName};

/// The head's key in a journal's `ConfigMap`.
pub(super) const HEAD: &str = "journal.json";
/// The book's key in each part.
pub(super) const BOOK: &str = "book.json.gz";

/// Why a journal could not be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A request failed.
    #[error("The journal of the switch: {0}")]
    Cluster(#[from] ClusterError),
    /// What stood in the way of a create or a delete.
    #[error("The journal of the switch: {0}")]
    Sure(#[from] SureError),
    /// A later version of this program wrote it.
    #[error(
        "{object} is the journal of an unfinished switch that a newer version of this program has written (form \
         {version}, and this one knows forms up to {VERSION}). Run the task with that version again; do not delete the \
         journal, it may hold the only copy of a route"
    )]
    TooNew {
        /// The journal.
        object: ObjectName,
        /// The form's version.
        version: u64,
    },
    /// It cannot be read.
    #[error(
        "{object} should be the journal of a switch and cannot be read: {cause}. Do not delete it before you have made \
         sure that all routes of both environments are there, it may hold the only copy of one"
    )]
    Damaged {
        /// The journal.
        object: ObjectName,
        /// What is wrong.
        #[source]
        cause: Damage,
    },
    /// Its book cannot be packed.
    #[error("the routes of the switch cannot be written down in {object}: {cause}")]
    Pack {
        /// The journal.
        object: ObjectName,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// Somebody else has taken it over or begun another.
    #[error("{object} was changed by another run of the switch at the same time")]
    Taken {
        /// The journal.
        object: ObjectName,
    },
}

impl JournalError {
    /// The journal, or the part of it, that this program cannot read, and will not later either.
    #[must_use]
    pub fn unreadable(&self) -> Option<&ObjectName> {
        match self {
            Self::TooNew { object, .. } | Self::Damaged { object, .. } => Some(object),
            _ => None,
        }
    }
}

/// What is wrong with a journal.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// It has no head.
    #[error("it has no {HEAD}")]
    NoHead,
    /// Its head is not what this program writes.
    #[error("{HEAD}, {0}")]
    Head(#[source] ParseError),
    /// Its head has a value that this program never writes.
    #[error("{HEAD} has a name or an id that is none")]
    Form,
    /// Its book is not in base64.
    #[error("{BOOK} is not base64")]
    NotBase64(#[source] base64::DecodeError),
    /// A part of its book is missing.
    #[error("its part \"{}\" is missing", lagoon_task::output::escape(.0))]
    NoPart(String),
    /// It has more parts than this program writes.
    #[error("it has more parts than any that this program writes")]
    TooManyParts,
    /// A route of its book is not what it is said to be.
    #[error("the entry number {0} of its book is not that of a route")]
    Route(usize),
    /// Its book cannot be unpacked.
    #[error(transparent)]
    Book(#[from] PackError),
    /// Its head cannot be written.
    #[error(transparent)]
    WriteHead(serde_json::Error),
}
