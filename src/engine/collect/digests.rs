//! Digests of the rows of a run, which distinguish two different rows with one identity.

use std::mem;

use crate::identity::{Digests, Identity};
use crate::limits::DIGESTS_MAX;

/// The digests of the rows that this run has decided, or at least of the last of them.
///
/// Rows with one identity have the same time and are received close to each other, so older ones
/// may be forgotten.
#[derive(Debug, Default)]
pub(super) struct Decided {
    young: Digests,
    old: Digests,
}

impl Decided {
    /// Keeps the digests of a batch that was decided.
    pub(super) fn keep(&mut self, batch: Digests) {
        self.keep_within(batch, DIGESTS_MAX);
    }

    fn keep_within(&mut self, batch: Digests, most: usize) {
        if self.young.len() + batch.len() > most {
            self.old = mem::take(&mut self.young);
        }
        if self.young.is_empty() {
            self.young = batch;
        } else {
            self.young.extend(batch);
        }
    }

    /// The digest of the row that was decided under this identity.
    pub(super) fn digest(&self, identity: &Identity) -> Option<u64> {
        self.young.get(identity).or_else(|| self.old.get(identity)).copied()
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
    fn the_last_ones_are_kept_and_no_more_than_two_generations() {
        let mut decided = Decided::default();
        for first in [0, 50, 100, 150, 200] {
            decided.keep_within(batch(first, 50), 100);
        }
        let digest = |n: u128| decided.digest(&Identity(n.to_be_bytes()));
        assert_eq!(decided.young.len() + decided.old.len(), 150);
        assert_eq!((digest(0), digest(99)), (None, None));
        assert_eq!((digest(100), digest(249)), (Some(100), Some(249)));
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
