//! A stream's cursor: the DynamoDB item with its position and state, and every change to it.
//!
//! Every change is an [`Update`] that is defined and tested here.

pub mod attribute;
pub mod hour;
pub mod item;
pub mod lease;
pub mod open_lanes;
pub mod pass;
pub mod query;
pub mod state;

pub use self::hour::{Hour, KnownHour};
pub use self::item::{Condition, Item, Items, Unreadable, Update, Value, number, text};
pub use self::lease::{LeaseToken, Release, RunResult};
pub use self::open_lanes::OpenLanes;
pub use self::pass::Pass;
pub use self::query::{PageLimit, QueryProgress, Reading, Refusal};
pub use self::state::ReadingState;

use crate::cursor::attribute::SCHEMA_VERSION;
use crate::cursor::state::optional;

/// The part of a cursor that a run works with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The stream's epoch.
    pub epoch: String,
    /// The number of the last advanced entry; 0 before the first.
    pub seq: u64,
    /// That entry's hash, hex; the hash of the birth certificate before the first entry.
    pub head_hash: String,
    /// Event time at which the stream's ownership begins, inclusive, UTC milliseconds.
    pub origin_ms: i64,
    /// Event time at which a lane ends, exclusive, UTC milliseconds; `None` for every other stream.
    pub end_ms: Option<i64>,
    /// When it was created.
    pub born_ms: i64,
    /// Lanes only: when a backfill last requested it, as the live stream's item says.
    pub opened_ms: Option<i64>,
    /// Live streams only: their open lanes.
    pub open_lanes: OpenLanes,
    /// What was read so far, and what is being read.
    pub state: ReadingState,
}

/// Why an item is not a cursor that this program can use.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CursorError {
    /// A later version of this program wrote it.
    #[error("its schema is {0}, this program knows {SCHEMA_VERSION}")]
    Newer(i64),
    /// An attribute is absent or of the wrong type.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl Cursor {
    /// Reads the cursor from an item.
    ///
    /// # Errors
    /// [`CursorError`] if a later version wrote it, or an attribute is absent or cannot be read.
    pub fn read(item: &Item) -> Result<Self, CursorError> {
        let schema = number(item, attribute::SCHEMA)?;
        if schema > SCHEMA_VERSION {
            return Err(CursorError::Newer(schema));
        }
        Ok(Self {
            epoch: text(item, attribute::EPOCH)?.to_owned(),
            seq: seq(item).ok_or(Unreadable(attribute::SEQ))?,
            head_hash: text(item, attribute::HEAD_HASH)?.to_owned(),
            origin_ms: number(item, attribute::ORIGIN_MS)?,
            end_ms: optional(item, attribute::END_MS)?,
            born_ms: number(item, attribute::BORN_MS)?,
            opened_ms: None,
            open_lanes: OpenLanes::read(item)?,
            state: ReadingState::read(item)?,
        })
    }

    /// Writes the first cursor of a stream, or a rebuilt one, on condition that the item has no
    /// `seq`. Other attributes of the item, such as `queued_until_ms`, are not changed.
    #[must_use]
    pub fn create(&self) -> Update {
        let mut update = Update {
            conditions: vec![Condition::Absent(attribute::SEQ)],
            set: vec![
                (attribute::SCHEMA, Value::N(SCHEMA_VERSION)),
                (attribute::EPOCH, Value::S(self.epoch.clone())),
                (attribute::SEQ, seq_value(self.seq)),
                (attribute::HEAD_HASH, Value::S(self.head_hash.clone())),
                (attribute::ORIGIN_MS, Value::N(self.origin_ms)),
                (attribute::BORN_MS, Value::N(self.born_ms)),
            ],
            ..Update::default()
        };
        update.set.extend(self.end_ms.map(|end_ms| (attribute::END_MS, Value::N(end_ms))));
        update.put(attribute::OPEN_LANES, self.open_lanes.value());
        self.state.write(&mut update);
        update
    }

    /// Moves the cursor to the next entry, whose hash is `head_hash`, on condition that `seq` is
    /// still this cursor's and that the frontier is not lowered.
    #[must_use]
    pub fn advance(&self, head_hash: &str, state: &ReadingState) -> Update {
        let state = self.raised(state);
        let mut update = Update {
            conditions: vec![
                Condition::Is(attribute::SEQ, seq_value(self.seq)),
                Condition::AtMost(attribute::FRONTIER_MS, state.frontier_ms),
            ],
            set: vec![
                (attribute::SEQ, seq_value(self.seq + 1)),
                (attribute::HEAD_HASH, Value::S(head_hash.to_owned())),
            ],
            ..Update::default()
        };
        state.write(&mut update);
        update
    }

    /// Writes the reading state without an entry, on condition that `seq` is unchanged and that the
    /// frontier is not lowered.
    #[must_use]
    pub fn progress(&self) -> Update {
        let mut update = Update {
            conditions: vec![
                Condition::Is(attribute::SEQ, seq_value(self.seq)),
                Condition::AtMost(attribute::FRONTIER_MS, self.state.frontier_ms),
            ],
            ..Update::default()
        };
        self.state.write(&mut update);
        update
    }

    /// The number of hours that are gaps. Those of a lane are not compared, so that it has none.
    #[must_use]
    pub fn gaps(&self) -> usize {
        if self.end_ms.is_some() { 0 } else { self.state.gaps() }
    }

    /// `state`, with the frontier raised to this cursor's if it is lower.
    #[must_use]
    pub fn raised(&self, state: &ReadingState) -> ReadingState {
        let frontier_ms = state.frontier_ms.max(self.state.frontier_ms);
        ReadingState { frontier_ms, ..state.clone() }
    }
}

