//! The engine on a folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use engine::collect::Engine;
use engine::fleet::dispatch::Fleet;
use engine::ports::Clock as _;
use engine::read::Budget;
use engine::settings::Settings;
use jumpcloud_collector::clock::SystemClock;
use jumpcloud_collector::config::{Source, Terminal};
use jumpcloud_collector::jumpcloud::{Auth, Client, ConsoleClient, Http};
use jumpcloud_collector::local::{FolderCursors, FolderObjects, KeySource};

/// Time a run at a terminal has before it is followed by the next. Its lease lasts a minute more.
const RUN_MS: i64 = 4 * 60_000;

/// The streams that are collected into a folder, with the API key of a file or the environment.
pub(crate) fn fleet(
    folder: &Path,
    key_file: Option<&PathBuf>,
    terminal: &Terminal,
) -> anyhow::Result<Fleet> {
    let key = match (key_file, &terminal.api_key) {
        (Some(file), _) => KeySource::File(file.clone()),
        (None, Some(key)) => KeySource::Environment(key.clone()),
        (None, None) => KeySource::None,
    };
    let engine = engine(folder, key, &terminal.source, terminal.settings.clone())?;
    Ok(Fleet { engine, queue: None, organizations: terminal.source.organizations.clone() })
}

/// The engine on a folder.
pub(crate) fn engine(
    folder: &Path,
    key: KeySource,
    source: &Source,
    settings: Settings,
) -> anyhow::Result<Engine> {
    let clock = Arc::new(SystemClock);
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
    let started_ms = SystemClock.now_ms();
    Budget { started_ms, deadline_ms: started_ms + RUN_MS }
}
