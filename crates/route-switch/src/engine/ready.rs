//! What a switch finds that there is to do, and what it has done.

use crate::cluster::kinds::Groups;
use crate::journal::{Book, Head, Journal, Moved, RouteEntry};
use crate::moves::Places;
use crate::plan::Problem;

/// What there is to do. Nothing has been changed to find out.
pub enum Ready<'a> {
    /// The site has no routes. What is worth knowing about that.
    Nothing(Vec<String>),
    /// The switch is done already, and Lagoon may not know it.
    Done(Box<Done<'a>>),
    /// It can be carried out, or resumed.
    Planned(Box<Planned<'a>>),
}

/// A switch that is done already.
pub struct Done<'a> {
    pub(super) moved: Moved,
    /// The journal that says so.
    pub(super) journal: Option<Journal<'a>>,
}

/// What is still to do of a switch.
pub struct Planned<'a> {
    pub(super) head: Head,
    pub(super) book: Book,
    pub(super) notes: Vec<String>,
    pub(super) places: Places,
    /// The journal there, of this switch or of an earlier one.
    pub(super) previous: Option<Journal<'a>>,
    pub(super) is_begun: bool,
    /// The routes that are put back where they were, and nothing else is done.
    pub(super) put_back: Vec<RouteEntry>,
    /// Why an interrupted switch cannot be resumed: it is undone.
    pub(super) problems: Vec<Problem>,
    /// The journals of other unfinished switches of the two namespaces, which this one ends.
    pub(super) others: Vec<Journal<'a>>,
    pub(super) groups: Groups,
    /// Whether the journal says so already.
    pub(super) is_written: bool,
}

impl Planned<'_> {
    /// Whether an earlier run has begun the switch.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.is_begun
    }
}

/// A switch that has been carried out.
pub struct Carried<'a> {
    /// What moved.
    pub moved: Moved,
    /// Whether this run has moved nothing, because an earlier one had.
    pub is_repeated: bool,
    pub(super) journal: Option<Box<Journal<'a>>>,
}
