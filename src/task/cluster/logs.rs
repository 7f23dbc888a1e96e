//! What the container of a pod has printed.

use std::pin::Pin;

use futures::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};
use k8s_openapi::jiff::Timestamp;
use kube::api::LogParams;

use super::{Cause, Objects};
use crate::task::output::escape;

/// A line that is longer than so many bytes comes in pieces.
const LONGEST_LINE: u64 = 1 << 20;

/// The log of a container, as it comes.
pub(crate) struct Log {
    reader: Pin<Box<dyn AsyncBufRead + Send>>,
}

impl Objects<'_> {
    /// Opens the log of a container of a pod, each line with its time before it, from the lines of second `since` on.
    /// With `follow` it goes on until the container ends; the answer may then begin late, and neither a deadline nor a
    /// retry is set.
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
        Ok(Log { reader })
    }
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogLine {
    /// The time at which it was printed (RFC 3339), a space, and the line without its line break.
    pub(crate) text: String,
    /// Whether it is all there: the log may end in the middle of a line.
    pub(crate) is_whole: bool,
}

impl Log {
    /// The next line; none at the end. What is not UTF-8 is replaced. A line of more than a mebibyte comes in pieces,
    /// and only the first of them has a time.
    pub(crate) async fn next(&mut self) -> Result<Option<LogLine>, Cause> {
        let mut line = Vec::new();
        let mut reader = self.reader.as_mut().take(LONGEST_LINE);
        let read = reader.read_until(b'\n', &mut line).await;
        let length = read.map_err(|error| Cause::AnswerLost(escape(&error.to_string())))?;
        let text = String::from_utf8_lossy(&line);
        let without_break = text.strip_suffix('\n').unwrap_or(&text);
        let is_whole = text.len() > without_break.len() || line.len() as u64 == LONGEST_LINE;
        Ok((length > 0).then(|| LogLine { text: without_break.to_owned(), is_whole }))
    }
}

#[cfg(test)]
#[path = "logs_tests.rs"]
mod tests;
