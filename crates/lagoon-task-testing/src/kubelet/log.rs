//! What a container prints, as it comes.

use std::sync::Mutex;

use k8s_openapi::jiff::Timestamp;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::PATIENCE;
use crate::error::Error;
use crate::sync::lock;

/// One line of a log, with its end if it had one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub at: Timestamp,
    pub text: Vec<u8>,
}

/// All lines so far.
#[derive(Default)]
pub(crate) struct Lines {
    pub lines: Vec<Line>,
    /// Whether none will come any more.
    pub are_all: bool,
}

/// The lines of a container's standard output and standard error, in the order in which they came.
#[derive(Default)]
pub(crate) struct Log {
    lines: watch::Sender<Lines>,
    readers: Mutex<Vec<JoinHandle<()>>>,
}

impl Log {
    /// Reads a pipe into the log, line by line.
    pub(super) fn read(&self, pipe: impl AsyncRead + Unpin + Send + 'static) {
        let lines = self.lines.clone();
        let reader = tokio::spawn(async move {
            let mut pipe = BufReader::new(pipe);
            let mut text = Vec::new();
            while pipe.read_until(b'\n', &mut text).await.is_ok_and(|length| length > 0) {
                let line = Line { at: Timestamp::now(), text: std::mem::take(&mut text) };
                lines.send_modify(|lines| lines.lines.push(line));
            }
        });
        lock(&self.readers).push(reader);
    }

    /// Waits until all pipes have ended; the log is complete then.
    pub(super) async fn until_ended(&self) {
        let readers = std::mem::take(&mut *lock(&self.readers));
        for reader in readers {
            // A reader ends with its pipe; it cannot fail otherwise.
            let _ = reader.await;
        }
        self.end();
    }

    /// Says that no line will come any more.
    pub(super) fn end(&self) {
        self.lines.send_modify(|lines| lines.are_all = true);
    }

    /// For following the log.
    pub(super) fn follow(&self) -> watch::Receiver<Lines> {
        self.lines.subscribe()
    }

    /// Waits until there is a line that contains `text`.
    pub(crate) async fn wait_for_line(&self, text: &str) -> Result<(), Error> {
        let mut lines = self.lines.subscribe();
        let contains = |line: &Line| String::from_utf8_lossy(&line.text).contains(text);
        let seen = lines.wait_for(|lines| lines.lines.iter().any(contains));
        match tokio::time::timeout(PATIENCE, seen).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Error::Waited { what: format!("a line with {text:?}"), log: self.text() }),
        }
    }

    /// Everything so far.
    pub(crate) fn text(&self) -> String {
        let lines = self.lines.borrow();
        lines.lines.iter().map(|line| String::from_utf8_lossy(&line.text)).collect()
    }
}
