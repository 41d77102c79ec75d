//! `collector backfill`: first the plan, then the work with its progress.

use clap::Args;
use engine::collect::RunPurpose;
use engine::limits::{FAILURES_TOLERATED, HOUR_MS, MINUTE_MS};
use engine::ports::Clock;
use engine::read::Budget;
use engine::report::{Outcome, StreamReport, StreamStatus};
use engine::stream::StreamId;
use engine::task::backfill::Backfill;
use engine::task::status::Status;
use engine::time::UtcTime;
use jumpcloud_collector::clock::SystemClock;
use jumpcloud_collector::config::Terminal;
use serde_json::{Value, json};

use crate::collect::{AGAIN, STANDSTILLS_MAX};
use crate::failed::StreamsFailed;
use crate::plan;
use crate::progress::{Progress, Work};
use crate::range::Range;
use crate::show::counted;
use crate::target::{Answer, Needs, Target, TargetArgs};

/// What to archive.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    args: TargetArgs,
    #[command(flatten)]
    range: Range,
    /// Only this organization, by its id of 24 hex digits or as `self`; may be given more than once
    /// [default: all that are collected]
    #[arg(long = "org", value_name = "ID", value_parser = organization)]
    organizations: Vec<StreamId>,
    /// Archive the days; without it, only the plan is shown
    #[arg(long)]
    yes: bool,
}

fn organization(text: &str) -> Result<StreamId, String> {
    StreamId::try_from(text.to_owned())
        .ok()
        .filter(StreamId::is_organization)
        .ok_or_else(|| "expected 24 lower-case hex digits, or `self`".to_owned())
}

/// Time between two looks at a folder into which another process reads.
const LOOK_MS: u64 = 10_000;

/// Time until the second look at a stack: a few days with few events are read by then.
const STACK_SECOND_LOOK_MS: u64 = 30_000;

/// Time between two later looks. Each invokes the stack's function, which has an alarm for more than
/// three times the invocations of its schedule.
const STACK_LOOK_MS: u64 = 15 * MINUTE_MS.unsigned_abs();

/// A stack that gets no further for this long is given up: three of the longest schedule intervals.
const STANDSTILL_MS_MAX: i64 = 3 * HOUR_MS;

/// Shows the plan, and with `--yes` archives it. `false` if a day, an organization or a query was left
/// out.
pub(crate) async fn run(options: &Options, terminal: &Terminal) -> anyhow::Result<bool> {
    options.range.window_of_days()?;
    let json = options.args.json;
    let target = options.args.target(terminal, Needs::Key).await?;
    let plan = target.ask_all::<Backfill>(event(options, true)).await?;
    plan.show(json, plan::show);
    if !options.yes {
        if !json {
            println!("\nNothing was done. Add --yes to archive it.");
        }
        let is_counted = plan.of.lanes.iter().all(|lane| lane.error.is_none());
        return Ok(plan.of.refused.is_empty() && is_counted);
    }
    let (opened, has_failed) = open(&target, options, &plan).await?;
    opened.show(json, |_| ());
    let work = Work::new(&plan.of, &opened.of);
    let refused = archive(&target, &work, json).await?;
    let left: Vec<_> = left_out(&opened.of).collect();
    if !json {
        let all_refused = opened.of.refused.iter().chain(&refused);
        all_refused.for_each(|refused| println!("refused: {refused}"));
        if !left.is_empty() {
            let days = counted(left.len(), "day was", "days were");
            println!("{days} left out; run the same command again: {}", left.join("; "));
        }
    }
    let is_whole = opened.of.refused.is_empty() && refused.is_empty() && left.is_empty();
    Ok(is_whole && !has_failed)
}

