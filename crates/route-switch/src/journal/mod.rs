//! The durable record of a switch, and the lock that lets only one switch of an environment run at a time.
//!
//! It is a `ConfigMap` in the namespace of the standby environment, where the deployer's rights stay whatever happens
//! to those in the other namespace. It tells how far the switch is and holds every route as it was, packed with gzip;
//! what does not fit goes into further `ConfigMaps`. It holds no Secret's content.

mod codec;
mod entries;
mod error;
mod store;

pub use codec::{BOOK_LIMIT, MOST_PARTS, PART_LIMIT, PackError, ParseError, pack, unpack};
pub use entries::{
    Book, CertificateEntry, Head, Holder, Moved, RouteEntry, RouteKey, SecretEntry, SecretWay, State, VERSION,
};
pub use error::{Damage, JournalError};
pub use store::{Journal, NAME, find};
