//! The comparison of hourly counts: which hours are compared, and which of them are read again.

use std::collections::BTreeMap;

use crate::cursor::{Cursor, Hour, Reading, ReadingState};
use crate::limits::{HOUR_MS, HOURS_KEPT_MAX};
use crate::read::ReadingKind;
use crate::read::sweep::{SweepUrgency, sweep_from_ms};
use crate::settings::Settings;
use crate::time::{self, Window};

/// The hour whose re-reading is to be resumed or begun, if there is one.
#[must_use]
pub fn hour(cursor: &Cursor) -> Option<(ReadingKind, Reading)> {
    cursor.state.hours.iter().find_map(|hour| {
        let reading = hour.reading.clone()?;
        let first = cursor.state.accepted().next()?.names.clone();
        let is_kept = cursor.state.accepted().any(|query| query.names == reading.query);
        let at_ms = reading.window.start_ms;
        let anew = Reading { query: first, at_ms, limit: None, ..reading.clone() };
        Some((ReadingKind::Hour(hour.start_ms), if is_kept { reading } else { anew }))
    })
}

/// The result of a comparison of hourly counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The state with the hours to read again.
    pub state: ReadingState,
    /// `Now` if more hours differ than a cursor can keep.
    pub urgency: SweepUrgency,
}

/// The whole hours whose counts are compared: from where a full sweep would begin to where the next
/// head reading begins, so that no reading of the head changes their counts any more.
#[must_use]
pub fn comparable(cursor: &Cursor, settings: &Settings) -> Option<Window> {
    let hours = Window::new(
        time::ceil_hour_ms(from_ms(cursor, settings)),
        time::floor_hour_ms(cursor.state.read_to_ms() - settings.overlap_ms),
    );
    (!hours.is_empty()).then_some(hours)
}

/// The latest start of a full sweep of any query, and not before names changed or a refusal ended.
fn from_ms(cursor: &Cursor, settings: &Settings) -> i64 {
    let starts = cursor.state.accepted().map(|query| sweep_from_ms(cursor, query, settings));
    starts.chain(cursor.state.queries_changed_ms).max().unwrap_or(cursor.origin_ms)
}

/// Takes JumpCloud's counts (the largest of any query, by the hour's first millisecond) and the
/// index's. An hour where JumpCloud has more is read again, unless that was done at this count.
#[must_use]
pub fn compare(
    cursor: &Cursor,
    now_ms: i64,
    settings: &Settings,
    theirs: &BTreeMap<i64, i64>,
    ours: &BTreeMap<i64, i64>,
) -> Compared {
    let mut state = ReadingState { compared_at_ms: Some(now_ms), ..cursor.state.clone() };
    let from_ms = from_ms(cursor, settings);
    state.hours.retain(|hour| hour.start_ms >= from_ms);
    let mut urgency = SweepUrgency::Usual;
    for (&hour_ms, &counted) in theirs {
        if counted <= ours.get(&hour_ms).copied().unwrap_or(0) {
            continue;
        }
        let known = state.hours.iter().position(|hour| hour.start_ms == hour_ms);
        if known.is_some_and(|at| state.hours[at].counted == counted) {
            continue;
        }
        let Some(query) = cursor.state.accepted().next() else { continue };
        let reading = Reading {
            window: Window::new(hour_ms, hour_ms + HOUR_MS),
            started_ms: now_ms,
            query: query.names.clone(),
            at_ms: hour_ms,
            limit: None,
        };
        let again = Hour {
            start_ms: hour_ms,
            counted,
            rows_received: 0,
            rows_before_resume: 0,
            reading: Some(reading),
        };
        match known {
            Some(at) => state.hours[at] = again,
            None if state.hours.len() < HOURS_KEPT_MAX => state.hours.push(again),
            None => urgency = SweepUrgency::Now,
        }
    }
    Compared { state, urgency }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::sweep::tests::settled;
    use crate::read::window::{completed, query_read, reached, rows_before_resume};
    use crate::settings::tests::settings;

    #[test]
    fn hours_where_jumpcloud_counts_more_are_read_again_once_a_count() {
        let mut cursor = settled();
        assert_eq!(comparable(&cursor, &settings()), Some(Window::new(10 * HOUR_MS, 99 * HOUR_MS)));
        let count =
            |counts: &[(i64, i64)]| counts.iter().map(|(hour, n)| (hour * HOUR_MS, *n)).collect();
        let ours: BTreeMap<i64, i64> = count(&[(50, 3), (51, 9)]);
        let compared = compare(
            &cursor,
            101 * HOUR_MS,
            &settings(),
            &count(&[(50, 5), (51, 7), (52, 0)]),
            &ours,
        );
        assert_eq!(compared.urgency, SweepUrgency::Usual);
        cursor.state = compared.state;
        let Some((kind, reading)) = hour(&cursor) else { unreachable!("one hour differs") };
        assert_eq!((kind, reading.window.end_ms), (ReadingKind::Hour(50 * HOUR_MS), 51 * HOUR_MS));

        cursor.state = reached(&cursor.state, kind, &reading, reading.window.start_ms + 5, 2);
        assert_eq!(rows_before_resume(&cursor.state, kind), 2);
        cursor.state =
            completed(&query_read(&cursor.state, kind, reading.window.end_ms, 4), kind, &reading);
        assert_eq!(cursor.state.gaps(), 1, "five counted, four received");
        let again = compare(&cursor, 102 * HOUR_MS, &settings(), &count(&[(50, 5)]), &ours);
        assert_eq!(again.state.hours, cursor.state.hours, "the count has not changed");
        let changed = compare(&cursor, 102 * HOUR_MS, &settings(), &count(&[(50, 6)]), &ours);
        assert_eq!(changed.state.gaps(), 0, "it is read again first");
    }

    #[test]
    fn many_differing_hours_make_a_sweep_due() {
        let theirs = (20..60).map(|hour| (hour * HOUR_MS, 1)).collect();
        let compared = compare(&settled(), 101 * HOUR_MS, &settings(), &theirs, &BTreeMap::new());
        assert_eq!(
            (compared.urgency, compared.state.hours.len()),
            (SweepUrgency::Now, HOURS_KEPT_MAX)
        );
    }
}
