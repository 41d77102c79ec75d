//! The progress of a snapshot of users, for reports and `status`.

use serde::{Deserialize, Serialize};

use crate::users::Snapshot;

/// The progress of a snapshot of users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotReport {
    /// The UTC day, `YYYY-MM-DD`.
    pub day: String,
    /// Users written so far.
    pub users: u64,
    /// Number of users as JumpCloud counts them; `None` before the first page.
    pub total_count: Option<u64>,
    /// How often the list was read, including the current pass.
    pub passes: u32,
    /// Whether it ended with as many users as JumpCloud counts; `None` before it ended.
    pub complete: Option<bool>,
}

impl SnapshotReport {
    /// The progress of `snapshot`.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        Self {
            day: snapshot.date(),
            users: snapshot.users,
            total_count: snapshot.total,
            passes: snapshot.pass,
            complete: snapshot.ended.map(|ended| ended.complete),
        }
    }
}
