//! A stream's cursor: the one DynamoDB item that holds its position, and every change made to it.
//!
//! Every change is an [`Update`], so what may happen to a cursor is decided and tested here.

use serde::{Deserialize, Serialize};

use crate::snapshot::Snapshot;
use crate::update::{Condition, Item, Unreadable, Update, Value, number, text};

/// The schema this program writes.
pub const SCHEMA: i64 = 1;

/// Where a stream's reading stands: what an entry holds and a cursor repeats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadingState {
    /// F: event time up to which the furthest query of the head has read.
    pub frontier_ms: i64,
    /// T: when the last complete head reading began.
    pub read_at_ms: i64,
    /// E: where it ended, exclusive.
    pub read_to_ms: i64,
    /// The head reading under way.
    pub reading: Option<Reading>,
    /// M: when the last full sweep began; at first, the birth.
    pub sweep_mark_ms: i64,
    /// The full sweep under way.
    pub sweep: Option<Reading>,
    /// When hourly counts were last compared.
    pub compared_at_ms: Option<i64>,
    /// Hours re-read because counts differed.
    pub hours: Vec<Hour>,
    /// When the last entry was decided; at first, the birth.
    pub last_entry_ms: i64,
    /// The last snapshot begun; a stream of users alone has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
}

/// A reading that several runs may share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Inclusive start of the window.
    pub from_ms: i64,
    /// Exclusive end of the window.
    pub end_ms: i64,
    /// When the reading began.
    pub started_ms: i64,
    /// The service list of the query it is in.
    pub query: Vec<String>,
    /// Where it goes on.
    pub at_ms: i64,
}

/// An hour whose counts differed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hour {
    /// Its first millisecond.
    pub from_ms: i64,
    /// JumpCloud's count when it was re-read.
    pub counted: i64,
    /// Rows that came, the most of any query that was read to its end.
    pub came: i64,
    /// Rows of the query under way that came before where it goes on.
    pub so_far: i64,
    /// The re-reading under way; none once it is complete.
    pub reading: Option<Reading>,
}

impl Hour {
    /// JumpCloud counts more events than it sends: something that only JumpCloud can explain.
    #[must_use]
    pub fn is_gap(&self) -> bool {
        self.reading.is_none() && self.counted > self.came
    }
}

/// A cursor as a run works with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The stream's epoch.
    pub epoch: String,
    /// The last advanced entry; 0 before the first.
    pub seq: u64,
    /// That entry's hash.
    pub head_hash: String,
    /// Event time at which the stream's ownership begins.
    pub origin_ms: i64,
    /// Event time at which it ends, exclusive; lanes only.
    pub end_ms: Option<i64>,
    /// Where its reading stands.
    pub state: ReadingState,
}

/// The item is no cursor this program can use.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CursorError {
    /// Written by a later version of this program.
    #[error("its schema is {0}, this program knows {SCHEMA}")]
    Newer(i64),
    /// An attribute is absent or of the wrong type.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl ReadingState {
    /// The state of a stream that was just born.
    #[must_use]
    pub fn at_birth(origin_ms: i64, born_ms: i64) -> Self {
        Self {
            frontier_ms: origin_ms,
            read_at_ms: origin_ms,
            read_to_ms: origin_ms,
            reading: None,
            sweep_mark_ms: born_ms,
            sweep: None,
            compared_at_ms: None,
            hours: Vec::new(),
            last_entry_ms: born_ms,
            snapshot: None,
        }
    }

    /// Hours in which JumpCloud counts more events than it sends.
    #[must_use]
    pub fn gaps(&self) -> usize {
        self.hours.iter().filter(|hour| hour.is_gap()).count()
    }

    /// Puts every field into `update`, so that a cursor never mixes two states.
    fn write(&self, update: &mut Update) {
        let numbers = [
            ("frontier_ms", Some(self.frontier_ms)),
            ("read_at_ms", Some(self.read_at_ms)),
            ("read_to_ms", Some(self.read_to_ms)),
            ("sweep_mark_ms", Some(self.sweep_mark_ms)),
            ("compared_at_ms", self.compared_at_ms),
            ("last_entry_ms", Some(self.last_entry_ms)),
        ];
        for (name, value) in numbers {
            update.put(name, value.map(Value::N));
        }
        update.put("reading", self.reading.as_ref().map(json));
        update.put("sweep", self.sweep.as_ref().map(json));
        update.put("hours", (!self.hours.is_empty()).then(|| json(&self.hours)));
        update.put("snapshot", self.snapshot.as_ref().map(json));
    }

    fn read(item: &Item) -> Result<Self, Unreadable> {
        Ok(Self {
            frontier_ms: number(item, "frontier_ms")?,
            read_at_ms: number(item, "read_at_ms")?,
            read_to_ms: number(item, "read_to_ms")?,
            reading: from_json(item, "reading")?,
            sweep_mark_ms: number(item, "sweep_mark_ms")?,
            sweep: from_json(item, "sweep")?,
            compared_at_ms: optional(item, "compared_at_ms")?,
            hours: from_json(item, "hours")?.unwrap_or_default(),
            last_entry_ms: number(item, "last_entry_ms")?,
            snapshot: from_json(item, "snapshot")?,
        })
    }
}

