//! What to read again: the full sweep of the late horizon, and hours whose counts differ.

use std::collections::BTreeMap;

use crate::cursor::{Cursor, Hour, Reading, ReadingState};
use crate::limits::{HOUR_MS, HOURS_KEPT_MAX};
use crate::read::Kind;
use crate::settings::Settings;
use crate::time::{self, Window};

/// The full sweep to begin or to go on with, if one is due.
///
/// It covers `[M - late_horizon, F)`, cut at the origin; never from now: after an outage that would
/// lose late events. One whose `from` is later than that begins again. It is due every half late
/// horizon, and every `SWEEP_EVERY` while counts cannot be compared.
#[must_use]
pub fn sweep(
    cursor: &Cursor,
    now_ms: i64,
    settings: &Settings,
    urgency: SweepUrgency,
) -> Option<Reading> {
    let state = &cursor.state;
    let from_ms = sweep_from_ms(cursor, settings);
    let kept = state
        .sweep
        .as_ref()
        .filter(|s| settings.queries.contains(&s.query) && s.window.start_ms <= from_ms);
    if let Some(sweep) = kept {
        return Some(sweep.clone());
    }
    let half_ms = settings.late_horizon_ms / 2;
    let every_ms = match urgency {
        SweepUrgency::Usual => half_ms,
        SweepUrgency::Often => half_ms.min(settings.sweep_every_ms),
        SweepUrgency::Now => i64::MIN,
    };
    let is_due = state.sweep.is_some() || now_ms - state.sweep_mark_ms >= every_ms;
    let query = settings.queries.first().filter(|_| is_due)?.clone();
    let window = Window::new(from_ms, state.frontier_ms);
    Some(Reading { window, started_ms: now_ms, query, at_ms: from_ms })
}

/// How much a full sweep is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepUrgency {
    /// Every half late horizon.
    Usual,
    /// Every `SWEEP_EVERY`: counts cannot be compared.
    Often,
    /// At once: more hours differ than are kept.
    Now,
}

/// Where a full sweep must begin.
#[must_use]
pub fn sweep_from_ms(cursor: &Cursor, settings: &Settings) -> i64 {
    (cursor.state.sweep_mark_ms - settings.late_horizon_ms).max(cursor.origin_ms)
}

/// The hour re-reading to go on with.
#[must_use]
pub fn hour(cursor: &Cursor, settings: &Settings) -> Option<(Kind, Reading)> {
    cursor.state.hours.iter().find_map(|hour| {
        let reading = hour.reading.clone()?;
        let first = settings.queries.first()?;
        let is_kept = settings.queries.contains(&reading.query);
        let anew =
            Reading { query: first.clone(), at_ms: reading.window.start_ms, ..reading.clone() };
        Some((Kind::Hour(hour.start_ms), if is_kept { reading } else { anew }))
    })
}

/// What a comparison of hourly counts leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The state with the hours to read again.
    pub state: ReadingState,
    /// `Now` if more hours differ than are kept.
    pub urgency: SweepUrgency,
}

/// The whole hours whose counts are compared: between where a full sweep would begin and what the
/// head has read for good.
#[must_use]
pub fn comparable(cursor: &Cursor, settings: &Settings) -> Option<Window> {
    let hours = Window::new(
        time::ceil_hour_ms(sweep_from_ms(cursor, settings)),
        time::floor_hour_ms(cursor.state.read_to_ms - settings.overlap_ms),
    );
    (!hours.is_empty()).then_some(hours)
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
    let from_ms = sweep_from_ms(cursor, settings);
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
        let Some(query) = settings.queries.first() else { continue };
        let reading = Reading {
            window: Window::new(hour_ms, hour_ms + HOUR_MS),
            started_ms: now_ms,
            query: query.clone(),
            at_ms: hour_ms,
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
    use crate::cursor::tests::cursor_at as cursor;
    use crate::read::window::{completed, query_read, reached, rows_before_resume};
    use crate::settings::tests::settings;

    /// A cursor that has read up to hour 100, born in hour 10.
    fn settled() -> Cursor {
        let state = ReadingState {
            frontier_ms: 100 * HOUR_MS,
            read_at_ms: 100 * HOUR_MS,
            read_to_ms: 100 * HOUR_MS,
            ..ReadingState::at_birth(10 * HOUR_MS, 34 * HOUR_MS)
        };
        Cursor { origin_ms: 10 * HOUR_MS, ..cursor(state) }
    }

    #[test]
    fn a_sweep_covers_the_horizon_before_the_last_one_began() {
        let due =
            |now_hours: i64, urgency| sweep(&settled(), now_hours * HOUR_MS, &settings(), urgency);
        assert_eq!(due(45, SweepUrgency::Usual), None, "half a horizon has not passed");
        assert!(due(46, SweepUrgency::Usual).is_some());
        assert!(due(35, SweepUrgency::Often).is_some() && due(34, SweepUrgency::Often).is_none());
        assert!(due(34, SweepUrgency::Now).is_some());
        let Some(sweep) = due(200, SweepUrgency::Usual) else { unreachable!("due") };
        assert_eq!(
            (sweep.window.start_ms, sweep.window.end_ms),
            (10 * HOUR_MS, 100 * HOUR_MS),
            "not from now"
        );
        let state = completed(&settled().state, Kind::Sweep, &sweep);
        assert_eq!((state.sweep_mark_ms, state.sweep), (200 * HOUR_MS, None));
        assert_eq!(state.frontier_ms, 100 * HOUR_MS);
    }

    #[test]
    fn a_sweep_goes_on_in_its_query_unless_it_begins_too_late() {
        let mut cursor = settled();
        let Some(sweep) = sweep(&cursor, 60 * HOUR_MS, &settings(), SweepUrgency::Usual) else {
            unreachable!("due")
        };
        let second = Reading { query: settings().queries[1].clone(), ..sweep };
        cursor.state = reached(&cursor.state, Kind::Sweep, &second, 30 * HOUR_MS, 0);
        let kept = super::sweep(&cursor, 61 * HOUR_MS, &settings(), SweepUrgency::Usual);
        assert_eq!(kept.map(|s| (s.query, s.at_ms)), Some((second.query.clone(), 30 * HOUR_MS)));
        // A mark that was set back asks for more than the sweep under way covers.
        cursor.origin_ms = 0;
        cursor.state.sweep_mark_ms = 30 * HOUR_MS;
        let anew = super::sweep(&cursor, 61 * HOUR_MS, &settings(), SweepUrgency::Usual);
        assert_eq!(anew.map(|s| (s.window.start_ms, s.at_ms)), Some((6 * HOUR_MS, 6 * HOUR_MS)));
    }

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
        let Some((kind, reading)) = hour(&cursor, &settings()) else {
            unreachable!("one hour differs")
        };
        assert_eq!((kind, reading.window.end_ms), (Kind::Hour(50 * HOUR_MS), 51 * HOUR_MS));

        cursor.state = reached(&cursor.state, kind, &reading, reading.window.start_ms + 5, 2);
        assert_eq!(rows_before_resume(&cursor.state, kind), 2);
        cursor.state =
            completed(&query_read(&cursor.state, kind, reading.window.end_ms, 4), kind, &reading);
        assert_eq!(cursor.state.gaps(), 1, "five counted, four came");
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
