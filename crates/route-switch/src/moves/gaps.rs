//! Routes that are deleted before they can be created on the other side: they are offline for a moment, and until they are
//! back the journal says so. A later run then knows which of the routes that are nowhere it is to create.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::CONCURRENT_GAPS;
use crate::journal::{Journal, JournalError, digests};
use crate::moves::Moves;
use crate::mutants::{Mutant, is_planted};

/// So many routes are written down at once, or each would cost a request of its own.
const WRITTEN_AT_ONCE: usize = 16;

/// Which routes are offline, or about to be.
pub(crate) struct Gaps {
    permits: Semaphore,
    open: Mutex<BTreeSet<usize>>,
}

impl Gaps {
    /// With the routes that an earlier run has left offline.
    pub(crate) fn new(open: BTreeSet<usize>) -> Self {
        Self { permits: Semaphore::new(CONCURRENT_GAPS), open: Mutex::new(open) }
    }

    /// The route with this place in the book was seen live.
    pub(crate) fn close(&self, number: usize) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }

    /// Whether that route may be offline.
    pub(crate) fn is_open(&self, number: usize) -> bool {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).contains(&number)
    }

    /// What is to be written down when `number` is about to go offline, of so many routes.
    fn window(&self, number: usize, has_gap: impl Fn(usize) -> bool, total: usize) -> BTreeSet<usize> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(number);
        let next = (number..total).filter(|number| has_gap(*number)).take(WRITTEN_AT_ONCE);
        open.iter().copied().chain(next).collect()
    }
}

impl Moves<'_> {
    /// Has the journal say that the route may be offline. Of such routes there are few at once.
    pub(crate) async fn open_gap(&self, number: usize) -> Result<Option<SemaphorePermit<'_>>, JournalError> {
        let permit = self.gaps.permits.acquire().await.ok();
        let window = {
            let book = self.book();
            let has_gap = |number: usize| book.routes.get(number).is_some_and(|route| !route.may_overlap);
            self.gaps.window(number, has_gap, book.routes.len())
        };
        let mut journal = self.journal.lock().await;
        if !journal.head.gaps.contains(&number) && !is_planted(Mutant::GapNotRecorded) {
            self.record_offline(&journal, &window).await?;
            journal.head.gaps = window;
            journal.write_head().await?;
        }
        Ok(permit)
    }

    /// Records what proves to a later run that this switch has deleted these routes, where the journal alone does not.
    pub(crate) async fn record_offline(
        &self,
        journal: &Journal<'_>,
        gaps: &BTreeSet<usize>,
    ) -> Result<(), JournalError> {
        let Some(lock) = self.lock.as_ref().filter(|_| !journal.is_ours()) else { return Ok(()) };
        let digests = digests(&journal.head, &self.book(), gaps);
        Ok(lock.record_offline(digests).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_holds_what_is_open_and_what_comes_next() {
        let gaps = Gaps::new(BTreeSet::new());
        let even = |number: usize| number.is_multiple_of(2);
        assert_eq!(gaps.window(4, even, 10), BTreeSet::from([4, 6, 8]));
        assert_eq!(gaps.window(50, even, 60), BTreeSet::from([4, 50, 52, 54, 56, 58]));
        gaps.close(4);
        assert_eq!(gaps.window(7, even, 10), BTreeSet::from([7, 8, 50]));
        // Of what is open only 50 is not among those that come next.
        let next = (0..WRITTEN_AT_ONCE).chain([50]).collect::<BTreeSet<_>>();
        assert_eq!(gaps.window(0, |_| true, 100), next);
    }
}
