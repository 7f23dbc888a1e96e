//! Hides secrets in a text that comes in pieces.

use std::collections::VecDeque;
use std::sync::Arc;

use aho_corasick::automaton::StateID;

use crate::redaction::automaton::Search;
use crate::redaction::decoded::Decoded;
use crate::redaction::decoder::Decoder;
use crate::redaction::digit_run::Run;
use crate::redaction::{HIDDEN, escapes};

/// After this many bytes at the latest what is safe is let go, so that a long text needs no long memory.
const BLOCK: usize = 4096;

/// Hides secrets in a text that comes in pieces, of any length and cut anywhere.
///
/// It holds back only what may still become a secret, at most some twelve times as many bytes as the longest secret has,
/// and takes time in proportion to the text. The text need not be UTF-8. Made by [`Redactor::stream`](crate::redaction::Redactor::stream).
///
/// ```
/// let mut redactor = lagoon_task::Redactor::default();
/// redactor.add("hunter22");
/// let mut stream = redactor.stream();
///
/// let mut shown = Vec::new();
/// stream.push(b"it is hun", &mut shown);
/// assert_eq!(shown, b"it is ");
/// stream.push(b"ter22, or aHVudGVy", &mut shown);
/// assert_eq!(shown, b"it is [hidden], or ");
/// stream.push(b"MjI=", &mut shown);
/// stream.finish(&mut shown);
/// assert_eq!(shown, b"it is [hidden], or [hidden]=");
/// ```
#[derive(Debug)]
pub struct SecretStream {
    search: Option<Arc<Search>>,
    views: Vec<View>,
    /// What has been read and not let go, and where in the text it begins.
    held: VecDeque<u8>,
    held_from: u64,
    /// Where the secrets stand that were found: beginning and end.
    found: Vec<(u64, u64)>,
    /// Up to here everything is hidden, and the mark for it has been written.
    hidden_to: u64,
}

impl SecretStream {
    pub(super) fn new(search: Option<Arc<Search>>) -> Self {
        let views = views(search.as_deref());
        Self { search, views, held: VecDeque::new(), held_from: 0, found: Vec::new(), hidden_to: 0 }
    }

    /// Takes the next piece of the text, and adds to `safe` what can be shown by now.
    ///
    /// ```
    /// # let mut redactor = lagoon_task::Redactor::default();
    /// # redactor.add("hunter22");
    /// let (mut stream, mut shown) = (redactor.stream(), Vec::new());
    /// stream.push(b"a hunter hunts. ", &mut shown);
    /// stream.push(b"hunter", &mut shown); // held back: it may become the secret
    /// assert_eq!(shown, b"a hunter hunts. ");
    /// ```
    pub fn push(&mut self, piece: &[u8], safe: &mut Vec<u8>) {
        let Some(search) = self.search.clone() else {
            self.held.extend(piece);
            return self.let_go(self.read_to(), safe);
        };
        for block in piece.chunks(BLOCK) {
            for value in block {
                let start = self.read_to();
                self.read(&search, Decoded { value: *value, start, end: start + 1, lane: 0 });
                self.held.push_back(*value);
            }
            let safe_to = self.views.iter().filter_map(View::waiting_since).min();
            self.let_go(safe_to.unwrap_or(self.read_to()), safe);
        }
    }

    /// Adds the rest to `safe`: nothing follows that could complete a secret.
    ///
    /// ```
    /// # let mut redactor = lagoon_task::Redactor::default();
    /// # redactor.add("hunter22");
    /// let (mut stream, mut shown) = (redactor.stream(), Vec::new());
    /// stream.push(b"on the hunt", &mut shown);
    /// assert_eq!(shown, b"on the ");
    /// stream.finish(&mut shown);
    /// assert_eq!(shown, b"on the hunt");
    /// ```
    pub fn finish(&mut self, safe: &mut Vec<u8>) {
        self.let_go(self.read_to(), safe);
        self.views = views(self.search.as_deref());
    }

