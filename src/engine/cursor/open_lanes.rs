//! The lanes of a live stream that are open: in its item, so that no listing is needed to find them.

use std::collections::BTreeMap;

use crate::cursor::{Condition, Item, Unreadable, Update, Value, attribute, text};
use crate::json;
use crate::stream::StreamId;

/// The open lanes of a live stream: each by its date, with the time of the last call that opened it,
/// UTC milliseconds. No entry holds them, and no advance writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenLanes(BTreeMap<String, i64>);

impl OpenLanes {
    /// Reads them from the live stream's item.
    ///
    /// # Errors
    /// [`Unreadable`] if the attribute is there and cannot be read.
    pub fn read(live: &Item) -> Result<Self, Unreadable> {
        if !live.contains_key(attribute::OPEN_LANES) {
            return Ok(Self::default());
        }
        let unreadable = |_| Unreadable(attribute::OPEN_LANES);
        serde_json::from_str(text(live, attribute::OPEN_LANES)?).map(Self).map_err(unreadable)
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lanes, days ascending, each with when it was opened last.
    #[must_use]
    pub fn of(&self, live: &StreamId) -> Vec<(StreamId, i64)> {
        let lanes = self.0.iter();
        lanes.filter_map(|(date, opened_ms)| Some((live.lane_of(date)?, *opened_ms))).collect()
    }

    /// When a lane was opened last; `None` if it is not open.
    #[must_use]
    pub fn opened_ms(&self, lane: &StreamId) -> Option<i64> {
        self.0.get(lane.lane_date()?).copied()
    }

    /// Opens a lane, or opens it again.
    pub fn open(&mut self, lane: &StreamId, opened_ms: i64) {
        if let Some(date) = lane.lane_date() {
            self.0.insert(date.to_owned(), opened_ms);
        }
    }

    /// Takes a lane out, if it was not opened again since `opened_ms`.
    pub fn close(&mut self, lane: &StreamId, opened_ms: i64) {
        if let Some(date) = lane.lane_date().filter(|date| self.0.get(*date) == Some(&opened_ms)) {
            self.0.remove(date);
        }
    }

    /// Writes them, on condition that the stream has a cursor whose open lanes are still those of
    /// `live`.
    #[must_use]
    pub fn replace(&self, live: &Item) -> Update {
        let name = attribute::OPEN_LANES;
        let unchanged = match live.get(name) {
            Some(value) => Condition::Is(name, value.clone()),
            None => Condition::Absent(name),
        };
        let mut update = Update {
            conditions: vec![Condition::Present(attribute::SEQ), unchanged],
            ..Update::default()
        };
        update.put(name, self.value());
        update
    }

    /// The attribute; `None` if no lane is open.
    pub(super) fn value(&self) -> Option<Value> {
        (!self.is_empty()).then(|| Value::S(json::encode(&self.0)))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::cursor::tests::cursor_at;
    use crate::cursor::{Cursor, ReadingState};
    use crate::limits::DAY_MS;

    fn lane(day: i64) -> StreamId {
        StreamId::own().lane(day * DAY_MS).unwrap()
    }

    #[test]
    fn only_what_was_not_opened_again_is_closed() {
        let mut item = Item::new();
        cursor_at(ReadingState::at_birth(0, 0, &[])).create().apply(&mut item);
        let mut open = OpenLanes::read(&item).unwrap();
        assert!(open.is_empty());
        open.open(&lane(1), 10);
        open.open(&lane(0), 10);
        let both = open.replace(&item);
        assert!(both.allows(&item) && !both.allows(&Item::new()), "there is no cursor");
        both.apply(&mut item);
        assert!(!both.allows(&item), "another call has opened lanes meanwhile");
        assert_eq!(text(&item, "open_lanes"), Ok(r#"{"1970-01-01":10,"1970-01-02":10}"#));
        assert_eq!(Cursor::read(&item).unwrap().open_lanes, open);
        assert_eq!(open.of(&StreamId::own()), [(lane(0), 10), (lane(1), 10)]);

        open.open(&lane(1), 20);
        open.close(&lane(0), 10);
        open.close(&lane(1), 10);
        assert_eq!(open.of(&StreamId::own()), [(lane(1), 20)]);
        open.close(&lane(1), 20);
        open.replace(&item).apply(&mut item);
        assert!(!item.contains_key("open_lanes"));

        item.insert("open_lanes".to_owned(), Value::S("[]".to_owned()));
        assert_eq!(
            Cursor::read(&item).unwrap_err().to_string(),
            "its `open_lanes` is absent or cannot be read"
        );
    }
}
