//! `POST /events`: pages of events, byte for byte as loaded.

use std::ops::Range;

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::answer::access::Scope;
use crate::answer::query::{Query, Sort};
use crate::answer::search::projected;
use crate::time::{NS_A_MS, floor_ms};
use crate::wire::{Answer, Refusal};
use crate::world::behaviour::{Behaviours, EmptyPageToken};
use crate::world::fault::Fault;
use crate::world::store::{EventStore, RowKey, StoredEvent};

const DAY_MS: i64 = 86_400_000;

/// The rows a query selects, and what selecting them depends on.
pub(crate) struct Selection<'a> {
    pub(crate) store: &'a EventStore,
    pub(crate) ways: &'a Behaviours,
    pub(crate) scope: &'a Scope,
    pub(crate) query: &'a Query,
    pub(crate) now_ms: i64,
}

type Row<'a> = (&'a RowKey, &'a StoredEvent);

impl<'a> Selection<'a> {
    /// Every selected row in ascending order, paging left aside.
    pub(crate) fn all(&self) -> impl Iterator<Item = Row<'a>> {
        self.within(self.places())
    }

    /// The rows of one page.
    fn page(&self, limit: usize) -> Vec<Row<'a>> {
        let Range { mut start, mut end } = self.places();
        let skip = self.query.skip;
        match (self.query.sort, self.query.after) {
            (Sort::Ascending, after) => {
                start = after.map_or(start, |after| start.max(after.successor()));
                self.within(start..end).skip(skip).take(limit).collect()
            }
            (Sort::Descending, after) => {
                end = after.map_or(end, |after| end.min(after));
                self.within(start..end).rev().skip(skip).take(limit).collect()
            }
        }
    }

    /// The page that ended at the request's token: what a server that repeats itself sends.
    fn page_before(&self, after: RowKey, limit: usize) -> Vec<Row<'a>> {
        let Range { start, end } = self.places();
        let mut rows: Vec<_> = match self.query.sort {
            Sort::Ascending => {
                let end = end.min(after.successor());
                self.within(start..end).rev().take(limit).collect()
            }
            Sort::Descending => self.within(start.max(after)..end).take(limit).collect(),
        };
        rows.reverse();
        rows
    }

    /// The half-open range of places that the bounds and the retention allow.
    fn places(&self) -> Range<RowKey> {
        let kept_from_ms = self.now_ms - i64::from(self.ways.retention_days) * DAY_MS;
        let start_ms = floor_ms(self.query.start_ns).max(kept_from_ms);
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
                && query.filter.keeps(&event.raw)
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
///
/// # Errors
///
/// 400 if no row holds any of the `fields` asked for.
pub(crate) fn answer(
    selection: &Selection<'_>,
    fault: Option<&Fault>,
    request_id: &str,
) -> Result<Answer, Refusal> {
    let query = selection.query;
    let limit = match fault {
        Some(Fault::LimitLowered(lowered)) => query.limit.min(*lowered),
        _ => query.limit,
    };
    let rows = match (fault, query.after) {
        (Some(Fault::TokenRepeated), Some(after)) => selection.page_before(after, limit),
        _ => selection.page(limit),
    };
    let body = match &query.fields {
        Some(paths) => projected_array(&rows, paths)?,
        None => array(&rows),
    };
    let mut answer = Answer::json(200, body);
    answer.rows = rows.len();
    if let Some(count) = result_count(rows.len(), fault) {
        answer.set_header("X-Result-Count", &count);
    }
    if fault != Some(&Fault::LimitAbsent) {
        answer.set_header("X-Limit", &limit.to_string());
    }
    answer.set_header("X-Sort", query.sort.name());
    let last = rows.last().map(|(key, _)| **key);
    let is_full = rows.len() == limit;
    if let Some(token) = token(last, is_full, selection, fault) {
        answer.set_header("X-Search_after", &token);
    }
    answer.set_header("X-Request-Id", request_id);
    Ok(answer)
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

/// A count that is off, never below nought.
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

/// The rows cut down to some fields. An event that is not JSON, or holds none of them, becomes an
/// empty object.
fn projected_array(rows: &[Row<'_>], paths: &[String]) -> Result<Bytes, Refusal> {
    let mut found = rows.is_empty();
    let mut kept = Vec::with_capacity(rows.len());
    for (_, event) in rows {
        let value = serde_json::from_slice(&event.raw).unwrap_or_default();
        let projection = projected(&value, paths);
        found |= projection.is_some();
        kept.push(projection.unwrap_or_else(|| serde_json::json!({})));
    }
    match found {
        true => Ok(serde_json::Value::Array(kept).to_string().into()),
        false => Err(Refusal::new(400, "fields name no known field")),
    }
}

#[cfg(test)]
mod tests;
