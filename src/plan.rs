//! What to read: the window of the next head reading, and how a reading moves through its queries.

use std::collections::BTreeMap;

use crate::cursor::{Cursor, Hour, Reading, ReadingState};
use crate::limits::{HOUR_MS, HOURS_KEPT_MAX, MIB, RESERVE_MS_MAX, RESERVE_MS_PER_MIB};
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
    /// One or two service lists, read one after the other.
    pub queries: Vec<Query>,
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
/// interrupted goes on, unless the service list it was in is no longer configured.
#[must_use]
pub fn head(cursor: &Cursor, now_ms: i64, settings: &Settings) -> Plan {
    let kept =
        cursor.state.reading.as_ref().filter(|reading| settings.queries.contains(&reading.query));
    if let Some(reading) = kept {
        return if reading.at_ms < now_ms { Plan::Read(reading.clone()) } else { Plan::Wait };
    }
    let state = &cursor.state;
    let from_ms =
        state.read_to_ms.min(state.read_at_ms - settings.overlap_ms).max(cursor.origin_ms);
    let end_ms = now_ms - settings.settle_lag_ms;
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

/// The full sweep to begin or to go on with, if one is due.
///
/// It covers `[M - late_horizon, F)`, cut at the origin; never from now: after an outage that would
/// lose late events. One whose `from` is later than that begins again. It is due every half late
/// horizon, and every `SWEEP_EVERY` while counts cannot be compared.
#[must_use]
pub fn sweep(cursor: &Cursor, now_ms: i64, settings: &Settings, wish: Wish) -> Option<Reading> {
    let state = &cursor.state;
    let from_ms = sweep_from_ms(cursor, settings);
    let kept = state
        .sweep
        .as_ref()
        .filter(|s| settings.queries.contains(&s.query) && s.from_ms <= from_ms);
    if let Some(sweep) = kept {
        return Some(sweep.clone());
    }
    let half_ms = settings.late_horizon_ms / 2;
    let every_ms = match wish {
        Wish::Usual => half_ms,
        Wish::Often => half_ms.min(settings.sweep_every_ms),
        Wish::Now => i64::MIN,
    };
    let is_due = state.sweep.is_some() || now_ms - state.sweep_mark_ms >= every_ms;
    let query = settings.queries.first().filter(|_| is_due)?.clone();
    let end_ms = state.frontier_ms;
    Some(Reading { from_ms, end_ms, started_ms: now_ms, query, at_ms: from_ms })
}

/// How much a full sweep is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
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
        let anew = Reading { query: first.clone(), at_ms: reading.from_ms, ..reading.clone() };
        Some((Kind::Hour(hour.from_ms), if is_kept { reading } else { anew }))
    })
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
pub fn query_read(state: &ReadingState, kind: Kind, rows: i64) -> ReadingState {
    let mut state = state.clone();
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

/// What a comparison of hourly counts leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The state with the hours to read again.
    pub state: ReadingState,
    /// `Now` if more hours differ than are kept.
    pub wish: Wish,
}

/// The whole hours whose counts are compared, `[first, last)` in milliseconds: between where a
/// full sweep would begin and what the head has read for good.
#[must_use]
pub fn comparable(cursor: &Cursor, settings: &Settings) -> Option<(i64, i64)> {
    let first_ms = round_up_to_hour(sweep_from_ms(cursor, settings));
    let last_ms = (cursor.state.read_to_ms - settings.overlap_ms).div_euclid(HOUR_MS) * HOUR_MS;
    (first_ms < last_ms).then_some((first_ms, last_ms))
}

