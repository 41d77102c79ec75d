//! The engine on a folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use engine::collect::Engine;
use engine::fleet::dispatch::Fleet;
use engine::ports::Clock;
use engine::read::Budget;
use engine::settings::Settings;
use jumpcloud_collector::clock::SystemClock;
use jumpcloud_collector::config::{Source, Terminal};
use jumpcloud_collector::http::Http;
use jumpcloud_collector::jumpcloud::{Auth, Client, ConsoleClient};
use jumpcloud_collector::local::{FolderCursors, FolderObjects, KeySource};

use crate::usage::UsageError;

/// Time a run at a terminal has before it is followed by the next. Its lease lasts a minute more.
const RUN_MS: i64 = 4 * 60_000;

/// Where the API key is.
#[derive(Args)]
pub(crate) struct KeyFile {
    /// File with the API key or `clientId:clientSecret`, as text, or JSON with `api_key`, or with
    /// `client_id` and `client_secret`; without it, the key is read from JUMPCLOUD_API_KEY
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl KeyFile {
    /// Where the API key is, if there is one.
    pub(crate) fn source(&self, terminal: &Terminal) -> Result<KeySource, UsageError> {
        let source = self.source_if_any(terminal)?;
        source.ok_or_else(|| {
            let right = "set JUMPCLOUD_API_KEY, or name a file that holds the key with --key-file";
            UsageError::new("no API key was given", right)
        })
    }

    /// Where the API key is; `None` if none was given.
    pub(crate) fn source_if_any(
        &self,
        terminal: &Terminal,
    ) -> Result<Option<KeySource>, UsageError> {
        let Some(file) = &self.key_file else {
            return Ok(terminal.api_key.clone().map(KeySource::Environment));
        };
        File::open(file).map_err(|error| {
            let wrong = format!("--key-file {}: {error}", file.display());
            UsageError::new(wrong, "name a file that holds the API key and that you may read")
        })?;
        Ok(Some(KeySource::File(file.clone())))
    }
}

/// Refuses a folder that is not there: a misspelt name must not look like an empty archive.
pub(crate) fn must_exist(folder: &Path) -> Result<(), UsageError> {
    if folder.is_dir() {
        return Ok(());
    }
    let wrong = format!("--to {}: the folder does not exist", folder.display());
    Err(UsageError::new(wrong, "name the folder that `collector collect --to` writes to"))
}

/// The streams that are collected into a folder.
pub(crate) fn fleet(folder: &Path, key: KeySource, terminal: &Terminal) -> anyhow::Result<Fleet> {
    let (source, settings) = (&terminal.source, terminal.settings.clone());
    let engine = engine(folder, key, source, settings, Arc::new(SystemClock))?;
    let organizations = terminal.source.organizations.clone();
    Ok(Fleet { engine, queue: None, concurrency: 1, organizations })
}

/// The engine on a folder.
pub(crate) fn engine(
    folder: &Path,
    key: KeySource,
    source: &Source,
    settings: Settings,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Engine> {
    let endpoints = &source.endpoints;
    let http = Http::new(source.proxy.as_ref()).context("set up the HTTP client")?;
    let auth = Auth::new(Arc::new(key), clock.clone(), http.clone(), endpoints.token.clone());
    let insights = Client::new(http, Arc::new(auth), clock.clone(), endpoints.insights.clone());
    let console = ConsoleClient::beside(&insights, endpoints.console.clone());
    Ok(Engine::new(
        Arc::new(insights),
        Arc::new(console),
        Arc::new(FolderObjects::new(folder.to_owned())),
        Arc::new(FolderCursors::new(folder.join("cursors"))),
        clock,
        settings,
    ))
}

/// The time of a run that begins now.
pub(crate) fn budget() -> Budget {
    budget_from(SystemClock.now_ms())
}

/// The time of a run that begins at `started_ms`.
pub(crate) fn budget_from(started_ms: i64) -> Budget {
    Budget { started_ms, deadline_ms: started_ms + RUN_MS }
}
