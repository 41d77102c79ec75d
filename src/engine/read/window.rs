//! What to read next at the head, and how a reading moves through its queries to its end.

use crate::cursor::{Cursor, Reading, ReadingState};
use crate::page::Query;
use crate::settings::Settings;
use crate::time::Window;

/// What a run reads next at the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// This reading, from its `at_ms` in its query.
    Read(Reading),
    /// Nothing yet: the window is empty, or the clock is behind what was already read.
    Wait,
}

/// The head reading to begin or to go on with.
///
/// A new one covers `[min(E, T - overlap), now - settle_lag)`, cut at the origin. One that was
/// interrupted goes on, unless the service list it was in is no longer configured. A new one of a
/// lane covers the lane whole.
#[must_use]
pub fn head(cursor: &Cursor, now_ms: i64, settings: &Settings) -> Plan {
    let kept =
        cursor.state.reading.as_ref().filter(|reading| settings.queries.contains(&reading.query));
    if let Some(reading) = kept {
        return if reading.at_ms < now_ms { Plan::Read(reading.clone()) } else { Plan::Wait };
    }
    let state = &cursor.state;
    let (from_ms, end_ms) = match cursor.end_ms {
        Some(end_ms) => (cursor.origin_ms, if cursor.origin_ms < now_ms { end_ms } else { 0 }),
        None => (
            state.read_to_ms.min(state.read_at_ms - settings.overlap_ms).max(cursor.origin_ms),
            now_ms - settings.settle_lag_ms,
        ),
    };
    match settings.queries.first() {
        Some(query) if from_ms < end_ms => Plan::Read(Reading {
            window: Window::new(from_ms, end_ms),
            started_ms: now_ms,
            query: query.clone(),
            at_ms: from_ms,
            limit: None,
        }),
        _ => Plan::Wait,
    }
}

/// Whether a lane is finished: read whole by a reading that began a late horizon after its end.
#[must_use]
pub fn is_finished(cursor: &Cursor, late_horizon_ms: i64) -> bool {
    let state = &cursor.state;
    cursor.end_ms.is_some_and(|end_ms| {
        state.reading.is_none()
            && state.read_to_ms == end_ms
            && state.read_at_ms >= end_ms + late_horizon_ms
    })
}

/// The reading at the beginning of its next query; `None` if it was in the last one.
#[must_use]
pub fn next_query(reading: &Reading, queries: &[Query]) -> Option<Reading> {
    let at = queries.iter().position(|query| *query == reading.query)?;
    let query = queries.get(at + 1)?.clone();
    Some(Reading { query, at_ms: reading.window.start_ms, limit: None, ..reading.clone() })
}

/// What a reading is for. The kinds differ in what their progress and their completion change in
/// the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadingKind {
    /// Follows the present.
    Head,
    /// Reads a long past range again, for events that appeared later than the overlap.
    Sweep,
    /// Reads one hour again because its counts differ. The value is the hour's first millisecond.
    Hour(i64),
}

/// The state of an unfinished reading that has decided every row before `at_ms` of its query;
/// `rows` were received before that millisecond.
///
/// The frontier rises with the head, never beyond the window, and is never lowered.
#[must_use]
pub fn reached(
    state: &ReadingState,
    kind: ReadingKind,
    reading: &Reading,
    at_ms: i64,
    rows: i64,
) -> ReadingState {
    let at_ms = at_ms.max(reading.at_ms);
    let mut state = state.clone();
    let reading = Reading { at_ms, ..reading.clone() };
    match kind {
        ReadingKind::Head => {
            state.frontier_ms = state.frontier_ms.max(at_ms.min(reading.window.end_ms));
            state.reading = Some(reading);
        }
        ReadingKind::Sweep => state.sweep = Some(reading),
        ReadingKind::Hour(from_ms) => {
            for hour in state.hours.iter_mut().filter(|hour| hour.start_ms == from_ms) {
                hour.rows_before_resume = rows;
                hour.reading = Some(reading.clone());
            }
        }
    }
    state
}

/// Rows of the current query that earlier runs received. Always 0 for a head reading and a sweep.
#[must_use]
pub fn rows_before_resume(state: &ReadingState, kind: ReadingKind) -> i64 {
    let ReadingKind::Hour(from_ms) = kind else { return 0 };
    state
        .hours
        .iter()
        .find(|hour| hour.start_ms == from_ms)
        .map_or(0, |hour| hour.rows_before_resume)
}

/// The state after one query of a reading was read to its end; `rows` were received in it.
#[must_use]
pub fn query_read(state: &ReadingState, kind: ReadingKind, end_ms: i64, rows: i64) -> ReadingState {
    let mut state = state.clone();
    if kind == ReadingKind::Head {
        state.frontier_ms = state.frontier_ms.max(end_ms);
    }
    if let ReadingKind::Hour(from_ms) = kind {
        for hour in state.hours.iter_mut().filter(|hour| hour.start_ms == from_ms) {
            hour.rows_received = hour.rows_received.max(rows);
            hour.rows_before_resume = 0;
        }
    }
    state
}

