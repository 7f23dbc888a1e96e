//! Finds secrets in text and hides them.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;

/// What stands in place of a secret.
pub const HIDDEN: &str = "[hidden]";

/// Secrets shorter than this many bytes are not hidden: they would tear holes into words that are none.
pub const SHORTEST: usize = 4;

/// A set of secrets, ready to be searched for.
#[derive(Debug, Default)]
pub struct Redactor {
    secrets: BTreeSet<String>,
    automaton: Option<AhoCorasick>,
}

impl Redactor {
    /// Adds a secret; of one with several lines, each line, since output is written by lines. White space around a
    /// line does not count. Answers whether anything new was added.
    pub fn add(&mut self, secret: &str) -> bool {
        let lines = secret.lines().map(str::trim).filter(|line| line.len() >= SHORTEST);
        let known = self.secrets.len();
        self.secrets.extend(lines.map(str::to_owned));
        let grown = self.secrets.len() > known;
        if grown {
            // An automaton over plain strings fails to build only past 2^31 states, half a terabyte of secrets.
            self.automaton = AhoCorasick::new(&self.secrets).ok();
        }
        grown
    }

    /// `text` with every secret replaced by [`HIDDEN`]. Secrets that overlap are hidden as one.
    ///
    /// ```
    /// use lagoon_task::Redactor;
    ///
    /// let mut redactor = Redactor::default();
    /// redactor.add("hunter22");
    /// redactor.add("22-and-more");
    /// assert_eq!(redactor.hide("it is hunter22-and-more, yes"), "it is [hidden], yes");
    /// ```
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        let Some(automaton) = &self.automaton else { return text.to_owned() };
        let mut shown = String::with_capacity(text.len());
        let mut done = 0;
        for (start, end) in merged(automaton.find_overlapping_iter(text).map(|found| (found.start(), found.end()))) {
            shown.push_str(&text[done..start]);
            shown.push_str(HIDDEN);
            done = end;
        }
        shown.push_str(&text[done..]);
        shown
    }
}

/// Joins ranges that overlap; the ranges come out in the order of their starts.
fn merged(ranges: impl Iterator<Item = (usize, usize)>) -> Vec<(usize, usize)> {
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort_unstable();
    let mut joined: Vec<(usize, usize)> = Vec::new();
    for (start, end) in ranges {
        match joined.last_mut() {
            Some(last) if start < last.1 => last.1 = last.1.max(end),
            _ => joined.push((start, end)),
        }
    }
    joined
}

#[cfg(test)]
#[path = "redaction_tests.rs"]
mod tests;
