//! What is asked of the cluster: what is there, what would be taken, and what must be there or gone.

pub(crate) mod ensure;
pub(crate) mod holder;
pub(crate) mod kinds;
mod needs;
pub(crate) mod observe;
pub(crate) mod owners;
pub(crate) mod probe;
mod room;
mod secrets;