/// The state after a reading was completed.
#[must_use]
pub fn completed(state: &ReadingState, kind: ReadingKind, reading: &Reading) -> ReadingState {
    let mut state = state.clone();
    match kind {
        ReadingKind::Head => {
            state.frontier_ms = state.frontier_ms.max(reading.window.end_ms);
            state.read_at_ms = reading.started_ms;
            state.read_to_ms = reading.window.end_ms;
            state.reading = None;
        }
        ReadingKind::Sweep => {
            state.sweep_mark_ms = reading.started_ms;
            state.sweep = None;
        }
        ReadingKind::Hour(from_ms) => {
            for hour in state.hours.iter_mut().filter(|hour| hour.start_ms == from_ms) {
                hour.reading = None;
            }
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::tests::cursor_at as cursor;
    use crate::settings::tests::settings;

    const MINUTE: i64 = 60_000;

    fn read(plan: Plan) -> Reading {
        match plan {
            Plan::Read(reading) => reading,
            Plan::Wait => unreachable!("something to read"),
        }
    }

    #[test]
    fn the_first_reading_begins_at_the_origin() {
        let cursor = cursor(ReadingState::at_birth(0, 60 * MINUTE));
        let reading = read(head(&cursor, 60 * MINUTE, &settings()));
        assert_eq!((reading.window.start_ms, reading.window.end_ms), (0, 60 * MINUTE - 10_000));
        assert_eq!(reading.started_ms, 60 * MINUTE);
    }

    #[test]
    fn the_next_one_goes_back_by_the_overlap_from_where_the_last_began() {
        let state = ReadingState::at_birth(0, 60 * MINUTE);
        let first = read(head(&cursor(state.clone()), 60 * MINUTE, &settings()));
        let state = completed(&state, ReadingKind::Head, &first);
        let second = read(head(&cursor(state.clone()), 65 * MINUTE, &settings()));
        assert_eq!(
            (second.window.start_ms, second.window.end_ms),
            (45 * MINUTE, 65 * MINUTE - 10_000)
        );
        let none = Settings { overlap_ms: 0, ..settings() };
        let second = read(head(&cursor(state), 65 * MINUTE, &none));
        assert_eq!(
            second.window.start_ms, first.window.end_ms,
            "never a hole where there is no overlap"
        );
    }

    #[test]
    fn a_clock_set_back_waits() {
        let state = ReadingState {
            read_at_ms: 60 * MINUTE,
            read_to_ms: 60 * MINUTE,
            ..ReadingState::at_birth(0, 0)
        };
        assert_eq!(head(&cursor(state), 40 * MINUTE, &settings()), Plan::Wait);
        assert_eq!(
            head(
                &Cursor { origin_ms: MINUTE, ..cursor(ReadingState::at_birth(MINUTE, 0)) },
                MINUTE + 10_000,
                &settings()
            ),
            Plan::Wait
        );
    }

    #[test]
    fn a_lane_is_read_whole_until_the_late_horizon_has_passed() {
        let (day, hour) = (24 * 60 * MINUTE, 60 * MINUTE);
        let lane = |state| Cursor { origin_ms: day, end_ms: Some(2 * day), ..cursor(state) };
        let state = ReadingState::at_birth(day, 3 * day);
        let first = read(head(&lane(state.clone()), 3 * day - hour, &settings()));
        assert_eq!((first.window.start_ms, first.window.end_ms, first.at_ms), (day, 2 * day, day));
        assert_eq!(head(&lane(state.clone()), day, &settings()), Plan::Wait, "it has not begun");
        assert!(!is_finished(&lane(state.clone()), day));
        let state = completed(&state, ReadingKind::Head, &first);
        assert!(!is_finished(&lane(state.clone()), day), "what is late may still come");
        let again = read(head(&lane(state.clone()), 3 * day, &settings()));
        assert_eq!((again.window.start_ms, again.window.end_ms), (day, 2 * day));
        assert!(is_finished(&lane(completed(&state, ReadingKind::Head, &again)), day));
    }

    #[test]
    fn an_interrupted_reading_continues_unless_its_query_is_gone() {
        let state = ReadingState::at_birth(0, 60 * MINUTE);
        let first = read(head(&cursor(state.clone()), 60 * MINUTE, &settings()));
        let state = reached(&state, ReadingKind::Head, &first, 20 * MINUTE, 0);
        assert_eq!(state.frontier_ms, 20 * MINUTE);
        let resumed = read(head(&cursor(state.clone()), 70 * MINUTE, &settings()));
        assert_eq!((resumed.at_ms, resumed.window.end_ms), (20 * MINUTE, first.window.end_ms));
        assert_eq!(head(&cursor(state.clone()), 20 * MINUTE, &settings()), Plan::Wait);
        let other = Settings { queries: vec![vec!["sso".to_owned()]], ..settings() };
        let anew = read(head(&cursor(state), 70 * MINUTE, &other));
        assert_eq!((anew.at_ms, anew.window.end_ms), (0, 70 * MINUTE - 10_000));
    }

    #[test]
    fn queries_are_read_one_after_the_other_and_the_frontier_stays() {
        let state = ReadingState::at_birth(0, 60 * MINUTE);
        let first = read(head(&cursor(state.clone()), 60 * MINUTE, &settings()));
        let state = reached(&state, ReadingKind::Head, &first, first.window.end_ms + 5, 0);
        assert_eq!(state.frontier_ms, first.window.end_ms, "never beyond the window");
        let Some(second) = next_query(&first, &settings().queries) else {
            unreachable!("two queries")
        };
        assert_eq!((second.query.as_slice(), second.at_ms), (&["pam".to_owned()][..], 0));
        let state = reached(&state, ReadingKind::Head, &second, MINUTE, 0);
        assert_eq!(state.frontier_ms, first.window.end_ms, "never lowered");
        assert_eq!(next_query(&second, &settings().queries), None);
    }
}
