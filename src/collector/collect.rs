//! `collector collect`: runs until nothing is left to read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use engine::fleet::dispatch;
use engine::limits::MINUTE_MS;
use engine::ports::Clock as _;
use engine::report::{Outcome, Report, StreamReport};
use engine::stream::StreamId;
use jumpcloud_collector::clock::SystemClock;
use jumpcloud_collector::config::Terminal;

use crate::folder::{self, budget};
use crate::show;

/// Where to collect to, and as target.
#[derive(Args)]
pub(crate) struct Options {
    /// Folder to collect into; it is created if it does not exist
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    key: folder::KeyFile,
    /// Print each report as a line of JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Runs over all streams until each is up to date. `false` if one failed or could not be read whole,
/// or if it could not be told which there are.
pub(crate) async fn run(options: &Options, terminal: &Terminal) -> anyhow::Result<bool> {
    let key = options.key.source(terminal)?;
    let fleet = folder::fleet(&options.to, key, terminal)?;
    let bar = show::spinner().with_message("asking JumpCloud");
    bar.enable_steady_tick(Duration::from_millis(120));
    let mut positions = Positions::new(fleet.engine.settings.settle_lag_ms);
    let mut standstills = 0;
    loop {
        let report = dispatch::collect(&fleet, budget()).await?;
        for stream in &report.streams {
            let line = show::run_line(stream);
            if stream.outcome == Outcome::Behind && !bar.is_hidden() {
                bar.set_message(line);
            } else if !options.json {
                bar.suspend(|| println!("{line}"));
            }
        }
        let discovery = report.discovery.as_ref().and_then(|discovery| discovery.error.as_ref());
        if options.json {
            show::json(&report);
        } else if let Some(error) = discovery {
            bar.suspend(|| println!("discovery: failed: {error}"));
        }
        if report.streams.iter().all(|stream| stream.outcome != Outcome::Behind) {
            bar.finish_and_clear();
            return Ok(discovery.is_none() && all_went_well(&report));
        }
        let has_advanced = positions.advance(&report, SystemClock.now_ms());
        standstills = if has_advanced { 0 } else { standstills + 1 };
        if standstills > STANDSTILLS_MAX {
            bar.finish_and_clear();
            anyhow::bail!("JumpCloud does not answer what is left; {AGAIN}");
        }
    }
}

/// Repetitions in which nothing gets further, one after the other, before a command gives up. In some
/// of them a page that could not be had is requested in smaller pieces.
pub(crate) const STANDSTILLS_MAX: u32 = 10;

/// What to do about what could not be read.
pub(crate) const AGAIN: &str = "run the same command again to continue";

/// How far the streams that are behind have been read.
struct Positions {
    /// A stream that is at most this far behind is not behind at its heads.
    current_ms: i64,
    known: BTreeMap<StreamId, i64>,
}

impl Positions {
    fn new(settle_lag_ms: i64) -> Self {
        Self { current_ms: settle_lag_ms + MINUTE_MS, known: BTreeMap::new() }
    }

    /// Whether one of them got further since the last report. One whose heads are read up to now is
    /// behind because something failed there, and now moves by itself.
    fn advance(&mut self, report: &Report, now_ms: i64) -> bool {
        let mut has_advanced = false;
        for stream in report.streams.iter().filter(|stream| stream.outcome == Outcome::Behind) {
            let position_ms = position_ms(stream, now_ms);
            let before_ms = self.known.insert(stream.stream.clone(), position_ms);
            let is_whole = stream.stream.is_lane() || stream.stream.is_users();
            let is_current =
                stream.lag_seconds.is_some_and(|seconds| seconds * 1_000 <= self.current_ms);
            let is_further = before_ms.is_none_or(|before_ms| before_ms + CLOCK_MS < position_ms);
            has_advanced |= is_whole && stream.tally.written > 0 || is_further && !is_current;
        }
        has_advanced
    }
}

/// A lag is in whole seconds, and was taken a little before it is looked at.
const CLOCK_MS: i64 = 2_000;

/// Event time up to which the query furthest behind has read; of a lane, the query furthest ahead.
fn position_ms(stream: &StreamReport, now_ms: i64) -> i64 {
    let frontier_ms = stream.frontier.map_or(i64::MIN, |frontier| frontier.0);
    stream.lag_seconds.map_or(frontier_ms, |lag_seconds| now_ms - lag_seconds * 1_000)
}

fn all_went_well(report: &Report) -> bool {
    let went_well = |stream: &StreamReport| {
        let is_suspended = stream.outcome == Outcome::Waiting && stream.error.is_some();
        let has_failed = stream.outcome == Outcome::Failed || is_suspended;
        !has_failed && stream.refused.is_empty() && stream.lost.is_empty()
    };
    report.streams.iter().all(went_well)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_behind_gets_further() {
        let mut positions = Positions::new(10_000);
        let mut advance = |outcome, lag_seconds| {
            let mut stream = StreamReport::new(StreamId::own());
            (stream.outcome, stream.lag_seconds) = (outcome, Some(lag_seconds));
            let report = Report { streams: vec![stream], ..Report::default() };
            positions.advance(&report, 1_795_249_800_000)
        };
        assert!(advance(Outcome::Behind, 900));
        assert!(!advance(Outcome::Behind, 900));
        assert!(advance(Outcome::Behind, 600));
        assert!(!advance(Outcome::Ok, 0));
        assert!(!advance(Outcome::Behind, 10), "its heads are read");
    }
}
