//! What is known of streams, and what may happen to their cursors.

use engine::cursor::{OpenLanes, lease, number};
use engine::journal::certificate::certificate_key;
use engine::journal::entry_key;
use engine::limits::RETENTION_MS;
use engine::stream::StreamId;

use crate::schedule::DAY;
use crate::world::World;

impl World {
    /// Whether a stream is a lane that was read for good.
    pub(crate) fn is_finished(&self, stream: &StreamId) -> bool {
        self.cursor_number(stream, "finished_ms").is_some()
    }

    /// Whether a stream is a lane that was read for good, or is too old for that.
    pub(crate) fn is_finished_or_closed(&self, stream: &StreamId) -> bool {
        self.is_finished(stream) || self.cursor_number(stream, "expired_ms").is_some()
    }

    /// Whether a stream's cursor may be an older one. Nobody looks after a lane of a stack that is not
    /// open.
    pub(crate) fn may_be_restored(&self, stream: &StreamId) -> bool {
        self.stack.is_none() || !stream.is_lane() || self.is_open(stream)
    }

    /// Whether a stream's cursor may be lost: it can be made again from the journal, or nothing was
    /// ever decided.
    pub(crate) fn may_be_lost(&self, stream: &StreamId) -> bool {
        let last = self.store.last_seq(stream);
        let key = if last == 0 { certificate_key(stream) } else { entry_key(stream, last) };
        let created_ms = self.store.ever(&key).map(|object| object.created_ms);
        let is_young = created_ms.is_none_or(|ms| self.now_ms - ms < RETENTION_MS - DAY);
        is_young && self.may_be_restored(stream)
    }

    /// Whether nothing is left to be done for a lane: it is over, or nobody has opened it.
    pub(crate) fn is_lane_over(&self, lane: &StreamId) -> bool {
        self.is_finished_or_closed(lane) || (self.stack.is_some() && !self.is_open(lane))
    }

    /// Whether the item of its live stream names a lane.
    pub(crate) fn is_open(&self, lane: &StreamId) -> bool {
        let item = self.table.get(&lane.live());
        let open = item.and_then(|item| OpenLanes::read(item).ok()).unwrap_or_default();
        open.opened_ms(lane).is_some()
    }

    /// Whether nobody looks after a cursor that was restored: that of a lane which is over, or which is not
    /// open any more.
    pub(crate) fn is_left(&self, stream: &StreamId) -> bool {
        let is_over = self.is_over(stream) || (stream.is_lane() && !self.is_open(stream));
        is_over && self.table.was_restored(stream)
    }

    /// Whether no run is made over a stream any more.
    pub(crate) fn is_over(&self, stream: &StreamId) -> bool {
        self.table.get(stream).is_some_and(|item| lease::is_retired(item, self.now_ms))
    }

    /// A number of a stream's cursor.
    pub(crate) fn cursor_number(&self, stream: &StreamId, name: &'static str) -> Option<i64> {
        number(self.table.get(stream)?, name).ok()
    }
}
