//! What to read next at the head of a query, and what becomes of a reading.

use crate::cursor::{Cursor, Hour, KnownHour, QueryProgress, Reading, ReadingState};
use crate::limits::{DAY_MS, READ_BACK_MS_MAX};
use crate::page::Query;
use crate::settings::Settings;
use crate::time::{UtcTime, Window};

/// What a run reads next at the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// This reading, from its `at_ms` in its query.
    Read(Reading),
    /// Nothing yet: the window is empty, or the clock is behind what was already read.
    Wait,
}

/// The earliest event time that may be read at `now_ms`: the origin, or as far back as the index
/// certainly reaches. A lane is read whole or, once it has expired, not at all.
#[must_use]
pub fn earliest_ms(cursor: &Cursor, now_ms: i64) -> i64 {
    match cursor.end_ms {
        Some(_) => cursor.origin_ms,
        None => cursor.origin_ms.max(now_ms - READ_BACK_MS_MAX),
    }
}

/// Whether a lane may not be read any more: it was created so long ago that the index may not know
/// what was archived.
#[must_use]
pub fn is_expired(cursor: &Cursor, now_ms: i64) -> bool {
    cursor.end_ms.is_some() && now_ms - cursor.born_ms > READ_BACK_MS_MAX
}

/// The reading of a query as it is begun or resumed where nothing before `earliest_ms` may be read.
/// One that ends before that has nothing left to read.
#[must_use]
pub fn cut(reading: &Reading, names: &[String], earliest_ms: i64) -> Reading {
    let start_ms = reading.window.start_ms.max(earliest_ms);
    Reading {
        window: Window::new(start_ms, reading.window.end_ms),
        query: names.to_vec(),
        at_ms: reading.at_ms.max(start_ms),
        ..reading.clone()
    }
}

/// The head reading of a query to begin or to resume.
///
/// A new one covers `[min(E, T - overlap), now - settle_lag)`, cut at the earliest time that may be
/// read. One that was interrupted is resumed. A new one of a lane covers the lane whole.
#[must_use]
pub fn head(cursor: &Cursor, query: &QueryProgress, now_ms: i64, settings: &Settings) -> Plan {
    let earliest_ms = earliest_ms(cursor, now_ms);
    if let Some(kept) = &query.reading {
        let reading = cut(kept, &query.names, earliest_ms);
        return if reading.at_ms < now_ms { Plan::Read(reading) } else { Plan::Wait };
    }
    let overlapped_ms = query.read_to_ms.min(query.read_at_ms - settings.overlap_ms);
    let (from_ms, end_ms) = match cursor.end_ms {
        Some(end_ms) => (cursor.origin_ms, if cursor.origin_ms < now_ms { end_ms } else { 0 }),
        None => (overlapped_ms.max(earliest_ms), now_ms - settings.settle_lag_ms),
    };
    if from_ms >= end_ms {
        return Plan::Wait;
    }
    Plan::Read(Reading::begin(Window::new(from_ms, end_ms), &query.names, now_ms))
}

/// What the head of a query skips unread, because nothing so early may be read any more; none if it
/// skips nothing.
#[must_use]
pub fn lost(cursor: &Cursor, query: &QueryProgress, now_ms: i64) -> Option<Window> {
    let skipped = Window::new(query.position_ms(), earliest_ms(cursor, now_ms));
    (!skipped.is_empty()).then_some(skipped)
}

/// Whether a lane is finished: read whole, for every query, by a reading that began a late horizon
/// after its end, and after it was last opened again.
#[must_use]
pub fn is_finished(cursor: &Cursor, late_horizon_ms: i64) -> bool {
    let queries = &cursor.state.queries;
    let has_read = |query| lane_due_ms(cursor, query, late_horizon_ms).is_none();
    cursor.end_ms.is_some() && !queries.is_empty() && queries.iter().all(has_read)
}

/// How a lane is after a run over it that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneEnd {
    /// It needs further runs, like every stream that is not a lane.
    None,
    /// It is finished.
    Finished,
    /// It is too old to be read, and was not finished.
    Expired,
}

