//! The status of one stream, read from its cursor's item.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cursor::{Cursor, Item, attribute, lease, number, text};
use crate::limits::{DAY_MS, FAILURES_TOLERATED};
use crate::report::{RefusedQuery, SnapshotReport, Summary, lateness};
use crate::stream::StreamId;
use crate::time::UtcTime;

/// The status of one stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StreamStatus {
    /// The stream.
    pub stream: StreamId,
    /// Whether it is collected now. The cursor of a stream that is no longer collected remains.
    pub configured: bool,
    /// Event time up to which the head has read; `None` before the birth.
    pub frontier: Option<UtcTime>,
    /// Event time up to which the query furthest behind has read, where refused ones do not count.
    #[serde(skip)]
    pub position: Option<UtcTime>,
    /// How far that query is behind now, in seconds; none for a lane.
    pub lag_seconds: Option<i64>,
    /// Since when hourly counts cannot be compared: it cannot be told how those of several queries
    /// add up, so gaps would not be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_comparable: Option<UtcTime>,
    /// The queries that are refused.
    #[serde(default)]
    pub refused: Vec<RefusedQuery>,
    /// Event time at which the stream's ownership begins.
    pub origin: Option<UtcTime>,
    /// When its cursor was created.
    #[serde(skip)]
    pub born: Option<UtcTime>,
    /// Lanes only: event time at which it ends, exclusive.
    pub end: Option<UtcTime>,
    /// Lanes only: whether every query that is not refused has read it to its end since it was opened
    /// last.
    pub read_whole: Option<bool>,
    /// When the last complete reading began, of the query that was read longest ago, where refused
    /// ones do not count; the origin before the first.
    #[serde(default)]
    pub last_reading: Option<UtcTime>,
    /// Lanes only: when it was finished, after which it is no longer read.
    pub finished: Option<UtcTime>,
    /// When a lane was closed although it was not finished: it had become too old to be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired: Option<UtcTime>,
    /// When a run last succeeded.
    pub last_success: Option<UtcTime>,
    /// Why the last run failed; `None` if it succeeded.
    pub last_error: Option<String>,
    /// Failures in a row.
    pub failures: i64,
    /// Whether an operator must act: its last run failed for a permanent reason or for the third
    /// time in a row, or its cursor cannot be read. A lane that was closed does only until its last
    /// run, because nothing can be done about it any more.
    pub needs_operator: bool,
    /// Whether it is suspended after repeated failures: it is not tried before its next probe.
    /// `status` says so of no stream that is the only one, because that is tried in every run.
    pub suspended: bool,
    /// Whether a message for it is in the work queue.
    pub queued: bool,
    /// The number of hours in which JumpCloud counts more events than it sends.
    pub gaps: usize,
    /// Days until JumpCloud begins to delete events that were not read yet.
    pub days_until_loss: Option<i64>,
    /// How late events were so far, per service: it shows which `LATE_HORIZON` is needed.
    #[serde(default)]
    pub lateness: BTreeMap<String, Summary>,
    /// Streams of users only: the last snapshot that was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotReport>,
    /// The number of journal entries decided so far.
    pub entries: Option<u64>,
}

