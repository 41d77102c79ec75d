//! What to read next at the head, and how a reading moves through its queries to its end.

use crate::cursor::{Cursor, Reading, ReadingState};
use crate::fields::Projection;
use crate::filter::Filter;
use crate::limits::{MIB, RESERVE_MS_MAX, RESERVE_MS_PER_MIB};
use crate::output::Output;
use crate::partition::KeyLayout;

/// A service list as it is sent to JumpCloud.
pub type Query = Vec<String>;

/// What a run needs to know of the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The bucket SIEMs read.
    pub archive_bucket: String,
    /// The bucket of births, journal and index.
    pub state_bucket: String,
    /// Before the layout; empty or ending in `/`.
    pub archive_prefix: String,
    /// Folders between prefix and name.
    pub layout: KeyLayout,
    /// Which events are archived; all where there is none.
    pub filter: Option<Filter>,
    /// What their lines hold.
    pub output: Output,
    /// What is kept of users in daily snapshots; none where none are taken.
    pub system_users: Option<Projection>,
    /// One or two service lists, read one after the other.
    pub queries: Vec<Query>,
    /// How long an event can be read, in milliseconds: as long as JumpCloud keeps it, and no longer
    /// than a stream may read back.
    pub retention_ms: i64,
    /// How far back a new stream starts.
    pub start_lookback_ms: i64,
    /// How far before now a head reading ends.
    pub settle_lag_ms: i64,
    /// How far a head reading goes back before the start of the last complete one.
    pub overlap_ms: i64,
    /// How late an event may appear and still be archived for certain.
    pub late_horizon_ms: i64,
    /// How often hourly counts are compared.
    pub sweep_every_ms: i64,
    /// Rows asked for at once.
    pub page_limit: u32,
    /// Pages a stream may read in one run.
    pub pages_per_run: u32,
    /// libdeflate's level, 1 to 12.
    pub compression_level: i32,
}

/// What a run should read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// This reading, from `at_ms` of its query.
    Read(Reading),
    /// Nothing yet: the window is empty, or the clock was set back behind what was read.
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
            from_ms,
            end_ms,
            started_ms: now_ms,
            query: query.clone(),
            at_ms: from_ms,
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
    Some(Reading { query, at_ms: reading.from_ms, ..reading.clone() })
}

/// What a reading is for. They differ in what their progress and their end mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Goes on with the stream.
    Head,
    /// Reads a long past range again, for what appeared later than the overlap.
    Sweep,
    /// Reads one hour again, whose counts differ: the one that begins at this millisecond.
    Hour(i64),
}

/// The state while a reading goes on, having decided everything before `at_ms` of its query, of
/// which `rows` came before that.
///
/// The frontier rises with the head, never beyond the window, and is never lowered.
#[must_use]
pub fn reached(
    state: &ReadingState,
    kind: Kind,
    reading: &Reading,
    at_ms: i64,
    rows: i64,
) -> ReadingState {
    let at_ms = at_ms.max(reading.at_ms);
    let mut state = state.clone();
    let reading = Reading { at_ms, ..reading.clone() };
    match kind {
        Kind::Head => {
            state.frontier_ms = state.frontier_ms.max(at_ms.min(reading.end_ms));
            state.reading = Some(reading);
        }
        Kind::Sweep => state.sweep = Some(reading),
        Kind::Hour(from_ms) => {
            for hour in state.hours.iter_mut().filter(|hour| hour.from_ms == from_ms) {
                hour.so_far = rows;
                hour.reading = Some(reading.clone());
            }
        }
    }
    state
}

/// Rows of the query under way that came in earlier runs.
#[must_use]
pub fn rows_so_far(state: &ReadingState, kind: Kind) -> i64 {
    let Kind::Hour(from_ms) = kind else { return 0 };
    state.hours.iter().find(|hour| hour.from_ms == from_ms).map_or(0, |hour| hour.so_far)
}

/// The state once one query of a reading is read to its end, of which `rows` came.
#[must_use]
pub fn query_read(state: &ReadingState, kind: Kind, end_ms: i64, rows: i64) -> ReadingState {
    let mut state = state.clone();
    if kind == Kind::Head {
        state.frontier_ms = state.frontier_ms.max(end_ms);
    }
    if let Kind::Hour(from_ms) = kind {
        for hour in state.hours.iter_mut().filter(|hour| hour.from_ms == from_ms) {
            hour.came = hour.came.max(rows);
            hour.so_far = 0;
        }
    }
    state
}

/// The state once a reading is complete.
#[must_use]
pub fn completed(state: &ReadingState, kind: Kind, reading: &Reading) -> ReadingState {
    let mut state = state.clone();
    match kind {
        Kind::Head => {
            state.frontier_ms = state.frontier_ms.max(reading.end_ms);
            state.read_at_ms = reading.started_ms;
            state.read_to_ms = reading.end_ms;
            state.reading = None;
        }
        Kind::Sweep => {
            state.sweep_mark_ms = reading.started_ms;
            state.sweep = None;
        }
        Kind::Hour(from_ms) => {
            for hour in state.hours.iter_mut().filter(|hour| hour.from_ms == from_ms) {
                hour.reading = None;
            }
        }
    }
    state
}

/// The time a run has, on the local clock.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// When the invocation began.
    pub started_ms: i64,
    /// When it is ended from outside.
    pub deadline_ms: i64,
}

