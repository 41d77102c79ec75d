//! `audit`: compares JumpCloud's hourly counts with the archive's, and reads hours that differ
//! again if requested.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::collect::{CountRequest, Engine, Inquiry, RunPurpose};
use crate::cursor::{self, Cursor, Item};
use crate::error::RunError;
use crate::fleet::discover::{self, Discovered, OrganizationSource};
use crate::limits::{DAY_MS, UNREAD_MS_MAX};
use crate::page::Query;
use crate::ports::Meter;
use crate::read::{Budget, window};
use crate::report::{Discovery, StreamReport, lateness};
use crate::settings::Settings;
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

/// The result for one stream, over the whole hours of the range that its head will not read again:
/// those that ended an overlap before the end of its last complete reading.
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
    /// Why hours of the range could not be compared: nobody can say that nothing is missing. A live
    /// stream's line also has those before its origin that no lane has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_comparable: Option<String>,
    /// The report of the run that read them again. All other numbers are from before it, but for what
    /// is left of each hour.
    pub repair: Option<StreamReport>,
    /// The counts of each hour per service, if requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// Why the stream could not be audited.
    pub error: Option<String>,
    /// Event time at which the stream begins, if it has a cursor.
    #[serde(skip)]
    origin_ms: Option<i64>,
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
    /// After a repair: how many of the events counted neither came when the hour was read again nor are
    /// in the index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<i64>,
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
    for live in streams {
        let lanes = lanes(engine, &live, request.window).await?;
        let first = lines.len();
        for stream in std::iter::once(live).chain(lanes) {
            let mut line = StreamAudit { stream, ..StreamAudit::default() };
            if let Err(error) = line.compare_and_repair(engine, request, budget).await {
                line.error = Some(error.to_string());
            }
            lines.push(line);
        }
        exclude_rest(&mut lines[first..], request.window);
    }
    Ok(Audit { streams: lines, discovery })
}

/// The lanes of a live stream of days in the range.
async fn lanes(engine: &Engine, live: &StreamId, range: Window) -> Result<Vec<StreamId>, RunError> {
    let mut lanes = engine.created_lanes(live).await?;
    lanes.retain(|lane| {
        lane.lane_day_ms().is_some_and(|day_ms| {
            day_ms < range.end_ms && range.start_ms < day_ms.saturating_add(DAY_MS)
        })
    });
    Ok(lanes)
}

/// Says in the line of a live stream, which is the first, which hours before its origin are in none of
/// its lanes, and where none was compared at all.
fn exclude_rest(lines: &mut [StreamAudit], range: Window) {
    let are_compared = lines.iter().any(|line| line.from.is_some());
    let Some((live, lanes)) = lines.split_first_mut() else { return };
    if let Some(origin_ms) = live.origin_ms {
        let days = lanes.iter().filter_map(|lane| lane.stream.lane_day_ms());
        // The hour in which the live stream begins is whole in neither.
        let last_ms = time::floor_hour_ms(origin_ms);
        let shares = days.map(|day_ms| Window::new(day_ms, (day_ms + DAY_MS).min(last_ms)));
        let end_ms = time::floor_hour_ms(range.end_ms).min(time::ceil_hour_ms(origin_ms));
        let before = Window::new(time::ceil_hour_ms(range.start_ms), end_ms);
        let rest: Vec<_> = before.without(shares).map(text).collect();
        if !rest.is_empty() {
            let (origin, rest) = (UtcTime(origin_ms), rest.join(", "));
            live.exclude(format!(
                "hours {rest} are not comparable: the stream begins at {origin}, and no lane has them whole"
            ));
        }
    }
    let is_told = |line: &StreamAudit| line.error.is_some() || line.not_comparable.is_some();
    if !are_compared && !is_told(live) && !lanes.iter().any(is_told) {
        live.exclude("no hour is comparable: the range has none that was read for good".to_owned());
    }
}

/// A range as it is told to people.
fn text(range: Window) -> String {
    format!("from {} to {}", UtcTime(range.start_ms), UtcTime(range.end_ms))
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

    /// Whether all organizations are known and all hours could be compared, and no stream has an hour
    /// that differs, or nothing is left of what did now that such hours were read again.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let are_known = self.discovery.as_ref().is_none_or(|listed| listed.error.is_none());
        let is_compared =
            |line: &StreamAudit| line.error.is_none() && line.not_comparable.is_none();
        are_known
            && self.streams.iter().all(|line| {
                is_compared(line) && line.differing.iter().all(|hour| hour.left == Some(0))
            })
    }
}

impl StreamAudit {
    async fn compare_and_repair(
        &mut self,
        engine: &Engine,
        request: AuditRequest,
        budget: Budget,
    ) -> Result<(), RunError> {
        let Some((item, cursor)) = self.cursor(engine).await? else {
            let why = "it was never read, or its cursor is lost";
            self.exclude(format!("no hour is comparable: the stream has no cursor; {why}"));
            return Ok(());
        };
        self.origin_ms = Some(cursor.origin_ms);
        self.compare(engine, (&item, &cursor), request, budget).await?;
        if request.repair && !self.differing.is_empty() {
            self.repair(engine, budget).await?;
        }
        Ok(())
    }

