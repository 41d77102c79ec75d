//! `collector backfill`: first the plan, then the work with its progress.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use engine::collect::RunPurpose;
use engine::limits::{BATCH_EVENTS_MAX, FAILURES_TOLERATED};
use engine::ports::Clock as _;
use engine::read::Budget;
use engine::report::StreamStatus;
use engine::stream::StreamId;
use engine::task::backfill::{Backfill, Lane, LaneState};
use engine::task::status::Status;
use engine::time;
use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressStyle};
use jumpcloud_collector::clock::SystemClock;
use serde_json::json;

use crate::show;
use crate::target::{Target, TargetArgs};

/// What to archive.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) args: TargetArgs,
    /// First UTC day, archived whole; also a time in RFC 3339
    #[arg(long, value_name = "DAY")]
    start: String,
    /// Day or time at which to end, exclusive
    #[arg(long, value_name = "DAY")]
    end: String,
    /// Only this organization; may be given more than once
    #[arg(long = "org", value_name = "ID")]
    organizations: Vec<String>,
    /// Archive it; without this only the plan is shown
    #[arg(long)]
    yes: bool,
}

/// Time between two looks at a stack that does the work, and of a run that does it here.
const LOOK_MS: u64 = 10_000;
/// Lanes that the plan shows one by one; more are summed up, an organization a line.
const LANES_SHOWN_MAX: usize = 120;

/// Shows the plan, and with `--yes` archives it. `false` if anything was refused or failed.
pub(crate) async fn run(options: &Options, target: &Target) -> anyhow::Result<bool> {
    let json = options.args.json;
    let plan: Backfill = target.ask(&event(options, true)).await?;
    show::value(json, &plan, show_plan)?;
    if !options.yes {
        if !json {
            println!("\nNothing was done. Add --yes to archive it.");
        }
        return Ok(plan.refused.is_empty());
    }
    let wanted: BTreeMap<StreamId, u64> =
        plan.lanes.iter().map(|lane| (lane.stream.clone(), lane.events.unwrap_or(0))).collect();
    let opened: Backfill = target.ask(&event(options, false)).await?;
    let mut progress = Progress::begin(&wanted);
    loop {
        let status: Status = target.ask(&json!({ "task": "status" })).await?;
        let lanes: Vec<_> =
            status.streams.iter().filter(|line| wanted.contains_key(&line.stream)).collect();
        show::value(json, &status, |_| progress.show(&lanes))?;
        if let Some(failed) = lanes.iter().find(|lane| lane.failures >= FAILURES_TOLERATED) {
            let error = failed.last_error.as_deref().unwrap_or("failed");
            anyhow::bail!("{}: {error}; run the same command again to continue", failed.stream);
        }
        match (lanes.iter().find(|lane| lane.read_whole != Some(true)), target) {
            (None, _) => {
                progress.end();
                return Ok(opened.refused.is_empty() && opened.left_out().is_none());
            }
            // The lanes of a folder are worked on here, day by day; a stack's are there.
            (Some(lane), Target::Folder(fleet)) => {
                fleet.engine.run(&lane.stream, RunPurpose::Collect, short()).await.log();
            }
            (Some(_), Target::Stack(_)) => SystemClock.sleep(LOOK_MS).await,
        }
    }
}

/// A run after which the progress is told again.
fn short() -> Budget {
    let started_ms = SystemClock.now_ms();
    Budget { started_ms, deadline_ms: started_ms + LOOK_MS.cast_signed() }
}

fn event(options: &Options, plan: bool) -> serde_json::Value {
    let organizations = Some(&options.organizations).filter(|names| !names.is_empty());
    json!({
        "task": "backfill",
        "start": options.start,
        "end": options.end,
        "organizations": organizations,
        "plan": plan,
    })
}

fn show_plan(plan: &Backfill) {
    let lanes = plan.lanes.iter().map(|lane| (lane.stream.live().to_string(), lane));
    if plan.lanes.len() <= LANES_SHOWN_MAX {
        let rows = lanes.map(|(name, lane)| {
            let (day, events) = (time::date(lane.start.0), lane.events.unwrap_or(0));
            [name, day.to_string(), events.to_string(), state(lane).to_owned()]
        });
        show::table(["organization", "day", "events", "state"], rows);
    } else {
        let mut organizations: BTreeMap<String, (usize, u64)> = BTreeMap::new();
        for (name, lane) in lanes {
            let (days, events) = organizations.entry(name).or_default();
            *days += 1;
            *events += lane.events.unwrap_or(0);
        }
        let rows = organizations
            .into_iter()
            .map(|(name, (days, events))| [name, days.to_string(), events.to_string()]);
        show::table(["organization", "days", "events"], rows);
    }
    let Estimate { events, objects, dollars } = Estimate::of(&plan.lanes);
    println!(
        "\n{} days, {events} events, about {objects} objects, about ${dollars:.2} of requests, \
         computing time and a month of storage",
        plan.lanes.len()
    );
    for refused in &plan.refused {
        println!("refused: {refused}");
    }
}