/// How a lane ends that `was_finished` before the run: one that was, and is too old to be read by now,
/// stays finished.
#[must_use]
pub fn lane_end(cursor: &Cursor, was_finished: bool, now_ms: i64, late_horizon_ms: i64) -> LaneEnd {
    let is_too_old = is_expired(cursor, now_ms);
    match is_too_old && was_finished || is_finished(cursor, late_horizon_ms) {
        true => LaneEnd::Finished,
        false if is_too_old => LaneEnd::Expired,
        false => LaneEnd::None,
    }
}

/// When a query reads its lane next: at once until it has read it whole since the lane was last
/// opened, then every half late horizon, and the last time a late horizon after the lane's end.
/// `None` once that was read. It then waits for the others: if each query began again at once, there
/// would always be one in the middle of a reading, and the lane would never be finished.
#[must_use]
pub fn lane_due_ms(cursor: &Cursor, query: &QueryProgress, late_horizon_ms: i64) -> Option<i64> {
    let end_ms = cursor.end_ms?;
    let opened_ms = cursor.opened_ms.unwrap_or(i64::MIN);
    if query.reading.is_some() || query.read_to_ms != end_ms || query.read_at_ms < opened_ms {
        return Some(i64::MIN);
    }
    let last_ms = end_ms + late_horizon_ms;
    let next_ms = last_ms.min(query.read_at_ms + late_horizon_ms / 2);
    (query.read_at_ms < last_ms).then_some(next_ms)
}

/// Whether any query of a lane is to be read at `now_ms`.
#[must_use]
pub fn is_lane_due(cursor: &Cursor, now_ms: i64, late_horizon_ms: i64) -> bool {
    let due_ms = |query| lane_due_ms(cursor, query, late_horizon_ms);
    let queries = &cursor.state.queries;
    queries.is_empty() || queries.iter().filter_map(due_ms).any(|due_ms| due_ms <= now_ms)
}

/// What a lane that is closed for its age has not read, in plain words.
#[must_use]
pub fn unread_of_lane(cursor: &Cursor) -> String {
    let (days, end_ms) = (READ_BACK_MS_MAX / DAY_MS, cursor.end_ms.unwrap_or(cursor.origin_ms));
    let unread = cursor.state.queries.iter().map(|query| {
        let names = query.names.join(",");
        match query.read_to_ms == end_ms {
            true => format!("{names}: what appeared after {}", UtcTime(query.read_at_ms)),
            false => format!("{names}: {} to {}", UtcTime(query.position_ms()), UtcTime(end_ms)),
        }
    });
    let unread = unread.collect::<Vec<_>>().join("; ");
    format!("the lane is closed, because it was not finished in {days} days; not read: {unread}")
}

