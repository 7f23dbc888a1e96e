//! One attempt for one object. A bug in it ends that attempt, and no other.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use crate::identity::Identity;

tokio::task_local! {
    /// The object of the attempt that is at work here.
    static CURRENT: Identity;
}

/// The attempt panicked. The panic hook has logged it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Makes the attempt for this object.
///
/// What an attempt shares with others are counters and locks that are taken for single statements, so nothing is left
/// half changed by one that unwinds. The switch itself is left as if the process had been killed, which it survives.
pub(crate) async fn contained<T>(identity: Identity, attempt: impl Future<Output = T>) -> Result<T, Panicked> {
    CURRENT.scope(identity, AssertUnwindSafe(attempt).catch_unwind()).await.map_err(|_| Panicked)
}

/// The object of the attempt that runs this code, if one does.
pub(crate) fn current() -> Option<Identity> {
    CURRENT.try_with(Clone::clone).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        let [namespace, name, uid] = ["shop-develop", "host-migration-abcde", "1"].map(str::to_owned);
        Identity { namespace, name, uid }
    }

    #[tokio::test]
    async fn panic_ends_its_own_attempt_only() {
        let crashed = contained(identity(), async {
            tokio::task::yield_now().await;
            assert_eq!(current(), Some(identity()));
            panic!("a secret");
        });
        assert_eq!(crashed.await, Err::<(), _>(Panicked));
        assert_eq!(contained(identity(), async { 1 }).await, Ok(1));
        assert_eq!(current(), None);
    }
}
