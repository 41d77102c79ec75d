//! How a snapshot of users stands, as reports and `status` tell it.

use serde::{Deserialize, Serialize};

use crate::users::Snapshot;

/// Where a snapshot of users stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotReport {
    /// The UTC day.
    pub day: String,
    /// Users written so far.
    pub users: u64,
    /// Users JumpCloud counts; none before the first page.
    pub total_count: Option<u64>,
    /// Times the list was gone through, the one under way included.
    pub passes: u32,
    /// Whether it ended with users and count in agreement; none while it goes on.
    pub complete: Option<bool>,
}

impl SnapshotReport {
    /// Where `snapshot` stands.
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
