//! The lines of a log that is read in several goes, each shown once.

use k8s_openapi::jiff::Timestamp;

use crate::task::cluster::LogLine;

/// Remembers how far a log has been shown.
///
/// Kubernetes answers with the lines from a given second on, in the order in which they were printed. So it is enough
/// to know how many of those have been shown: as many are passed over when the log is read again. It is read from the
/// second before the last one on, because standard output and standard error may be noted in another order than they
/// were timed. A line is lost or doubled only when the node has begun a new file for the log in between.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The newest time of a line that was shown.
    newest: Option<Timestamp>,
    /// Lines shown of the second before that time's, and of that time's.
    shown: [usize; 2],
    /// Lines still to be passed over.
    passing: usize,
    /// Whether the log is followed, so that it may break off in the middle of a line.
    following: bool,
}

impl Lines {
    /// Begins another go; answers from which second on the log is to be read.
    pub(super) fn begin(&mut self, following: bool) -> Option<Timestamp> {
        self.following = following;
        self.passing = self.shown[0] + self.shown[1];
        Timestamp::from_second(self.newest?.as_second() - 1).ok()
    }

    /// A line without its time; nothing when it has been shown before, nor of the last line of a log that is followed
    /// when that is not whole: it will be when the log is read again.
    pub(super) fn take<'a>(&mut self, line: &'a LogLine) -> Option<&'a str> {
        if self.following && !line.is_whole {
            return None;
        }
        let Some((time, text)) = split(&line.text) else { return Some(&line.text) };
        // A line that is newer than all shown ones was not among them, however many there were.
        if self.passing > 0 && self.newest.is_some_and(|newest| time <= newest) {
            self.passing -= 1;
            return None;
        }
        self.passing = 0;
        self.count(time);
        Some(text)
    }

    fn count(&mut self, time: Timestamp) {
        let newest = *self.newest.get_or_insert(time);
        match time.as_second() - newest.as_second() {
            // It will not be sent again.
            ..=-2 => {}
            -1 => self.shown[0] += 1,
            0 => self.shown[1] += 1,
            1 => self.shown = [self.shown[1], 1],
            2.. => self.shown = [0, 1],
        }
        self.newest = Some(newest.max(time));
    }
}

/// The time before a line, and the line.
fn split(line: &str) -> Option<(Timestamp, &str)> {
    // An empty line may come without the space after the time.
    let (time, text) = line.split_once(' ').unwrap_or((line, ""));
    Some((time.parse().ok()?, text))
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
