//! What planning finds.

use std::collections::BTreeSet;
use std::fmt;

use lagoon_task::output::escape;

use crate::journal::Book;
use crate::route::Route;

/// A switch that can be carried out.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// What moves.
    pub book: Book,
    /// What is worth knowing and no reason to stop.
    pub notes: Vec<String>,
}

/// A reason why a switch cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The object that it is about, in words.
    pub object: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl Problem {
    /// A problem; names in its texts are escaped here.
    pub fn new(object: impl AsRef<str>, problem: impl AsRef<str>, remedy: impl AsRef<str>) -> Self {
        Self { object: escape(object.as_ref()), problem: escape(problem.as_ref()), remedy: escape(remedy.as_ref()) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}. {}.", self.object, self.problem, self.remedy)
    }
}

/// What planning has found so far.
#[derive(Default)]
pub(crate) struct Findings {
    problems: BTreeSet<Problem>,
    notes: BTreeSet<String>,
}

impl Findings {
    pub(crate) fn problem(&mut self, object: impl AsRef<str>, problem: impl AsRef<str>, remedy: impl AsRef<str>) {
        self.add(Problem::new(object, problem, remedy));
    }

    pub(crate) fn add(&mut self, problem: Problem) {
        self.problems.insert(problem);
    }

    pub(crate) fn note(&mut self, note: impl AsRef<str>) {
        self.notes.insert(escape(note.as_ref()));
    }

    pub(crate) fn into_plan(self, book: Book) -> Result<Plan, Vec<Problem>> {
        if self.problems.is_empty() {
            Ok(Plan { book, notes: self.notes.into_iter().collect() })
        } else {
            Err(self.problems.into_iter().collect())
        }
    }
}

/// Whether two routes could not be in one namespace.
pub(crate) fn same_name(one: &Route, other: &Route) -> bool {
    one.metadata.name == other.metadata.name && one.kind_name() == other.kind_name()
}

/// A route in words.
pub(crate) fn subject(route: &Route, namespace: &str) -> String {
    format!("{} \"{}\" in namespace \"{namespace}\"", route.kind_name(), route.metadata.name)
}
