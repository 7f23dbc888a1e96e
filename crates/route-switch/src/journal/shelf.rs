//! Where a journal lies.

use crate::side::Sides;

/// The name of a journal in the namespace of a site's environment.
pub const NAME: &str = "activestandby-journal";

/// A place for one journal: a name in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shelf {
    /// The namespace.
    pub namespace: String,
    /// The journal's name there. The names of its further parts begin with it.
    pub name: String,
    /// Whether nobody but this program writes there. What a journal says that lies elsewhere may be anybody's.
    pub is_ours: bool,
}

impl Shelf {
    /// The place in the namespace of a site's environment.
    #[must_use]
    pub fn of_a_site(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: NAME.to_owned(), is_ours: false }
    }

    /// The place for the pair of namespaces with these uids, in the namespace of who carries out switches for all sites. It
    /// is the same for both directions; a namespace that is recreated is another one.
    #[must_use]
    pub fn of_a_pair(namespace: &str, uids: &Sides<String>) -> Self {
        let mut uids = [uids.standby.as_str(), uids.active.as_str()];
        uids.sort_unstable();
        Self { namespace: namespace.to_owned(), name: format!("{NAME}-{}", uids.join("-")), is_ours: true }
    }
}