impl Budget {
    /// When reading must end, so that what is held can still be decided, published and advanced:
    /// the smaller of 30 s and a third of the time before the deadline, and more the more is held
    /// (but never more than half of the time).
    #[must_use]
    pub fn read_until_ms(&self, bytes_held: usize) -> i64 {
        let total_ms = (self.deadline_ms - self.started_ms).max(0);
        let held_mib = i64::try_from(bytes_held / MIB).unwrap_or(i64::MAX / RESERVE_MS_PER_MIB);
        let room_ms = RESERVE_MS_MAX.min(total_ms / 3) + held_mib * RESERVE_MS_PER_MIB;
        self.deadline_ms - room_ms.min(total_ms / 2)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    pub(crate) fn settings() -> Settings {
        Settings {
            archive_bucket: "archive".to_owned(),
            state_bucket: "state".to_owned(),
            archive_prefix: "events/".to_owned(),
            layout: KeyLayout::default(),
            filter: None,
            output: Output::default(),
            system_users: None,
            queries: vec![vec!["all".to_owned()], vec!["pam".to_owned()]],
            retention_ms: 90 * 24 * 60 * MINUTE,
            start_lookback_ms: 60 * MINUTE,
            settle_lag_ms: 10_000,
            overlap_ms: 15 * MINUTE,
            late_horizon_ms: 24 * 60 * MINUTE,
            sweep_every_ms: 60 * MINUTE,
            page_limit: 100,
            pages_per_run: 100,
            compression_level: 6,
        }
    }

    pub(crate) fn cursor(state: ReadingState) -> Cursor {
        Cursor {
            epoch: String::new(),
            seq: 0,
            head_hash: String::new(),
            origin_ms: 0,
            end_ms: None,
            state,
        }
    }

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
        assert_eq!((reading.from_ms, reading.end_ms), (0, 60 * MINUTE - 10_000));
        assert_eq!(reading.started_ms, 60 * MINUTE);
    }

    #[test]
    fn the_next_one_goes_back_by_the_overlap_from_where_the_last_began() {
        let state = ReadingState::at_birth(0, 60 * MINUTE);
        let first = read(head(&cursor(state.clone()), 60 * MINUTE, &settings()));
        let state = completed(&state, Kind::Head, &first);
        let second = read(head(&cursor(state.clone()), 65 * MINUTE, &settings()));
        assert_eq!((second.from_ms, second.end_ms), (45 * MINUTE, 65 * MINUTE - 10_000));
        let none = Settings { overlap_ms: 0, ..settings() };
        let second = read(head(&cursor(state), 65 * MINUTE, &none));
        assert_eq!(second.from_ms, first.end_ms, "never a hole where there is no overlap");
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
        assert_eq!((first.from_ms, first.end_ms, first.at_ms), (day, 2 * day, day));
        assert_eq!(head(&lane(state.clone()), day, &settings()), Plan::Wait, "it has not begun");
        assert!(!is_finished(&lane(state.clone()), day));
        let state = completed(&state, Kind::Head, &first);
        assert!(!is_finished(&lane(state.clone()), day), "what is late may still come");
        let again = read(head(&lane(state.clone()), 3 * day, &settings()));
        assert_eq!((again.from_ms, again.end_ms), (day, 2 * day));
        assert!(is_finished(&lane(completed(&state, Kind::Head, &again)), day));
    }

    #[test]
    fn an_interrupted_reading_goes_on_unless_its_query_is_gone() {
        let state = ReadingState::at_birth(0, 60 * MINUTE);
        let first = read(head(&cursor(state.clone()), 60 * MINUTE, &settings()));
        let state = reached(&state, Kind::Head, &first, 20 * MINUTE, 0);
        assert_eq!(state.frontier_ms, 20 * MINUTE);
        let resumed = read(head(&cursor(state.clone()), 70 * MINUTE, &settings()));
        assert_eq!((resumed.at_ms, resumed.end_ms), (20 * MINUTE, first.end_ms));
        assert_eq!(head(&cursor(state.clone()), 20 * MINUTE, &settings()), Plan::Wait);
        let other = Settings { queries: vec![vec!["sso".to_owned()]], ..settings() };
        let anew = read(head(&cursor(state), 70 * MINUTE, &other));
        assert_eq!((anew.at_ms, anew.end_ms), (0, 70 * MINUTE - 10_000));
    }

    #[test]
    fn queries_are_read_one_after_the_other_and_the_frontier_stays() {
        let state = ReadingState::at_birth(0, 60 * MINUTE);
        let first = read(head(&cursor(state.clone()), 60 * MINUTE, &settings()));
        let state = reached(&state, Kind::Head, &first, first.end_ms + 5, 0);
        assert_eq!(state.frontier_ms, first.end_ms, "never beyond the window");
        let Some(second) = next_query(&first, &settings().queries) else {
            unreachable!("two queries")
        };
        assert_eq!((second.query.as_slice(), second.at_ms), (&["pam".to_owned()][..], 0));
        let state = reached(&state, Kind::Head, &second, MINUTE, 0);
        assert_eq!(state.frontier_ms, first.end_ms, "never lowered");
        assert_eq!(next_query(&second, &settings().queries), None);
    }

    #[test]
    fn room_is_kept_before_the_deadline_and_grows_with_what_is_held() {
        let budget = Budget { started_ms: 0, deadline_ms: 300_000 };
        assert_eq!(budget.read_until_ms(0), 270_000);
        assert_eq!(budget.read_until_ms(50 * MIB), 265_000);
        assert_eq!(budget.read_until_ms(usize::MAX), 150_000);
        let short = Budget { started_ms: 0, deadline_ms: 9_000 };
        assert_eq!(short.read_until_ms(0), 6_000);
    }
}