impl StreamStatus {
    /// Reads the status from an item. `retention_ms` is how long an event can be read.
    pub(crate) fn read(
        stream: StreamId,
        configured: bool,
        item: &Item,
        now_ms: i64,
        retention_ms: i64,
    ) -> Self {
        let cursor = Cursor::read(item).ok();
        let cursor = cursor.as_ref();
        let state = cursor.map(|cursor| &cursor.state);
        let lane_end_ms = cursor.and_then(|cursor| cursor.end_ms);
        let behind_ms = state.map(|state| (now_ms - state.position_ms()).max(0));
        // What is refused may stay refused: `refused` says so.
        let is_read = lane_end_ms.zip(state).map(|(end_ms, state)| state.read_to_ms() == end_ms);
        let queries = state.map(|state| state.queries.as_slice()).unwrap_or_default();
        let accepted = queries.iter().filter(|query| query.refused.is_none());
        let readings = accepted.map(|query| query.read_at_ms);
        let is_users = stream.is_users();
        Self {
            stream,
            configured,
            frontier: state.map(|state| UtcTime(state.frontier_ms)),
            position: state.map(|state| UtcTime(state.position_ms())),
            lag_seconds: behind_ms.filter(|_| lane_end_ms.is_none()).map(|ms| ms / 1_000),
            not_comparable: state.and_then(|state| state.not_comparable_ms).map(UtcTime),
            refused: state.map(RefusedQuery::of).unwrap_or_default(),
            origin: cursor.map(|cursor| UtcTime(cursor.origin_ms)),
            born: cursor.map(|cursor| UtcTime(cursor.born_ms)),
            end: lane_end_ms.map(UtcTime),
            read_whole: is_read,
            last_reading: readings.min().map(UtcTime),
            finished: number(item, attribute::FINISHED_MS).ok().map(UtcTime),
            expired: number(item, attribute::EXPIRED_MS).ok().map(UtcTime),
            last_success: number(item, attribute::LAST_SUCCESS_MS).ok().map(UtcTime),
            last_error: text(item, attribute::LAST_ERROR).ok().map(str::to_owned),
            failures: number(item, attribute::FAILURES).unwrap_or(0),
            needs_operator: needs_operator(item),
            suspended: lease::is_suspended(item, now_ms),
            queued: lease::is_queued(item, now_ms),
            gaps: cursor.map_or(0, Cursor::gaps),
            days_until_loss: behind_ms
                .filter(|_| is_read != Some(true) && !is_users)
                .map(|behind_ms| (retention_ms - behind_ms) / DAY_MS),
            lateness: lateness::stored(item).summaries(),
            snapshot: state.and_then(|state| state.snapshot.as_ref()).map(SnapshotReport::of),
            entries: cursor.map(|cursor| cursor.seq),
        }
    }
}

impl StreamStatus {
    /// The status of a lane that was opened at `opened_ms` for the last time.
    pub(crate) fn read_lane(
        lane: StreamId,
        configured: bool,
        (item, opened_ms): (&Item, i64),
        now_ms: i64,
        retention_ms: i64,
    ) -> Self {
        let mut status = Self::read(lane, configured, item, now_ms, retention_ms);
        let is_since = status.last_reading.is_some_and(|time| time.0 >= opened_ms);
        status.read_whole = Some(is_since && status.read_whole == Some(true));
        status.finished = status.finished.filter(|_| is_since);
        status
    }

    /// Its place among all lines: what needs a person first, then what is furthest behind. Time that
    /// passes does not change it, so that a later call continues where an earlier one has ended.
    #[must_use]
    pub fn place(&self) -> StatusPlace {
        let is_over = !self.configured || self.finished.is_some();
        let rank = match self {
            Self { needs_operator: true, .. } => 0,
            Self { failures: 1.., .. } | Self { suspended: true, .. } => 1,
            _ if !self.refused.is_empty() || self.gaps > 0 => 2,
            _ if is_over => 6,
            Self { not_comparable: Some(_), .. } => 3,
            _ if self.stream.is_lane() => 5,
            _ => 4,
        };
        let position_ms = match self.position {
            // Nothing of it is left to be read.
            _ if is_over || self.read_whole == Some(true) => i64::MAX,
            None => i64::MIN,
            // Users are read once a day.
            Some(time) if self.stream.is_users() => time.0.saturating_add(DAY_MS),
            Some(time) => time.0,
        };
        StatusPlace { rank, position_ms, stream: self.stream.clone() }
    }
}

/// The place of a line in the answer of `status`: worse ones are less. As a text, it is what a call
/// for the next page names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StatusPlace {
    rank: u8,
    position_ms: i64,
    stream: StreamId,
}

/// The text is no place in the answer of `status`.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not what an answer of `status` has as `next`")]
pub struct NotAPlace(String);

impl TryFrom<String> for StatusPlace {
    type Error = NotAPlace;

    fn try_from(text: String) -> Result<Self, NotAPlace> {
        let mut parts = text.splitn(3, ':');
        let mut part = || parts.next().unwrap_or_default();
        let (rank, position_ms, stream) = (part().parse(), part().parse(), part().to_owned());
        match (rank, position_ms, stream.try_into()) {
            (Ok(rank), Ok(position_ms), Ok(stream)) => Ok(Self { rank, position_ms, stream }),
            _ => Err(NotAPlace(text)),
        }
    }
}

impl From<StatusPlace> for String {
    fn from(StatusPlace { rank, position_ms, stream }: StatusPlace) -> Self {
        format!("{rank}:{position_ms}:{stream}")
    }
}

fn needs_operator(item: &Item) -> bool {
    number(item, attribute::FAILURES).is_ok_and(|failures| failures >= FAILURES_TOLERATED)
        || item.contains_key(attribute::NEEDS_OPERATOR)
        || (item.contains_key(attribute::SEQ) && Cursor::read(item).is_err())
}
