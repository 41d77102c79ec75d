//! One lane in the answer of a backfill.

use serde::{Deserialize, Serialize};

use crate::stream::StreamId;
use crate::time::UtcTime;

/// One lane.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lane {
    /// The lane's stream.
    pub stream: StreamId,
    /// Event time at which it begins, inclusive.
    pub start: UtcTime,
    /// Event time at which it ends, exclusive.
    pub end: UtcTime,
    /// What was done with the lane, or would be.
    pub state: LaneState,
    /// Why it was left out or, in a plan, not counted.
    pub error: Option<String>,
    /// Events that JumpCloud counts; only in a plan.
    pub events: Option<u64>,
}

/// What was done with a lane, or would be in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LaneState {
    /// It does not exist yet, and would be opened.
    New,
    /// It was opened.
    Opened,
    /// It was already open.
    Open,
    /// It was finished.
    Finished,
    /// It was finished, and is now read once more.
    Reopened,
    /// It was left out because the time was over or an error occurred: request it again.
    Left,
    /// It was archived so long ago that it is not read again.
    Refused,
}

impl Lane {
    /// Whether a call has opened the lane, or found it open or finished; if not, `error` says why, or the
    /// call only made a plan.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !matches!(self.state, LaneState::New | LaneState::Left | LaneState::Refused)
    }
}
