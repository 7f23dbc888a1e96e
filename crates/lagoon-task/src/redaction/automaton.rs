//! The automaton that looks for all secrets at once, byte by byte.

use std::collections::BTreeSet;

use aho_corasick::Anchored;
use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::contiguous::NFA;

/// All secrets, ready to be searched for.
#[derive(Debug)]
pub(super) struct Search {
    automaton: NFA,
    start: StateID,
    /// What is known in each state, by the state's number.
    states: Vec<Known>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    begun: u32,
    ended: u32,
}

impl Search {
    /// An automaton over plain strings fails to build only past 2^31 states, which no pod's memory holds.
    pub(super) fn new(secrets: &BTreeSet<Vec<u8>>) -> Option<Self> {
        let automaton = NFA::new(secrets).ok()?;
        let start = automaton.start_state(Anchored::No).ok()?;
        let mut search = Self { automaton, start, states: Vec::new() };
        for secret in secrets {
            search.learn(secret);
        }
        Some(search)
    }

    /// Notes what is known in each state on the way through a secret. Every state but the first lies on such a way.
    fn learn(&mut self, secret: &[u8]) {
        let mut state = self.start;
        for (begun, byte) in (1..).zip(secret) {
            state = self.next(state, *byte);
            let endings = if self.automaton.is_match(state) { self.automaton.match_len(state) } else { 0 };
            let ended =
                (0..endings).map(|ending| self.automaton.pattern_len(self.automaton.match_pattern(state, ending)));
            let ended = ended.max().and_then(|length| u32::try_from(length).ok()).unwrap_or(0);
            let known = Known { begun, ended };
            if self.states.len() <= state.as_usize() {
                self.states.resize(state.as_usize() + 1, Known::default());
            }
            self.states[state.as_usize()] = known;
        }
    }

    /// The state in which nothing has been read.
    pub(super) fn start(&self) -> StateID {
        self.start
    }

    /// The state after one more byte.
    pub(super) fn next(&self, state: StateID, byte: u8) -> StateID {
        self.automaton.next_state(Anchored::No, state, byte)
    }

    /// How many of the bytes read last are the beginning of a secret: the longest such beginning.
    pub(super) fn begun(&self, state: StateID) -> usize {
        self.states.get(state.as_usize()).map_or(0, |known| known.begun as usize)
    }

    /// Length of the longest secret that ends with the byte read last, or 0.
    pub(super) fn ended(&self, state: StateID) -> usize {
        self.states.get(state.as_usize()).map_or(0, |known| known.ended as usize)
    }
}
