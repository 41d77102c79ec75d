//! `collector verify`: the auditor's command.

use std::path::PathBuf;

use clap::Args;
use engine::ports::{Clock as _, Objects};
use engine::task::verify::{Buckets, Verdict, verify};
use jumpcloud_collector::aws;
use jumpcloud_collector::aws::s3::S3;
use jumpcloud_collector::clock::SystemClock;
use jumpcloud_collector::config::Terminal;
use jumpcloud_collector::local::{self, FolderObjects};

use crate::show;

/// What to verify.
#[derive(Args)]
pub(crate) struct Options {
    /// The folder that `collect` writes to
    #[arg(long, value_name = "DIR", required_unless_present = "archive_bucket")]
    to: Option<PathBuf>,
    /// The archive's bucket, with --state-bucket; credentials as in other AWS tools
    #[arg(long, value_name = "BUCKET", requires = "state_bucket", conflicts_with = "to")]
    archive_bucket: Option<String>,
    /// The state's bucket
    #[arg(long, value_name = "BUCKET")]
    state_bucket: Option<String>,
    /// Address S3 in path style, for stores other than AWS
    #[arg(long)]
    path_style: bool,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Verifies. `false` if anything is not as it should be.
pub(crate) async fn run(options: &Options, terminal: &Terminal) -> anyhow::Result<bool> {
    let objects: Box<dyn Objects> = match &options.to {
        Some(folder) => Box::new(FolderObjects::new(folder.clone())),
        None => {
            let config = aws::load(terminal.source.proxy.as_ref()).await;
            Box::new(S3::new(&config, options.path_style))
        }
    };
    let buckets = Buckets {
        objects: &*objects,
        archive: options.archive_bucket.as_deref().unwrap_or(local::ARCHIVE),
        state: options.state_bucket.as_deref().unwrap_or(local::STATE),
    };
    let bar = show::spinner();
    let mut progress = |verdict: &Verdict| {
        bar.set_message(format!("{} entries, {} events", verdict.entries, verdict.events));
        bar.tick();
    };
    let verdict = verify(buckets, SystemClock.now_ms(), &mut progress).await?;
    bar.finish_and_clear();
    show::value(options.json, &verdict, print)?;
    Ok(verdict.problems.is_empty())
}

fn print(verdict: &Verdict) {
    let Verdict { streams, entries, parts, part_bytes, events, identities, slots, .. } = verdict;
    let Verdict { older_than_journal, problems, .. } = verdict;
    println!("streams     {streams:>12}");
    println!("entries     {entries:>12}  each with its own SHA-256 and that of the entry before");
    println!(
        "parts       {parts:>12}  each in one entry and in the archive, {part_bytes} bytes, SHA-256 as decided"
    );
    println!("events      {events:>12}");
    println!("identities  {identities:>12}  none in two entries");
    println!("slots       {slots:>12}  each what the journal's identities fold to");
    println!(
        "older       {older_than_journal:>12}  objects of the archive than the journal, which says nothing of them"
    );
    for problem in problems {
        println!("PROBLEM     {problem}");
    }
    match problems.len() {
        0 => println!("verified: the archive is what the journal says"),
        n => println!("not verified: {n} problems"),
    }
}
