//! What a client asks of a log. Parameters: Kubernetes API reference, "read log of the specified Pod".

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::kubelet::log::Line;

/// The parameters of a request for a log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LogQuery {
    /// Whether lines that come later are sent too.
    pub follow: bool,
    timestamps: bool,
    tail_lines: Option<usize>,
    since: Option<Timestamp>,
    limit_bytes: Option<usize>,
}

impl LogQuery {
    /// Reads the query of a request; an error says which parameter is wrong. Unknown ones mean nothing, and neither does
    /// `previous` where no container is restarted.
    pub(super) fn parse(query: &str, now: Timestamp) -> Result<Self, String> {
        let mut parsed = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let wrong = || format!("{name}={value:?} is not understood");
            let flag = || value.parse().map_err(|_| wrong());
            let count = || value.parse().map(Some).map_err(|_| wrong());
            match name.as_ref() {
                "follow" => parsed.follow = flag()?,
                "timestamps" => parsed.timestamps = flag()?,
                "tailLines" => parsed.tail_lines = count()?,
                "limitBytes" => parsed.limit_bytes = count()?,
                "sinceTime" => parsed.since = Some(value.parse().map_err(|_| wrong())?),
                "sinceSeconds" => {
                    let seconds = value.parse().map_err(|_| wrong())?;
                    parsed.since = Some(now.checked_sub(SignedDuration::from_secs(seconds)).map_err(|_| wrong())?);
                }
                "previous" if value == "true" => return Err("previous terminated container not found".to_owned()),
                _ => {}
            }
        }
        Ok(parsed)
    }

    /// How many of the first of these lines are left out.
    pub(super) fn first(&self, lines: &[Line]) -> usize {
        let tail = self.tail_lines.map_or(0, |count| lines.len().saturating_sub(count));
        let since = self.since.map_or(0, |since| lines.partition_point(|line| line.at < since));
        tail.max(since)
    }

    /// The lines as they are sent.
    pub(super) fn print(&self, lines: &[Line]) -> Vec<u8> {
        let mut printed = Vec::new();
        for line in lines {
            if self.timestamps {
                printed.extend(format!("{:.9} ", line.at).into_bytes());
            }
            printed.extend(&line.text);
        }
        printed
    }

    /// How many of the next bytes are sent after those `sent` before.
    pub(super) fn allowed(&self, sent: usize, next: usize) -> usize {
        self.limit_bytes.map_or(next, |limit| limit.saturating_sub(sent).min(next))
    }
}

#[cfg(test)]
mod tests;
