//! The daily snapshot of an organization's users: a stream of its own that is decided, published
//! and advanced like any other.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::reader::Reader;
use super::stop::{Progress, Stop};
use crate::archive::{NewEvent, NewLine, Output, Quarantined};
use crate::cursor::ReadingState;
use crate::identity::{Identity, Slot};
use crate::page::{Row, RowKind};
use crate::ports::{InsightsError, List, ListPage, ListRequest};
use crate::users::{Projection, Snapshot, Step, snapshot};
use crate::{json, time};

/// The service by which users are partitioned.
const SERVICE: &str = "systemusers";

impl Reader<'_> {
    /// Reads what is due of the day's snapshot. At the end its completion record is decided in an
    /// entry of its own, so that it is published after all parts.
    pub(super) async fn snapshot(&mut self) -> Result<Progress, Stop> {
        self.begin();
        let Some(mut snapshot) = self.due_snapshot() else { return Ok(Progress::Waiting) };
        let mut is_first = self.engine.insights.clock_skew_ms().is_none();
        while snapshot.ended.is_none() {
            if self.is_out_of_time()
                || self.report.pages >= u64::from(self.engine.settings.pages_per_run)
            {
                return self.leave(snapshot).await;
            }
            let page = match self.users(&snapshot).await {
                Ok(page) => page,
                Err(InsightsError::OutOfTime) => return self.leave(snapshot).await,
                // The users of complete pages are decided all the same.
                Err(error) => {
                    self.leave(snapshot).await?;
                    return Err(error.into());
                }
            };
            // The secret may have been replaced since.
            self.confirm_organization().await?;
            // Before the first answer the day was known from the local clock only.
            if std::mem::take(&mut is_first) && snapshot.day != self.engine.today() {
                return Box::pin(self.snapshot()).await;
            }
            self.admit_users(&page, &mut snapshot).await?;
            if let Step::End { complete } = snapshot.take(page.rows.rows().len(), page.total) {
                return self.complete(snapshot, complete).await;
            }
        }
        Ok(Progress::Complete)
    }

    /// The snapshot to continue, or a new one for today; `None` if the last snapshot is of a later
    /// day, because the clock was set back.
    fn due_snapshot(&self) -> Option<Snapshot> {
        let today = self.engine.today();
        match &self.writer.cursor.state.snapshot {
            Some(snapshot) if snapshot.day > today => None,
            Some(snapshot) if snapshot.day == today => Some(snapshot.clone()),
            _ => Some(Snapshot::of_day(today)),
        }
    }

    async fn users(&mut self, snapshot: &Snapshot) -> Result<ListPage, InsightsError> {
        let request = ListRequest {
            list: List::Users(self.engine.scope(self.stream)),
            skip: snapshot.skip,
            deadline_ms: self.budget.read_until_ms(self.batch.bytes()),
            meter: Arc::clone(&self.meter),
        };
        let page = self.engine.console.list(request).await?;
        self.report.pages += 1;
        Ok(page)
    }

    /// Decides the batch and leaves the rest of the snapshot to the next run.
    async fn leave(&mut self, snapshot: Snapshot) -> Result<Progress, Stop> {
        let state = self.with(snapshot);
        self.decide_or_keep(&state).await?;
        Ok(Progress::Interrupted)
    }

    /// Decides the batch, and then the completion record.
    async fn complete(&mut self, snapshot: Snapshot, complete: bool) -> Result<Progress, Stop> {
        if !self.batch.is_empty() {
            let state = self.with(snapshot.clone());
            self.decide(&state).await?;
        }
        let at_ms = self.engine.now_ms();
        let mut state = self.with(self.numbered(snapshot));
        if let Some(snapshot) = &mut state.snapshot {
            snapshot.ended = Some(snapshot::SnapshotEnd { at_ms, complete });
        }
        // The frontier of users is the end of their last complete snapshot: an alarm watches its
        // age.
        state.frontier_ms = if complete { at_ms } else { state.frontier_ms };
        self.decide(&state).await?;
        Ok(Progress::Complete)
    }

    fn with(&self, snapshot: Snapshot) -> ReadingState {
        ReadingState { snapshot: Some(snapshot), ..self.writer.cursor.state.clone() }
    }

    /// The snapshot with the parts that are decided so far.
    fn numbered(&self, snapshot: Snapshot) -> Snapshot {
        match &self.writer.cursor.state.snapshot {
            Some(decided) if decided.day == snapshot.day => {
                Snapshot { parts: decided.parts.clone(), ..snapshot }
            }
            _ => snapshot,
        }
    }

    /// Adds the users of a page that were not archived today to the batch.
    async fn admit_users(&mut self, page: &ListPage, snapshot: &mut Snapshot) -> Result<(), Stop> {
        let engine = self.engine;
        let (layout, output) = (&engine.settings.layout, Output::default());
        let none = Projection::default();
        let projection = engine.settings.system_users.as_ref().unwrap_or(&none);
        let first_ms = snapshot.first_ms();
        let slot = Slot::Hour(time::hour_of(first_ms));
        let order_ns = i128::from(engine.now_ms()) * 1_000_000;
        self.writer.slots.drop_before(first_ms);
        self.writer.load(&BTreeSet::from([slot])).await?;
        let rows = &page.rows;
        for row in rows.rows() {
            let bytes = rows.bytes(row);
            let user = user(row, bytes);
            let identity = identity(self.stream.organization(), user, bytes, first_ms);
            if self.batch.contains(&identity) || self.writer.slots.contains(slot, &identity) {
                self.tally.read += 1;
                self.tally.seen += 1;
                continue;
            }
            let new_event = NewEvent {
                identity,
                digest: 0,
                slot,
                order_ns,
                partition_ms: first_ms,
                service: SERVICE,
                organization: self.stream.organization(),
            };
            let is_user = user.is_ok();
            let (mut buffer, reason);
            let line = match user {
                Ok(user) => {
                    buffer = Vec::new();
                    let user = projection.of(user);
                    let has_lone = output.write_line(&mut buffer, user.as_bytes(), first_ms);
                    NewLine::written(&buffer, has_lone)
                }
                Err(why) => {
                    reason = format!("{why}, in a list of users");
                    NewLine::Quarantined(Quarantined { reason: &reason, row: Some(bytes) })
                }
            };
            if !self.batch.has_capacity(&engine.batch_limits, &new_event, Some(line)) {
                let state = self.with(snapshot.clone());
                self.decide(&state).await?;
                *snapshot = self.numbered(snapshot.clone());
            }
            self.batch.add(layout, &new_event, Some(line));
            self.tally.read += 1;
            self.tally.written += u64::from(is_user);
            self.tally.quarantined += u64::from(!is_user);
            snapshot.users += u64::from(is_user);
            snapshot.quarantined += u64::from(!is_user);
        }
        Ok(())
    }
}

/// A row's text if it is a user, else why it is none.
fn user<'a>(row: &Row, bytes: &'a [u8]) -> Result<&'a str, &'static str> {
    match row.kind {
        RowKind::Event(_) => std::str::from_utf8(bytes).map_err(|_| "not UTF-8"),
        RowKind::Broken(reason) => Err(reason),
    }
}

/// Who a row is on a day: by organization and `_id`, over its bytes where it has none or is no user.
fn identity(organization: &str, user: Result<&str, &str>, bytes: &[u8], day_ms: i64) -> Identity {
    // If a key appears several times, the last one counts.
    let mut id = None;
    json::for_each_member(user.unwrap_or("{}"), &mut |key, value| {
        if *json::key(key) == *b"_id" {
            id = json::text(value.get().as_bytes());
        }
    });
    match id.filter(|id| !id.is_empty()) {
        Some(id) => Identity::of_user(organization, &id, day_ms),
        None => Identity::of_nameless_user(organization, bytes, day_ms),
    }
}
