//! Why a step of a run ends early.

use crate::error::RunError;

/// The error type of everything that a run does between claim and release.
#[derive(Debug)]
pub(super) enum Stop {
    /// Another writer has created the entry with our number. What was read is dropped, and the run
    /// begins again with recovery.
    Overtaken,
    /// The run ends with this error.
    Failed(RunError),
}

impl<E: Into<RunError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// How far a reading got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Everything was read.
    Complete,
    /// The allowance was used up before the end.
    Interrupted,
    /// Nothing can be requested yet.
    Waiting,
}

impl Progress {
    /// That of two queries: what is left of one is left of both, and only both can be waiting.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Interrupted, _) | (_, Self::Interrupted) => Self::Interrupted,
            (Self::Waiting, Self::Waiting) => Self::Waiting,
            _ => Self::Complete,
        }
    }
}
