//! An organization's turn: a run over its events, then one over the day's snapshot of its users.

use super::engine::Engine;
use super::request::{RunPurpose, RunRequest};
use crate::cursor::{Cursor, attribute, lease, text};
use crate::read::Budget;
use crate::report::StreamReport;
use crate::stream::StreamId;
use crate::time;

impl Engine {
    /// Makes one turn of a stream: a run over its events and then, if snapshots are configured and
    /// the stream is an organization, what is due of the day's snapshot of its users.
    ///
    /// With `is_from_queue` the turn handles a message of the work queue, and the stream may be
    /// queued again afterwards. While a snapshot is due, it has a quarter of the turn, so that it
    /// is made even if the events need all of their time.
    pub async fn turn(
        &self,
        stream: &StreamId,
        purpose: RunPurpose<'_>,
        budget: Budget,
        is_from_queue: bool,
    ) -> Vec<StreamReport> {
        let events = RunRequest { stream, purpose, budget, is_from_queue };
        let takes = purpose == RunPurpose::Collect && self.settings.system_users.is_some();
        let Some(users) = stream.users().filter(|_| takes) else {
            return vec![self.run_request(events).await];
        };
        let not_due = self.snapshot_not_due(&users).await;
        let kept_ms =
            if not_due.is_some() { 0 } else { budget.deadline_ms - budget.started_ms } / 4;
        let share = Budget { deadline_ms: budget.deadline_ms - kept_ms.max(0), ..budget };
        let mut reports = vec![self.run_request(RunRequest { budget: share, ..events }).await];
        reports.push(match not_due {
            Some(not_due) => not_due,
            None => {
                let budget = Budget { started_ms: self.clock.now_ms(), ..budget };
                self.run(&users, RunPurpose::Snapshot, budget).await
            }
        });
        reports
    }

    /// The report of a snapshot that is complete for today, or suspended after repeated failures,
    /// without a request to JumpCloud and without a claim. `None` if there is something to do, if the
    /// last run was not released or has failed, which the item would say until tomorrow, or if the
    /// cursor cannot be read: the run then reports that error.
    async fn snapshot_not_due(&self, users: &StreamId) -> Option<StreamReport> {
        let item = self.cursors.get(users).await.ok()??;
        if lease::is_suspended(&item, self.clock.now_ms()) {
            let error = text(&item, attribute::LAST_ERROR).ok();
            return Some(StreamReport::suspended(users.clone(), error));
        }
        let cursor = Cursor::read(&item).ok()?;
        let snapshot = cursor.state.snapshot.as_ref()?;
        let is_released =
            !item.contains_key(attribute::LEASE_OWNER) && !item.contains_key(attribute::LAST_ERROR);
        if snapshot.day < self.today() || snapshot.ended.is_none() || !is_released {
            return None;
        }
        let mut report = StreamReport::new(users.clone());
        report.set_position(&cursor, self.now_ms());
        Some(report)
    }

    pub(super) fn today(&self) -> i64 {
        time::day_of(self.now_ms())
    }
}