    /// The stream's item and cursor; none before it was created or rebuilt.
    async fn cursor(&self, engine: &Engine) -> Result<Option<(Item, Cursor)>, RunError> {
        let item = engine.cursors.get(&self.stream).await?;
        let Some(item) = item.filter(|item| cursor::seq(item).is_some()) else { return Ok(None) };
        let cursor = Cursor::read(&item)?;
        Ok(Some((item, cursor)))
    }

    async fn compare(
        &mut self,
        engine: &Engine,
        (item, cursor): (&Item, &Cursor),
        request: AuditRequest,
        budget: Budget,
    ) -> Result<(), RunError> {
        let (now_ms, settings) = (engine.now_ms(), &engine.settings);
        let Some(hours) = self.comparable(cursor, request.window, now_ms, settings) else {
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
            self.exclude(format!("the counts are not comparable: {why}"));
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
                let hour = UtcTime(hour_ms);
                self.differing.push(DifferingHour { hour, counted, archived, left: None });
            }
        }
        if request.by_service {
            let audited = AuditedHours { stream: &self.stream, cursor, hours, budget };
            let lateness = lateness::stored(item);
            self.hours = Some(engine.hours(audited, &theirs, &ours, &lateness).await?);
        }
        Ok(())
    }

    /// Reads the hours that differ again, and says what is left of each.
    async fn repair(&mut self, engine: &Engine, budget: Budget) -> Result<(), RunError> {
        if self.stream.is_lane() {
            // A lane that is over has no runs that would find what a repair leaves undone.
            engine.ensure_open(&self.stream).await?;
        }
        let hours_ms: Vec<i64> = self.differing.iter().map(|hour| hour.hour.0).collect();
        self.repair = Some(engine.run(&self.stream, RunPurpose::Repair(&hours_ms), budget).await);
        let Some((_, cursor)) = self.cursor(engine).await? else { return Ok(()) };
        let first_ms = hours_ms.iter().copied().min().unwrap_or(0);
        let ours = engine.indexed(&self.stream, cursor.seq, first_ms).await?;
        for hour in &mut self.differing {
            let archived = ours.get(&hour.hour.0).copied().unwrap_or(0);
            // Rows without a readable time are archived, and are in no hour of the index.
            let known = cursor.state.known_hours.get(&hour.hour.0);
            let (counted, rows) = known.map_or((0, 0), |known| (known.0, known.1));
            hour.left = Some((hour.counted.max(counted) - archived.max(rows)).max(0));
        }
        Ok(())
    }

    /// Notes why hours of the range could not be compared.
    fn exclude(&mut self, why: String) {
        self.not_comparable = Some(match self.not_comparable.take() {
            Some(before) => format!("{before}; {why}"),
            None => why,
        });
    }

    /// The whole hours of the range that the stream has read for good and whose index is there for
    /// certain; none if there are none. Of its others, those are noted that should be.
    fn comparable(
        &mut self,
        cursor: &Cursor,
        range: Window,
        now_ms: i64,
        settings: &Settings,
    ) -> Option<Window> {
        let overlap_ms = if cursor.end_ms.is_some() { 0 } else { settings.overlap_ms };
        let first_ms = range.start_ms.max(cursor.origin_ms);
        let read_ms = cursor.state.read_to_ms() - overlap_ms;
        let end_ms = time::floor_hour_ms(range.end_ms.min(read_ms));
        let present_ms = now_ms - settings.settle_lag_ms - overlap_ms - UNREAD_MS_MAX;
        let due_ms = time::floor_hour_ms(range.end_ms.min(cursor.end_ms.unwrap_or(present_ms)));
        let earliest_ms = match window::is_expired(cursor, now_ms) {
            true => end_ms,
            false => window::earliest_ms(cursor, now_ms),
        };
        if first_ms < earliest_ms.min(end_ms.max(due_ms)) {
            let before = UtcTime(earliest_ms);
            self.exclude(format!(
                "hours before {before} are not comparable: what the index held of them may have expired"
            ));
        }
        let hours = Window::new(time::ceil_hour_ms(first_ms.max(earliest_ms)), end_ms);
        let unread = Window::new(hours.start_ms.max(end_ms), due_ms);
        if !unread.is_empty() {
            let unread = text(unread);
            self.exclude(format!("hours {unread} are not comparable: they were not read yet"));
        }
        (!hours.is_empty()).then_some(hours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audit_of_organizations_that_cannot_be_listed_is_not_clean() {
        let organizations = 0;
        let listed =
            Discovery { organizations, error: None, needs_operator: false, is_denied: false };
        let failed = Discovery { error: Some("403".to_owned()), ..listed.clone() };
        for (discovery, is_clean) in [(listed, true), (failed, false)] {
            let audit = Audit { streams: Vec::new(), discovery: Some(discovery) };
            assert_eq!(audit.is_clean(), is_clean, "{audit:?}");
        }
    }
}
