//! Hourly counts: whose add up, which hours are compared, and which of them are read again.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::cursor::{Cursor, Hour, Reading, ReadingState};
use crate::limits::{HOUR_MS, HOURS_KEPT_MAX};
use crate::page::Query;
use crate::read::sweep::sweep_from_ms;
use crate::read::window::{cut, earliest_ms};
use crate::settings::Settings;
use crate::time::{self, Window};

/// JumpCloud's counts by an hour's first millisecond, added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// The counts.
    pub hours: BTreeMap<i64, i64>,
    /// The queries that were counted; no event is returned by two of them.
    pub queries: Vec<Query>,
}

impl Counted {
    /// Adds what one query counts in `window`. An hour without events may be absent: it counts none.
    pub fn add(&mut self, window: Window, counts: BTreeMap<i64, i64>) {
        for hour_ms in window.hours() {
            self.hours.entry(hour_ms).or_default();
        }
        for (hour_ms, count) in counts.into_iter().filter(|(ms, _)| window.contains(*ms)) {
            *self.hours.entry(hour_ms).or_default() += count;
        }
    }
}

/// The names of a list that are counted beside `all`: those that `all` does not return. Of those
/// it returns, `returned` has every one that has any event.
#[must_use]
pub fn beside_all(list: &[String], returned: &BTreeSet<String>) -> Query {
    let is_returned = |name: &&String| returned.iter().any(|own| own.eq_ignore_ascii_case(name));
    list.iter().filter(|name| !is_returned(name)).cloned().collect()
}

/// Whether every name of a query that was counted is asked for by one of `queries`.
#[must_use]
pub fn is_read_by<'a>(counted: &[String], queries: impl IntoIterator<Item = &'a Query>) -> bool {
    queries.into_iter().any(|names| counted.iter().all(|name| names.contains(name)))
}

/// The hours to read again, in their order, as they are begun or resumed at `now_ms`.
pub fn hours(cursor: &Cursor, now_ms: i64) -> impl Iterator<Item = Hour> {
    let hours = cursor.state.hours.iter().filter(|hour| is_asked_for(&cursor.state, hour));
    hours.map(move |hour| {
        let reading = cut(&hour.reading, &hour.reading.query, earliest_ms(cursor, now_ms));
        Hour { reading, ..hour.clone() }
    })
}

/// Whether what was counted of the hour is still asked for, and not refused.
fn is_asked_for(state: &ReadingState, hour: &Hour) -> bool {
    let is_read = |names: &Query| is_read_by(names, state.accepted().map(|query| &query.names));
    hour.queries.iter().all(is_read)
}

/// The whole hours whose counts are compared: between where the last full sweep would begin and what
/// every head has read for good; nothing that may have left the index, and nothing from before the
/// queries were as they are now.
#[must_use]
pub fn comparable(cursor: &Cursor, now_ms: i64, settings: &Settings) -> Option<Window> {
    let first_ms = first_ms(cursor, now_ms, settings)?;
    let end_ms = time::floor_hour_ms(cursor.state.read_to_ms() - settings.overlap_ms);
    let hours = Window::new(first_ms, end_ms);
    (!hours.is_empty()).then_some(hours)
}

/// The state without what is known of hours that are not compared any more. Where no whole hour is
/// left to be compared, nothing else forgets them.
#[must_use]
pub fn forget(cursor: &Cursor, now_ms: i64, settings: &Settings) -> ReadingState {
    let mut state = cursor.state.clone();
    if let Some(first_ms) = first_ms(cursor, now_ms, settings) {
        state.known_hours.retain(|hour_ms, _| *hour_ms >= first_ms);
    }
    state
}

/// The first hour that is compared, if it was read.
fn first_ms(cursor: &Cursor, now_ms: i64, settings: &Settings) -> Option<i64> {
    let state = &cursor.state;
    let sweeps = state.accepted().map(|query| sweep_from_ms(cursor, query, settings));
    let refused = state.queries.iter().filter_map(|query| Some(query.refused.as_ref()?.since_ms));
    let from_ms = sweeps.chain(state.queries_changed_ms).chain(refused).max()?;
    Some(time::ceil_hour_ms(from_ms.max(earliest_ms(cursor, now_ms))))
}

