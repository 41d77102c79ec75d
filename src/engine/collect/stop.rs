//! Why a run does not continue from where it is.

use crate::error::RunError;

/// The error side of everything a run does between claim and release.
#[derive(Debug)]
pub(super) enum Stop {
    /// Another writer's entry stands where ours would. What was read is dropped, and the run begins
    /// again at recovery.
    Overtaken,
    /// The run ends with this error.
    Failed(RunError),
}

impl<E: Into<RunError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// How much of what was to be read has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing is left to read.
    Complete,
    /// The allowance is used up.
    Interrupted,
    /// There is nothing to ask for yet.
    Waiting,
}