    /// Looks for the secrets of `search` from now on, also in what is held back.
    pub(super) fn look_for(&mut self, search: Option<Arc<Search>>) {
        let same = match (&self.search, &search) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (old, new) => old.is_none() && new.is_none(),
        };
        if same {
            return;
        }
        self.views = views(search.as_deref());
        self.search.clone_from(&search);
        if let Some(search) = search {
            for (start, value) in (self.held_from..).zip(self.held.clone()) {
                self.read(&search, Decoded { value, start, end: start + 1, lane: 0 });
            }
        }
    }

    fn read(&mut self, search: &Search, byte: Decoded) {
        for view in &mut self.views {
            view.push(search, byte, &mut self.found);
        }
    }

    fn read_to(&self) -> u64 {
        self.held_from + self.held.len() as u64
    }

    /// Lets go everything before `limit`. Every secret that begins before it has been found by now.
    fn let_go(&mut self, limit: u64, safe: &mut Vec<u8>) {
        self.found.sort_unstable();
        let complete = self.found.partition_point(|(start, _)| *start < limit);
        for (start, end) in self.found.drain(..complete).collect::<Vec<_>>() {
            if start >= self.hidden_to {
                self.show(start, safe);
                safe.extend_from_slice(HIDDEN.as_bytes());
            }
            self.hidden_to = self.hidden_to.max(end);
        }
        self.show(limit, safe);
    }

    /// Moves what is held before `limit` to `safe`, without what is hidden.
    fn show(&mut self, limit: u64, safe: &mut Vec<u8>) {
        while self.held_from < limit {
            let Some(byte) = self.held.pop_front() else { return };
            if self.held_from >= self.hidden_to {
                safe.push(byte);
            }
            self.held_from += 1;
        }
    }
}

/// The text as it is, and decoded in each way in which a secret may stand in it.
fn views(search: Option<&Search>) -> Vec<View> {
    let Some(search) = search else { return Vec::new() };
    let backslash = || Decoder::escapes(b'\\', escapes::backslash);
    let percent = || Decoder::escapes(b'%', escapes::percent);
    let chains = [
        (Vec::new(), 1),
        (vec![backslash()], 1),
        (vec![percent()], 1),
        (vec![Decoder::Plus, percent()], 1),
        (vec![Decoder::escapes(b'&', escapes::entity)], 1),
        (vec![Decoder::Hex { run: Run::default() }], 2),
        // PHP writes the slashes of base64 as \/ in JSON, and a URL has its + and = as %2B and %3D.
        (vec![backslash(), percent(), Decoder::Base64 { run: Run::default() }], 4),
    ];
    let lanes = |count| vec![Lane { state: search.start(), starts: VecDeque::new() }; count];
    chains.into_iter().map(|(decoders, count)| View { decoders, lanes: lanes(count) }).collect()
}

/// One way to read the text.
#[derive(Debug)]
struct View {
    decoders: Vec<Decoder>,
    lanes: Vec<Lane>,
}

impl View {
    fn push(&mut self, search: &Search, byte: Decoded, found: &mut Vec<(u64, u64)>) {
        let lanes = &mut self.lanes;
        decode(&mut self.decoders, byte, &mut |decoded| match decoded {
            Some(byte) => lanes[byte.lane].push(search, byte, found),
            None => lanes.iter_mut().for_each(|lane| lane.restart(search)),
        });
    }

    /// Where that begins which may still become a secret.
    fn waiting_since(&self) -> Option<u64> {
        let begun = self.lanes.iter().filter_map(|lane| lane.starts.front().copied());
        begun.chain(self.decoders.iter().filter_map(Decoder::waiting_since)).min()
    }
}

/// Sends a byte through one decoder after the other.
fn decode(decoders: &mut [Decoder], byte: Decoded, sink: &mut dyn FnMut(Option<Decoded>)) {
    match decoders.split_first_mut() {
        None => sink(Some(byte)),
        Some((first, rest)) => first.push(byte, &mut |decoded| match decoded {
            Some(byte) => decode(rest, byte, sink),
            None => sink(None),
        }),
    }
}

/// The search in one reading of the text.
#[derive(Debug, Clone)]
struct Lane {
    state: StateID,
    /// Where in the text those decoded bytes begin which are the beginning of a secret.
    starts: VecDeque<u64>,
}

impl Lane {
    fn push(&mut self, search: &Search, byte: Decoded, found: &mut Vec<(u64, u64)>) {
        self.state = search.next(self.state, byte.value);
        self.starts.push_back(byte.start);
        while self.starts.len() > search.begun(self.state) {
            self.starts.pop_front();
        }
        let ended = search.ended(self.state);
        if ended > 0 && ended <= self.starts.len() {
            found.push((self.starts[self.starts.len() - ended], byte.end));
        }
    }

    fn restart(&mut self, search: &Search) {
        self.state = search.start();
        self.starts.clear();
    }
}

#[cfg(test)]
mod tests;
