//! What is dated ahead: read once in a while, so that it is archived soon after it appears.

use crate::cursor::{Cursor, Reading};
use crate::limits::{FUTURE_MS, FUTURE_START_MS};
use crate::page::Query;
use crate::settings::Settings;
use crate::time::Window;

/// The reading of what is dated ahead to begin or to resume, if one is due: every `SWEEP_EVERY`,
/// through `queries` one after the other.
///
/// It begins a little before now, for JumpCloud refuses a start in its future.
#[must_use]
pub fn future(
    cursor: &Cursor,
    now_ms: i64,
    settings: &Settings,
    queries: &[Query],
) -> Option<Reading> {
    let last = cursor.state.future.as_ref();
    let under_way = last.and_then(|future| future.reading.as_ref());
    let query = queries.first()?.clone();
    if let Some(kept) = under_way {
        if queries.contains(&kept.query) {
            return Some(kept.clone());
        }
        // With the page size that it was left with: two queries that fail in turn get somewhere, too.
        return Some(Reading { query, at_ms: kept.window.start_ms, ..kept.clone() });
    }
    let is_due = last.is_none_or(|last| now_ms - last.started_ms >= settings.sweep_every_ms);
    let window = Window::new(now_ms - FUTURE_START_MS, now_ms + FUTURE_MS);
    is_due.then_some(Reading {
        window,
        started_ms: now_ms,
        query,
        at_ms: window.start_ms,
        limit: None,
    })
}

/// The first event time that such a reading archives: what is nearer is left to the head, which
/// reads it when its time has come. With a clock that was set back, now may lie before the origin.
#[must_use]
pub fn first_ms(cursor: &Cursor, reading: &Reading, settings: &Settings) -> i64 {
    (reading.started_ms + settings.overlap_ms).max(cursor.origin_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{DAY_MS, HOUR_MS};
    use crate::read::ReadingKind;
    use crate::read::sweep::tests::settled;
    use crate::read::window::{completed, reached};
    use crate::settings::tests::settings;

    #[test]
    fn what_is_dated_ahead_is_read_once_every_sweep_every() {
        let mut cursor = settled();
        let before = cursor.state.clone();
        let queries = settings().queries;
        let due = |cursor: &Cursor, now_ms| future(cursor, now_ms, &settings(), &queries);
        let now_ms = 100 * HOUR_MS;
        let Some(reading) = due(&cursor, now_ms) else { unreachable!("never read") };
        assert_eq!(reading.window, Window::new(now_ms - 1_000, now_ms + 19 * DAY_MS));
        let first_ms = |cursor: &Cursor| first_ms(cursor, &reading, &settings());
        assert_eq!(first_ms(&cursor), now_ms + settings().overlap_ms);
        let later = Cursor { origin_ms: 101 * HOUR_MS, ..cursor.clone() };
        assert_eq!(first_ms(&later), 101 * HOUR_MS, "a clock set back");
        cursor.state = reached(&cursor.state, ReadingKind::Future, &reading, now_ms + DAY_MS, 0);
        let resumed = due(&cursor, now_ms + HOUR_MS);
        assert_eq!(
            resumed.as_ref().map(|r| (r.window, r.at_ms)),
            Some((reading.window, now_ms + DAY_MS))
        );
        let other = future(&cursor, now_ms, &settings(), &queries[1..]);
        assert_eq!(other.map(|r| r.at_ms), Some(reading.window.start_ms), "its query is refused");
        cursor.state = completed(&cursor.state, ReadingKind::Future, &reading);
        assert_eq!(due(&cursor, now_ms + HOUR_MS - 1), None);
        assert!(due(&cursor, now_ms + HOUR_MS).is_some());
        assert_eq!(future(&cursor, now_ms + HOUR_MS, &settings(), &[]), None, "all are refused");
        cursor.state.future = None;
        assert_eq!(cursor.state, before, "it moves no position");
    }
}