/// The item's `seq`, if it has one.
#[must_use]
pub fn seq(item: &Item) -> Option<u64> {
    number(item, attribute::SEQ).ok().and_then(|seq| u64::try_from(seq).ok())
}

fn seq_value(seq: u64) -> Value {
    Value::N(i64::try_from(seq).unwrap_or(i64::MAX))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
pub(crate) mod tests {
    use super::*;
    use crate::cursor::lease;
    use crate::time::Window;
    use crate::users::Snapshot;

    pub(crate) fn cursor_at(state: ReadingState) -> Cursor {
        Cursor {
            epoch: String::new(),
            seq: 0,
            head_hash: String::new(),
            origin_ms: 0,
            end_ms: None,
            born_ms: 0,
            opened_ms: None,
            open_lanes: OpenLanes::default(),
            state,
        }
    }

    fn cursor() -> Cursor {
        Cursor {
            epoch: "0a1b2c3d".to_owned(),
            seq: 4,
            head_hash: "ff".to_owned(),
            origin_ms: 1_000,
            end_ms: Some(9_000),
            born_ms: 3_000,
            opened_ms: None,
            open_lanes: OpenLanes::default(),
            state: ReadingState {
                queries: vec![
                    QueryProgress {
                        reading: Some(reading()),
                        ahead_ms: Some(4_000),
                        ahead: Some(reading()),
                        ..query("all")
                    },
                    QueryProgress { refused: Some(refusal()), ..query("pam") },
                ],
                ..ReadingState::at_birth(1_000, 3_000, &[])
            },
        }
    }

    fn query(name: &str) -> QueryProgress {
        QueryProgress::new(vec![name.to_owned()], 1_000, 3_000)
    }

    fn reading() -> Reading {
        Reading {
            window: Window::new(1_000, 5_000),
            started_ms: 6_000,
            query: vec!["all".to_owned()],
            at_ms: 2_000,
            limit: Some(PageLimit { rows: 5_000, failed: 1 }),
        }
    }

    fn refusal() -> Refusal {
        Refusal { since_ms: 5_000, reason: "it is not known".to_owned() }
    }

    fn born() -> Item {
        let mut item = Item::new();
        cursor().create().apply(&mut item);
        item
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Cursor::read(&born()).unwrap(), cursor());
    }

    /// Cursors of events have no such attribute, and neither has what entries repeat of them.
    #[test]
    fn a_snapshot_is_kept_where_there_is_one() {
        assert!(!born().contains_key("snapshot"));
        assert!(!serde_json::to_string(&cursor().state).unwrap().contains("snapshot"));
        let mut users = cursor();
        users.state.snapshot = Some(Snapshot::of_day(20_781));
        let mut item = Item::new();
        users.create().apply(&mut item);
        assert_eq!(Cursor::read(&item).unwrap(), users);
    }

    #[test]
    fn a_born_cursor_is_not_written_again() {
        assert!(
            cursor().create().allows(&Item::from([("queued_until_ms".to_owned(), Value::N(1))]))
        );
        assert!(!cursor().create().allows(&born()));
    }

    /// Holds P8.
    #[test]
    fn advancing_needs_the_seq_and_never_lowers_the_frontier() {
        let mut item = born();
        let state = ReadingState { frontier_ms: 500, hours: Vec::new(), ..cursor().state };
        let advance = cursor().advance("aa", &state);
        assert!(advance.allows(&item));
        advance.apply(&mut item);
        assert_eq!((seq(&item), number(&item, "frontier_ms")), (Some(5), Ok(1_000)));
        assert!(!item.contains_key("hours"));
        assert!(!advance.allows(&item));
    }

    #[test]
    fn progress_needs_seq_and_frontier() {
        let to = |seq, frontier_ms| {
            let state = ReadingState { frontier_ms, ..cursor().state };
            Cursor { seq, state, ..cursor() }.progress()
        };
        let seq = cursor().seq;
        assert!(to(seq, 1_000).allows(&born()));
        assert!(!to(seq, 999).allows(&born()) && !to(seq + 1, 1_000).allows(&born()));
    }

    #[test]
    fn a_newer_schema_stops_the_stream() {
        let mut item = born();
        item.insert("schema".to_owned(), Value::N(2));
        assert!(!lease::claim("me", 10, 20).allows(&item), "and touches nothing");
        assert_eq!(Cursor::read(&item), Err(CursorError::Newer(2)));
    }
}
