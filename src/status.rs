//! `status`: where every stream stands, from its cursor.

use serde::Serialize;

use crate::collect::Engine;
use crate::cursor::{self, Cursor};
use crate::discover::{self, Asked, Who};
use crate::error::RunError;
use crate::lateness::Lateness;
use crate::limits::{DAY_MS, RETENTION_MS};
use crate::plan::Budget;
use crate::report::Discovery;
use crate::stream::StreamId;
use crate::time;
use crate::update::{Item, number, text};

/// Where every stream stands.
#[derive(Debug, Serialize)]
pub struct Status {
    /// A line a stream, by name.
    pub streams: Vec<StreamStatus>,
    /// How looking for organizations went; none where they are named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovery: Option<Discovery>,
}

/// Where one stream stands.
#[derive(Debug, Serialize)]
pub struct StreamStatus {
    /// The stream.
    pub stream: StreamId,
    /// Whether it is collected; its cursor stays when it no longer is.
    pub configured: bool,
    /// Event time up to which the head has read, RFC 3339; none before the birth.
    pub frontier: Option<String>,
    /// How far that is behind now, in seconds.
    pub lag_seconds: Option<i64>,
    /// When a run last ended well, RFC 3339.
    pub last_success: Option<String>,
    /// Why the last run failed; none if it did not.
    pub last_error: Option<String>,
    /// Failures in a row.
    pub failures: i64,
    /// Hours in which JumpCloud counts more events than came.
    pub gaps: usize,
    /// Days until JumpCloud begins to delete what was not read yet; 90 days is its longest
    /// retention.
    pub days_until_loss: Option<i64>,
    /// How late events arrived so far, a service: what to choose `LATE_HORIZON` from.
    pub lateness: Lateness,
    /// Entries decided so far.
    pub entries: Option<u64>,
}

/// Reads the cursors of all streams that are asked for or were born.
///
/// # Errors
/// [`RunError`] if streams or cursors cannot be read.
pub async fn status(engine: &Engine, who: &Who, budget: Budget) -> Result<Status, RunError> {
    let mut all = engine.born().await?;
    let Asked { streams: configured, discovery } =
        discover::streams(engine, who, &all, budget).await;
    all.extend(configured.iter().cloned());
    let now_ms = engine.clock.now_ms();
    let mut streams = Vec::new();
    for stream in all {
        let item = engine.cursors.get(&stream).await?.unwrap_or_default();
        let is_configured = configured.contains(&stream);
        streams.push(StreamStatus::read(stream, is_configured, &item, now_ms));
    }
    Ok(Status { streams, discovery })
}

impl StreamStatus {
    fn read(stream: StreamId, configured: bool, item: &Item, now_ms: i64) -> Self {
        let cursor = Cursor::read(item).ok();
        let lag_ms = cursor.as_ref().map(|cursor| (now_ms - cursor.state.frontier_ms).max(0));
        Self {
            stream,
            configured,
            frontier: cursor.as_ref().map(|cursor| time::rfc3339(cursor.state.frontier_ms)),
            lag_seconds: lag_ms.map(|lag_ms| lag_ms / 1_000),
            last_success: number(item, "last_success_ms").ok().map(time::rfc3339),
            last_error: text(item, "last_error").ok().map(str::to_owned),
            failures: number(item, "failures").unwrap_or(0),
            gaps: cursor.as_ref().map_or(0, |cursor| cursor.state.gaps()),
            days_until_loss: lag_ms.map(|lag_ms| (RETENTION_MS - lag_ms) / DAY_MS),
            lateness: cursor::lateness(item),
            entries: cursor.map(|cursor| cursor.seq),
        }
    }
}
