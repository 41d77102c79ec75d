//! The open lanes of live streams: which of them are due.

use crate::collect::Engine;
use crate::cursor::{self, Cursor, Item, Items, OpenLanes, attribute, lease, number};
use crate::fleet::message::{Message, MessageTask};
use crate::limits::ITEMS_READ_AT_ONCE;
use crate::ports::StoreError;
use crate::read::window;
use crate::report::{RefusedQuery, StreamStatus};
use crate::stream::StreamId;

/// What is known of open lanes.
#[derive(Default)]
pub(crate) struct Lanes {
    /// The lanes to be run now.
    pub(crate) due: Vec<Message>,
    /// Lanes whose message is outstanding.
    pub(crate) outstanding: usize,
    /// Lanes that are suspended.
    pub(crate) suspended: Vec<StreamStatus>,
    /// Lanes that need an operator, or have queries that are refused.
    pub(crate) unhealthy: Vec<StreamStatus>,
}

/// The open lanes of live streams by their items.
pub(crate) fn open(items: &Items) -> Vec<(StreamId, i64)> {
    let open =
        items.iter().flat_map(|(live, item)| OpenLanes::read(item).unwrap_or_default().of(live));
    open.collect()
}

impl Lanes {
    /// Looks at lanes, each with when it was opened last, for which `task` is to be done: recovery if
    /// their live stream is not collected. Not more than [`ITEMS_READ_AT_ONCE`] of their items are in
    /// memory at the same time.
    ///
    /// # Errors
    /// [`StoreError`] if items cannot be read.
    pub(crate) async fn look(
        engine: &Engine,
        open: &[(StreamId, i64)],
        task: MessageTask,
    ) -> Result<Self, StoreError> {
        let mut lanes = Self::default();
        for chunk in open.chunks(ITEMS_READ_AT_ONCE) {
            let streams: Vec<_> = chunk.iter().map(|(lane, _)| lane.clone()).collect();
            let mut items = engine.cursors.get_many(&streams).await?;
            for lane in chunk {
                let item = items.remove(&lane.0).unwrap_or_default();
                lanes.add(engine, lane, &item, task);
            }
        }
        Ok(lanes)
    }

    /// Adds what was found out of other lanes.
    pub(crate) fn join(&mut self, others: Self) {
        self.due.extend(others.due);
        self.outstanding += others.outstanding;
        self.suspended.extend(others.suspended);
        self.unhealthy.extend(others.unhealthy);
    }

    fn add(
        &mut self,
        engine: &Engine,
        (lane, opened_ms): &(StreamId, i64),
        item: &Item,
        task: MessageTask,
    ) {
        let now_ms = engine.clock.now_ms();
        let (is_collected, retention_ms) =
            (task == MessageTask::Collect, engine.settings.retention_ms);
        let read = (item, *opened_ms);
        let status =
            || StreamStatus::read_lane(lane.clone(), is_collected, read, now_ms, retention_ms);
        let mut cursor = Cursor::read(item).ok();
        let has_refused =
            cursor.as_ref().is_some_and(|cursor| !RefusedQuery::of(&cursor.state).is_empty());
        if has_refused || item.contains_key(attribute::LAST_ERROR) {
            let is_unhealthy = |s: &StreamStatus| s.needs_operator || !s.refused.is_empty();
            self.unhealthy.extend(Some(status()).filter(is_unhealthy));
        }
        if let Some(cursor) = &mut cursor {
            cursor.opened_ms = Some(*opened_ms);
        }
        let late_horizon_ms = engine.settings.late_horizon_ms;
        match task {
            _ if lease::is_queued(item, now_ms) => self.outstanding += 1,
            _ if lease::is_suspended(item, now_ms) => self.suspended.push(status()),
            MessageTask::Collect if !is_due(item, cursor.as_ref(), now_ms, late_horizon_ms) => {}
            MessageTask::Recover if !lease::may_be_pending(item) => {}
            _ => self.due.push(Message::new(lane.clone(), task)),
        }
    }
}

/// Whether a lane needs a run now. One that was claimed and not released, or whose last run failed,
/// needs one at once; one that is over needs a last one, once no earlier run can be under way.
fn is_due(item: &Item, cursor: Option<&Cursor>, now_ms: i64, late_horizon_ms: i64) -> bool {
    let Some(cursor) = cursor else { return true };
    if item.contains_key(attribute::LEASE_OWNER) || cursor::seq(item).is_none() {
        return true;
    }
    let is_closed = item.contains_key(attribute::EXPIRED_MS);
    if is_closed || window::is_finished(cursor, late_horizon_ms) {
        let is_noted = is_closed || item.contains_key(attribute::FINISHED_MS);
        return !is_noted || lease::is_retired(item, now_ms);
    }
    let has_failed = number(item, attribute::FAILURES).is_ok_and(|failures| failures > 0);
    has_failed
        || window::is_expired(cursor, now_ms)
        || window::is_lane_due(cursor, now_ms, late_horizon_ms)
}
