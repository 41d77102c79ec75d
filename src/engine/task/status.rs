//! `status`: the status of every stream, from its cursor.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::collect::{Engine, Inquiry};
use crate::error::RunError;
use crate::fleet::discover::{self, Discovered, OrganizationSource};
use crate::limits::DAY_MS;
use crate::read::Budget;
use crate::report::{Discovery, StreamStatus};
use crate::stream::StreamId;

/// The status of every stream.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    /// One line per stream, sorted by name.
    pub streams: Vec<StreamStatus>,
    /// Days for which the archive is kept; absent if for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_retention_days: Option<i64>,
    /// The result of listing organizations; `None` if they are configured by id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovery: Option<Discovery>,
}

/// Reads the cursors of all streams that are configured or were ever created.
///
/// # Errors
/// [`RunError`] if streams or cursors cannot be read.
pub async fn status(
    engine: &Engine,
    organizations: &OrganizationSource,
    budget: Budget,
) -> Result<Status, RunError> {
    let mut all = engine.created_streams().await?;
    let Discovered { streams: configured, discovery } =
        discover::streams(engine, organizations, &all, Inquiry::List, budget).await?;
    all.extend(configured.iter().cloned());
    let asked: BTreeSet<_> = configured.into_iter().collect();
    let all: Vec<_> = all.into_iter().collect();
    let mut items = engine.cursors.get_many(&all).await?;
    let (now_ms, retention_ms) = (engine.clock.now_ms(), engine.settings.retention_ms);
    let line = |stream: StreamId| {
        let item = items.remove(&stream).unwrap_or_default();
        let is_configured = discover::is_collected(engine, &asked, &stream);
        StreamStatus::read(stream, is_configured, &item, now_ms, retention_ms)
    };
    let archive_retention_days = engine.settings.archive_kept_ms.map(|ms| ms / DAY_MS);
    let streams = all.into_iter().map(line).collect();
    Ok(Status { streams, archive_retention_days, discovery })
}
