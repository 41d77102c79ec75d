//! The reading state of a stream, which is in every journal entry and in the cursor.

use serde::{Deserialize, Serialize};

use crate::cursor::{Item, Unreadable, Update, Value, attribute, number, text};
use crate::json;
use crate::time::Window;
use crate::users::Snapshot;

/// What a stream has read, and the readings that are unfinished. Times are UTC milliseconds.
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
    /// Hours whose counts differed, with the result of reading them again.
    pub hours: Vec<Hour>,
    /// When the last entry was decided; at first, the birth.
    pub last_entry_ms: i64,
    /// The last snapshot that was begun; only a stream of users has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
}

/// A reading that several runs may share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// What is read.
    #[serde(flatten)]
    pub window: Window,
    /// When the reading began.
    pub started_ms: i64,
    /// The service list of the query it is in.
    pub query: Vec<String>,
    /// Where it goes on.
    pub at_ms: i64,
    /// How many rows it asks for at once, where that is not the configured number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<PageLimit>,
}

/// The page size of a reading that met a page which could not be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageLimit {
    /// Rows asked for at once.
    pub rows: u32,
    /// Tries at this size that have failed since the last page.
    pub failed: u32,
}

/// An hour whose counts differed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hour {
    /// The first millisecond of the hour.
    pub start_ms: i64,
    /// JumpCloud's count because of which it is read again.
    pub counted: i64,
    /// Rows received when it was read again: the largest number of any query that was read to its
    /// end.
    pub rows_received: i64,
    /// Rows of the current query that were received before the millisecond at which it resumes.
    pub rows_before_resume: i64,
    /// The unfinished reading of the hour; `None` after it was read to its end.
    pub reading: Option<Reading>,
}

impl Hour {
    /// Whether JumpCloud counts more events than it sends, which only JumpCloud can explain.
    #[must_use]
    pub fn is_gap(&self) -> bool {
        self.reading.is_none() && self.counted > self.rows_received
    }
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

    /// Adds every field to `update`, so that a cursor never mixes two states.
    pub(crate) fn write(&self, update: &mut Update) {
        let numbers = [
            (attribute::FRONTIER_MS, Some(self.frontier_ms)),
            (attribute::READ_AT_MS, Some(self.read_at_ms)),
            (attribute::READ_TO_MS, Some(self.read_to_ms)),
            (attribute::SWEEP_MARK_MS, Some(self.sweep_mark_ms)),
            (attribute::COMPARED_AT_MS, self.compared_at_ms),
            (attribute::LAST_ENTRY_MS, Some(self.last_entry_ms)),
        ];
        for (name, value) in numbers {
            update.put(name, value.map(Value::N));
        }
        update.put(attribute::READING, self.reading.as_ref().map(as_json));
        update.put(attribute::SWEEP, self.sweep.as_ref().map(as_json));
        update.put(attribute::HOURS, (!self.hours.is_empty()).then(|| as_json(&self.hours)));
        update.put(attribute::SNAPSHOT, self.snapshot.as_ref().map(as_json));
    }

    pub(crate) fn read(item: &Item) -> Result<Self, Unreadable> {
        Ok(Self {
            frontier_ms: number(item, attribute::FRONTIER_MS)?,
            read_at_ms: number(item, attribute::READ_AT_MS)?,
            read_to_ms: number(item, attribute::READ_TO_MS)?,
            reading: from_json(item, attribute::READING)?,
            sweep_mark_ms: number(item, attribute::SWEEP_MARK_MS)?,
            sweep: from_json(item, attribute::SWEEP)?,
            compared_at_ms: optional(item, attribute::COMPARED_AT_MS)?,
            hours: from_json(item, attribute::HOURS)?.unwrap_or_default(),
            last_entry_ms: number(item, attribute::LAST_ENTRY_MS)?,
            snapshot: from_json(item, attribute::SNAPSHOT)?,
        })
    }
}

pub(crate) fn optional(item: &Item, name: &'static str) -> Result<Option<i64>, Unreadable> {
    item.contains_key(name).then(|| number(item, name)).transpose()
}

fn as_json<T: Serialize>(value: &T) -> Value {
    Value::S(json::encode(value))
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
