//! `collector verify`: the auditor's command.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use engine::ports::{Clock as _, Objects};
use engine::task::verify::{Buckets, Verdict, verify};
use jumpcloud_collector::clock::SystemClock;
use jumpcloud_collector::config::Terminal;
use jumpcloud_collector::local::{self, FolderObjects};

use crate::show::counted;
use crate::{aws, folder, show};

/// What to verify.
#[derive(Args)]
#[command(group(ArgGroup::new("target").required(true).args(["to", "archive_bucket"])))]
pub(crate) struct Options {
    /// Folder that `collector collect --to` writes to
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Bucket of the archive, the stack's output ArchiveBucketName; credentials and Region are found
    /// as by the AWS CLI
    #[arg(long, value_name = "BUCKET", requires = "state_bucket")]
    archive_bucket: Option<String>,
    /// Bucket of journal and index, the stack's output StateBucketName
    #[arg(long, value_name = "BUCKET", requires = "archive_bucket")]
    state_bucket: Option<String>,
    /// Print the result as JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Verifies. `false` if anything is not as it should be.
pub(crate) async fn run(options: &Options, terminal: &Terminal) -> anyhow::Result<bool> {
    let objects: Box<dyn Objects> = match &options.to {
        Some(folder) => {
            folder::must_exist(folder)?;
            Box::new(FolderObjects::new(folder.clone()))
        }
        None => aws::buckets(terminal).await?,
    };
    let buckets = Buckets {
        objects: &*objects,
        archive: options.archive_bucket.as_deref().unwrap_or(local::ARCHIVE),
        state: options.state_bucket.as_deref().unwrap_or(local::STATE),
    };
    let bar = show::spinner();
    let mut progress = |verdict: &Verdict| {
        let entries = counted(verdict.entries, "entry", "entries");
        bar.set_message(format!("{entries}, {}", counted(verdict.events, "event", "events")));
        bar.tick();
    };
    let verdict = verify(buckets, SystemClock.now_ms(), &mut progress).await?;
    bar.finish_and_clear();
    if options.json {
        show::json(&verdict);
    } else {
        print(&verdict);
    }
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
    println!("slots       {slots:>12}  each as the journal's identities say");
    println!(
        "older       {older_than_journal:>12}  objects of the archive from before the journal that is kept"
    );
    for problem in problems {
        println!("PROBLEM     {problem}");
    }
    match problems.len() {
        0 => println!("verified: the archive is what the journal says"),
        n => println!("not verified: {}", counted(n, "problem", "problems")),
    }
}
