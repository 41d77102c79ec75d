//! Tries every sequence of choices, each from the start, depth first.

use std::collections::HashSet;

/// The choices under way, and what is known of them.
#[derive(Debug, Default)]
pub(crate) struct Explorer {
    /// What is chosen, and between how many.
    path: Vec<(usize, usize)>,
    depth: usize,
    states: HashSet<u64>,
    sequences: u64,
}

impl Explorer {
    /// Chooses one of so many. `None` if that state was met before: what can follow was tried then.
    pub(crate) fn choose(&mut self, n: usize, state: u64) -> Option<usize> {
        if let Some((chosen, _)) = self.path.get(self.depth) {
            self.depth += 1;
            return Some(*chosen);
        }
        if !self.states.insert(state) {
            return None;
        }
        self.path.push((0, n));
        self.depth += 1;
        Some(0)
    }

    /// Whether the next choice is one of the sequence before, in a state that is known.
    pub(crate) fn repeats(&self) -> bool {
        self.depth < self.path.len()
    }

    /// Begins the same sequence again.
    pub(crate) fn begin_again(&mut self) {
        self.depth = 0;
    }

    /// Begins the next sequence, if there is one.
    pub(crate) fn begin_next(&mut self) -> bool {
        self.depth = 0;
        self.sequences += 1;
        if self.sequences == 1 {
            return true;
        }
        while let Some((chosen, n)) = self.path.pop() {
            if chosen + 1 < n {
                self.path.push((chosen + 1, n));
                return true;
            }
        }
        self.sequences -= 1;
        false
    }

    /// Sequences of choices so far.
    pub(crate) fn sequences(&self) -> u64 {
        self.sequences
    }

    /// Different states so far.
    pub(crate) fn states(&self) -> usize {
        self.states.len()
    }
}

/// Three choices, of which the second does not matter in the state that it leads to.
#[test]
fn every_sequence_is_tried_and_every_state_once() {
    let mut explorer = Explorer::default();
    let mut tried = Vec::new();
    while explorer.begin_next() {
        let mut sequence = Vec::new();
        for depth in 0..3 {
            let first = sequence.first().map_or(0, |first| 1 + *first as u64);
            match explorer.choose(2, depth * 10 + first) {
                Some(chosen) => sequence.push(chosen),
                None => break,
            }
        }
        tried.push(sequence);
    }
    let expected: [&[usize]; 6] =
        [&[0, 0, 0], &[0, 0, 1], &[0, 1], &[1, 0, 0], &[1, 0, 1], &[1, 1]];
    assert_eq!(tried, expected);
    assert_eq!((explorer.sequences(), explorer.states()), (6, 5));
}