fn state(lane: &Lane) -> &'static str {
    match lane.state {
        _ if lane.error.is_some() => "could not be counted",
        LaneState::New => "new",
        LaneState::Opened | LaneState::Open => "open",
        LaneState::Finished => "archived before, would be read once more",
        LaneState::Reopened => "read once more",
        LaneState::Left => "left out",
    }
}

/// What a plan comes to, roughly.
struct Estimate {
    events: u64,
    objects: u64,
    dollars: f64,
}

/// Services that a busy day has events of.
const SERVICES: u64 = 8;
/// Objects beside the parts of a batch: its entry, and the slots of a day.
const STATE_OBJECTS: u64 = 1 + 24;
/// List prices of us-east-1: a thousand PUT requests, a million events of computing time, and a
/// million events of compressed storage for a month.
const DOLLARS: (f64, f64, f64) = (0.005, 0.002, 0.0035);

impl Estimate {
    fn of(lanes: &[Lane]) -> Self {
        let counts = lanes.iter().map(|lane| lane.events.unwrap_or(0));
        let batches = |events: u64| events.div_ceil(BATCH_EVENTS_MAX as u64);
        let parts = |events: u64| batches(events) * SERVICES.min(events);
        let (events, objects) = (counts.clone().sum(), counts.clone().map(parts).sum::<u64>());
        let writes = objects + counts.map(|count| batches(count) * STATE_OBJECTS).sum::<u64>();
        let (write, compute, storage) = DOLLARS;
        let (writes, millions) = (writes as f64 / 1_000.0, events as f64 / 1_000_000.0);
        Self { events, objects, dollars: writes * write + millions * (compute + storage) }
    }
}

/// One bar per unfinished lane and one for all; without a terminal, one line per look.
struct Progress<'a> {
    wanted: &'a BTreeMap<StreamId, u64>,
    bars: MultiProgress,
    total: ProgressBar,
    lanes: BTreeMap<StreamId, ProgressBar>,
    started_ms: i64,
    last_line: String,
}

impl<'a> Progress<'a> {
    fn begin(wanted: &'a BTreeMap<StreamId, u64>) -> Self {
        let bars = MultiProgress::new();
        let total = bars.add(bar(wanted.values().sum(), "in all"));
        let started_ms = SystemClock.now_ms();
        Self { wanted, bars, total, lanes: BTreeMap::new(), started_ms, last_line: String::new() }
    }

    fn show(&mut self, lanes: &[&StreamStatus]) {
        let mut done = 0;
        for lane in lanes {
            let wanted = self.wanted.get(&lane.stream).copied().unwrap_or(0);
            let (position, is_read) = (read(lane, wanted), lane.read_whole == Some(true));
            done += position;
            if is_read {
                if let Some(bar) = self.lanes.remove(&lane.stream) {
                    bar.finish_and_clear();
                }
            } else if position > 0 {
                let bars = &self.bars;
                let name = lane.stream.as_str();
                let entry = self.lanes.entry(lane.stream.clone());
                entry.or_insert_with(|| bars.add(bar(wanted, name))).set_position(position);
            }
        }
        self.total.set_position(done);
        let all: u64 = self.wanted.values().sum();
        let whole = lanes.iter().filter(|lane| lane.read_whole == Some(true)).count();
        let left = left(done, all, SystemClock.now_ms() - self.started_ms);
        let line = format!("{whole} of {} days, {done} of {all} events{left}", self.wanted.len());
        if self.bars.is_hidden() && line != self.last_line {
            println!("{line}");
        }
        self.last_line = line;
    }

    fn end(&self) {
        self.total.finish_and_clear();
        println!("{}", self.last_line);
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

/// Events of a lane that are behind its frontier, about.
fn read(lane: &StreamStatus, wanted: u64) -> u64 {
    if lane.read_whole == Some(true) {
        return wanted;
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
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use engine::time::UtcTime;

    use super::*;

    fn lane(events: u64) -> Lane {
        Lane {
            stream: "self.backfill-2026-10-01".to_owned().try_into().unwrap(),
            start: UtcTime(0),
            end: UtcTime(0),
            state: LaneState::New,
            error: None,
            events: Some(events),
        }
    }

    #[test]
    fn an_estimate_grows_with_events_and_batches() {
        let none = Estimate::of(&[lane(0)]);
        assert_eq!((none.events, none.objects, none.dollars), (0, 0, 0.0));
        let few = Estimate::of(&[lane(3), lane(40_000)]);
        assert_eq!((few.events, few.objects), (40_003, 3 + 8));
        let many = Estimate::of(&[lane(1_000_000)]);
        assert_eq!(many.objects, 20 * 8);
        assert!((0.008..0.009).contains(&many.dollars), "{}", many.dollars);
    }

    #[test]
    fn the_time_left_goes_by_the_events_so_far() {
        assert_eq!(left(0, 10, 1_000), "");
        assert_eq!(left(10, 10, 1_000), "");
        assert_eq!(left(25, 100, 60_000), ", about 3 minutes left");
    }
}
