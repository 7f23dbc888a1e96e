//! The durable record of a switch.
//!
//! It is a `ConfigMap`. A task's lies in the namespace of the standby environment, where the deployer's rights stay whatever
//! happens to those in the other namespace; the controller's lies in its own namespace, where no site writes. It tells how
//! far the switch is and holds every route as it was, packed with gzip; what does not fit goes into further `ConfigMaps`. It holds no Secret's content.

mod codec;
mod entries;
mod error;
mod proof;
mod shelf;
mod store;

pub use codec::{BOOK_LIMIT, LARGEST_ROUTE, MOST_PARTS, PART_LIMIT, PackError, ParseError, pack, unpack};
pub use entries::{
    Book, CertificateEntry, Head, Holder, Moved, Rewrites, RouteEntry, RouteKey, SecretEntry, SecretWay, State, VERSION,
};
pub use error::{Damage, JournalError};
pub(crate) use proof::{digest, digests};
pub use shelf::{NAME, Shelf};
pub use store::{Journal, PAIR, find};
