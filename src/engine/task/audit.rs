//! `audit`: compares JumpCloud's hourly counts with the archive's, and reads hours that differ
//! again if requested.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::collect::{CountRequest, Engine, Inquiry, RunPurpose};
use crate::cursor::Cursor;
use crate::error::RunError;
use crate::fleet::discover::{self, Discovered, OrganizationSource};
use crate::limits::DAY_MS;
use crate::page::Query;
use crate::ports::Meter;
use crate::read::{Budget, window};
use crate::report::{Discovery, Outcome, StreamReport, lateness};
use crate::stream::StreamId;
use crate::task::hours::{AuditedHours, Hours};
use crate::time::{self, UtcTime, Window};

/// The parameters of an audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditRequest {
    /// The range of event time. Only whole hours in it are compared.
    pub window: Window,
    /// Whether hours that differ are read again.
    pub repair: bool,
    /// Whether the result also has the counts of each hour per service.
    pub by_service: bool,
}

/// The result of an audit.
#[derive(Debug, Serialize, Deserialize)]
pub struct Audit {
    /// One line per stream.
    pub streams: Vec<StreamAudit>,
    /// The result of listing organizations; `None` if they are configured by id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovery: Option<Discovery>,
}

/// The result for one stream, over the whole hours of the range that its head will not read again.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct StreamAudit {
    /// The stream.
    pub stream: StreamId,
    /// Start of the first hour that was compared; `None` if none was compared.
    pub from: Option<UtcTime>,
    /// End of the last hour that was compared, exclusive.
    pub to: Option<UtcTime>,
    /// Events that JumpCloud counts.
    pub counted: i64,
    /// Events in the index.
    pub archived: i64,
    /// Hours of which JumpCloud counts more events than the index has.
    pub differing: Vec<DifferingHour>,
    /// Why hours of the range could not be compared: nobody can say that nothing is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_comparable: Option<String>,
    /// The report of the run that read them again.
    pub repair: Option<StreamReport>,
    /// The counts of each hour per service, if requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// Why the stream could not be audited.
    pub error: Option<String>,
}

/// An hour of which JumpCloud counts more events than the index has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferingHour {
    /// The hour's first millisecond.
    pub hour: UtcTime,
    /// Events JumpCloud counts.
    pub counted: i64,
    /// Events the index holds.
    pub archived: i64,
}

/// Audits each stream, and the lanes of past days in the range. An error of one stream is in its
/// line.
///
/// # Errors
/// [`RunError`] if the streams cannot be listed.
pub async fn audit(
    engine: &Engine,
    organizations: &OrganizationSource,
    request: AuditRequest,
    budget: Budget,
) -> Result<Audit, RunError> {
    let Discovered { streams, discovery } =
        discover::streams(engine, organizations, Inquiry::Events, budget).await?;
    let mut lines = Vec::new();
    for stream in with_lanes(engine, &streams, request).await? {
        let mut line = StreamAudit { stream: stream.clone(), ..StreamAudit::default() };
        if let Err(error) = line.compare(engine, request, budget).await {
            line.error = Some(error.to_string());
        }
        if request.repair && !line.differing.is_empty() {
            if stream.is_lane() {
                // A lane that is over has no runs that would find what a repair leaves undone.
                engine.ensure_open(&stream).await?;
            }
            let hours_ms: Vec<i64> = line.differing.iter().map(|hour| hour.hour.0).collect();
            line.repair = Some(engine.run(&stream, RunPurpose::Repair(&hours_ms), budget).await);
        }
        lines.push(line);
    }
    Ok(Audit { streams: lines, discovery })
}

/// The live streams, each followed by its lanes of days in the range.
async fn with_lanes(
    engine: &Engine,
    live: &[StreamId],
    request: AuditRequest,
) -> Result<Vec<StreamId>, RunError> {
    let is_in = |lane: &StreamId| {
        lane.lane_day_ms().is_some_and(|day_ms| {
            day_ms < request.window.end_ms
                && request.window.start_ms < day_ms.saturating_add(DAY_MS)
        })
    };
    let mut streams = Vec::new();
    for stream in live {
        streams.push(stream.clone());
        let lanes = engine.created_lanes(stream).await?;
        streams.extend(lanes.into_iter().filter(is_in));
    }
    Ok(streams)
}

impl Audit {
    /// The error of every stream that could not be audited or repaired; `None` if there was none.
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

    /// Whether all hours could be compared, and no stream has an hour that differs, or all such hours
    /// were read again.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let repaired =
            |line: &StreamAudit| line.repair.as_ref().is_some_and(|run| run.outcome == Outcome::Ok);
        self.streams.iter().all(|line| {
            let is_compared = line.error.is_none() && line.not_comparable.is_none();
            is_compared && (line.differing.is_empty() || repaired(line))
        })
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
        let Some(hours) = self.comparable(&cursor, request.window, engine.now_ms()) else {
            return Ok(());
        };
        let meter = Arc::new(Meter::default());
        let deadline_ms = budget.read_until_ms(0);
        engine.confirm_organization(&self.stream, &meter, deadline_ms).await?;
        let queries: Vec<Query> =
            cursor.state.accepted().map(|query| query.names.clone()).collect();
        let counts =
            CountRequest { stream: &self.stream, window: hours, deadline_ms, meter: &meter };
        let Some(theirs) = engine.counted(&queries, counts).await?.filter(|_| !queries.is_empty())
        else {
            let why = match queries.is_empty() {
                true => "every query is refused",
                false => "JumpCloud does not list all services that `all` returns",
            };
            self.not_comparable = Some(format!("the counts are not comparable: {why}"));
            return Ok(());
        };
        let theirs = theirs.hours;
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

    /// The whole hours of the range that the stream has read for good and whose index is there for
    /// certain; none if there are none.
    fn comparable(&mut self, cursor: &Cursor, range: Window, now_ms: i64) -> Option<Window> {
        let first_ms = range.start_ms.max(cursor.origin_ms);
        let end_ms = time::floor_hour_ms(range.end_ms.min(cursor.state.read_to_ms()));
        let earliest_ms = match window::is_expired(cursor, now_ms) {
            true => end_ms,
            false => window::earliest_ms(cursor, now_ms),
        };
        if first_ms < earliest_ms.min(end_ms) {
            let before = UtcTime(earliest_ms);
            self.not_comparable = Some(format!(
                "hours before {before} are not comparable: what the index held of them may have expired"
            ));
        }
        let hours = Window::new(time::ceil_hour_ms(first_ms.max(earliest_ms)), end_ms);
        (!hours.is_empty()).then_some(hours)
    }
}
