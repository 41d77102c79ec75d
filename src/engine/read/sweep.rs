//! What to read again: the full sweep of the late horizon, query by query.

use crate::cursor::{Cursor, QueryProgress, Reading};
use crate::read::window::{cut, earliest_ms};
use crate::settings::Settings;
use crate::time::Window;

/// The full sweep of a query to begin or to resume, if one is due.
///
/// It covers `[M - late_horizon, max(E, at))` of the query, cut at the earliest time that may be
/// read; never from now: after an outage that would lose late events. One that begins later than
/// that begins again. It is due every half late horizon, every `SWEEP_EVERY` while counts cannot be
/// compared, and at once where the query has not read what lies before its names were added.
#[must_use]
pub fn sweep(
    cursor: &Cursor,
    query: &QueryProgress,
    now_ms: i64,
    settings: &Settings,
    urgency: SweepUrgency,
) -> Option<Reading> {
    let earliest_ms = earliest_ms(cursor, now_ms);
    let from_ms = sweep_from_ms(cursor, query, settings).max(earliest_ms);
    if let Some(kept) = query.sweep.as_ref().filter(|kept| kept.window.start_ms <= from_ms) {
        return Some(cut(kept, &query.names, earliest_ms));
    }
    let half_ms = settings.late_horizon_ms / 2;
    let every_ms = match urgency {
        SweepUrgency::Usual => half_ms,
        SweepUrgency::Often => half_ms.min(settings.sweep_every_ms),
    };
    let is_due = query.sweep.is_some()
        || query.unread_before_ms.is_some()
        || now_ms - query.sweep_mark_ms >= every_ms;
    let window = Window::new(from_ms, query.position_ms());
    is_due.then(|| Reading::begin(window, &query.names, now_ms))
}

/// What the first full sweep of names that were added skips unread, because nothing so early may be
/// read any more; none if it skips nothing.
#[must_use]
pub fn lost(cursor: &Cursor, query: &QueryProgress, now_ms: i64) -> Option<Window> {
    query.unread_before_ms?;
    let position_ms = query.sweep.as_ref().map_or(cursor.origin_ms, |sweep| sweep.at_ms);
    let skipped = Window::new(position_ms, earliest_ms(cursor, now_ms));
    (!skipped.is_empty()).then_some(skipped)
}

/// How soon a full sweep is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepUrgency {
    /// After half of the late horizon.
    Usual,
    /// After `SWEEP_EVERY`, if that is sooner: counts cannot be compared.
    Often,
}