/// Takes JumpCloud's counts and the index's of the hours from `from_ms` on. An hour in which
/// JumpCloud has more is read again, unless that was done at this count; one in which it has no more
/// is no gap. Of too many hours that differ, those with the largest difference are read now, of equal
/// ones the latest; the others after the next comparison.
#[must_use]
pub fn compare(
    state: &ReadingState,
    from_ms: i64,
    now_ms: i64,
    theirs: &Counted,
    ours: &BTreeMap<i64, i64>,
) -> ReadingState {
    let mut state = ReadingState {
        compared_at_ms: Some(now_ms),
        not_comparable_ms: None,
        known_hours: state.known_hours.range(from_ms..).map(|(ms, known)| (*ms, *known)).collect(),
        ..state.clone()
    };
    let mut hours = std::mem::take(&mut state.hours);
    hours.retain(|hour| hour.start_ms >= from_ms && is_asked_for(&state, hour));
    let Some(query) = theirs.queries.first() else { return state };
    let mut differing = Vec::new();
    for (&hour_ms, &counted) in &theirs.hours {
        let more = counted - ours.get(&hour_ms).copied().unwrap_or(0);
        if more <= 0 {
            // What was missing came later, or is not counted any more.
            hours.retain(|hour| hour.start_ms != hour_ms);
            state.known_hours.remove(&hour_ms);
            continue;
        }
        if state.known_hours.get(&hour_ms).is_some_and(|known| known.0 == counted) {
            continue;
        }
        let window = Window::new(hour_ms, hour_ms + HOUR_MS);
        let again = Hour {
            start_ms: hour_ms,
            counted,
            rows_received: 0,
            rows_before_resume: 0,
            queries: theirs.queries.clone(),
            reading: Reading::begin(window, query, now_ms),
        };
        match hours.iter_mut().find(|hour| hour.start_ms == hour_ms) {
            Some(under_way) if under_way.counted == counted => {}
            Some(under_way) => *under_way = again,
            None => differing.push((Reverse(more), Reverse(hour_ms), again)),
        }
    }
    differing.sort_by_key(|(more, hour_ms, _)| (*more, *hour_ms));
    let places = HOURS_KEPT_MAX.saturating_sub(hours.len());
    for (.., hour) in differing.into_iter().take(places) {
        state.known_hours.remove(&hour.start_ms);
        hours.push(hour);
    }
    ReadingState { hours, ..state }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::KnownHour;
    use crate::limits::READ_BACK_MS_MAX;
    use crate::read::ReadingKind;
    use crate::read::sweep::tests::settled;
    use crate::read::window::{completed, query_read, reached, rows_before_resume};
    use crate::settings::tests::settings;

    fn hour(cursor: &Cursor, now_ms: i64) -> Option<Hour> {
        hours(cursor, now_ms).next()
    }

    fn counts(counts: &[(i64, i64)]) -> BTreeMap<i64, i64> {
        counts.iter().map(|(hour, n)| (hour * HOUR_MS, *n)).collect()
    }

    fn counted(hours: &[(i64, i64)]) -> Counted {
        Counted { hours: counts(hours), queries: vec![vec!["all".to_owned()]] }
    }

    /// Reads an hour to its end, in which so many rows come.
    fn read(state: &ReadingState, hour: &Hour, rows: i64) -> ReadingState {
        let kind = ReadingKind::Hour(hour.start_ms);
        completed(&query_read(state, kind, hour.reading.window.end_ms, rows), kind, &hour.reading)
    }

    #[test]
    fn an_hour_is_no_gap_once_the_count_is_corrected_or_the_hour_not_compared() {
        let mut cursor = settled();
        let ours = counts(&[(50, 3)]);
        cursor.state = compare(&cursor.state, 0, 0, &counted(&[(50, 5)]), &ours);
        let Some(differing) = hour(&cursor, 101 * HOUR_MS) else { unreachable!("it differs") };
        cursor.state = read(&cursor.state, &differing, 3);
        assert_eq!(cursor.state.gaps(), 1);
        let corrected = compare(&cursor.state, 0, 0, &counted(&[(50, 3)]), &ours);
        assert_eq!(corrected.gaps(), 0);
        let now_ms = 101 * HOUR_MS;
        assert_eq!(forget(&cursor, now_ms, &settings()), cursor.state);
        // Horizon and overlap are so short that no whole hour lies between them.
        let short = Settings { late_horizon_ms: HOUR_MS / 2, ..settings() };
        cursor.state.queries.iter_mut().for_each(|query| query.sweep_mark_ms = 100 * HOUR_MS);
        assert_eq!(comparable(&cursor, now_ms, &short), None);
        assert_eq!(forget(&cursor, now_ms, &short).gaps(), 0);
    }

    #[test]
    fn hours_where_jumpcloud_counts_more_are_read_again_once_a_count() {
        let mut cursor = settled();
        let hours = comparable(&cursor, 101 * HOUR_MS, &settings());
        assert_eq!(hours, Some(Window::new(10 * HOUR_MS, 99 * HOUR_MS)));
        let ours = counts(&[(50, 3), (51, 9)]);
        let compare = |state: &ReadingState, theirs: &Counted| {
            compare(state, 10 * HOUR_MS, 101 * HOUR_MS, theirs, &ours)
        };
        cursor.state = compare(&cursor.state, &counted(&[(50, 5), (51, 7), (52, 0)]));
        let Some(differing) = hour(&cursor, 101 * HOUR_MS) else { unreachable!("one differs") };
        assert_eq!(differing.reading.window, Window::new(50 * HOUR_MS, 51 * HOUR_MS));

        let (kind, at_ms) = (ReadingKind::Hour(50 * HOUR_MS), 50 * HOUR_MS + 5);
        cursor.state = reached(&cursor.state, kind, &differing.reading, at_ms, 2);
        assert_eq!(rows_before_resume(&cursor.state, kind), 2);
        cursor.state = read(&cursor.state, &differing, 4);
        assert_eq!(cursor.state.known_hours[&(50 * HOUR_MS)], KnownHour(5, 4));
        assert_eq!(cursor.state.gaps(), 1, "five counted, four came");
        let again = compare(&cursor.state, &counted(&[(50, 5)]));
        assert!(again.hours.is_empty(), "the count has not changed");
        let changed = compare(&cursor.state, &counted(&[(50, 6)]));
        assert_eq!((changed.gaps(), changed.hours.len()), (0, 1), "it is read again first");
        let came = compare(&cursor.state, &counted(&[(50, 3)]));
        assert_eq!((came.gaps(), came.known_hours.len()), (0, 0), "the index has as many");
    }

    #[test]
    fn known_hours_take_no_place_and_the_largest_differences_come_first() {
        let mut cursor = settled();
        // Forty hours; the later, the larger is the difference of every fourth.
        let theirs: Vec<_> =
            (20..60).map(|hour| (hour, if hour % 4 == 0 { hour } else { 1 })).collect();
        let theirs = counted(&theirs);
        let mut read_again = Vec::new();
        for _ in 0..3 {
            let ours = BTreeMap::new();
            cursor.state = compare(&cursor.state, 10 * HOUR_MS, 101 * HOUR_MS, &theirs, &ours);
            assert!(cursor.state.hours.len() <= HOURS_KEPT_MAX);
            while let Some(hour) = hour(&cursor, 101 * HOUR_MS) {
                read_again.push(hour.start_ms / HOUR_MS);
                cursor.state = read(&cursor.state, &hour, 0);
            }
        }
        assert_eq!(read_again[..12], [56, 52, 48, 44, 40, 36, 32, 28, 24, 20, 59, 58]);
        assert_eq!((read_again.len(), cursor.state.known_hours.len()), (40, 40), "each once");
        let later = compare(&cursor.state, 30 * HOUR_MS, 101 * HOUR_MS, &theirs, &BTreeMap::new());
        assert_eq!(
            (later.known_hours.len(), later.hours.len()),
            (30, 10),
            "what is behind is gone"
        );
    }

    #[test]
    fn rows_of_all_queries_that_were_counted_add_up() {
        let mut cursor = settled();
        let queries = vec![vec!["all".to_owned()], vec!["pam".to_owned()]];
        let theirs = Counted { queries, ..counted(&[(50, 5)]) };
        let ours = counts(&[(50, 3)]);
        cursor.state = compare(&cursor.state, 0, 101 * HOUR_MS, &theirs, &ours);
        let Some(hour) = hour(&cursor, 101 * HOUR_MS) else { unreachable!("it differs") };
        let kind = ReadingKind::Hour(hour.start_ms);
        let state = query_read(&cursor.state, kind, hour.reading.window.end_ms, 3);
        assert_eq!(read(&state, &hour, 2).gaps(), 0);
    }

    /// Names that JumpCloud refuses since, or that are not configured any more, would not come.
    #[test]
    fn an_hour_is_not_read_without_a_query_that_was_counted() {
        let mut cursor = settled();
        let theirs = counted(&[(50, 5)]);
        cursor.state = compare(&cursor.state, 0, 101 * HOUR_MS, &theirs, &BTreeMap::new());
        cursor.state.queries.remove(0);
        assert_eq!(hour(&cursor, 101 * HOUR_MS), None);
        let none = Counted::default();
        let state = compare(&cursor.state, 0, 101 * HOUR_MS, &none, &BTreeMap::new());
        assert!(state.hours.is_empty());
    }

    /// JumpCloud lists no hour without events before the first that has any, or behind the last.
    #[test]
    fn an_hour_that_is_not_listed_any_more_is_no_gap() {
        let mut cursor = settled();
        cursor.state = compare(&cursor.state, 0, 0, &counted(&[(50, 5)]), &BTreeMap::new());
        let Some(differing) = hour(&cursor, 101 * HOUR_MS) else { unreachable!("it differs") };
        let under_way = cursor.state.clone();
        cursor.state = read(&cursor.state, &differing, 3);
        assert_eq!(cursor.state.gaps(), 1);
        let later = |state: &ReadingState, hours: Window, listed: &[(i64, i64)]| {
            let mut theirs = counted(&[]);
            theirs.add(hours, counts(listed));
            compare(state, 0, 0, &theirs, &BTreeMap::new())
        };
        let all = Window::new(0, 99 * HOUR_MS);
        assert_eq!(later(&cursor.state, all, &[(51, 0)]).gaps(), 0);
        assert_eq!(later(&under_way, all, &[]).hours, []);
        let before = Window::new(0, 50 * HOUR_MS);
        assert_eq!(later(&cursor.state, before, &[]).gaps(), 1, "it was not counted");
    }

    #[test]
    fn what_may_have_left_the_index_is_not_compared() {
        let cursor = settled();
        let hours = comparable(&cursor, READ_BACK_MS_MAX + 50 * HOUR_MS, &settings());
        assert_eq!(hours, Some(Window::new(50 * HOUR_MS, 99 * HOUR_MS)));
        assert_eq!(comparable(&cursor, READ_BACK_MS_MAX + 99 * HOUR_MS, &settings()), None);
    }

    #[test]
    fn names_that_all_returns_are_not_counted_beside_it() {
        let names = |text: &str| text.split(',').map(str::to_owned).collect::<Query>();
        let returned = BTreeSet::from(["sso".to_owned()]);
        assert_eq!(beside_all(&names("pam,SSO,ldap"), &returned), names("pam,ldap"));
        assert_eq!(beside_all(&names("sso"), &returned), Query::new());
    }
}
