//! When to try again, and when to give up.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

/// How often something is tried, and how long the pauses between two attempts are. Each pause is twice as long as the one
/// before it.
///
/// ```
/// use std::time::Duration;
/// use lagoon_task::{Backoff, Failure};
///
/// const COPIES: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5)).attempts(5).jitter(0.5);
///
/// async fn copy(mut try_to_copy: impl AsyncFnMut() -> Result<(), Failure>) -> Result<(), Failure> {
///     let mut pauses = COPIES.start();
///     loop {
///         let Err(error) = try_to_copy().await else { return Ok(()) };
///         if !pauses.pause().await {
///             return Err(error);
///         }
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Backoff {
    /// Attempts in all, the first one included.
    pub attempts: u32,
    /// The first pause.
    pub base: Duration,
    /// The longest pause.
    pub cap: Duration,
    /// The share of each pause that is left to chance, from 0 to 1: many tasks that fail at once then do not come back at
    /// once.
    pub jitter: f64,
    /// From the first attempt until no other is made.
    pub deadline: Duration,
}

impl Backoff {
    /// Pauses that grow from `base` to `cap`, without a limit and without chance.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lagoon_task::Backoff;
    ///
    /// let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(3));
    /// let pauses: Vec<u64> = backoff.start().take(4).map(|pause| pause.as_secs()).collect();
    /// assert_eq!(pauses, [1, 2, 3, 3]);
    /// ```
    #[must_use]
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { attempts: u32::MAX, base, cap, jitter: 0.0, deadline: Duration::MAX }
    }

    /// The same with at most so many attempts, the first one included.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lagoon_task::Backoff;
    ///
    /// let backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1)).attempts(3);
    /// assert_eq!(backoff.start().count(), 2);
    /// ```
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The same with no attempt that starts later than `deadline` after the first one. The last pause is cut to what is
    /// left.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lagoon_task::Backoff;
    ///
    /// let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(8)).deadline(Duration::ZERO);
    /// assert_eq!(backoff.start().next(), None);
    /// ```
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The same with this share of each pause left to chance, from 0 to 1.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lagoon_task::Backoff;
    ///
    /// let second = Duration::from_secs(1);
    /// let pause = Backoff::new(second, second).jitter(0.5).start().next();
    /// assert!(pause.is_some_and(|pause| pause >= second / 2 && pause <= second));
    /// ```
    #[must_use]
    pub const fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = jitter;
        self
    }

    /// The pauses from here on: the first attempt starts now.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lagoon_task::Backoff;
    ///
    /// let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    /// assert_eq!(backoff.start().next(), Some(Duration::from_millis(100)));
    /// ```
    #[must_use]
    pub fn start(self) -> Pauses {
        self.start_with(Rng::new())
    }

    /// The same with chance that comes out alike for the same `seed`: for tests.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lagoon_task::Backoff;
    ///
    /// let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5)).jitter(1.0);
    /// assert_eq!(backoff.start_seeded(7).next(), backoff.start_seeded(7).next());
    /// ```
    #[must_use]
    pub fn start_seeded(self, seed: u64) -> Pauses {
        self.start_with(Rng::with_seed(seed))
    }

    fn start_with(self, chance: Rng) -> Pauses {
        Pauses { backoff: self, started: Instant::now(), made: 0, chance }
    }

    /// The pause after so many others were `made` and this time has `elapsed`; `None` to give up. `chance` is from 0 to 1.
    /// A server that has `asked` for a pause of its own is given it if there is time for it.
    pub(crate) fn pause(&self, made: u32, elapsed: Duration, chance: f64, asked: Option<Duration>) -> Option<Duration> {
        let left = self.deadline.checked_sub(elapsed).filter(|left| !left.is_zero())?;
        if made >= self.attempts.saturating_sub(1) {
            return None;
        }
        match asked {
            Some(asked) => Some(asked.max(self.base)).filter(|pause| *pause <= left),
            None => Some(self.grown(made, chance).min(left)),
        }
    }

    fn grown(&self, made: u32, chance: f64) -> Duration {
        let longest = self.base.saturating_mul(2_u32.saturating_pow(made)).min(self.cap);
        let share = 1.0 - self.jitter.clamp(0.0, 1.0) * (1.0 - chance.clamp(0.0, 1.0));
        // It fails for numbers that make no duration, and rounds up for long ones.
        Duration::try_from_secs_f64(longest.as_secs_f64() * share).unwrap_or(longest).min(longest)
    }
}

/// The pauses of one [`Backoff`], from its [`start`](Backoff::start) on; an iterator over them too, for a caller that waits
/// by itself.
///
/// ```
/// use std::time::Duration;
/// use lagoon_task::Backoff;
///
/// let mut pauses = Backoff::new(Duration::from_millis(10), Duration::from_millis(15)).attempts(3).start();
/// assert_eq!(pauses.next(), Some(Duration::from_millis(10)));
/// assert_eq!(pauses.next(), Some(Duration::from_millis(15)));
/// assert_eq!(pauses.next(), None);
/// ```
#[derive(Debug, Clone)]
pub struct Pauses {
    backoff: Backoff,
    started: Instant,
    made: u32,
    chance: Rng,
}

impl Pauses {
    /// Waits until the next attempt is due; `false` when it is time to give up.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lagoon_task::Backoff;
    ///
    /// # async fn example() {
    /// let mut pauses = Backoff::new(Duration::from_secs(1), Duration::from_secs(1)).attempts(2).start();
    /// assert!(pauses.pause().await);
    /// assert!(!pauses.pause().await);
    /// # }
    /// ```
    pub async fn pause(&mut self) -> bool {
        let Some(pause) = self.next() else { return false };
        tokio::time::sleep(pause).await;
        true
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.backoff.pause(self.made, self.started.elapsed(), self.chance.f64(), None)?;
        self.made = self.made.saturating_add(1);
        Some(pause)
    }
}

#[cfg(test)]
mod tests;
