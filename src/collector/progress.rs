//! How far a backfill is: which of its lanes are read, and how much of the others.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::ports::Clock as _;
use engine::report::StreamStatus;
use engine::stream::StreamId;
use engine::task::backfill::Backfill;
use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressStyle};
use jumpcloud_collector::clock::SystemClock;

use crate::show::counted;

/// The lanes that were opened, each with the number of events that JumpCloud counts.
pub(crate) struct Work(BTreeMap<StreamId, u64>);

impl Work {
    /// The lanes that `opened` names.
    pub(crate) fn new(plan: &Backfill, opened: &Backfill) -> Self {
        let events: BTreeMap<_, _> =
            plan.lanes.iter().map(|lane| (&lane.stream, lane.events.unwrap_or(0))).collect();
        let lanes = opened.lanes.iter().filter(|lane| lane.is_open());
        let events = |stream: &StreamId| events.get(stream).copied().unwrap_or(0);
        Self(lanes.map(|lane| (lane.stream.clone(), events(&lane.stream))).collect())
    }

    /// Whether the lane is one of them.
    pub(crate) fn holds(&self, lane: &StreamStatus) -> bool {
        self.0.contains_key(&lane.stream)
    }

    /// The lanes that are not read yet, of which these are told: those that are open are.
    fn all_unread<'a>(
        &'a self,
        told: &'a [&StreamStatus],
    ) -> impl Iterator<Item = &'a StreamId> + 'a {
        let is_unread =
            |stream: &&StreamId| told.iter().any(|lane| lane.stream == **stream && !is_read(lane));
        self.0.keys().filter(is_unread)
    }

    /// The one after `last`, or the first of them: one that cannot be read does not delay the others.
    pub(crate) fn unread<'a>(
        &'a self,
        told: &'a [&StreamStatus],
        last: Option<&StreamId>,
    ) -> Option<&'a StreamId> {
        let next = self.all_unread(told).find(|lane| Some(*lane) > last);
        next.or_else(|| self.all_unread(told).next())
    }

    fn events(&self, lane: &StreamId) -> u64 {
        self.0.get(lane).copied().unwrap_or(0)
    }
}

/// Whether the lane was read whole since it was opened.
fn is_read(lane: &StreamStatus) -> bool {
    lane.read_whole == Some(true)
}

/// A bar for each lane under way and one for all; where nobody watches, a line for each change.
pub(crate) struct Progress<'a> {
    work: &'a Work,
    bars: MultiProgress,
    total: ProgressBar,
    lanes: BTreeMap<StreamId, ProgressBar>,
    started_ms: i64,
    last_line: String,
}

impl<'a> Progress<'a> {
    pub(crate) fn begin(work: &'a Work) -> Self {
        let bars = MultiProgress::new();
        let events = work.0.values().sum();
        let total = bars.add(bar(events, "in all"));
        let started_ms = SystemClock.now_ms();
        Self { work, bars, total, lanes: BTreeMap::new(), started_ms, last_line: String::new() }
    }

    /// Shows how far the lanes are.
    pub(crate) fn show(&mut self, lanes: &[&StreamStatus]) {
        let all: u64 = self.work.0.values().sum();
        let whole = self.work.0.len() - self.work.all_unread(lanes).count();
        let mut done = all;
        for lane in lanes {
            let events = self.work.events(&lane.stream);
            let position = if is_read(lane) { events } else { read(lane, events) };
            done -= events - position;
            if is_read(lane) {
                if let Some(bar) = self.lanes.remove(&lane.stream) {
                    bar.finish_and_clear();
                }
            } else if position > 0 {
                let bars = &self.bars;
                let name = lane.stream.as_str();
                let entry = self.lanes.entry(lane.stream.clone());
                entry.or_insert_with(|| bars.add(bar(events, name))).set_position(position);
            }
        }
        self.total.set_position(done);
        let left = left(done, all, SystemClock.now_ms() - self.started_ms);
        let days = counted(self.work.0.len(), "day", "days");
        let events = counted(all, "event", "events");
        let line = format!("{whole} of {days}, {done} of {events}{left}");
        if self.bars.is_hidden() && line != self.last_line {
            println!("{line}");
        }
        self.last_line = line;
    }

    /// Where bars were shown, their last state stays as a line.
    pub(crate) fn end(&self, json: bool) {
        self.total.finish_and_clear();
        if !json && !self.bars.is_hidden() {
            println!("{}", self.last_line);
        }
    }
}

fn bar(events: u64, name: &str) -> ProgressBar {
    let bar = ProgressBar::new(events.max(1)).with_message(name.to_owned());
    let style = "{msg:45} {wide_bar} {pos}/{len} {eta}";
    match ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Events of a lane that are behind its frontier, about. While a lane that was read before is read
/// again, nobody can tell.
fn read(lane: &StreamStatus, wanted: u64) -> u64 {
    let (Some(from), Some(at), Some(to)) = (lane.origin, lane.frontier, lane.end) else { return 0 };
    let share = (at.0 - from.0).max(0) as f64 / (to.0 - from.0).max(1) as f64;
    (share.min(1.0) * wanted as f64) as u64
}

/// The time left, if the rest goes as fast.
fn left(done: u64, all: u64, took_ms: i64) -> String {
    if done == 0 || done >= all {
        return String::new();
    }
    let left_ms = took_ms as f64 * (all - done) as f64 / done as f64;
    format!(", about {} left", HumanDuration(Duration::from_secs((left_ms / 1_000.0) as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_goes_by_the_events_so_far() {
        assert_eq!(left(0, 10, 1_000), "");
        assert_eq!(left(10, 10, 1_000), "");
        assert_eq!(left(25, 100, 60_000), ", about 3 minutes left");
    }
}
