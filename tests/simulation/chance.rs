//! Chance, all of it from one seed.

/// Draws; the same seed gives the same draws.
#[derive(Debug)]
pub(crate) struct Chance(fastrand::Rng);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// Another source, so that draws of one kind do not move those of another.
    pub(crate) fn branch(&mut self) -> Self {
        Self(self.0.fork())
    }

    /// In `0..n`; 0 if that is empty.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.0.u64(..n) }
    }

    /// In `from..to`; `from` if that is empty.
    pub(crate) fn between(&mut self, from: i64, to: i64) -> i64 {
        if from < to { self.0.i64(from..to) } else { from }
    }

    pub(crate) fn percent(&mut self, n: u64) -> bool {
        self.below(100) < n
    }

    pub(crate) fn per_mille(&mut self, n: u64) -> bool {
        self.below(1_000) < n
    }

    /// One of `items`, of which there is at least one.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }

    /// In `0..n`, which is not empty.
    pub(crate) fn index(&mut self, n: usize) -> usize {
        self.0.usize(..n)
    }

    pub(crate) fn bytes(&mut self) -> [u8; 16] {
        self.0.u128(..).to_be_bytes()
    }
}