/// Opens the lanes, and returns what became of them, and whether the function failed for any of them:
/// then it has opened the others all the same, and another plan tells which.
async fn open(
    target: &Target,
    options: &Options,
    plan: &Answer<Backfill>,
) -> anyhow::Result<(Answer<Backfill>, bool)> {
    let mut opened: Option<Answer<Backfill>> = None;
    let mut has_failed = false;
    for after in plan.pages() {
        let mut asked = event(options, false);
        asked["after"] = after.into();
        match target.ask::<Backfill>(&asked).await {
            Ok(page) => match &mut opened {
                Some(opened) => opened.add(page),
                None => opened = Some(page),
            },
            Err(error) if error.is::<StreamsFailed>() => has_failed = true,
            Err(error) => return Err(error),
        }
    }
    match opened {
        Some(opened) if !has_failed => Ok((opened, false)),
        _ => Ok((target.ask_all(event(options, true)).await?, has_failed)),
    }
}

/// Waits until every lane is read; those of a folder are read here. Returns what JumpCloud refuses
/// of them.
async fn archive(target: &Target, work: &Work, json: bool) -> anyhow::Result<Vec<String>> {
    let mut progress = Progress::begin(work);
    let (mut last, mut standstill, mut looks) = (None, Standstill(0), Looks::by(&SystemClock));
    loop {
        let status = target.ask_all::<Status>(json!({ "task": "status" })).await?;
        let lanes: Vec<_> = status.of.streams.iter().filter(|line| work.holds(line)).collect();
        status.show(json, |_| progress.show(&lanes));
        if let Some(failed) = lanes.iter().find(|lane| lane.failures >= FAILURES_TOLERATED) {
            let error = failed.last_error.as_deref().unwrap_or("failed");
            anyhow::bail!("{}: {error}; {AGAIN}", failed.stream);
        }
        let Some(lane) = work.unread(&lanes, last.as_ref()) else {
            progress.end(json);
            return Ok(lanes.iter().flat_map(|lane| refused(lane)).collect());
        };
        match target {
            Target::Folder(fleet) => {
                let run = fleet.engine.run(lane, RunPurpose::Collect, short()).await;
                run.log();
                standstill.after(&run)?;
                let is_waiting = matches!(run.outcome, Outcome::Busy | Outcome::Waiting);
                if is_waiting || run.outcome == Outcome::Ok && run.pages == 0 {
                    SystemClock.sleep(LOOK_MS).await;
                }
            }
            Target::Stack(_) => {
                let seen = |lane: &&StreamStatus| {
                    (lane.stream.clone(), lane.frontier, lane.last_reading, lane.entries)
                };
                if !looks.wait(lanes.iter().map(seen).collect()).await {
                    anyhow::bail!(
                        "{lane}: nothing was read for three hours; {NO_PROGRESS}; {AGAIN}"
                    );
                }
            }
        }
        last = Some(lane.clone());
    }
}

/// Runs over lanes of a folder, one after the other, that read nothing.
struct Standstill(u32);

impl Standstill {
    /// # Errors
    /// Too many runs in a row have read nothing.
    fn after(&mut self, run: &StreamReport) -> anyhow::Result<()> {
        self.0 = match run.outcome {
            Outcome::Busy => self.0,
            _ if run.pages == 0 => self.0 + 1,
            _ => 0,
        };
        if self.0 > STANDSTILLS_MAX {
            anyhow::bail!("{}: JumpCloud does not answer what is left; {AGAIN}", run.stream);
        }
        Ok(())
    }
}

/// Why a stack may get no further.
const NO_PROGRESS: &str = "see whether its schedule is enabled and what its log says";

/// A lane, its frontier, its last complete reading, which may be one of a lane that was read before, and
/// its entries.
type Seen = (StreamId, Option<UtcTime>, Option<UtcTime>, Option<u64>);

/// Looks at what a stack does.
struct Looks<'a> {
    clock: &'a dyn Clock,
    /// What the last look has seen, and when that was new.
    last: Option<(Vec<Seen>, i64)>,
}

impl<'a> Looks<'a> {
    fn by(clock: &'a dyn Clock) -> Self {
        Self { clock, last: None }
    }