fn round_up_to_hour(ms: i64) -> i64 {
    -(-ms).div_euclid(HOUR_MS) * HOUR_MS
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
    state.hours.retain(|hour| hour.from_ms >= from_ms);
    let mut wish = Wish::Usual;
    for (&hour_ms, &counted) in theirs {
        if counted <= ours.get(&hour_ms).copied().unwrap_or(0) {
            continue;
        }
        let known = state.hours.iter().position(|hour| hour.from_ms == hour_ms);
        if known.is_some_and(|at| state.hours[at].counted == counted) {
            continue;
        }
        let Some(query) = settings.queries.first() else { continue };
        let end_ms = hour_ms + HOUR_MS;
        let reading = Reading {
            from_ms: hour_ms,
            end_ms,
            started_ms: now_ms,
            query: query.clone(),
            at_ms: hour_ms,
        };
        let again = Hour { from_ms: hour_ms, counted, came: 0, so_far: 0, reading: Some(reading) };
        match known {
            Some(at) => state.hours[at] = again,
            None if state.hours.len() < HOURS_KEPT_MAX => state.hours.push(again),
            None => wish = Wish::Now,
        }
    }
    Compared { state, wish }
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
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn settings() -> Settings {
        Settings {
            archive_bucket: "archive".to_owned(),
            state_bucket: "state".to_owned(),
            archive_prefix: "events/".to_owned(),
            layout: KeyLayout::default(),
            queries: vec![vec!["all".to_owned()], vec!["pam".to_owned()]],
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

    fn cursor(state: ReadingState) -> Cursor {
        Cursor { epoch: String::new(), seq: 0, head_hash: String::new(), origin_ms: 0, state }
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
        let due = |now_hours: i64, wish| sweep(&settled(), now_hours * HOUR_MS, &settings(), wish);
        assert_eq!(due(45, Wish::Usual), None, "half a horizon has not passed");
        assert!(due(46, Wish::Usual).is_some());
        assert!(due(35, Wish::Often).is_some() && due(34, Wish::Often).is_none());
        assert!(due(34, Wish::Now).is_some());
        let Some(sweep) = due(200, Wish::Usual) else { unreachable!("due") };
        assert_eq!((sweep.from_ms, sweep.end_ms), (10 * HOUR_MS, 100 * HOUR_MS), "not from now");
        let state = completed(&settled().state, Kind::Sweep, &sweep);
        assert_eq!((state.sweep_mark_ms, state.sweep), (200 * HOUR_MS, None));
        assert_eq!(state.frontier_ms, 100 * HOUR_MS);
    }

    #[test]
    fn a_sweep_goes_on_in_its_query_unless_it_begins_too_late() {
        let mut cursor = settled();
        let Some(sweep) = sweep(&cursor, 60 * HOUR_MS, &settings(), Wish::Usual) else {
            unreachable!("due")
        };
        let second = Reading { query: settings().queries[1].clone(), ..sweep };
        cursor.state = reached(&cursor.state, Kind::Sweep, &second, 30 * HOUR_MS, 0);
        let kept = super::sweep(&cursor, 61 * HOUR_MS, &settings(), Wish::Usual);
        assert_eq!(kept.map(|s| (s.query, s.at_ms)), Some((second.query.clone(), 30 * HOUR_MS)));
        // A mark that was set back asks for more than the sweep under way covers.
        cursor.origin_ms = 0;
        cursor.state.sweep_mark_ms = 30 * HOUR_MS;
        let anew = super::sweep(&cursor, 61 * HOUR_MS, &settings(), Wish::Usual);
        assert_eq!(anew.map(|s| (s.from_ms, s.at_ms)), Some((6 * HOUR_MS, 6 * HOUR_MS)));
    }

    #[test]
    fn hours_where_jumpcloud_counts_more_are_read_again_once_a_count() {
        let mut cursor = settled();
        assert_eq!(comparable(&cursor, &settings()), Some((10 * HOUR_MS, 99 * HOUR_MS)));
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
        assert_eq!(compared.wish, Wish::Usual);
        cursor.state = compared.state;
        let Some((kind, reading)) = hour(&cursor, &settings()) else {
            unreachable!("one hour differs")
        };
        assert_eq!((kind, reading.end_ms), (Kind::Hour(50 * HOUR_MS), 51 * HOUR_MS));

        cursor.state = reached(&cursor.state, kind, &reading, reading.from_ms + 5, 2);
        assert_eq!(rows_so_far(&cursor.state, kind), 2);
        cursor.state = completed(&query_read(&cursor.state, kind, 4), kind, &reading);
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
        assert_eq!((compared.wish, compared.state.hours.len()), (Wish::Now, HOURS_KEPT_MAX));
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
