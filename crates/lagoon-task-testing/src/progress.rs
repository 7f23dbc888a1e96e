//! The progress of a long build: a bar that is rewritten on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::cache::say;

/// Packages between two lines where there is no terminal.
const PACKAGES_PER_LINE: usize = 200;

/// Characters of the bar: with it the line fits a terminal of 80 columns.
const WIDTH: usize = 10;

/// Estimates are made after this many packages: the first ones say little about the others.
const FIRST_ESTIMATE: usize = 10;

/// Goes to the start of the line and clears it.
const REWRITE: &str = "\r\u{1b}[K";

/// The progress of one build.
pub(crate) struct Progress {
    name: &'static str,
    /// About how many packages there are.
    known: usize,
    done: usize,
    started: Instant,
    is_terminal: bool,
}

impl Progress {
    pub(crate) fn new(name: &'static str, known: usize) -> Self {
        Self { name, known, done: 0, started: Instant::now(), is_terminal: std::io::stderr().is_terminal() }
    }

    /// One more package is compiled.
    pub(crate) fn advance(&mut self) {
        self.done += 1;
        let elapsed = self.started.elapsed();
        if self.is_terminal {
            rewrite(&bar(self.name, self.done, self.known, elapsed));
        } else if self.done.is_multiple_of(PACKAGES_PER_LINE) {
            say(&format!("  {}: {} packages, {} s", self.name, self.done, elapsed.as_secs()));
        }
    }

    /// The build has ended; `success` says how.
    pub(crate) fn end(self, success: bool) {
        if self.is_terminal {
            rewrite("");
        }
        if success {
            say(&format!("  {}: built in {} s", self.name, self.started.elapsed().as_secs()));
        }
    }
}

fn rewrite(text: &str) {
    let mut terminal = std::io::stderr();
    let _ = write!(terminal, "{REWRITE}{text}");
    let _ = terminal.flush();
}

/// A line like `  etcd [#####-----] 50 of ~100 packages, 12s, ~12s left`.
fn bar(name: &str, done: usize, known: usize, elapsed: Duration) -> String {
    // The number is an estimate: a bar of a build with more packages stays full.
    let known = known.max(done).max(1);
    let filled = done * WIDTH / known;
    let (full, empty) = ("#".repeat(filled), "-".repeat(WIDTH - filled));
    let rest = rest(done, known, elapsed);
    format!("  {name} [{full}{empty}] {done} of ~{known} packages, {}{rest}", spoken(elapsed))
}

/// What is said about the time that is left, if anything can be said.
fn rest(done: usize, known: usize, elapsed: Duration) -> String {
    if done >= known {
        return ", linking".to_owned();
    }
    match u32::try_from(done) {
        Ok(done_so_far) if done >= FIRST_ESTIMATE => {
            let left = u32::try_from(known - done).unwrap_or(u32::MAX);
            format!(", ~{} left", spoken(elapsed.saturating_mul(left) / done_so_far))
        }
        _ => String::new(),
    }
}

fn spoken(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{:02}s", seconds / 60, seconds % 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(done: usize, seconds: u64) -> String {
        bar("etcd", done, 100, Duration::from_secs(seconds))
    }

    #[test]
    fn bar_shows_share_elapsed_and_estimated_rest() {
        assert_eq!(after(50, 12), "  etcd [#####-----] 50 of ~100 packages, 12s, ~12s left");
        assert_eq!(after(25, 129), "  etcd [##--------] 25 of ~100 packages, 2m09s, ~6m27s left");
    }

    #[test]
    fn bar_estimates_nothing_at_first() {
        assert_eq!(after(1, 0), "  etcd [----------] 1 of ~100 packages, 0s");
    }

    #[test]
    fn bar_stays_full_beyond_the_estimate() {
        assert_eq!(after(100, 60), "  etcd [##########] 100 of ~100 packages, 1m00s, linking");
        assert_eq!(after(130, 60), "  etcd [##########] 130 of ~130 packages, 1m00s, linking");
    }

    #[test]
    fn bar_fits_a_terminal_line() {
        let longest = bar("kube-apiserver", 1000, 1500, Duration::from_mins(59));
        assert!(longest.len() < 80, "{longest}");
    }
}
