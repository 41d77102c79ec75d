//! `collector`: the same engine as the function, for a person at a terminal.
#![expect(clippy::print_stdout, reason = "a terminal program prints what it found")]

mod backfill;
mod collect;
mod demo;
mod folder;
mod page;
mod serve;
mod show;
mod stack;
mod target;
mod verify;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use engine::error::RunError;
use engine::ports::{InsightsError, StoreError};
use engine::task::Task;
use engine::task::audit::Audit;
use engine::task::status::Status;
use engine::task::validate::Preflight;
use jumpcloud_collector::config::Terminal;
use jumpcloud_collector::{local, telemetry};
use serde_json::json;
use target::TargetArgs;

/// Every JumpCloud Directory Insights event, once, as the bytes JumpCloud sent.
#[derive(Parser)]
#[command(version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Begin with `collector demo`: it needs no JumpCloud, no AWS and no settings.

Settings are environment variables, the same as the function's: JUMPCLOUD_REGION,
JUMPCLOUD_ORG_IDS, JUMPCLOUD_SERVICES, START_LOOKBACK, OVERLAP and others; docs/settings.md lists
them.
The API key is read from JUMPCLOUD_API_KEY or from the file that --key-file names, never from an
argument: every process of this machine may read those.

Exit codes: 0 everything there was is archived; 1 something failed, and its reason was printed;
2 the command line or the settings cannot be used.";

#[derive(Subcommand)]
enum Command {
    /// Collect from a built-in mock of JumpCloud into a folder, and show what came
    #[command(after_help = "Events of one day are made up, collected and shown; then late events \
        appear, a second run collects them, and everything is compared with what was served.")]
    Demo(demo::Options),
    /// Serve the built-in mock of JumpCloud on a loopback port, until standard input ends
    Mock(serve::Options),
    /// Collect from JumpCloud into a folder, from where the last run ended
    #[command(
        after_help = "Example:\n  JUMPCLOUD_API_KEY=… collector collect --to ./jumpcloud\n\n\
        The first run goes back by START_LOOKBACK (24h). Run it as often as you like, from cron for \
        example: each run adds what is new, a killed one is finished by the next."
    )]
    Collect(collect::Options),
    /// Check the settings, the API key, JumpCloud's answer and the folder, without pulling events
    Validate {
        #[command(flatten)]
        args: TargetArgs,
    },
    /// Archive past days: first the plan and what it costs, then with --yes the work
    #[command(
        after_help = "One lane per organization and UTC day, beside what is collected live. \
        Each event is archived once, whatever is asked for how often; a lane that is interrupted \
        continues with the next call and with every `collect`."
    )]
    Backfill(backfill::Options),
    /// Compare JumpCloud's hourly counts with the archive's, and read hours again that differ
    Audit {
        #[command(flatten)]
        args: TargetArgs,
        /// First day, or time in RFC 3339
        #[arg(long, value_name = "TIME")]
        start: String,
        /// Day or time at which to end, exclusive
        #[arg(long, value_name = "TIME")]
        end: String,
        /// Read hours again in which JumpCloud counts more
        #[arg(long)]
        repair: bool,
        /// Write a page with every hour, service by service, and how late events came
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Prove, offline, that the archive is what the journal says: nothing missing, nothing twice
    #[command(after_help = "Checks the journal's chain of hashes, each entry's and each part's \
        SHA-256, that each part is in one entry and no identity in two, that the index is what the \
        journal's identities fold to, and that no other object lies among the events. It reads \
        only, and asks nobody but the folder or the buckets. Exit code 0: all is as it should be.")]
    Verify(verify::Options),
    /// Show where every stream stands: how far it has read, its last success and last error
    Status {
        #[command(flatten)]
        args: TargetArgs,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let terminal = match Terminal::from_env(local::ARCHIVE, local::STATE) {
        Ok(terminal) => terminal,
        Err(error) => {
            complain(&error);
            return ExitCode::from(2);
        }
    };
    telemetry::plain(terminal.source.log_level.min(tracing::Level::WARN));
    match run(cli.command, terminal).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            complain(&with_causes(&error));
            ExitCode::from(1)
        }
    }
}

/// An error and what it came from. The text of an error of ours says all that may be shown: below it
/// may be a whole answer.
fn with_causes(error: &anyhow::Error) -> String {
    let is_ours = |error: &(dyn Error + 'static)| {
        error.is::<StoreError>() || error.is::<InsightsError>() || error.is::<RunError>()
    };
    let mut texts: Vec<String> = Vec::new();
    for cause in error.chain() {
        texts.push(cause.to_string());
        if is_ours(cause) {
            break;
        }
    }
    texts.join(": ")
}

#[expect(clippy::print_stderr, reason = "a terminal program complains where a person sees it")]
fn complain(error: &impl std::fmt::Display) {
    eprintln!("collector: {error}");
}

async fn run(command: Command, terminal: Terminal) -> anyhow::Result<bool> {
    match command {
        Command::Demo(options) => demo::run(&options, &terminal).await,
        Command::Mock(options) => serve::run(&options).await,
        Command::Collect(options) => collect::run(&options, &terminal).await,
        Command::Validate { args } => {
            let target = args.target(&terminal).await?;
            let preflight: Preflight = target.ask(&json!({ "task": "validate" })).await?;
            show::value(args.json, &preflight, show::preflight)?;
            Ok(preflight.ok)
        }
        Command::Backfill(options) => {
            let target = options.args.target(&terminal).await?;
            backfill::run(&options, &target).await
        }
        Command::Audit { args, start, end, repair, html } => {
            let event = json!({
                "task": "audit", "start": start, "end": end, "repair": repair,
                "by_service": html.is_some(),
            });
            let Task::Audit(range) = Task::of(&event)? else { anyhow::bail!("not an audit") };
            let audit: Audit = args.target(&terminal).await?.ask(&event).await?;
            if let Some(file) = &html {
                page::write(file, &audit, range.window, &terminal.settings)?;
            }
            show::value(args.json, &audit, show::audit)?;
            Ok(audit.is_clean())
        }
        Command::Verify(options) => verify::run(&options, &terminal).await,
        Command::Status { args } => {
            let target = args.target(&terminal).await?;
            let status: Status = target.ask(&json!({ "task": "status" })).await?;
            show::value(args.json, &status, show::status)?;
            Ok(status.streams.iter().all(|stream| stream.last_error.is_none()))
        }
    }
}
