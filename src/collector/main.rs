//! `collector`: the same engine as the function, for a person at a terminal.
#![expect(clippy::print_stdout, reason = "a terminal program prints what it found")]

mod audit;
mod aws;
mod backfill;
mod collect;
mod day;
mod demo;
mod failed;
mod folder;
mod page;
mod plan;
mod progress;
mod range;
mod serve;
mod show;
mod target;
mod usage;
mod verify;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use engine::error::RunError;
use engine::ports::{InsightsError, StoreError};
use engine::report::StreamStatus;
use engine::task::status::Status;
use engine::task::validate::Preflight;
use jumpcloud_collector::config::Terminal;
use jumpcloud_collector::{local, telemetry};
use serde_json::json;
use target::{Needs, TargetArgs};
use usage::UsageError;

/// Archives every JumpCloud Directory Insights event once, as the bytes JumpCloud sent.
#[derive(Parser)]
#[command(name = "collector", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Begin with `collector demo`: it needs no JumpCloud account, no AWS and no settings.

Settings are environment variables, the same as the function's: JUMPCLOUD_REGION,
JUMPCLOUD_ORG_IDS, JUMPCLOUD_SERVICES, START_LOOKBACK and others; docs/settings.md lists them with
their defaults. The API key is read from JUMPCLOUD_API_KEY or from the file that --key-file names,
never from an argument, which every process of this machine can read.

Days and times are UTC. Errors are written to standard error; a log is written there, too, if
LOG_LEVEL is set to error, warn, info, debug or trace.

Exit codes: 0, done, and for `audit` and `verify` nothing is missing; 1, something failed, differs or
was left out, and the reason was printed; 2, the command line or the settings are invalid.";

#[derive(Subcommand)]
enum Command {
    /// Collect from a built-in mock of JumpCloud into a folder, and show what was archived
    #[command(after_help = "Events of one day are made up, collected and shown; then late events \
        appear, a second run collects them, the archive is compared with what was served, and a page \
        for the browser shows it hour by hour.")]
    Demo(demo::Options),
    /// Serve the built-in mock of JumpCloud on a loopback port, until standard input ends
    #[command(after_help = "Prints one line of JSON: the values of JUMPCLOUD_INSIGHTS_URL, \
        JUMPCLOUD_CONSOLE_URL and JUMPCLOUD_TOKEN_URL that lead to it, an API key, and how many \
        events it serves to that key.")]
    Mock(serve::Options),
    /// Collect from JumpCloud into a folder, from where the last run ended
    #[command(
        after_help = "Example:\n  JUMPCLOUD_API_KEY=… collector collect --to ./jumpcloud\n\n\
        The first run begins START_LOOKBACK (24h) ago. Run it as often as you like, for example \
        from cron: each run adds what is new, and finishes what an interrupted run had begun."
    )]
    Collect(collect::Options),
    /// Check settings, API key, JumpCloud's answers, and the folder or stack; collect nothing
    Validate {
        #[command(flatten)]
        args: TargetArgs,
    },
    /// Archive past days: show the plan and its cost, and with --yes carry it out
    #[command(after_help = "Each organization and UTC day is archived separately, beside what is \
        collected live. However often a day is requested, each of its events is archived once. An \
        interrupted backfill is continued by the next call, and by every `collect` or scheduled \
        run.")]
    Backfill(backfill::Options),
    /// Compare JumpCloud's hourly counts of events with the archive's
    #[command(
        after_help = "Exit code 0: every hour of the range was compared and none differs, or \
        with --repair everything came that JumpCloud counts. Exit code 1 also if an hour was not \
        compared: it was not read yet, is archived by no stream, or is too old. Hours that the next \
        run reads again or for the first time (the last OVERLAP, 15m, and two hours) may be left out, \
        and so are parts of hours at both ends of the range."
    )]
    Audit(audit::Options),
    /// Check that the archive is what the journal says, without JumpCloud: nothing missing or twice
    #[command(after_help = "Checks the chain of hashes of the journal, each entry's and each \
        part's SHA-256, that each part is in one entry and no identity in two, that the index \
        follows from the journal, and that the archive has no other object, whatever its name, but \
        those that `validate` writes below preflight/. It reads only the folder or the two buckets. \
        Exit code 0: everything is right.")]
    Verify(verify::Options),
    /// Show how far each stream has been read, its last success and its last error
    #[command(
        after_help = "Columns: `read up to`, event time; `lag`, how far that is behind now; \
        `gaps`, hours in which JumpCloud counts more events than it sends; `days until loss`, until \
        JumpCloud deletes events that were not read. Exit code 0: no stream's last run failed."
    )]
    Status {
        #[command(flatten)]
        args: TargetArgs,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => match UsageError::of(&error) {
            Some(error) => return unusable(&error),
            None => error.exit(),
        },
    };
    let terminal = match Terminal::from_env(local::ARCHIVE, local::STATE) {
        Ok(terminal) => terminal,
        Err(error) => {
            let right = "docs/settings.md says what each variable may be";
            return unusable(&UsageError::new(error.to_string(), right));
        }
    };
    // Each command prints why it failed. A log beside it would say it twice.
    if let Some(level) = terminal.log_level {
        telemetry::plain(level);
    }
    match run(cli.command, terminal).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => match error.downcast_ref::<UsageError>() {
            Some(error) => unusable(error),
            None => {
                complain(&with_causes(&error));
                ExitCode::from(1)
            }
        },
    }
}

fn unusable(error: &UsageError) -> ExitCode {
    complain(error);
    ExitCode::from(2)
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

/// Carries a command out. `false` if it printed that something failed, differs or was left out.
async fn run(command: Command, terminal: Terminal) -> anyhow::Result<bool> {
    match command {
        Command::Demo(options) => demo::run(&options, &terminal).await,
        Command::Mock(options) => serve::run(&options).await,
        Command::Collect(options) => collect::run(&options, &terminal).await,
        Command::Validate { args } => {
            let target = args.target(&terminal, Needs::Key).await?;
            let preflight = target.ask::<Preflight>(&json!({ "task": "validate" })).await?;
            preflight.show(args.json, show::preflight);
            Ok(preflight.of.ok)
        }
        Command::Backfill(options) => backfill::run(&options, &terminal).await,
        Command::Audit(options) => audit::run(&options, &terminal).await,
        Command::Verify(options) => verify::run(&options, &terminal).await,
        Command::Status { args } => {
            let target = args.target(&terminal, Needs::Archive).await?;
            let status = target.ask_all::<Status>(json!({ "task": "status" })).await?;
            status.show(args.json, show::status);
            // Nothing can be done any more about a lane that is closed.
            let is_well = |stream: &StreamStatus| {
                stream.last_error.is_none() || stream.expired.is_some() && !stream.needs_operator
            };
            Ok(status.of.streams.iter().all(is_well))
        }
    }
}
