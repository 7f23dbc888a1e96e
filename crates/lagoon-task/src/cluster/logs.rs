//! What the container of a pod has printed.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use futures::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};
use k8s_openapi::jiff::Timestamp;
use kube::api::LogParams;
use tokio::time::timeout;

use crate::cluster::{Cause, Objects};
use crate::output::escape;

/// A line that is longer than so many bytes comes in pieces.
const LONGEST_PIECE: u64 = 64 * 1024;

/// A log that is all there comes without such pauses.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);

/// The log of a container, as it comes.
pub(crate) struct Log {
    reader: Pin<Box<dyn AsyncBufRead + Send>>,
    /// How long the next piece may take.
    longest_silence: Option<Duration>,
    /// Whether the next piece begins a line.
    at_a_beginning: bool,
}

impl Objects<'_> {
    /// Opens the log of a container of a pod, each line with its time before it, from the lines of second `since` on.
    /// With `follow` it goes on until the container ends; the answer may then begin late and pause for long, and neither a
    /// deadline nor a retry is set.
    pub(crate) async fn log(
        &self,
        pod: &str,
        container: &str,
        since: Option<Timestamp>,
        follow: bool,
    ) -> Result<Log, Cause> {
        let parameters = LogParams {
            container: Some(container.to_owned()),
            follow,
            since_time: since,
            timestamps: true,
            ..LogParams::default()
        };
        let request = self.path().logs(pod, &parameters).map_err(|_| Cause::NotUnderstood)?;
        let cluster = self.cluster();
        let reader = if follow {
            let opened = cluster.patient.request_stream(request).await;
            Box::pin(opened.map_err(|failure| Cause::from(&failure))?) as Pin<Box<dyn AsyncBufRead + Send>>
        } else {
            Box::pin(cluster.ask(cluster.client.request_stream(request)).await?)
        };
        Ok(Log { reader, longest_silence: (!follow).then_some(LONGEST_SILENCE), at_a_beginning: true })
    }
}

/// A line of a log, or a piece of a long one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogPiece {
    /// At the beginning of a line the time at which it was printed (RFC 3339) and a space; then what was printed, without
    /// the line break.
    pub(crate) bytes: Vec<u8>,
    /// Whether it begins a line.
    pub(crate) begins: bool,
    /// Whether it ends one.
    pub(crate) ends: bool,
    /// Whether it is all there: a log may break off anywhere.
    pub(crate) is_whole: bool,
}

impl Log {
    /// The next line; none at the end. A line of more than 64 KiB comes in pieces.
    pub(crate) async fn next(&mut self) -> Result<Option<LogPiece>, Cause> {
        let mut bytes = Vec::new();
        let mut reader = self.reader.as_mut().take(LONGEST_PIECE);
        let read = reader.read_until(b'\n', &mut bytes);
        let length = match self.longest_silence {
            None => read.await,
            Some(longest) => timeout(longest, read).await.unwrap_or_else(|_| Err(silent(longest))),
        };
        let length = length.map_err(|error| Cause::AnswerLost(escape(&error.to_string())))?;
        let is_full = length as u64 == LONGEST_PIECE;
        let ends = bytes.pop_if(|last| *last == b'\n').is_some();
        let begins = std::mem::replace(&mut self.at_a_beginning, ends);
        Ok((length > 0).then_some(LogPiece { bytes, begins, ends, is_whole: ends || is_full }))
    }
}

fn silent(longest: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("nothing came for {} s", longest.as_secs()))
}

#[cfg(test)]
mod tests;
