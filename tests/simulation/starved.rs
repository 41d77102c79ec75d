//! No starving: the head of every query, and its full sweep once that is due, make progress in the
//! runs that read, however much there is elsewhere, and whatever else is refused.
//!
//! Holds P9.

use std::collections::BTreeMap;

use engine::cursor::{Cursor, QueryProgress, Reading};
use engine::page::Query;
use engine::read::{Plan, SweepUrgency, sweep, window};
use engine::report::{Outcome, StreamReport};
use engine::settings::Settings;
use engine::stream::StreamId;

use crate::promise::Promise;
use crate::schedule::SKEW_MS_MAX;
use crate::world::World;

/// Runs that may end without progress of a sweep. One slow answer may take a whole run.
const SWEEP_RUNS_MAX: u32 = 6;
/// The same of a head, whose query may fail for some runs by itself.
const HEAD_RUNS_MAX: u32 = 8;

/// Where each query's head and sweep were, and for how many runs.
#[derive(Debug, Default)]
pub(crate) struct Starved(BTreeMap<StreamId, BTreeMap<(Query, &'static str), Seen>>);

#[derive(Debug)]
struct Seen {
    mark_ms: i64,
    reading: Option<Reading>,
    runs: u32,
}

impl Starved {
    /// Looks at a stream whose run with these settings has ended, which began at `since_ms`.
    pub(crate) fn watch(
        &mut self,
        world: &mut World,
        (settings, is_skewed): (&Settings, bool),
        report: &StreamReport,
        since_ms: i64,
    ) {
        let stream = &report.stream;
        // One that another has overtaken may write nothing down.
        let was_its_own = world.table.take_released(stream);
        let item = world.table.get(stream);
        let Some(Ok(cursor)) = item.map(Cursor::read).filter(|_| !stream.is_lane()) else { return };
        let has_ended_well = matches!(report.outcome, Outcome::Ok | Outcome::Behind);
        // A query whose page cannot be fetched has its turn again in the next run.
        let was_fetched = world.last_unfetched_ms < since_ms;
        let has_read = was_its_own && has_ended_well && was_fetched && report.pages > 0;
        // By any clock: one that is behind may not know yet.
        let now_ms = world.now_ms - if is_skewed { SKEW_MS_MAX } else { 0 };
        let mut before = self.0.remove(stream).unwrap_or_default();
        let mut after = BTreeMap::new();
        for query in cursor.state.accepted() {
            // One whose sweep is refused, because a millisecond takes longer than what is left of the
            // run, say, is named by the report.
            let names = query.names.join(",");
            let has_read = has_read && report.refused.iter().all(|refused| refused.query != names);
            for (what, is_due, runs_max, mark_ms, reading) in
                readings(&cursor, query, now_ms, settings)
            {
                let place = (query.names.clone(), what);
                let seen = before
                    .remove(&place)
                    .filter(|seen| is_due && seen.mark_ms == mark_ms && seen.reading == reading);
                let runs = seen.map_or(0, |seen| seen.runs + u32::from(has_read));
                if runs == runs_max {
                    let how = format_args!(
                        "the {what} of {names} of {stream} made no progress in {runs} runs"
                    );
                    world.wrong(Promise::Progress.broken(how));
                }
                after.insert(place, Seen { mark_ms, reading, runs });
            }
        }
        self.0.insert(stream.clone(), after);
    }
}

/// Head and sweep of a query: whether it is due, in how many runs it may make none, and where it is.
fn readings(
    cursor: &Cursor,
    query: &QueryProgress,
    now_ms: i64,
    settings: &Settings,
) -> [(&'static str, bool, u32, i64, Option<Reading>); 2] {
    let is_read = matches!(window::head(cursor, query, now_ms, settings), Plan::Read(_));
    let is_swept = sweep::sweep(cursor, query, now_ms, settings, SweepUrgency::Usual).is_some();
    [
        ("head", is_read, HEAD_RUNS_MAX, query.read_at_ms, query.reading.clone()),
        ("sweep", is_swept, SWEEP_RUNS_MAX, query.sweep_mark_ms, query.sweep.clone()),
    ]
}
