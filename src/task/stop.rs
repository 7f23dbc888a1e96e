//! The signals that ask a program to stop.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Turns true at the first SIGTERM or SIGINT, after `asked` has been called.
pub(crate) fn stop_signal(asked: impl FnOnce() + Send + 'static) -> io::Result<watch::Receiver<bool>> {
    let (sender, receiver) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        asked();
        sender.send_replace(true);
        // Kept, so that the receivers do not take the end of this work for the end of the program.
        sender.closed().await;
    });
    Ok(receiver)
}

/// Completes when the value is true.
pub(crate) async fn turned_true(mut value: watch::Receiver<bool>) {
    // A sender that is gone can no longer ask for anything.
    if value.wait_for(|value| *value).await.is_err() {
        std::future::pending::<()>().await;
    }
}
