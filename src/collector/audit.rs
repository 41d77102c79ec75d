//! `collector audit`: JumpCloud's hourly counts beside the archive's.

use std::path::PathBuf;

use clap::Args;
use engine::ports::Clock as _;
use engine::task::audit::Audit;
use jumpcloud_collector::clock::SystemClock;
use jumpcloud_collector::config::Terminal;
use serde_json::json;

use crate::range::Range;
use crate::target::{Needs, TargetArgs};
use crate::{page, show};

/// What is compared, and what is done about it.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    args: TargetArgs,
    #[command(flatten)]
    range: Range,
    /// Read hours again in which JumpCloud counts more, archive what is new in them, and show how much
    /// of what it counts did not come
    #[arg(long)]
    repair: bool,
    /// Also write an HTML page: every hour by service, gaps, and how late events were
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Compares, and shows what was found. `false` if an hour differs, unless all that is counted came
/// when it was read again, or could not be compared.
pub(crate) async fn run(options: &Options, terminal: &Terminal) -> anyhow::Result<bool> {
    let Options { args, range, repair, html } = options;
    let window = range.window()?;
    let event = json!({
        "task": "audit",
        "start": range.start,
        "end": range.end,
        "repair": repair,
        "by_service": html.is_some(),
    });
    let audit = args.target(terminal, Needs::ArchiveAndKey).await?.ask::<Audit>(&event).await?;
    if let Some(file) = html {
        page::write(file, &audit.of, SystemClock.now_ms(), window, &terminal.settings)?;
    }
    audit.show(args.json, show::audit);
    Ok(audit.of.is_clean())
}
