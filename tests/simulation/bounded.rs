//! Work with nothing new is bounded: what a live stream reads then is what `docs/settings.md` says, and
//! nothing at all once all events are older than what is read again.
//!
//! Holds P14.

use engine::cursor::{Cursor, QueryProgress};
use engine::page::Page;
use engine::ports::PageRequest;
use engine::settings::Settings;
use engine::stream::StreamId;

use crate::promise::Promise;
use crate::simulate::Simulation;
use crate::stack::Asked;
use crate::tally::Step;
use crate::truth::Event;
use crate::world::{World, lock};

/// Rows that come again in a run, because a reading begins at a whole millisecond.
const AGAIN_MAX: i64 = 2;
/// How often an hour is read again after its counts were compared.
const HOUR_READ_MAX: i64 = 2;

/// In so many runs everything is read that was begun while faults happened.
const UNDER_WAY_RUNS_MAX: usize = 200;

/// Rows of live streams that were served since the count began.
#[derive(Debug)]
pub(crate) struct Served {
    /// Where each live stream begins: what lies before is a lane's.
    origins: Vec<(StreamId, i64)>,
    rows: i64,
}

/// What is configured, of all processes the most.
#[derive(Clone, Copy)]
struct Configured {
    interval_ms: i64,
    overlap_ms: i64,
    late_horizon_ms: i64,
    /// Half of the shortest late horizon, after which a sweep is due.
    swept_every_ms: i64,
}

impl Simulation {
    /// Counts what is read while nothing is new.
    pub(crate) fn look_at_work(&mut self) {
        if !self.schedule.unusual.is_watched || !lock(&self.world).wrong.is_empty() {
            return;
        }
        let interval_ms = self.schedule.schedule_interval_ms;
        let configured = Configured::of(&self.schedule.of_processes, interval_ms);
        let mut cursors = self.live_cursors();
        for _ in 0..UNDER_WAY_RUNS_MAX {
            if !cursors.iter().any(|(_, cursor)| is_under_way(cursor)) {
                break;
            }
            self.rows_served(1, &cursors);
            cursors = self.live_cursors();
        }
        let runs = configured.late_horizon_ms * 3 / 2 / interval_ms + 4;
        let most = {
            let world = lock(&self.world);
            let rows =
                cursors.iter().map(|(stream, cursor)| configured.rows(&world, stream, cursor));
            rows.sum::<i64>() + AGAIN_MAX * runs
        };
        let first = self.rows_served(runs, &cursors);
        let last = self.rows_served(2, &cursors);
        let mut world = lock(&self.world);
        world.tally.step(Step::Watched);
        if first > most {
            let how = format_args!("nothing is new, and {runs} runs read {first} rows, not {most}");
            world.wrong(Promise::Bounded.broken(how));
        }
        if last > 0 {
            let how =
                format_args!("nothing is younger than a late horizon, and {last} rows are read");
            world.wrong(Promise::Bounded.broken(how));
        }
    }

    fn live_cursors(&self) -> Vec<(StreamId, Cursor)> {
        let world = lock(&self.world);
        let streams = self.schedule.read(|stream| world.store.is_born(stream));
        let cursor = |stream: &StreamId| Cursor::read(world.table.get(stream)?).ok();
        let live = streams.filter(|stream| !stream.is_lane());
        live.filter_map(|stream| Some((stream.clone(), cursor(stream)?))).collect()
    }

    /// How many rows so many scheduled runs are served.
    fn rows_served(&mut self, runs: i64, cursors: &[(StreamId, Cursor)]) -> i64 {
        let origin = |(stream, cursor): &(StreamId, Cursor)| (stream.clone(), cursor.origin_ms);
        let origins = cursors.iter().map(origin).collect();
        lock(&self.world).served = Some(Served { origins, rows: 0 });
        for _ in 0..runs {
            self.invoke(Asked::Collect);
            self.advance_by(self.schedule.schedule_interval_ms);
        }
        lock(&self.world).served.take().map_or(0, |served| served.rows)
    }
}

impl Served {
    /// A page was served. One of a single row tells the time.
    pub(crate) fn add(&mut self, request: &PageRequest, page: &Page) {
        let of_scope = |(stream, _): &&(StreamId, i64)| stream.scope() == request.scope;
        let origin = self.origins.iter().find(of_scope).or(self.origins.first());
        let is_live = origin.is_some_and(|(_, ms)| request.ask.window.end_ms > *ms);
        if is_live && request.ask.limit > 1 {
            self.rows += i64::try_from(page.rows().len()).unwrap_or(0);
        }
    }
}

impl Configured {
    fn of(variants: &[Settings], interval_ms: i64) -> Self {
        let all = |value: fn(&Settings) -> i64| variants.iter().map(value);
        Self {
            interval_ms,
            overlap_ms: all(|settings| settings.overlap_ms).max().unwrap_or(0),
            late_horizon_ms: all(|settings| settings.late_horizon_ms).max().unwrap_or(0),
            swept_every_ms: all(|settings| settings.late_horizon_ms / 2).min().unwrap_or(1),
        }
    }

    /// The rows that a stream reads at most from now on.
    fn rows(&self, world: &World, stream: &StreamId, cursor: &Cursor) -> i64 {
        let (scope, mut rows) = (stream.scope(), 0);
        for query in &cursor.state.queries {
            let asked = |event: &&Event| world.truth.is_asked_for(event, &scope, &query.names);
            let times = |event: &Event| self.times(world.now_ms, cursor, query, event.place_ms);
            rows += world.truth.events.iter().filter(asked).map(times).sum::<i64>();
        }
        rows
    }

    /// How often a query reads what lies at `ms`: by the heads, for as long as the overlap reaches back
    /// so far, and by sweeps, for as long as the late horizon does.
    fn times(&self, now_ms: i64, cursor: &Cursor, query: &QueryProgress, ms: i64) -> i64 {
        if ms < cursor.origin_ms {
            return 0;
        }
        let heads = match query.read_to_ms.min(query.read_at_ms - self.overlap_ms) <= ms {
            true => 1 + ((ms + self.overlap_ms - now_ms).div_euclid(self.interval_ms) + 2).max(0),
            false => 0,
        };
        let swept_for_ms = ms + self.late_horizon_ms - query.sweep_mark_ms;
        let sweeps = (swept_for_ms.div_euclid(self.swept_every_ms) + 1).max(0);
        let hours = if sweeps > 0 { HOUR_READ_MAX } else { 0 };
        heads + sweeps + hours
    }
}

/// Whether a reading was begun and not ended, or must still be begun for names that were added.
fn is_under_way(cursor: &Cursor) -> bool {
    let is_begun = |query: &QueryProgress| {
        let readings = [&query.reading, &query.sweep, &query.ahead];
        query.unread_before_ms.is_some() || readings.into_iter().any(Option::is_some)
    };
    !cursor.state.hours.is_empty() || cursor.state.queries.iter().any(is_begun)
}
