//! How far a backfill is: which of its lanes are read, and how much of the others.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::ports::Clock as _;
use engine::report::StreamStatus;
use engine::stream::StreamId;
use engine::task::backfill::{Backfill, LaneState};
use engine::task::status::Status;
use engine::time::UtcTime;
use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressStyle};
use jumpcloud_collector::clock::SystemClock;

use crate::show::counted;

/// The lanes that were opened, each with what is known of it.
pub(crate) struct Work(BTreeMap<StreamId, Opened>);

struct Opened {
    /// Events that JumpCloud counts.
    events: u64,
    /// When the reading began that does not count any more: that of a lane that was finished before.
    old_reading: Option<UtcTime>,
}

impl Work {
    /// The lanes that `opened` names; `before` is how they were then.
    pub(crate) fn new(plan: &Backfill, opened: &Backfill, before: &Status) -> Self {
        let events: BTreeMap<_, _> =
            plan.lanes.iter().map(|lane| (&lane.stream, lane.events.unwrap_or(0))).collect();
        let readings: BTreeMap<_, _> =
            before.streams.iter().map(|line| (&line.stream, line.last_reading)).collect();
        let lanes = opened.lanes.iter().filter(|lane| !lane.is_left_out()).map(|lane| {
            let is_again = lane.state == LaneState::Reopened;
            let old_reading = readings.get(&lane.stream).copied().flatten().filter(|_| is_again);
            let events = events.get(&lane.stream).copied().unwrap_or(0);
            (lane.stream.clone(), Opened { events, old_reading })
        });
        Self(lanes.collect())
    }

    /// Whether the lane is one of them.
    pub(crate) fn holds(&self, lane: &StreamStatus) -> bool {
        self.0.contains_key(&lane.stream)
    }

    /// The first lane that is not read yet, of which these are told.
    pub(crate) fn unread(&self, told: &[&StreamStatus]) -> Option<&StreamId> {
        let is_read = |stream: &&StreamId| {
            told.iter().any(|lane| lane.stream == **stream && self.is_read(lane))
        };
        self.0.keys().find(|stream| !is_read(stream))
    }

    /// Whether the lane was read whole, and since the call if it was finished before.
    fn is_read(&self, lane: &StreamStatus) -> bool {
        let is_new = |opened: &Opened| {
            opened.old_reading.is_none() || opened.old_reading != lane.last_reading
        };
        lane.read_whole == Some(true) && self.0.get(&lane.stream).is_some_and(is_new)
    }

    fn events(&self, lane: &StreamStatus) -> u64 {
        self.0.get(&lane.stream).map_or(0, |opened| opened.events)
    }
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
        let events = work.0.values().map(|opened| opened.events).sum();
        let total = bars.add(bar(events, "in all"));
        let started_ms = SystemClock.now_ms();
        Self { work, bars, total, lanes: BTreeMap::new(), started_ms, last_line: String::new() }
    }

    /// Shows how far the lanes are.
    pub(crate) fn show(&mut self, lanes: &[&StreamStatus]) {
        let (mut done, mut whole) = (0, 0);
        for lane in lanes {
            let (events, is_read) = (self.work.events(lane), self.work.is_read(lane));
            let position = if is_read { events } else { read(lane, events) };
            done += position;
            whole += usize::from(is_read);
            if is_read {
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
        let all: u64 = self.work.0.values().map(|opened| opened.events).sum();
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
    if lane.read_whole == Some(true) {
        return 0;
    }
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