/// The reading at the beginning of the next of `queries`; `None` if it was in the last one.
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
    /// Reads what is dated ahead.
    Future,
    /// Reads an hour again because a person wants it. Neither its progress nor its completion changes
    /// anything: what is in progress continues as if it had not been.
    Repair,
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
            if let Some(query) = state.query_mut(&reading.query) {
                query.reading = Some(reading);
            }
        }
        ReadingKind::Sweep => {
            if let Some(query) = state.query_mut(&reading.query) {
                query.sweep = Some(reading);
            }
        }
        ReadingKind::Future => {
            if let Some(query) = state.query_mut(&reading.query) {
                (query.ahead_ms, query.ahead) = (Some(reading.started_ms), Some(reading));
            }
        }
        ReadingKind::Hour(from_ms) => {
            for hour in state.hours.iter_mut().filter(|hour| hour.start_ms == from_ms) {
                hour.rows_before_resume = rows;
                hour.reading = reading.clone();
            }
        }
        ReadingKind::Repair => {}
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
            hour.rows_received += rows;
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
            if let Some(query) = state.query_mut(&reading.query) {
                query.read_at_ms = reading.started_ms;
                query.read_to_ms = reading.window.end_ms;
                query.reading = None;
            }
        }
        ReadingKind::Sweep => {
            if let Some(query) = state.query_mut(&reading.query) {
                query.sweep_mark_ms = reading.started_ms;
                query.sweep = None;
                query.unread_before_ms = None;
            }
        }
        ReadingKind::Future => {
            if let Some(query) = state.query_mut(&reading.query) {
                (query.ahead_ms, query.ahead) = (Some(reading.started_ms), None);
            }
        }
        ReadingKind::Hour(from_ms) => {
            let is_read = |hour: &mut Hour| hour.start_ms == from_ms;
            for hour in state.hours.extract_if(.., is_read) {
                let known = KnownHour(hour.counted, hour.rows_received);
                state.known_hours.insert(hour.start_ms, known);
            }
        }
        ReadingKind::Repair => {}
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::tests::cursor_at as cursor;
    use crate::limits::DAY_MS;
    use crate::settings::tests::settings;

    const MINUTE: i64 = 60_000;

    /// A stream that was created at `created_ms` and reads from `origin_ms` on.
    fn newborn(origin_ms: i64, created_ms: i64) -> Cursor {
        let state = ReadingState::at_birth(origin_ms, created_ms, &settings().queries);
        Cursor { origin_ms, born_ms: created_ms, ..cursor(state) }
    }

    /// The plan for the head of the first query.
    fn plan(cursor: &Cursor, now_ms: i64, settings: &Settings) -> Plan {
        head(cursor, &cursor.state.queries[0], now_ms, settings)
    }

    fn read(cursor: &Cursor, now_ms: i64) -> Reading {
        match plan(cursor, now_ms, &settings()) {
            Plan::Read(reading) => reading,
            Plan::Wait => unreachable!("something to read"),
        }
    }

    fn complete(cursor: &mut Cursor, reading: &Reading) {
        cursor.state = completed(&cursor.state, ReadingKind::Head, reading);
    }

    #[test]
    fn the_first_reading_begins_at_the_origin() {
        let reading = read(&newborn(0, 60 * MINUTE), 60 * MINUTE);
        assert_eq!(reading.window, Window::new(0, 60 * MINUTE - 10_000));
        assert_eq!(reading.started_ms, 60 * MINUTE);
    }

    #[test]
    fn the_next_one_goes_back_by_the_overlap_from_where_the_last_began() {
        let mut cursor = newborn(0, 60 * MINUTE);
        let first = read(&cursor, 60 * MINUTE);
        complete(&mut cursor, &first);
        let second = read(&cursor, 65 * MINUTE);
        assert_eq!(second.window, Window::new(45 * MINUTE, 65 * MINUTE - 10_000));
        let none = Settings { overlap_ms: 0, ..settings() };
        let Plan::Read(second) = plan(&cursor, 65 * MINUTE, &none) else {
            unreachable!("something to read")
        };
        assert_eq!(second.window.start_ms, first.window.end_ms, "no hole without an overlap");
    }

    #[test]
    fn a_clock_set_back_waits() {
        let mut cursor = newborn(0, 0);
        let reading = read(&cursor, 60 * MINUTE);
        complete(&mut cursor, &reading);
        assert_eq!(plan(&cursor, 40 * MINUTE, &settings()), Plan::Wait);
        let newborn = newborn(MINUTE, 0);
        assert_eq!(plan(&newborn, MINUTE + 10_000, &settings()), Plan::Wait);
    }

    #[test]
    fn a_lane_that_is_too_old_stays_finished_or_expires() {
        let young = Cursor { end_ms: Some(DAY_MS), ..newborn(0, 2 * DAY_MS) };
        let end = |was_finished, days| lane_end(&young, was_finished, days * DAY_MS, DAY_MS);
        assert_eq!([end(false, 3), end(true, 3)], [LaneEnd::None; 2], "it was not read");
        assert_eq!([end(false, 103), end(true, 103)], [LaneEnd::Expired, LaneEnd::Finished]);
        let live = newborn(0, 0);
        assert_eq!(lane_end(&live, false, 103 * DAY_MS, DAY_MS), LaneEnd::None);
    }

    #[test]
    fn a_lane_is_finished_when_every_query_has_read_it_whole_after_the_late_horizon() {
        let (day, hour) = (DAY_MS, 60 * MINUTE);
        let mut lane = Cursor { end_ms: Some(2 * day), ..newborn(day, 3 * day) };
        let first = read(&lane, 3 * day - hour);
        assert_eq!((first.window, first.at_ms), (Window::new(day, 2 * day), day));
        assert_eq!(plan(&lane, day, &settings()), Plan::Wait, "it has not begun");
        assert!(!is_finished(&lane, day));
        let due_ms = |lane: &Cursor| lane_due_ms(lane, &lane.state.queries[0], day);
        assert_eq!(due_ms(&lane), Some(i64::MIN), "it was not read");
        complete(&mut lane, &first);
        assert!(!is_finished(&lane, day), "what is late may still come");
        assert_eq!(due_ms(&lane), Some(3 * day), "a late horizon after its end");
        let early = Reading { started_ms: 2 * day + hour, ..first.clone() };
        let mut other = lane.clone();
        complete(&mut other, &early);
        assert_eq!(due_ms(&other), Some(2 * day + 13 * hour), "after half a horizon");
        assert!(is_lane_due(&lane, 0, day), "the second query was not read");
        let again = read(&lane, 3 * day);
        assert_eq!(again.window, Window::new(day, 2 * day));
        complete(&mut lane, &again);
        assert!(!is_finished(&lane, day), "the second query was not read");
        complete(&mut lane, &Reading { query: settings().queries[1].clone(), ..again });
        assert!(is_finished(&lane, day));
        assert!(due_ms(&lane).is_none() && !is_lane_due(&lane, i64::MAX, day));
        assert!(!is_finished(&Cursor { end_ms: None, ..lane.clone() }, day), "it is no lane");
        lane.opened_ms = Some(3 * day + 1);
        assert!(!is_finished(&lane, day), "it was opened again since");
        assert_eq!(due_ms(&lane), Some(i64::MIN));
        assert!(!is_expired(&lane, 103 * day) && is_expired(&lane, 103 * day + 1));
    }

    #[test]
    fn an_interrupted_reading_is_resumed_and_moves_no_other_query() {
        let mut cursor = newborn(0, 60 * MINUTE);
        let first = read(&cursor, 60 * MINUTE);
        let second = cursor.state.queries[1].clone();
        cursor.state = reached(&cursor.state, ReadingKind::Head, &first, 20 * MINUTE, 0);
        assert_eq!(cursor.state.frontier_ms, 20 * MINUTE);
        assert_eq!(cursor.state.queries[1], second);
        assert_eq!(cursor.state.position_ms(), 0, "that of the query furthest behind");
        let resumed = read(&cursor, 70 * MINUTE);
        assert_eq!((resumed.at_ms, resumed.window.end_ms), (20 * MINUTE, first.window.end_ms));
        assert_eq!(plan(&cursor, 20 * MINUTE, &settings()), Plan::Wait);
        cursor.state =
            reached(&cursor.state, ReadingKind::Head, &first, first.window.end_ms + 5, 0);
        assert_eq!(cursor.state.frontier_ms, first.window.end_ms, "never beyond the window");
    }

    /// What was archived earlier may have left the index.
    #[test]
    fn nothing_older_than_a_hundred_days_is_read() {
        let mut cursor = newborn(0, 0);
        let first = read(&cursor, DAY_MS);
        assert_eq!(lost(&cursor, &cursor.state.queries[0], 100 * DAY_MS), None);
        let late_ms = 101 * DAY_MS;
        let skipped = lost(&cursor, &cursor.state.queries[0], late_ms);
        assert_eq!(skipped, Some(Window::new(0, DAY_MS)));
        assert_eq!(read(&cursor, late_ms).window.start_ms, DAY_MS);
        // Under way: from where nothing is forgotten, and not at all if it ends before that.
        cursor.state = reached(&cursor.state, ReadingKind::Head, &first, 5, 0);
        let resumed = read(&cursor, 100 * DAY_MS + 60 * MINUTE);
        assert_eq!((resumed.window.start_ms, resumed.at_ms), (60 * MINUTE, 60 * MINUTE));
        let over = read(&cursor, late_ms);
        assert!(over.at_ms >= over.window.end_ms, "complete");
        complete(&mut cursor, &over);
        assert_eq!(
            lost(&cursor, &cursor.state.queries[0], late_ms),
            Some(Window::new(first.window.end_ms, DAY_MS))
        );
        let again = read(&cursor, late_ms);
        complete(&mut cursor, &again);
        assert_eq!(lost(&cursor, &cursor.state.queries[0], late_ms), None, "reported once");
    }

    #[test]
    fn some_readings_go_through_several_queries() {
        let first = read(&newborn(0, 60 * MINUTE), 60 * MINUTE);
        let Some(second) = next_query(&first, &settings().queries) else {
            unreachable!("two queries")
        };
        assert_eq!((second.query.as_slice(), second.at_ms), (&["pam".to_owned()][..], 0));
        assert_eq!(next_query(&second, &settings().queries), None);
    }
}
