//! The lines of a log that is read in several goes, each shown once.

use k8s_openapi::jiff::Timestamp;

use crate::cluster::LogPiece;

/// Remembers how far a log has been shown.
///
/// Kubernetes answers with the lines from a given second on, in the order in which they were printed. So it is enough
/// to know how many of those have been shown, and how many pieces of a long line that broke off: as many are passed over
/// when the log is read again. It is read from the second before the last one on, because standard output and standard
/// error may be noted in another order than they were timed. A line is lost or doubled only when the node has begun a new
/// file for the log in between.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The newest time of a line that was shown.
    newest: Option<Timestamp>,
    /// Lines shown of the second before that time's, and of that time's.
    shown: [usize; 2],
    /// Pieces shown of the line after those.
    pieces: usize,
    /// Whether the log is followed, so that it may break off in the middle of a piece.
    following: bool,
    /// Lines still to be passed over in this go.
    passing: usize,
    /// The line that is being read.
    line: Line,
}

/// The line that is being read.
#[derive(Debug, Default)]
struct Line {
    /// When it was printed, if it says so.
    time: Option<Timestamp>,
    /// Whether it has been shown before.
    is_passed: bool,
    /// Pieces of it that have been read.
    pieces: usize,
}

impl Lines {
    /// Begins another go; answers from which second on the log is to be read.
    pub(super) fn begin(&mut self, following: bool) -> Option<Timestamp> {
        self.following = following;
        self.passing = self.shown[0] + self.shown[1];
        Timestamp::from_second(self.newest?.as_second() - 1).ok()
    }

    /// What of a piece is to be shown, without its line's time; nothing when it has been shown before, nor of the last
    /// piece of a log that is followed when that is not whole: it will be when the log is read again.
    pub(super) fn take<'piece>(&mut self, piece: &'piece LogPiece) -> Option<&'piece [u8]> {
        if self.following && !piece.is_whole {
            return None;
        }
        let mut text = piece.bytes.as_slice();
        if piece.begins {
            let (time, without_time) = split(text);
            self.line = Line { time, is_passed: self.pass(time), pieces: 0 };
            text = without_time;
        }
        self.line.pieces += 1;
        if self.line.is_passed {
            return None;
        }
        let is_shown = self.line.pieces <= self.pieces;
        if piece.ends {
            self.pieces = 0;
            self.count(self.line.time);
        } else {
            self.pieces = self.pieces.max(self.line.pieces);
        }
        (!is_shown).then_some(text)
    }

    /// Whether a line of this time has been shown before.
    fn pass(&mut self, time: Option<Timestamp>) -> bool {
        let Some(time) = time else { return false };
        // A line that is newer than all shown ones was not among them, however many there were.
        let passes = self.passing > 0 && self.newest.is_some_and(|newest| time <= newest);
        self.passing = if passes { self.passing - 1 } else { 0 };
        passes
    }

    fn count(&mut self, time: Option<Timestamp>) {
        let Some(time) = time else { return };
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
fn split(line: &[u8]) -> (Option<Timestamp>, &[u8]) {
    // An empty line may come without the space after the time.
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let time = std::str::from_utf8(&line[..end]).ok().and_then(|time| time.parse().ok());
    (time, if time.is_some() { line.get(end + 1..).unwrap_or_default() } else { line })
}

#[cfg(test)]
mod tests;
