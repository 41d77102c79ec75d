//! `collector collect`: runs until nothing is left to read.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args;
use engine::fleet::dispatch;
use engine::report::{Outcome, Report};
use indicatif::{ProgressBar, ProgressStyle};
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
    let progress = Progress::begin();
    loop {
        let report = dispatch::collect(&fleet, budget()).await?;
        let is_behind = report.streams.iter().any(|stream| stream.outcome == Outcome::Behind);
        progress.tell(&report, options.json);
        if options.json {
            show::json(&report)?;
        }
        if !is_behind {
            progress.end();
            return Ok(report.streams.iter().all(|stream| stream.outcome != Outcome::Failed));
        }
    }
}

/// A moving line on a terminal; a line a run elsewhere.
struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    fn begin() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner().with_message("asking JumpCloud");
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(std::time::Duration::from_millis(120));
            bar
        });
        Self { bar }
    }

    fn tell(&self, report: &Report, json: bool) {
        for stream in &report.streams {
            let line = show::run_line(stream);
            match &self.bar {
                Some(bar) if stream.outcome == Outcome::Behind => bar.set_message(line),
                Some(bar) if !json => bar.suspend(|| println!("{line}")),
                None if !json => println!("{line}"),
                _ => {}
            }
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
