//! `audit`: JumpCloud's hourly counts beside the archive's, and the repair of hours that differ.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::collect::{Engine, RunPurpose};
use crate::cursor::Cursor;
use crate::error::RunError;
use crate::fleet::discover::{self, Discovered, OrganizationSource};
use crate::limits::DAY_MS;
use crate::ports::Meter;
use crate::read::Budget;
use crate::report::{Discovery, Outcome, StreamReport, lateness};
use crate::stream::StreamId;
use crate::task::hours::{AuditedHours, Hours};
use crate::time::{self, UtcTime, Window};

/// What is audited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditRequest {
    /// Event time.
    pub window: Window,
    /// Whether hours that differ are read again.
    pub repair: bool,
    /// Whether the hours are told service by service.
    pub by_service: bool,
}

/// What was found.
#[derive(Debug, Serialize, Deserialize)]
pub struct Audit {
    /// A line a stream.
    pub streams: Vec<StreamAudit>,
    /// How looking for organizations went; none where they are named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovery: Option<Discovery>,
}

/// What was found of one stream, over the whole hours of the range that it has read for good.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct StreamAudit {
    /// The stream.
    pub stream: StreamId,
    /// First hour that was compared; none if there is none.
    pub from: Option<UtcTime>,
    /// End of the last hour, exclusive.
    pub to: Option<UtcTime>,
    /// Events JumpCloud counts.
    pub counted: i64,
    /// Events the index holds.
    pub archived: i64,
    /// Hours where JumpCloud counts more than the index holds.
    pub differing: Vec<DifferingHour>,
    /// What reading them again did.
    pub repair: Option<StreamReport>,
    /// The hours service by service, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// Why it could not be audited.
    pub error: Option<String>,
}

/// One hour where JumpCloud counts more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferingHour {
    /// Its first millisecond.
    pub hour: UtcTime,
    /// Events JumpCloud counts.
    pub counted: i64,
    /// Events the index holds.
    pub archived: i64,
}

/// Audits each stream, and the lanes of past days in the range. What goes wrong with one is in its line.
///
/// # Errors
/// [`RunError`] if it cannot be told which streams there are.
pub async fn audit(
    engine: &Engine,
    organizations: &OrganizationSource,
    request: AuditRequest,
    budget: Budget,
) -> Result<Audit, RunError> {
    let born = engine.created_streams().await?;
    let Discovered { streams, discovery } =
        discover::streams(engine, organizations, &born, budget).await;
    let mut lines = Vec::new();
    for stream in with_lanes(&streams, &born, request) {
        let mut line = StreamAudit { stream: stream.clone(), ..StreamAudit::default() };
        if let Err(error) = line.compare(engine, request, budget).await {
            line.error = Some(error.to_string());
        }
        if request.repair && !line.differing.is_empty() {
            let hours_ms: Vec<i64> = line.differing.iter().map(|hour| hour.hour.0).collect();
            line.repair = Some(engine.run(&stream, RunPurpose::Repair(&hours_ms), budget).await);
        }
        lines.push(line);
    }
    Ok(Audit { streams: lines, discovery })
}

/// The live streams, each with its lanes of days in the range behind it.
fn with_lanes(
    live: &[StreamId],
    born: &BTreeSet<StreamId>,
    request: AuditRequest,
) -> Vec<StreamId> {
    let is_in = |lane: &StreamId| {
        lane.lane_day_ms().is_some_and(|day_ms| {
            day_ms < request.window.end_ms
                && request.window.start_ms < day_ms.saturating_add(DAY_MS)
        })
    };
    let lanes = |stream: &StreamId| {
        let own = born.iter().filter(move |lane| lane.live() == *stream && is_in(lane));
        own.cloned().collect::<Vec<_>>()
    };
    live.iter().flat_map(|stream| std::iter::once(stream.clone()).chain(lanes(stream))).collect()
}

impl Audit {
    /// Every stream that could not be audited or repaired, by name; none if there is none.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let repair = |line: &StreamAudit| line.repair.as_ref().and_then(|run| run.error.clone());
        let failed = self.streams.iter().filter_map(|line| {
            let error = line.error.clone().or_else(|| repair(line))?;
            Some(format!("{}: {error}", line.stream))
        });
        let failed: Vec<_> = failed.collect();
        (!failed.is_empty()).then(|| failed.join("; "))
    }

    /// Whether no stream has an hour that differs, or all such hours were read again.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let repaired =
            |line: &StreamAudit| line.repair.as_ref().is_some_and(|run| run.outcome == Outcome::Ok);
        self.streams
            .iter()
            .all(|line| line.error.is_none() && (line.differing.is_empty() || repaired(line)))
    }
}

impl StreamAudit {
    async fn compare(
        &mut self,
        engine: &Engine,
        request: AuditRequest,
        budget: Budget,
    ) -> Result<(), RunError> {
        let Some(item) = engine.cursors.get(&self.stream).await? else { return Ok(()) };
        let cursor = Cursor::read(&item)?;
        let hours = Window::new(
            time::ceil_hour_ms(request.window.start_ms.max(cursor.origin_ms)),
            time::floor_hour_ms(request.window.end_ms.min(cursor.state.read_to_ms)),
        );
        if hours.is_empty() {
            return Ok(());
        }
        let meter = Arc::new(Meter::default());
        let deadline_ms = budget.read_until_ms(0);
        let theirs = engine.counted(&self.stream, hours, deadline_ms, &meter).await?;
        let ours = engine.indexed(&self.stream, cursor.seq, hours.start_ms).await?;
        self.from = Some(UtcTime(hours.start_ms));
        self.to = Some(UtcTime(hours.end_ms));
        self.counted = theirs.values().sum();
        self.archived = ours.range(hours.start_ms..hours.end_ms).map(|(_, count)| count).sum();
        for (&hour_ms, &counted) in &theirs {
            let archived = ours.get(&hour_ms).copied().unwrap_or(0);
            if counted > archived {
                self.differing.push(DifferingHour { hour: UtcTime(hour_ms), counted, archived });
            }
        }
        if request.by_service {
            let audited = AuditedHours { stream: &self.stream, cursor: &cursor, hours, budget };
            let lateness = lateness::stored(&item);
            self.hours = Some(engine.hours(audited, &theirs, &ours, &lateness).await?);
        }
        Ok(())
    }
}
