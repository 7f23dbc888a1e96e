//! The signals that ask a program to stop.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Whether the program is asked to stop. Clones share the answer.
///
/// ```
/// use lagoon_task::shutdown::Shutdown;
///
/// let (trigger, shutdown) = Shutdown::manual();
/// assert!(!shutdown.is_requested());
/// trigger.request();
/// assert!(shutdown.is_requested());
/// ```
#[derive(Debug, Clone)]
pub struct Shutdown {
    requested: watch::Receiver<bool>,
}

/// Requests a [`Shutdown`] in place of a signal. Made by [`Shutdown::manual`].
///
/// ```
/// let (trigger, shutdown) = lagoon_task::shutdown::Shutdown::manual();
/// drop(trigger);
/// assert!(!shutdown.is_requested(), "a trigger that is gone requests nothing");
/// ```
#[derive(Debug)]
pub struct Trigger {
    requested: watch::Sender<bool>,
}

impl Trigger {
    /// Requests the shutdown.
    ///
    /// ```
    /// let (trigger, shutdown) = lagoon_task::shutdown::Shutdown::manual();
    /// trigger.request();
    /// assert!(shutdown.is_requested());
    /// ```
    pub fn request(&self) {
        self.requested.send_replace(true);
    }
}

impl Shutdown {
    /// A shutdown that is requested by the first SIGTERM or SIGINT of this process; `notify` is called just before. An
    /// error says that signals cannot be received. Needs a tokio runtime.
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// let shutdown = lagoon_task::shutdown::Shutdown::on_signals(|| println!("Stopping."))?;
    /// shutdown.requested().await;
    /// # Ok(()) }
    /// ```
    pub fn on_signals(notify: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (trigger, shutdown) = Self::manual();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            notify();
            trigger.request();
        });
        Ok(shutdown)
    }

    /// A shutdown that the caller requests, for tests and for programs with signals of their own.
    ///
    /// ```
    /// let (trigger, shutdown) = lagoon_task::shutdown::Shutdown::manual();
    /// trigger.request();
    /// assert!(shutdown.is_requested());
    /// ```
    #[must_use]
    pub fn manual() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (Trigger { requested: sender }, Self { requested: receiver })
    }

    /// Whether the program is asked to stop.
    ///
    /// ```
    /// let (_trigger, shutdown) = lagoon_task::shutdown::Shutdown::manual();
    /// assert!(!shutdown.is_requested());
    /// ```
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.requested.borrow()
    }

    /// Completes when the program is asked to stop.
    ///
    /// ```no_run
    /// # async fn example(shutdown: lagoon_task::shutdown::Shutdown, work: impl Future<Output = u32>) {
    /// tokio::select! {
    ///     rows = work => println!("{rows} rows are copied"),
    ///     () = shutdown.requested() => println!("stopped"),
    /// }
    /// # }
    /// ```
    pub async fn requested(&self) {
        // A trigger that is gone can no longer request anything; one that has requested it may be gone.
        if self.requested.clone().wait_for(|requested| *requested).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
