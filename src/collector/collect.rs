//! `collector collect`: runs until nothing is left to read.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use engine::fleet::dispatch;
use engine::report::Outcome;
use jumpcloud_collector::config::Terminal;

use crate::folder::{self, budget};
use crate::show;

/// Where to collect to, and as whom.
#[derive(Args)]
pub(crate) struct Options {
    /// The folder to collect into; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// A file that holds the API key, as text or as JSON with `api_key`, or with `client_id` and
    /// `client_secret`
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Runs over all streams until each is up to date. `false` if one failed.
pub(crate) async fn run(options: &Options, terminal: &Terminal) -> anyhow::Result<bool> {
    let fleet = folder::fleet(&options.to, options.key_file.as_ref(), terminal)?;
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
        if options.json {
            show::json(&report)?;
        }
        if report.streams.iter().all(|stream| stream.outcome != Outcome::Behind) {
            bar.finish_and_clear();
            return Ok(report.streams.iter().all(|stream| stream.outcome != Outcome::Failed));
        }
    }
}
