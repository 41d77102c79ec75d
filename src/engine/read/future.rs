//! What is dated ahead: read once in a while, so that it is archived soon after it appears.

use crate::cursor::{Cursor, QueryProgress, Reading};
use crate::limits::{FUTURE_MS, FUTURE_START_MS};
use crate::settings::Settings;
use crate::time::Window;

/// The reading of what is dated ahead to begin or to resume for `query`, if one is due: every
/// `SWEEP_EVERY`.
///
/// It begins a little before now, also where it is resumed, for JumpCloud refuses a start in its
/// future: what was read before is received again, and what has become past since is left to the
/// head. It never begins before the origin, with a clock that was set back: a row without a readable
/// time takes its position from the rows before it, which would not tell there that it is another
/// stream's.
#[must_use]
pub fn future(
    query: &QueryProgress,
    origin_ms: i64,
    now_ms: i64,
    settings: &Settings,
) -> Option<Reading> {
    let start_ms = now_ms - FUTURE_START_MS;
    let is_owned = start_ms >= origin_ms;
    if let Some(kept) = &query.ahead {
        let query = query.names.clone();
        return is_owned.then(|| Reading { query, at_ms: start_ms, ..kept.clone() });
    }
    let is_due = query.ahead_ms.is_none_or(|ms| now_ms - ms >= settings.sweep_every_ms);
    let window = Window::new(start_ms, now_ms + FUTURE_MS);
    (is_due && is_owned).then(|| Reading::begin(window, &query.names, now_ms))
}

/// The first event time that such a reading archives: what is nearer is left to the head, which
/// reads it when its time has come. A clock that is set back while it is read moves its beginning.
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
        let due = |cursor: &Cursor, now_ms| {
            future(&cursor.state.queries[0], cursor.origin_ms, now_ms, &settings())
        };
        let now_ms = 100 * HOUR_MS;
        let Some(reading) = due(&cursor, now_ms) else { unreachable!("never read") };
        assert_eq!(reading.window, Window::new(now_ms - 1_000, now_ms + 19 * DAY_MS));
        assert_eq!(first_ms(&cursor, &reading, &settings()), now_ms + settings().overlap_ms);
        let set_back = Reading { started_ms: 0, ..reading.clone() };
        let later = Cursor { origin_ms: 9 * HOUR_MS, ..cursor.clone() };
        assert_eq!(first_ms(&later, &set_back, &settings()), 9 * HOUR_MS);
        let born = |origin_ms| Cursor { origin_ms, ..cursor.clone() };
        assert!(due(&born(now_ms - 1_000), now_ms).is_some());
        assert!(due(&born(now_ms - 999), now_ms).is_none(), "a clock set back");
        cursor.state = reached(&cursor.state, ReadingKind::Future, &reading, now_ms + DAY_MS, 0);
        let resumed = due(&cursor, now_ms + HOUR_MS);
        assert_eq!(
            resumed.as_ref().map(|r| (r.window, r.at_ms)),
            Some((reading.window, now_ms + HOUR_MS - 1_000)),
            "JumpCloud refuses a start in its future"
        );
        let over = due(&cursor, now_ms + 20 * DAY_MS);
        assert!(over.is_some_and(|r| r.at_ms >= r.window.end_ms), "complete: all of it is past");
        cursor.state = completed(&cursor.state, ReadingKind::Future, &reading);
        assert_eq!(due(&cursor, now_ms + HOUR_MS - 1), None);
        assert!(due(&cursor, now_ms + HOUR_MS).is_some());
        cursor.state.queries[0].ahead_ms = None;
        assert_eq!(cursor.state, before, "it moves no position");
    }
}
