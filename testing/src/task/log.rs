//! What a task prints, as it comes.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::PATIENCE;
use crate::error::Error;

/// The lines of a task's standard output and standard error, in the order in which they came.
#[derive(Default)]
pub(super) struct Log {
    lines: watch::Sender<Vec<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Log {
    /// Reads a pipe into the log, line by line.
    pub(super) fn read(&mut self, pipe: impl AsyncRead + Unpin + Send + 'static) {
        let lines = self.lines.clone();
        self.readers.push(tokio::spawn(async move {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
                lines.send_modify(|lines| lines.push(String::from_utf8_lossy(&line).into_owned()));
                line.clear();
            }
        }));
    }

    /// Waits until all pipes have ended.
    pub(super) async fn until_ended(&mut self) {
        for reader in self.readers.drain(..) {
            // A reader ends with its pipe; it cannot fail otherwise.
            let _ = reader.await;
        }
    }

    /// Waits until there is a line that contains `text`.
    pub(super) async fn wait_for_line(&self, text: &str) -> Result<(), Error> {
        let mut lines = self.lines.subscribe();
        let seen = lines.wait_for(|lines| lines.iter().any(|line| line.contains(text)));
        match tokio::time::timeout(PATIENCE, seen).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Error::Waited { what: format!("a line with {text:?}"), log: self.text() }),
        }
    }

    /// Everything so far.
    pub(super) fn text(&self) -> String {
        self.lines.borrow().concat()
    }
}
