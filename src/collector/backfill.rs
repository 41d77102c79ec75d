//! `collector backfill`: first the plan, then the work with its progress.

use clap::Args;
use engine::collect::RunPurpose;
use engine::limits::FAILURES_TOLERATED;
use engine::ports::Clock as _;
use engine::read::Budget;
use engine::report::Outcome;
use engine::stream::StreamId;
use engine::task::backfill::Backfill;
use engine::task::status::Status;
use jumpcloud_collector::clock::SystemClock;
use jumpcloud_collector::config::Terminal;
use serde_json::{Value, json};

use crate::plan;
use crate::progress::{Progress, Work};
use crate::range::Range;
use crate::show::counted;
use crate::target::{Needs, Target, TargetArgs};

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

/// Time between two looks at a stack that does the work, and of a run that does it here.
const LOOK_MS: u64 = 10_000;

/// Shows the plan, and with `--yes` archives it. `false` if a day or an organization was left out.
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
    let opened = target.ask_all::<Backfill>(event(options, false)).await?;
    opened.show(json, |_| ());
    let work = Work::new(&plan.of, &opened.of);
    archive(&target, &work, json).await?;
    let left: Vec<_> = left_out(&opened.of).collect();
    if !json {
        opened.of.refused.iter().for_each(|refused| println!("refused: {refused}"));
        if !left.is_empty() {
            let days = counted(left.len(), "day was", "days were");
            println!("{days} left out; run the same command again: {}", left.join("; "));
        }
    }
    Ok(opened.of.refused.is_empty() && left.is_empty())
}

/// Waits until every lane is read; those of a folder are read here.
async fn archive(target: &Target, work: &Work, json: bool) -> anyhow::Result<()> {
    let mut progress = Progress::begin(work);
    loop {
        let status = target.ask_all::<Status>(json!({ "task": "status" })).await?;
        let lanes: Vec<_> = status.of.streams.iter().filter(|line| work.holds(line)).collect();
        status.show(json, |_| progress.show(&lanes));
        if let Some(failed) = lanes.iter().find(|lane| lane.failures >= FAILURES_TOLERATED) {
            let error = failed.last_error.as_deref().unwrap_or("failed");
            anyhow::bail!("{}: {error}; run the same command again to continue", failed.stream);
        }
        let is_waiting = match (work.unread(&lanes), target) {
            (None, _) => {
                progress.end(json);
                return Ok(());
            }
            (Some(lane), Target::Folder(fleet)) => {
                let run = fleet.engine.run(lane, RunPurpose::Collect, short()).await;
                run.log();
                matches!(run.outcome, Outcome::Busy | Outcome::Waiting)
            }
            (Some(_), Target::Stack(_)) => true,
        };
        if is_waiting {
            SystemClock.sleep(LOOK_MS).await;
        }
    }
}

/// The lanes that the call could not open, each with the reason.
fn left_out(answer: &Backfill) -> impl Iterator<Item = String> {
    let left = answer.lanes.iter().filter(|lane| lane.is_left_out());
    left.map(|lane| format!("{}: {}", lane.stream, lane.error.as_deref().unwrap_or("not opened")))
}

/// A run after which the progress is told again.
fn short() -> Budget {
    let started_ms = SystemClock.now_ms();
    Budget { started_ms, deadline_ms: started_ms + LOOK_MS.cast_signed() }
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
