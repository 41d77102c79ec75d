//! The reading state of a stream, which is in every journal entry and in the cursor.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cursor::hour::{Hour, KnownHour};
use crate::cursor::query::QueryProgress;
use crate::cursor::{Item, Unreadable, Update, Value, attribute, number, text};
use crate::json;
use crate::page::Query;
use crate::users::Snapshot;

/// What a stream has read, and the readings that are unfinished. Times are UTC milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadingState {
    /// F: event time up to which the furthest query of the head has read.
    pub frontier_ms: i64,
    /// The stream's queries, each with its own progress.
    pub queries: Vec<QueryProgress>,
    /// When names changed or a refusal ended for the last time: counts of hours before are not
    /// those of the queries as they are now. None if that never happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queries_changed_ms: Option<i64>,
    /// When hourly counts were last compared.
    pub compared_at_ms: Option<i64>,
    /// Hours that are read again because counts differ.
    pub hours: Vec<Hour>,
    /// What that has shown, by the hour's first millisecond.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub known_hours: BTreeMap<i64, KnownHour>,
    /// Since when hourly counts cannot be compared, because it cannot be told how those of several
    /// queries add up; none if they can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_comparable_ms: Option<i64>,
    /// When the last entry was decided; at first, the time of birth.
    pub last_entry_ms: i64,
    /// The last snapshot that was begun; only a stream of users has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
}

impl ReadingState {
    /// The state of a stream that was just created, with the queries that are configured.
    #[must_use]
    pub fn at_birth(origin_ms: i64, born_ms: i64, queries: &[Query]) -> Self {
        let query = |names: &Query| QueryProgress::new(names.clone(), origin_ms, born_ms);
        Self {
            frontier_ms: origin_ms,
            queries: queries.iter().map(query).collect(),
            queries_changed_ms: None,
            compared_at_ms: None,
            hours: Vec::new(),
            known_hours: BTreeMap::new(),
            not_comparable_ms: None,
            last_entry_ms: born_ms,
            snapshot: None,
        }
    }

    /// The query with these names.
    #[must_use]
    pub fn query(&self, names: &[String]) -> Option<&QueryProgress> {
        self.queries.iter().find(|query| query.names == names)
    }

    /// The same, to be changed.
    pub fn query_mut(&mut self, names: &[String]) -> Option<&mut QueryProgress> {
        self.queries.iter_mut().find(|query| query.names == names)
    }

    /// The queries that are not refused.
    pub fn accepted(&self) -> impl Iterator<Item = &QueryProgress> {
        self.queries.iter().filter(|query| query.refused.is_none())
    }

    /// Event time up to which every query that is not refused has been read for good; of a stream
    /// all of whose queries are refused, every query.
    #[must_use]
    pub fn read_to_ms(&self) -> i64 {
        self.least(|query| query.read_to_ms)
    }

    /// Event time up to which the query furthest behind has read, of those that are not refused.
    #[must_use]
    pub fn position_ms(&self) -> i64 {
        self.least(QueryProgress::position_ms)
    }

    /// The least of the queries that are not refused, or of all where all are; the frontier of a
    /// stream that has none.
    fn least(&self, of: impl Fn(&QueryProgress) -> i64) -> i64 {
        let accepted = self.accepted().map(&of).min();
        accepted.or_else(|| self.queries.iter().map(&of).min()).unwrap_or(self.frontier_ms)
    }

    /// `now_ms`, and after the beginning of every head reading: another clock may have been ahead then.
    #[must_use]
    pub fn after_all_readings_ms(&self, now_ms: i64) -> i64 {
        let begun_ms = self.queries.iter().map(|query| {
            let under_way = query.reading.as_ref().map(|reading| reading.started_ms);
            under_way.unwrap_or(query.read_at_ms).max(query.read_at_ms)
        });
        begun_ms.map(|ms| ms + 1).fold(now_ms, i64::max)
    }

    /// The number of hours in which JumpCloud counts more events than it sends.
    #[must_use]
    pub fn gaps(&self) -> usize {
        self.known_hours.values().filter(|hour| hour.is_gap()).count()
    }

    /// Adds every field to `update`, so that a cursor never mixes two states.
    pub(crate) fn write(&self, update: &mut Update) {
        let numbers = [
            (attribute::FRONTIER_MS, Some(self.frontier_ms)),
            (attribute::QUERIES_CHANGED_MS, self.queries_changed_ms),
            (attribute::COMPARED_AT_MS, self.compared_at_ms),
            (attribute::NOT_COMPARABLE_MS, self.not_comparable_ms),
            (attribute::LAST_ENTRY_MS, Some(self.last_entry_ms)),
        ];
        for (name, value) in numbers {
            update.put(name, value.map(Value::N));
        }
        update.put(attribute::QUERIES, Some(as_json(&self.queries)));
        update.put(attribute::HOURS, (!self.hours.is_empty()).then(|| as_json(&self.hours)));
        let known = &self.known_hours;
        update.put(attribute::KNOWN_HOURS, (!known.is_empty()).then(|| as_json(known)));
        update.put(attribute::SNAPSHOT, self.snapshot.as_ref().map(as_json));
    }

    pub(crate) fn read(item: &Item) -> Result<Self, Unreadable> {
        Ok(Self {
            frontier_ms: number(item, attribute::FRONTIER_MS)?,
            queries: from_json(item, attribute::QUERIES)?.ok_or(Unreadable(attribute::QUERIES))?,
            queries_changed_ms: optional(item, attribute::QUERIES_CHANGED_MS)?,
            compared_at_ms: optional(item, attribute::COMPARED_AT_MS)?,
            hours: from_json(item, attribute::HOURS)?.unwrap_or_default(),
            known_hours: from_json(item, attribute::KNOWN_HOURS)?.unwrap_or_default(),
            not_comparable_ms: optional(item, attribute::NOT_COMPARABLE_MS)?,
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
