//! `collector collect`: runs until nothing is left to read.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use engine::fleet::dispatch;
use engine::report::{Outcome, Report, StreamReport};
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
    }
}

fn all_went_well(report: &Report) -> bool {
    let went_well = |stream: &StreamReport| {
        stream.outcome != Outcome::Failed && stream.refused.is_empty() && stream.lost.is_empty()
    };
    report.streams.iter().all(went_well)
}
