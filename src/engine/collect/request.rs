//! What a run is requested to do.

use crate::read::Budget;
use crate::stream::StreamId;

/// The purpose of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunPurpose<'a> {
    /// Read what is due.
    Collect,
    /// Finish what was decided for a stream that is no longer collected, and read nothing.
    Recover,
    /// Read what is due of the day's snapshot of users.
    Snapshot,
    /// Read these hours again, each named by its first UTC millisecond.
    Repair(&'a [i64]),
}

/// The request for one run.
#[derive(Clone, Copy)]
pub(super) struct RunRequest<'a> {
    pub(super) stream: &'a StreamId,
    pub(super) purpose: RunPurpose<'a>,
    pub(super) budget: Budget,
    /// Whether the run handles a message of the work queue.
    pub(super) is_from_queue: bool,
}
