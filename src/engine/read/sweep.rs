//! What to read again: the full sweep of the late horizon.

use crate::cursor::{Cursor, Reading};
use crate::settings::Settings;
use crate::time::Window;

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
    Some(Reading { window, started_ms: now_ms, query, at_ms: from_ms, limit: None })
}

/// How soon a full sweep is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepUrgency {
    /// After half of the late horizon.
    Usual,
    /// After `SWEEP_EVERY`, if that is sooner: counts cannot be compared.
    Often,
    /// Immediately: more hours differ than a cursor can keep.
    Now,
}

/// Where a full sweep must begin.
#[must_use]
pub fn sweep_from_ms(cursor: &Cursor, settings: &Settings) -> i64 {
    (cursor.state.sweep_mark_ms - settings.late_horizon_ms).max(cursor.origin_ms)
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
        let state = completed(&settled().state, ReadingKind::Sweep, &sweep);
        assert_eq!((state.sweep_mark_ms, state.sweep), (200 * HOUR_MS, None));
        assert_eq!(state.frontier_ms, 100 * HOUR_MS);
    }

    #[test]
    fn a_sweep_continues_in_its_query_unless_it_begins_too_late() {
        let mut cursor = settled();
        let Some(sweep) = sweep(&cursor, 60 * HOUR_MS, &settings(), SweepUrgency::Usual) else {
            unreachable!("due")
        };
        let second = Reading { query: settings().queries[1].clone(), ..sweep };
        cursor.state = reached(&cursor.state, ReadingKind::Sweep, &second, 30 * HOUR_MS, 0);
        let kept = super::sweep(&cursor, 61 * HOUR_MS, &settings(), SweepUrgency::Usual);
        assert_eq!(kept.map(|s| (s.query, s.at_ms)), Some((second.query.clone(), 30 * HOUR_MS)));
        // A mark that was set back asks for more than the sweep under way covers.
        cursor.origin_ms = 0;
        cursor.state.sweep_mark_ms = 30 * HOUR_MS;
        let anew = super::sweep(&cursor, 61 * HOUR_MS, &settings(), SweepUrgency::Usual);
        assert_eq!(anew.map(|s| (s.window.start_ms, s.at_ms)), Some((6 * HOUR_MS, 6 * HOUR_MS)));
    }
}
