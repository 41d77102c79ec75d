//! An organization's turn beside its events: the day's snapshot of its users, a stream of its own
//! that is decided, published and advanced like any other.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::decide::Decided;
use super::read::Ended;
use super::{Engine, Goal, Order, ReadEnd, Run};
use crate::archive::batch::{Admission, Batch};
use crate::archive::output::Output;
use crate::cursor::Cursor;
use crate::cursor::state::ReadingState;
use crate::error::RunError;
use crate::identity::{Identity, Slot};
use crate::json;
use crate::ports::{InsightsError, List, ListPage, ListRequest};
use crate::read::budget::Budget;
use crate::report::snapshot::SnapshotReport;
use crate::report::stream::StreamReport;
use crate::stream::StreamId;
use crate::time;
use crate::users::projection::Projection;
use crate::users::snapshot::{self, Snapshot, Step};

/// The service by which users are partitioned.
const SERVICE: &str = "systemusers";

impl Engine {
    /// One turn of a stream: a run over its events, and then, where that is configured and it is an
    /// organization, what is due of the day's snapshot of its users.
    ///
    /// With `is_from_queue` it answers a message of the work queue, and the stream may be queued again
    /// afterwards. While a snapshot is due it has a quarter of the turn, so that events that take all of their
    /// time do not starve it.
    pub async fn turn(
        &self,
        stream: &StreamId,
        goal: Goal<'_>,
        budget: Budget,
        is_from_queue: bool,
    ) -> Vec<StreamReport> {
        let events = Order { stream, goal, budget, is_from_queue };
        let takes = goal == Goal::Collect && self.settings.system_users.is_some();
        let Some(users) = stream.users().filter(|_| takes) else {
            return vec![self.make(events).await];
        };
        let ended = self.ended_snapshot(&users).await;
        let kept_ms = if ended.is_some() { 0 } else { budget.deadline_ms - budget.started_ms } / 4;
        let share = Budget { deadline_ms: budget.deadline_ms - kept_ms.max(0), ..budget };
        let mut reports = vec![self.make(Order { budget: share, ..events }).await];
        reports.push(match ended {
            Some(ended) => ended,
            None => {
                let budget = Budget { started_ms: self.clock.now_ms(), ..budget };
                self.run(&users, Goal::Snapshot, budget).await
            }
        });
        reports
    }

    /// The report of a snapshot that has nothing more to do today; nobody is asked and nothing is
    /// claimed. If the cursor cannot be read, the run says so.
    async fn ended_snapshot(&self, users: &StreamId) -> Option<StreamReport> {
        let item = self.cursors.get(users).await.ok()??;
        let cursor = Cursor::read(&item).ok()?;
        let snapshot = cursor.state.snapshot.as_ref()?;
        if snapshot.day < self.today() || snapshot.ended.is_none() {
            return None;
        }
        let mut report = StreamReport::new(users.clone());
        report.stands(&cursor, self.now_ms());
        Some(report)
    }

    fn today(&self) -> i64 {
        time::day_of(self.now_ms())
    }
}

impl StreamReport {
    /// Says where the stream stands.
    pub(super) fn stands(&mut self, cursor: &Cursor, now_ms: i64) {
        let frontier_ms = cursor.state.frontier_ms;
        self.frontier = Some(time::rfc3339(frontier_ms));
        // A lane ends in the past: how far that is says nothing.
        let is_lane = cursor.end_ms.is_some();
        self.lag_seconds = (!is_lane).then(|| (now_ms - frontier_ms).max(0) / 1_000);
        self.snapshot = cursor.state.snapshot.as_ref().map(SnapshotReport::of);
    }
}