/// Where a full sweep of a query must begin. The first one of names that were added reads their whole
/// past, also if the late horizon was shortened since.
#[must_use]
pub fn sweep_from_ms(cursor: &Cursor, query: &QueryProgress, settings: &Settings) -> i64 {
    if query.unread_before_ms.is_some() {
        return cursor.origin_ms;
    }
    (query.sweep_mark_ms - settings.late_horizon_ms).max(cursor.origin_ms)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cursor::ReadingState;
    use crate::cursor::tests::cursor_at as cursor;
    use crate::limits::HOUR_MS;
    use crate::read::ReadingKind;
    use crate::read::window::{completed, reached};
    use crate::settings::tests::settings;

    /// A cursor that has read up to hour 100, born in hour 10.
    pub(crate) fn settled() -> Cursor {
        let mut state = ReadingState::at_birth(10 * HOUR_MS, 34 * HOUR_MS, &settings().queries);
        state.frontier_ms = 100 * HOUR_MS;
        for query in &mut state.queries {
            (query.read_at_ms, query.read_to_ms) = (100 * HOUR_MS, 100 * HOUR_MS);
        }
        Cursor { origin_ms: 10 * HOUR_MS, ..cursor(state) }
    }

    fn due(cursor: &Cursor, now_hours: i64, urgency: SweepUrgency) -> Option<Reading> {
        sweep(cursor, &cursor.state.queries[0], now_hours * HOUR_MS, &settings(), urgency)
    }

    #[test]
    fn a_sweep_covers_the_horizon_before_the_last_one_began() {
        use SweepUrgency::{Often, Usual};
        let mut cursor = settled();
        assert_eq!(due(&cursor, 45, Usual), None, "half a horizon has not passed");
        assert!(due(&cursor, 46, Usual).is_some());
        assert!(due(&cursor, 35, Often).is_some() && due(&cursor, 34, Often).is_none());
        let Some(sweep) = due(&cursor, 200, Usual) else { unreachable!("due") };
        assert_eq!(sweep.window, Window::new(10 * HOUR_MS, 100 * HOUR_MS), "not from now");
        let other = cursor.state.queries[1].clone();
        cursor.state = completed(&cursor.state, ReadingKind::Sweep, &sweep);
        let swept = &cursor.state.queries[0];
        assert_eq!((swept.sweep_mark_ms, &swept.sweep), (200 * HOUR_MS, &None));
        assert_eq!(cursor.state.queries[1], other, "the mark of one query is no other's");
        assert_eq!(cursor.state.frontier_ms, 100 * HOUR_MS);
    }

    #[test]
    fn the_past_of_added_names_is_read_whole_whatever_the_horizon_is_by_then() {
        let mut cursor = settled();
        let query = &mut cursor.state.queries[0];
        query.sweep_mark_ms = 10 * HOUR_MS + settings().late_horizon_ms;
        query.unread_before_ms = Some(100 * HOUR_MS);
        let shorter = Settings { late_horizon_ms: HOUR_MS, ..settings() };
        let now_ms = 100 * HOUR_MS;
        let first = sweep(&cursor, &cursor.state.queries[0], now_ms, &shorter, SweepUrgency::Usual);
        assert_eq!(first.map(|s| s.window), Some(Window::new(10 * HOUR_MS, 100 * HOUR_MS)));
    }

    #[test]
    fn the_past_of_added_names_that_may_not_be_read_is_lost_once() {
        let mut cursor = settled();
        let skipped =
            |cursor: &Cursor, hours| lost(cursor, &cursor.state.queries[0], hours * HOUR_MS);
        assert_eq!(skipped(&cursor, 2_450), None, "the head has read it");
        cursor.state.queries[0].unread_before_ms = Some(100 * HOUR_MS);
        assert_eq!(skipped(&cursor, 2_410), None);
        assert_eq!(skipped(&cursor, 2_450), Some(Window::new(10 * HOUR_MS, 50 * HOUR_MS)));
        let Some(sweep) = due(&cursor, 2_450, SweepUrgency::Usual) else { unreachable!("due") };
        cursor.state = reached(&cursor.state, ReadingKind::Sweep, &sweep, 60 * HOUR_MS, 0);
        assert_eq!(skipped(&cursor, 2_450), None, "it was told");
        assert_eq!(skipped(&cursor, 2_470), Some(Window::new(60 * HOUR_MS, 70 * HOUR_MS)));
    }

    #[test]
    fn a_sweep_continues_unless_it_begins_too_late() {
        let mut cursor = settled();
        let Some(sweep) = due(&cursor, 60, SweepUrgency::Usual) else { unreachable!("due") };
        cursor.state = reached(&cursor.state, ReadingKind::Sweep, &sweep, 30 * HOUR_MS, 0);
        let kept = due(&cursor, 61, SweepUrgency::Usual);
        assert_eq!(kept.map(|s| (s.window, s.at_ms)), Some((sweep.window, 30 * HOUR_MS)));
        // A mark that was set back asks for more than the sweep under way covers.
        cursor.origin_ms = 0;
        cursor.state.queries[0].sweep_mark_ms = 30 * HOUR_MS;
        let again = due(&cursor, 61, SweepUrgency::Usual);
        assert_eq!(again.map(|s| (s.window.start_ms, s.at_ms)), Some((6 * HOUR_MS, 6 * HOUR_MS)));
    }

    #[test]
    fn a_sweep_reads_nothing_that_may_have_left_the_index() {
        let mut cursor = settled();
        let hundred_days = 2_400;
        let Some(sweep) = due(&cursor, hundred_days + 50, SweepUrgency::Usual) else {
            unreachable!("due")
        };
        assert_eq!(sweep.window, Window::new(50 * HOUR_MS, 100 * HOUR_MS));
        cursor.state = reached(&cursor.state, ReadingKind::Sweep, &sweep, 60 * HOUR_MS, 0);
        let kept = due(&cursor, hundred_days + 70, SweepUrgency::Usual);
        assert_eq!(kept.map(|s| s.at_ms), Some(70 * HOUR_MS), "it continues");
        let over = due(&cursor, hundred_days + 120, SweepUrgency::Usual);
        assert!(over.is_some_and(|s| s.at_ms >= s.window.end_ms), "complete");
    }
}
