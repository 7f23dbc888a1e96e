//! The switch engine: moves the routes of two namespaces to the respective other one, and loses none.
//!
//! Nothing is deleted that is not first written down, and nothing written down is trusted over what is seen. The steps:
//! observe, plan, probe, journal, copy, move, verify, clean up, report. A switch that was interrupted anywhere is
//! continued by reading the journal and looking at which routes are where.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod cluster;
mod engine;
mod error;
#[cfg(test)]
mod fixtures;
pub mod journal;
mod json;
pub mod labels;
mod lock;
mod moves;
mod mutants;
pub mod plan;
pub mod route;
pub mod side;

pub use cluster::kinds::not_moved;
pub use engine::{Carried, Ready, Switch, note_reported};
pub use error::SwitchError;
pub use lock::LockError;
pub use moves::{Goal, MoveError, Place, Places};

use cluster::owners::OwnerKinds;
use journal::Shelf;
use side::Sides;

/// How many requests of one kind of step are under way at once.
const CONCURRENT: usize = 16;

/// How many routes are offline at once that must be deleted before they can be created on the other side.
const CONCURRENT_GAPS: usize = 4;

/// With whose rights a switch is carried out, and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority {
    /// Those of a deployer, in the two namespaces of its site. The journal lies there too, so it is believed only as far as
    /// what is seen, and a record in the other namespace, show that it is true.
    Deployer,
    /// Those of a controller, in the namespaces of all sites. Its journals lie in a namespace of its own.
    Controller {
        /// The controller's namespace.
        namespace: String,
        /// The uids of the two namespaces: others of the same names are other ones.
        uids: Sides<String>,
    },
}

impl Authority {
    /// Where the journal of a switch lies.
    fn shelf(&self, names: &Sides<String>) -> Shelf {
        match self {
            Self::Deployer => Shelf::of_a_site(&names.standby),
            Self::Controller { namespace, uids } => Shelf::of_a_pair(namespace, uids),
        }
    }

    /// Whether a Secret moves that holds a key pair and does not say so by its type.
    fn takes_opaque(&self) -> bool {
        matches!(self, Self::Deployer)
    }

    /// Which kinds of owners are looked at. A controller may read what the site's owner may not, and is asked for by anybody's
    /// journals and routes.
    fn owner_kinds(&self) -> OwnerKinds {
        match self {
            Self::Deployer => OwnerKinds::Any,
            Self::Controller { .. } => OwnerKinds::Listed,
        }
    }
}

/// Who has asked for a switch: hears how it goes, and may ask it to stop.
pub trait Caller: Sync {
    /// A line for the log.
    fn say(&self, text: &str);

    /// A line for the log that is worth being shown at once.
    fn step(&self, text: &str);

    /// Whether the switch is to stop. Once the first route has moved it goes on to the end.
    fn is_stopping(&self) -> bool;
}