impl Run<'_> {
    /// Reads what is due of the day's snapshot: its pages, and in the end its completion record,
    /// decided alone, so that it is published when every part is.
    pub(super) async fn snapshot(&mut self) -> Result<ReadEnd, RunError> {
        self.batch = Batch::default();
        let Some(mut snapshot) = self.due_snapshot() else { return Ok(ReadEnd::Waiting) };
        let mut is_first = self.engine.insights.ahead_ms().is_none();
        while snapshot.ended.is_none() {
            if self.is_out_of_time()
                || self.report.pages >= u64::from(self.engine.settings.pages_per_run)
            {
                return self.leave(snapshot).await;
            }
            let page = match self.users(&snapshot).await {
                Ok(page) => page,
                Err(InsightsError::OutOfTime) => return self.leave(snapshot).await,
                // What came whole is decided all the same.
                Err(error) => match self.leave(snapshot).await? {
                    ReadEnd::Lost => return Ok(ReadEnd::Lost),
                    _ => return Err(error.into()),
                },
            };
            // Without an answer the local clock alone told the day.
            if std::mem::take(&mut is_first) && snapshot.day != self.engine.today() {
                return Box::pin(self.snapshot()).await;
            }
            if let Decided::Theirs = self.admit_users(&page, &mut snapshot).await? {
                return Ok(ReadEnd::Lost);
            }
            if let Step::End { complete } = snapshot.take(page.rows.len(), page.total) {
                return self.complete(snapshot, complete).await;
            }
        }
        Ok(ReadEnd::Complete)
    }

    /// The snapshot to go on with, or the day's new one. None if the clock was set back behind one.
    fn due_snapshot(&self) -> Option<Snapshot> {
        let today = self.engine.today();
        match &self.cursor.state.snapshot {
            Some(snapshot) if snapshot.day > today => None,
            Some(snapshot) if snapshot.day == today => Some(snapshot.clone()),
            _ => Some(Snapshot::of_day(today)),
        }
    }

    async fn users(&mut self, snapshot: &Snapshot) -> Result<ListPage, InsightsError> {
        let request = ListRequest {
            list: List::Users(self.stream.scope()),
            skip: snapshot.skip,
            deadline_ms: self.budget.read_until_ms(self.batch.raw_bytes()),
            meter: Arc::clone(&self.meter),
        };
        let page = self.engine.console.list(request).await?;
        self.report.pages += 1;
        Ok(page)
    }

    /// Decides what is held and leaves the rest to the next run.
    async fn leave(&mut self, snapshot: Snapshot) -> Result<ReadEnd, RunError> {
        let state = self.with(snapshot);
        Ok(match self.decide_or_keep(state, Ended::Interrupted).await? {
            Ended::Lost => ReadEnd::Lost,
            _ => ReadEnd::Interrupted,
        })
    }

    /// Decides what is held, and then the completion record.
    async fn complete(&mut self, snapshot: Snapshot, complete: bool) -> Result<ReadEnd, RunError> {
        if !self.batch.is_empty() {
            let state = self.with(snapshot.clone());
            if let Decided::Theirs = self.decide(&state).await? {
                return Ok(ReadEnd::Lost);
            }
        }
        let at_ms = self.engine.now_ms();
        let mut state = self.with(self.numbered(snapshot));
        if let Some(snapshot) = &mut state.snapshot {
            snapshot.ended = Some(snapshot::Ended { at_ms, complete });
        }
        // The age of the last whole snapshot is what an alarm looks at.
        state.frontier_ms = if complete { at_ms } else { state.frontier_ms };
        Ok(match self.decide(&state).await? {
            Decided::Mine => ReadEnd::Complete,
            Decided::Theirs => ReadEnd::Lost,
        })
    }

    fn with(&self, snapshot: Snapshot) -> ReadingState {
        ReadingState { snapshot: Some(snapshot), ..self.cursor.state.clone() }
    }

    /// The snapshot with the parts that are decided by now.
    fn numbered(&self, snapshot: Snapshot) -> Snapshot {
        match &self.cursor.state.snapshot {
            Some(decided) if decided.day == snapshot.day => {
                Snapshot { parts: decided.parts.clone(), ..snapshot }
            }
            _ => snapshot,
        }
    }

    /// Takes the users of a page that were not seen today into the batch.
    async fn admit_users(
        &mut self,
        page: &ListPage,
        snapshot: &mut Snapshot,
    ) -> Result<Decided, RunError> {
        let engine = self.engine;
        let (layout, output) = (&engine.settings.layout, Output::default());
        let none = Projection::default();
        let projection = engine.settings.system_users.as_ref().unwrap_or(&none);
        let first_ms = snapshot.first_ms();
        let slot = Slot::Hour(time::hour_of(first_ms));
        let order_ns = i128::from(engine.now_ms()) * 1_000_000;
        self.slots.drop_before(first_ms);
        self.load(&BTreeSet::from([slot])).await?;
        self.report.read += page.rows.len() as u64;
        for row in &page.rows {
            let row = row.get();
            let identity = identity(self.stream.organization(), row, first_ms);
            if self.batch.contains(&identity) || self.slots.contains(slot, &identity) {
                self.report.seen += 1;
                continue;
            }
            let admission = Admission {
                identity,
                slot,
                order_ns,
                partition_ms: first_ms,
                service: SERVICE,
                organization: self.stream.organization(),
            };
            if !self.batch.has_room(&engine.batch_limits, row.len(), &admission) {
                let state = self.with(snapshot.clone());
                if let Decided::Theirs = self.decide(&state).await? {
                    return Ok(Decided::Theirs);
                }
                *snapshot = self.numbered(snapshot.clone());
            }
            if row.starts_with('{') {
                let kept = projection.of(row);
                self.batch.add_event(layout, &output, &admission, kept.as_bytes());
                self.tally.written += 1;
                snapshot.users += 1;
            } else {
                let reason = "no JSON object in a list of users";
                self.batch.add_quarantined(&admission, reason, Some(row.as_bytes()));
                self.tally.quarantined += 1;
                snapshot.quarantined += 1;
            }
        }
        Ok(Decided::Mine)
    }
}

/// Who a row is on a day: by organization and `_id`, over its bytes where it has none.
fn identity(organization: &str, row: &str, day_ms: i64) -> Identity {
    // The last of several counts.
    let mut id = None;
    json::for_each_member(row, &mut |key, value| {
        if *json::key(key) == *b"_id" {
            id = json::text(value.get().as_bytes());
        }
    });
    match id.filter(|id| !id.is_empty()) {
        Some(id) => Identity::of_user(organization, &id, day_ms),
        None => Identity::of_nameless_user(organization, row.as_bytes(), day_ms),
    }
}
