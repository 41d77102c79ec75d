//! How far one query of a stream has been read.

use serde::{Deserialize, Serialize};

use crate::page::Query;
use crate::time::Window;

/// How far one query of a stream has been read. Each query has progress of its own, so that one that
/// JumpCloud refuses or fails delays no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryProgress {
    /// The services that are asked for as one list.
    pub names: Query,
    /// T: when its last complete head reading began.
    pub read_at_ms: i64,
    /// E: where that reading ended, exclusive.
    pub read_to_ms: i64,
    /// The head reading under way.
    pub reading: Option<Reading>,
    /// M: when its last full sweep began; at first, the birth.
    pub sweep_mark_ms: i64,
    /// The full sweep under way.
    pub sweep: Option<Reading>,
    /// When its last reading of what is dated ahead began; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead_ms: Option<i64>,
    /// The reading of what is dated ahead that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<Reading>,
    /// When its last turn at the head began; none before the first.
    pub last_turn_ms: Option<i64>,
    /// The names were added to a stream that had read up to here without them: what lies before is
    /// read by the first full sweep. None once that is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread_before_ms: Option<i64>,
    /// It is refused; none if it is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
    /// A sweep, an hour or what is dated ahead is refused, although the head is not, or failed in
    /// several runs in a row; none once one of these was read to its end in a run in which none failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_behind: Option<Refusal>,
    /// Runs in a row in which a sweep, an hour or what is dated ahead failed temporarily.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures_behind: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Since when and why a query is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// When it was refused for the first time.
    pub since_ms: i64,
    /// Why, as it was said last.
    pub reason: String,
}

impl Refusal {
    /// Notes a refusal. Since when stays as it was noted first.
    pub fn note(noted: &mut Option<Self>, reason: &str, now_ms: i64) {
        let since_ms = noted.as_ref().map_or(now_ms, |refusal| refusal.since_ms);
        *noted = Some(Self { since_ms, reason: reason.to_owned() });
    }
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
    pub query: Query,
    /// Event time from which it continues.
    pub at_ms: i64,
    /// How many rows it asks for at once, where that is not the configured number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<PageLimit>,
}

impl Reading {
    /// A reading of the whole window, which begins at `now_ms`.
    #[must_use]
    pub fn begin(window: Window, query: &[String], now_ms: i64) -> Self {
        let at_ms = window.start_ms;
        Self { window, started_ms: now_ms, query: query.to_vec(), at_ms, limit: None }
    }
}

/// The page size of a reading that met a page which could not be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageLimit {
    /// Rows asked for at once.
    pub rows: u32,
    /// Tries at this size that have failed since the last page.
    pub failed: u32,
}

impl QueryProgress {
    /// A query that reads from `from_ms` on, of a stream that was created at `created_ms`.
    #[must_use]
    pub fn new(names: Query, from_ms: i64, created_ms: i64) -> Self {
        Self {
            names,
            read_at_ms: from_ms,
            read_to_ms: from_ms,
            reading: None,
            sweep_mark_ms: created_ms,
            sweep: None,
            ahead_ms: None,
            ahead: None,
            last_turn_ms: None,
            unread_before_ms: None,
            refused: None,
            refused_behind: None,
            failures_behind: 0,
        }
    }

    /// Event time up to which it has read, be it for good or by the reading under way.
    #[must_use]
    pub fn position_ms(&self) -> i64 {
        self.reading.as_ref().map_or(self.read_to_ms, |reading| reading.at_ms.max(self.read_to_ms))
    }

    /// Whether an event at `ms` that is new is late: it lies where the head had read before.
    #[must_use]
    pub fn is_late(&self, ms: i64) -> bool {
        ms < self.read_to_ms && self.unread_before_ms.is_none_or(|before_ms| ms >= before_ms)
    }

    /// Gives it other names. Readings under way continue with these.
    pub fn rename(&mut self, names: &[String]) {
        names.clone_into(&mut self.names);
        let readings = [&mut self.reading, &mut self.sweep, &mut self.ahead];
        for reading in readings.into_iter().flatten() {
            names.clone_into(&mut reading.query);
        }
    }
}
