//! The promises of `docs/trust.md`. What is wrong begins with the number of the promise that is broken.

use std::fmt::Display;

/// A promise, by its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    Complete = 1,
    Once = 2,
    AsSent = 3,
    Immutable = 4,
    Decided = 5,
    Indexed = 6,
    Owned = 7,
    Forward = 8,
    Progress = 9,
    Accounted = 10,
    Asked = 11,
    Verifiable = 12,
    Told = 13,
    Bounded = 14,
    Snapshots = 15,
}

impl Promise {
    /// How it is broken.
    pub(crate) fn broken(self, how: impl Display) -> String {
        format!("P{}: {how}", self as u8)
    }
}
