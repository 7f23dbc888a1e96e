//! The switch engine: moves the routes of two namespaces to the respective other one, and loses none.
//!
//! Nothing is deleted that is not first written down, and nothing written down is trusted over what is seen. The steps:
//! observe, plan, probe, journal, copy, move, verify, clean up, report. A switch that was interrupted anywhere is
//! continued by reading the journal and looking at which routes are where.

mod cluster;
mod engine;
mod error;
#[cfg(test)]
mod fixtures;
pub mod journal;
pub mod labels;
mod lock;
mod moves;
mod mutants;
pub mod plan;
pub mod route;
pub mod side;

pub use engine::{Carried, Ready, Switch, note_reported};
pub use error::SwitchError;
pub use lock::LockError;
pub use moves::{Goal, MoveError, Place, Places};

/// How many requests of one kind of step are under way at once.
const CONCURRENT: usize = 16;

/// How many routes are offline at once that must be deleted before they can be created on the other side.
const CONCURRENT_GAPS: usize = 4;

/// Who has asked for a switch: hears how it goes, and may ask it to stop.
pub trait Caller: Sync {
    /// A line for the log.
    fn say(&self, text: &str);

    /// A line for the log that is worth being shown at once.
    fn step(&self, text: &str);

    /// Whether the switch is to stop. Once the first route has moved it goes on to the end.
    fn is_stopping(&self) -> bool;
}