    /// Waits until the next look. `false`, without a wait, if no lane got further for too long.
    async fn wait(&mut self, seen: Vec<Seen>) -> bool {
        let now_ms = self.clock.now_ms();
        let wait_ms = if self.last.is_none() { STACK_SECOND_LOOK_MS } else { STACK_LOOK_MS };
        match &self.last {
            Some((last, since_ms)) if *last == seen => {
                if now_ms - since_ms >= STANDSTILL_MS_MAX {
                    return false;
                }
            }
            _ => self.last = Some((seen, now_ms)),
        }
        self.clock.sleep(wait_ms).await;
        true
    }
}

/// The queries of a lane that JumpCloud refuses.
fn refused(lane: &StreamStatus) -> impl Iterator<Item = String> {
    lane.refused.iter().map(|it| format!("{}: {}: {}", lane.stream, it.query, it.reason))
}

/// The lanes that the call could not open, each with the reason.
fn left_out(answer: &Backfill) -> impl Iterator<Item = String> {
    let left = answer.lanes.iter().filter(|lane| !lane.is_open());
    left.map(|lane| format!("{}: {}", lane.stream, lane.error.as_deref().unwrap_or("not opened")))
}

/// A run after which the progress is told again.
fn short() -> Budget {
    let started_ms = SystemClock.now_ms();
    Budget { started_ms, deadline_ms: started_ms + MINUTE_MS }
}

fn event(options: &Options, plan: bool) -> Value {
    let organizations = Some(&options.organizations).filter(|names| !names.is_empty());
    json!({
        "task": "backfill",
        "start": options.range.start,
        "end": options.range.end,
        "organizations": organizations,
        "plan": plan,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use engine::ports::NoRandomness;

    use super::*;

    /// A clock that moves only by waiting.
    #[derive(Default)]
    struct FakeClock(AtomicI64);

    #[async_trait::async_trait]
    impl Clock for FakeClock {
        fn now_ms(&self) -> i64 {
            self.0.load(Ordering::Relaxed)
        }

        async fn sleep(&self, ms: u64) {
            self.0.fetch_add(i64::try_from(ms).unwrap_or(i64::MAX), Ordering::Relaxed);
        }

        fn random(&self) -> [u8; 16] {
            [0; 16]
        }

        fn nonce(&self) -> Result<[u8; 16], NoRandomness> {
            Ok(self.random())
        }
    }

    fn seen(
        frontier: Option<UtcTime>,
        reading: Option<UtcTime>,
        entries: Option<u64>,
    ) -> Vec<Seen> {
        vec![(StreamId::own(), frontier, reading, entries)]
    }

    #[tokio::test]
    async fn a_stack_that_gets_no_further_is_given_up_after_three_hours() {
        let (clock, time) = (FakeClock::default(), Some(UtcTime(7)));
        let mut looks = Looks::by(&clock);
        for seen in [
            seen(None, None, None),
            seen(None, None, Some(1)),
            seen(time, None, Some(1)),
            seen(time, time, Some(1)),
        ] {
            let begun_ms = clock.now_ms();
            while clock.now_ms() < begun_ms + STANDSTILL_MS_MAX {
                assert!(looks.wait(seen.clone()).await, "{seen:?}");
            }
        }
        let end_ms = clock.now_ms();
        assert!(!looks.wait(seen(time, time, Some(1))).await);
        assert_eq!(clock.now_ms(), end_ms, "it is given up at once");
    }

    /// The template's alarm is raised by more than three times the schedule. Beside the looks there are
    /// a plan, and once more a plan and the opening.
    #[tokio::test]
    async fn the_looks_of_an_hour_raise_no_alarm() {
        let clock = FakeClock::default();
        let (mut looks, mut count) = (Looks::by(&clock), 0);
        while clock.now_ms() <= HOUR_MS {
            count += 1;
            assert!(looks.wait(seen(None, None, Some(count))).await);
        }
        for minutes in [1, 2, 5, 10, 15] {
            let scheduled = 60 / minutes;
            assert!(scheduled + 3 + count <= 3 * scheduled, "every {minutes} minutes: {count}");
        }
    }
}
