//! Digests of the rows of a run, which distinguish two different rows with one identity.

use std::collections::VecDeque;

use crate::identity::{Digests, Identity};
use crate::limits::DIGESTS_MAX;

/// The digests of the rows that this run has decided, or at least of the last of them.
///
/// Rows with one identity have the same time and are received close to each other, so older ones
/// may be forgotten. Those of each batch stay in a map of their own: putting them into one map would
/// cost as much as making them.
#[derive(Debug, Default)]
pub(super) struct Decided {
    /// The last batch comes first.
    batches: VecDeque<Digests>,
    rows: usize,
}

impl Decided {
    /// Keeps the digests of a batch that was decided.
    pub(super) fn keep(&mut self, batch: Digests) {
        self.keep_within(batch, DIGESTS_MAX);
    }

    fn keep_within(&mut self, batch: Digests, most: usize) {
        if batch.is_empty() {
            return;
        }
        self.rows += batch.len();
        self.batches.push_front(batch);
        while self.rows > most
            && let Some(oldest) = self.batches.pop_back()
        {
            self.rows -= oldest.len();
        }
    }

    /// The digest of the row that was decided under this identity.
    pub(super) fn digest(&self, identity: &Identity) -> Option<u64> {
        self.batches.iter().find_map(|batch| batch.get(identity)).copied()
    }
}

/// A digest of a row's bytes. It is fast, but not safe against somebody who searches for two rows
/// with the same digest: the second one would be dropped as the first one received again.
pub(super) fn of(row: &[u8]) -> u64 {
    rapidhash::v3::rapidhash_v3(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(first: u128, count: u128) -> Digests {
        (first..first + count).map(|n| (Identity(n.to_be_bytes()), n as u64)).collect()
    }

    #[test]
    fn the_last_batches_are_kept_as_far_as_they_fit() {
        let mut decided = Decided::default();
        for first in [0, 50, 100, 150, 200] {
            decided.keep_within(batch(first, 50), 120);
        }
        let digest = |n: u128| decided.digest(&Identity(n.to_be_bytes()));
        assert_eq!((decided.batches.len(), decided.rows), (2, 100));
        assert_eq!((digest(0), digest(149)), (None, None));
        assert_eq!((digest(150), digest(249)), (Some(150), Some(249)));
    }

    #[test]
    fn rows_that_differ_in_a_byte_differ() {
        let row = vec![7; 1_000];
        for at in 0..row.len() {
            let mut other = row.clone();
            other[at] = 8;
            assert_ne!(of(&row), of(&other));
        }
    }
}
