//! The mutants that the simulation must catch.

use crate::around::AROUND;
use crate::reading::READING;
use crate::writing::WRITING;

/// A change that must not survive.
pub(crate) struct Mutant {
    pub(crate) name: &'static str,
    /// The promise that it breaks, by its number in `docs/trust.md`.
    pub(crate) breaks: &'static str,
    /// File, a text that occurs in it once, and its replacement.
    pub(crate) edits: &'static [(&'static str, &'static str, &'static str)],
}

/// All of them.
pub(crate) fn mutants() -> impl Iterator<Item = &'static Mutant> {
    [WRITING, READING, AROUND].into_iter().flatten()
}
