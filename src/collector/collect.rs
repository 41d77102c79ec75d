//! `collector collect`: runs until nothing is left to read.

use std::io::IsTerminal as _;

use engine::fleet::dispatch::{self, Fleet};
use engine::report::stream::{Outcome, Report};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{budget, show};

/// Runs over all streams until each is up to date. `false` if one failed.
pub(crate) async fn run(fleet: &Fleet, json: bool) -> anyhow::Result<bool> {
    let progress = Progress::begin();
    loop {
        let report = dispatch::collect(fleet, budget()).await?;
        let is_behind = report.streams.iter().any(|stream| stream.outcome == Outcome::Behind);
        progress.tell(&report, json);
        if json {
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
