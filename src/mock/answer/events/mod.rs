//! `POST /events`: pages of events, byte for byte as loaded.

use std::ops::Range;

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::answer::access::Scope;
use crate::answer::query::Query;
use crate::time::{NS_A_MS, floor_ms};
use crate::wire::Answer;
use crate::world::behaviour::{Behaviours, EmptyPageToken};
use crate::world::fault::Fault;
use crate::world::store::{EventStore, RowKey, StoredEvent};

/// The rows that a query selects, and what the selection depends on.
pub(crate) struct Selection<'a> {
    pub(crate) store: &'a EventStore,
    pub(crate) ways: &'a Behaviours,
    pub(crate) scope: &'a Scope,
    pub(crate) query: &'a Query,
    pub(crate) now_ms: i64,
}

type Row<'a> = (&'a RowKey, &'a StoredEvent);

impl<'a> Selection<'a> {
    /// Every selected row in ascending order, without paging.
    pub(crate) fn all(&self) -> impl Iterator<Item = Row<'a>> {
        self.within(self.places())
    }

    /// The rows of one page.
    fn page(&self, limit: usize) -> Vec<Row<'a>> {
        let Range { start, end } = self.places();
        let start = self.query.after.map_or(start, |after| start.max(after.successor()));
        self.within(start..end).take(limit).collect()
    }

    /// The page that ended at the request's token, as a faulty server repeats it.
    fn page_before(&self, after: RowKey, limit: usize) -> Vec<Row<'a>> {
        let Range { start, end } = self.places();
        let mut rows: Vec<_> =
            self.within(start..end.min(after.successor())).rev().take(limit).collect();
        rows.reverse();
        rows
    }

    /// The half-open range of row keys that the bounds and the retention allow.
    fn places(&self) -> Range<RowKey> {
        let start_ms = floor_ms(self.query.start_ns).max(self.now_ms - self.ways.retention_ms);
        let end_ms = floor_ms(self.query.end_ns);
        let is_whole_ms_out =
            !self.ways.end_inclusive && self.query.end_ns.rem_euclid(NS_A_MS) == 0;
        let end_ms = if is_whole_ms_out { end_ms } else { end_ms.saturating_add(1) };
        RowKey::first_of(start_ms)..RowKey::first_of(end_ms)
    }

    fn within(&self, places: Range<RowKey>) -> impl DoubleEndedIterator<Item = Row<'a>> + use<'a> {
        let (ways, scope, query, now_ms) = (self.ways, self.scope, self.query, self.now_ms);
        self.store.range(places).filter(move |(key, event)| {
            event.visible_at_ms <= now_ms
                && scope.holds(event)
                && query.wants(&event.service, ways)
                && (!ways.full_precision_bounds || is_between(event.time_ns(key), query, ways))
        })
    }
}

fn is_between(time_ns: i128, query: &Query, ways: &Behaviours) -> bool {
    let is_before_end = match ways.end_inclusive {
        true => time_ns <= query.end_ns,
        false => time_ns < query.end_ns,
    };
    query.start_ns <= time_ns && is_before_end
}

/// Answers `/events`.
pub(crate) fn answer(selection: &Selection<'_>, fault: Option<&Fault>, request_id: &str) -> Answer {
    let query = selection.query;
    let limit = match fault {
        Some(Fault::LimitLowered(lowered) | Fault::LimitLoweredUnsaid(lowered)) => {
            query.limit.min(*lowered)
        }
        _ => query.limit,
    };
    let rows = match (fault, query.after) {
        (Some(Fault::TokenRepeated), Some(after)) => selection.page_before(after, limit),
        _ => selection.page(limit),
    };
    if let Some(Fault::LargePage { rows: most, answer }) = fault
        && rows.len() > *most
    {
        return answer.clone();
    }
    let mut answer = Answer::json(200, array(&rows));
    answer.rows = rows.len();
    if let Some(count) = result_count(rows.len(), fault) {
        answer.set_header("X-Result-Count", &count);
    }
    if !matches!(fault, Some(Fault::LimitAbsent | Fault::LimitLoweredUnsaid(_))) {
        answer.set_header("X-Limit", &limit.to_string());
    }
    answer.set_header("X-Sort", "ASC");
    let last = rows.last().map(|(key, _)| **key);
    let is_full = rows.len() == limit;
    if let Some(token) = token(last, is_full, selection, fault) {
        answer.set_header("X-Search_after", &token);
    }
    answer.set_header("X-Request-Id", request_id);
    answer
}

/// `X-Result-Count`, true or not.
fn result_count(rows: usize, fault: Option<&Fault>) -> Option<String> {
    match fault {
        Some(Fault::CountAbsent) => None,
        Some(Fault::CountGarbage) => Some("many".to_owned()),
        Some(Fault::CountLies(by)) => Some(lied(rows, *by).to_string()),
        _ => Some(rows.to_string()),
    }
}

/// A count that is wrong by `by`, but at least 0.
pub(crate) fn lied(count: usize, by: i64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX).saturating_add(by).max(0)
}

/// `X-Search_after`, true or not.
fn token(
    last: Option<RowKey>,
    is_full: bool,
    selection: &Selection<'_>,
    fault: Option<&Fault>,
) -> Option<String> {
    match fault {
        Some(Fault::TokenAbsent) => return None,
        Some(Fault::TokenAbsentOnFullPages) if is_full => return None,
        Some(Fault::TokenGarbage) => return Some("[1576181718000,\"DZrPyW8B".to_owned()),
        _ => {}
    }
    match (last, selection.ways.empty_page_token) {
        (Some(key), _) => Some(key.token()),
        (None, EmptyPageToken::Absent) => None,
        (None, EmptyPageToken::EmptyArray) => Some("[]".to_owned()),
        (None, EmptyPageToken::Null) => Some("null".to_owned()),
        (None, EmptyPageToken::Echo) => selection.query.after_text.clone(),
    }
}

/// The rows as one JSON array: each is copied once, into a buffer of the right size.
fn array(rows: &[Row<'_>]) -> Bytes {
    let length: usize = rows.iter().map(|(_, event)| event.raw.len() + 1).sum();
    let mut body = BytesMut::with_capacity(length + 2);
    body.put_u8(b'[');
    for (number, (_, event)) in rows.iter().enumerate() {
        if number > 0 {
            body.put_u8(b',');
        }
        body.put_slice(&event.raw);
    }
    body.put_u8(b']');
    body.freeze()
}

#[cfg(test)]
mod tests;
