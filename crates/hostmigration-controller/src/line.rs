//! A waiting line in which namespaces take turns: one with a thousand objects delays another by one attempt.

use std::collections::{HashMap, VecDeque};

use crate::identity::Identity;

/// Who waits for a first attempt.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// The namespaces with somebody in the line, whose turn is next first.
    turns: VecDeque<String>,
    /// Of each, those that wait, who came first first. None is empty.
    waiting: HashMap<String, VecDeque<Identity>>,
    len: usize,
}

impl Line {
    pub(crate) fn push(&mut self, identity: Identity) {
        self.len += 1;
        let namespace = identity.namespace.clone();
        let waiting = self.waiting.entry(namespace.clone()).or_default();
        if waiting.is_empty() {
            self.turns.push_back(namespace);
        }
        waiting.push_back(identity);
    }

    /// The next one of a namespace that is not busy. A busy namespace keeps its turn.
    pub(crate) fn take(&mut self, is_busy: impl Fn(&str) -> bool) -> Option<Identity> {
        let turn = self.turns.iter().position(|namespace| !is_busy(namespace))?;
        let namespace = self.turns.remove(turn)?;
        let waiting = self.waiting.get_mut(&namespace)?;
        let next = waiting.pop_front()?;
        self.len -= 1;
        if waiting.is_empty() {
            self.waiting.remove(&namespace);
        } else {
            self.turns.push_back(namespace);
        }
        Some(next)
    }

    pub(crate) fn remove(&mut self, identity: &Identity) {
        let Some(waiting) = self.waiting.get_mut(&identity.namespace) else { return };
        let before = waiting.len();
        waiting.retain(|other| other != identity);
        self.len -= before - waiting.len();
        if waiting.is_empty() {
            self.waiting.remove(&identity.namespace);
            self.turns.retain(|namespace| *namespace != identity.namespace);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }
}
