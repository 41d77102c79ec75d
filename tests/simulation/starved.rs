//! No starving: a full sweep that is due goes on in every run that reads, however much there is at
//! the head.

use std::collections::BTreeMap;

use engine::cursor::{Cursor, Reading};
use engine::read::{SweepUrgency, sweep};
use engine::report::{Outcome, StreamReport};
use engine::stream::StreamId;

use crate::schedule::{SKEW_MS_MAX, Schedule};
use crate::world::World;

/// Runs that may end without the sweep having got on. One slow answer may take a whole run.
const RUNS_MAX: u32 = 6;

/// Where each stream's sweep was, and for how many runs.
#[derive(Debug, Default)]
pub(crate) struct Sweeps(BTreeMap<StreamId, Sweep>);

#[derive(Debug)]
struct Sweep {
    mark_ms: i64,
    reading: Option<Reading>,
    runs: u32,
}

impl Sweeps {
    /// Looks at a stream whose run has ended.
    pub(crate) fn watch(&mut self, world: &mut World, schedule: &Schedule, report: &StreamReport) {
        let stream = &report.stream;
        // One that another has overtaken may write nothing down.
        let was_its_own = world.table.take_released(stream);
        let item = world.table.get(stream);
        let Some(Ok(cursor)) = item.map(Cursor::read).filter(|_| !stream.is_lane()) else { return };
        let has_ended_well = matches!(report.outcome, Outcome::Ok | Outcome::Behind);
        let has_read = was_its_own && has_ended_well && report.pages > 0;
        // By any clock: one that is behind may not know yet.
        let now_ms = world.now_ms - if schedule.skewed { SKEW_MS_MAX } else { 0 };
        let is_due =
            sweep::sweep(&cursor, now_ms, &schedule.settings, SweepUrgency::Usual).is_some();
        let (mark_ms, reading) = (cursor.state.sweep_mark_ms, cursor.state.sweep);
        let before = self.0.remove(stream);
        let stood = before.filter(|b| is_due && b.mark_ms == mark_ms && b.reading == reading);
        let runs = stood.map_or(0, |before| before.runs + u32::from(has_read));
        if runs == RUNS_MAX {
            world.wrong(format!("the sweep of {stream} is due and stands still for {runs} runs"));
        }
        self.0.insert(stream.clone(), Sweep { mark_ms, reading, runs });
    }
}