impl Cursor {
    /// Reads a claimed item.
    ///
    /// # Errors
    /// [`CursorError`].
    pub fn read(item: &Item) -> Result<Self, CursorError> {
        let schema = number(item, "schema")?;
        if schema > SCHEMA {
            return Err(CursorError::Newer(schema));
        }
        Ok(Self {
            epoch: text(item, "epoch")?.to_owned(),
            seq: seq(item).ok_or(Unreadable("seq"))?,
            head_hash: text(item, "head_hash")?.to_owned(),
            origin_ms: number(item, "origin_ms")?,
            end_ms: optional(item, "end_ms")?,
            state: ReadingState::read(item)?,
        })
    }

    /// Writes the first cursor of a stream, or a rebuilt one. Whoever was first stays;
    /// `queued_until_ms` and whatever else is there is left alone.
    #[must_use]
    pub fn create(&self) -> Update {
        let mut update = Update {
            conditions: vec![Condition::Absent("seq")],
            set: vec![
                ("schema", Value::N(SCHEMA)),
                ("epoch", Value::S(self.epoch.clone())),
                ("seq", seq_value(self.seq)),
                ("head_hash", Value::S(self.head_hash.clone())),
                ("origin_ms", Value::N(self.origin_ms)),
            ],
            ..Update::default()
        };
        update.set.extend(self.end_ms.map(|end_ms| ("end_ms", Value::N(end_ms))));
        self.state.write(&mut update);
        update
    }

    /// Moves the head from this cursor to the entry behind it.
    #[must_use]
    pub fn advance(&self, head_hash: &str, state: &ReadingState) -> Update {
        let state = self.raised(state);
        let mut update = Update {
            conditions: vec![
                Condition::Is("seq", seq_value(self.seq)),
                Condition::AtMost("frontier_ms", state.frontier_ms),
            ],
            set: vec![
                ("seq", seq_value(self.seq + 1)),
                ("head_hash", Value::S(head_hash.to_owned())),
            ],
            ..Update::default()
        };
        state.write(&mut update);
        update
    }

    /// Writes a reading state that nothing was decided for.
    #[must_use]
    pub fn progress(&self, state: &ReadingState, fence: i64) -> Update {
        let mut update = Update {
            conditions: vec![
                Condition::Is("seq", seq_value(self.seq)),
                Condition::AtMost("frontier_ms", state.frontier_ms),
                Condition::Is("fence", Value::N(fence)),
            ],
            ..Update::default()
        };
        state.write(&mut update);
        update
    }

    /// `state`, its frontier not below this cursor's.
    #[must_use]
    pub fn raised(&self, state: &ReadingState) -> ReadingState {
        let frontier_ms = state.frontier_ms.max(self.state.frontier_ms);
        ReadingState { frontier_ms, ..state.clone() }
    }
}

/// The item's `seq`, where it has one.
#[must_use]
pub fn seq(item: &Item) -> Option<u64> {
    number(item, "seq").ok().and_then(|seq| u64::try_from(seq).ok())
}

fn optional(item: &Item, name: &'static str) -> Result<Option<i64>, Unreadable> {
    item.contains_key(name).then(|| number(item, name)).transpose()
}

fn seq_value(seq: u64) -> Value {
    Value::N(i64::try_from(seq).unwrap_or(i64::MAX))
}

fn json<T: Serialize>(value: &T) -> Value {
    // Structs of strings and numbers always serialise.
    Value::S(serde_json::to_string(value).unwrap_or_default())
}

fn from_json<T: for<'de> Deserialize<'de>>(
    item: &Item,
    name: &'static str,
) -> Result<Option<T>, Unreadable> {
    if !item.contains_key(name) {
        return Ok(None);
    }
    let unreadable = |_| Unreadable(name);
    serde_json::from_str(text(item, name)?).map(Some).map_err(unreadable)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::lease;

    fn cursor() -> Cursor {
        Cursor {
            epoch: "0a1b2c3d".to_owned(),
            seq: 4,
            head_hash: "ff".to_owned(),
            origin_ms: 1_000,
            end_ms: Some(9_000),
            state: ReadingState {
                reading: Some(Reading {
                    from_ms: 1_000,
                    end_ms: 5_000,
                    started_ms: 6_000,
                    query: vec!["all".to_owned()],
                    at_ms: 2_000,
                }),
                ..ReadingState::at_birth(1_000, 3_000)
            },
        }
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

    #[test]
    fn advancing_needs_the_seq_and_never_lowers_the_frontier() {
        let mut item = born();
        let state = ReadingState { frontier_ms: 500, reading: None, ..cursor().state };
        let advance = cursor().advance("aa", &state);
        assert!(advance.allows(&item));
        advance.apply(&mut item);
        assert_eq!((seq(&item), number(&item, "frontier_ms")), (Some(5), Ok(1_000)));
        assert!(!item.contains_key("reading"));
        assert!(!advance.allows(&item));
    }

    #[test]
    fn progress_needs_seq_fence_and_frontier() {
        let mut item = born();
        lease::claim("me", 10, 20).apply(&mut item);
        let to = |frontier_ms| ReadingState { frontier_ms, ..cursor().state };
        assert!(cursor().progress(&to(1_000), 1).allows(&item));
        assert!(!cursor().progress(&to(999), 1).allows(&item));
        assert!(!cursor().progress(&to(1_000), 2).allows(&item));
    }

    #[test]
    fn a_newer_schema_stops_the_stream() {
        let mut item = born();
        item.insert("schema".to_owned(), Value::N(2));
        assert!(!lease::claim("me", 10, 20).allows(&item), "and touches nothing");
        assert_eq!(Cursor::read(&item), Err(CursorError::Newer(2)));
    }
}
