//! The report of an invocation, which is the function's answer: one line per stream.

use serde::{Deserialize, Serialize};

use crate::cursor::Cursor;
use crate::error::RunError;
use crate::ports::Costs;
use crate::report::{Lateness, Lost, RefusedQuery, SnapshotReport, StreamStatus};
use crate::stream::StreamId;
use crate::time::UtcTime;

/// The report of an invocation.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// One line per run, in the order of the runs. If streams were queued, only those that could
    /// not be queued or are suspended: the runs of the others have reports of their own.
    pub streams: Vec<StreamReport>,
    /// The result of listing organizations; `None` if they are configured by id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovery: Option<Discovery>,
    /// How many streams were queued; `None` if runs were made directly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued: Option<Queued>,
    /// Duration of the invocation, in milliseconds.
    pub duration_ms: i64,
    /// The status before this invocation of the streams that are collected, and of their open lanes
    /// that need an operator or have queries that are refused.
    #[serde(skip)]
    pub statuses_before: Vec<StreamStatus>,
    /// How many streams that are no longer collected need an operator, as of the last pass through
    /// them.
    #[serde(skip)]
    pub others_needing_operator: u64,
}

/// The result of queueing the streams that were due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Queued {
    /// Messages sent.
    pub sent: usize,
    /// Streams whose message is still outstanding.
    pub outstanding: usize,
    /// Streams that are suspended after repeated failures, and were not tried.
    pub suspended: usize,
    /// Streams that could not be queued because of an error.
    pub failed: usize,
    /// Lanes that wait until messages of others were handled, and streams for which the time was over.
    #[serde(skip_serializing_if = "is_zero")]
    pub waiting: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The result of listing organizations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discovery {
    /// Organizations that JumpCloud listed.
    pub organizations: usize,
    /// Why the list may be incomplete. Organizations that were collected before are collected all
    /// the same.
    pub error: Option<String>,
    /// Whether an operator must correct it.
    #[serde(skip)]
    pub needs_operator: bool,
    /// Whether the error is that AWS denies the function access to its secret.
    #[serde(skip)]
    pub is_denied: bool,
}

/// The report of one run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StreamReport {
    /// The stream.
    pub stream: StreamId,
    /// The result of the run.
    pub outcome: Outcome,
    /// What became of the rows.
    #[serde(flatten)]
    pub tally: Tally,
    /// Pages received.
    pub pages: u64,
    /// Counts of the requests to JumpCloud.
    #[serde(flatten)]
    pub costs: Costs,
    /// Bytes of the parts written.
    pub bytes_out: u64,
    /// Parts written.
    pub objects: u64,
    /// Event time up to which the head has read; `None` before the birth.
    pub frontier: Option<UtcTime>,
    /// How far the query furthest behind is behind now, in seconds; refused ones do not count.
    pub lag_seconds: Option<i64>,
    /// Since when hourly counts cannot be compared: it cannot be told how those of several queries
    /// add up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_comparable: Option<UtcTime>,
    /// The queries that are refused, or whose sweeps, hours or readings ahead are. The others are read.
    #[serde(default)]
    pub refused: Vec<RefusedQuery>,
    /// What this run skipped unread, because nothing so early may be read any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Lost>,
    /// Streams of users only: the last snapshot that was begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotReport>,
    /// Why the run failed.
    pub error: Option<String>,
    /// Whether JumpCloud's hourly counts could not be had although they were to be compared.
    #[serde(skip)]
    pub has_no_counts: bool,
    /// The number of hours in which JumpCloud counts more events than it sends; `None` if the
    /// cursor was not read.
    #[serde(skip)]
    pub gaps: Option<usize>,
    /// When the last successful run before this one ended, UTC milliseconds.
    #[serde(skip)]
    pub last_success_ms: Option<i64>,
    /// Failures in a row, including this one.
    #[serde(skip)]
    pub failures: i64,
    /// Whether an operator must correct it.
    #[serde(skip)]
    pub needs_operator: bool,
    /// Whether the run only recovered a stream that is no longer collected.
    #[serde(skip)]
    pub is_recovery: bool,
}

/// What becomes of the rows that JumpCloud sends, counted when that is settled: what is read and not
/// decided comes again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Rows JumpCloud sent: each is one of `seen`, `written`, `filtered`, `quarantined`,
    /// `cut_before` and `cut_after`.
    pub read: u64,
    /// Rows that were dropped because they were decided before.
    pub seen: u64,
    /// Rows that lie before the stream's origin, dropped.
    pub cut_before: u64,
    /// Rows that lie at the end of what was read, or beyond it, dropped: a later reading brings them.
    pub cut_after: u64,
    /// Events archived.
    pub written: u64,
    /// How many of them are before the end of the last complete head reading.
    pub late: u64,
    /// How late they were, per service, without the events of a first look-back or after an outage.
    #[serde(skip_deserializing)]
    pub lateness: Lateness,
    /// Events that the filter left out.
    pub filtered: u64,
    /// Rows put into quarantine.
    pub quarantined: u64,
    /// How many of them name another organization than the requested one.
    pub foreign: u64,
    /// Events with an escape of a lone surrogate, which are in parts of their own because strict
    /// JSON parsers reject them.
    pub lone_surrogates: u64,
    /// Events without an id, whose identity is made from their bytes.
    #[serde(skip)]
    pub without_id: u64,
    /// Events without a readable timestamp, whose partition has the date of their collection.
    #[serde(skip)]
    pub without_timestamp: u64,
}

impl Tally {
    /// Whether something has become of each row.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let Self { seen, written, filtered, quarantined, cut_before, cut_after, .. } = self;
        self.read == seen + written + filtered + quarantined + cut_before + cut_after
    }

    /// Adds the counts of `more`.
    pub fn add(&mut self, more: &Self) {
        self.read += more.read;
        self.seen += more.seen;
        self.cut_before += more.cut_before;
        self.cut_after += more.cut_after;
        self.written += more.written;
        self.late += more.late;
        self.lateness.merge(&more.lateness);
        self.filtered += more.filtered;
        self.quarantined += more.quarantined;
        self.foreign += more.foreign;
        self.lone_surrogates += more.lone_surrogates;
        self.without_id += more.without_id;
        self.without_timestamp += more.without_timestamp;
    }
}

/// The result of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything that was due was read and archived.
    #[default]
    Ok,
    /// The time or the pages of the run were used up, and there is more to read.
    Behind,
    /// Another run has the stream.
    Busy,
    /// Nothing is due yet, or the stream was not tried, see `error`.
    Waiting,
    /// The run failed, see `error`.
    Failed,
}

impl StreamReport {
    /// The report of a run that could not begin because of `error`.
    #[must_use]
    pub fn failed(stream: StreamId, error: &RunError) -> Self {
        let mut report = Self::new(stream);
        report.fail(error);
        report
    }

    /// The report of a stream that was not tried, and why.
    #[must_use]
    pub fn waiting(stream: StreamId, why: String) -> Self {
        Self { outcome: Outcome::Waiting, error: Some(why), ..Self::new(stream) }
    }

    /// The report of a stream that is suspended; `error` is why it failed last.
    #[must_use]
    pub fn suspended(stream: StreamId, error: Option<&str>) -> Self {
        let error = error.unwrap_or_default();
        let why = format!("suspended after repeated failures, not tried in this run: {error}");
        Self::waiting(stream, why)
    }

    /// Says where the stream is: its frontier, how far its queries are behind `now_ms`, which of them
    /// are refused, and its snapshot.
    pub fn set_position(&mut self, cursor: &Cursor, now_ms: i64) {
        self.frontier = Some(UtcTime(cursor.state.frontier_ms));
        // A lane ends in the past, so it has no lag.
        let is_lane = cursor.end_ms.is_some();
        let position_ms = cursor.state.position_ms();
        self.lag_seconds = (!is_lane).then(|| (now_ms - position_ms).max(0) / 1_000);
        self.refused = RefusedQuery::of(&cursor.state);
        self.not_comparable = cursor.state.not_comparable_ms.map(UtcTime);
        self.snapshot = cursor.state.snapshot.as_ref().map(SnapshotReport::of);
    }

    /// A query skips a range unread. It is reported once, however often the run begins again.
    pub fn lose(&mut self, lost: Lost) {
        if !self.lost.contains(&lost) {
            let Lost { query, from, to } = &lost;
            tracing::error!(stream = %self.stream, query, %from, %to, "skipped unread");
            self.lost.push(lost);
        }
    }

    /// Records that the run failed.
    pub fn fail(&mut self, error: &RunError) {
        self.outcome = Outcome::Failed;
        self.error = Some(error.to_string());
        self.needs_operator = error.needs_operator();
    }

    /// Logs the result of the run.
    pub fn log(&self) {
        let Self { stream, outcome, pages, .. } = self;
        let Tally { read, seen, written, late, quarantined, .. } = self.tally;
        let (lag_seconds, objects) = (self.lag_seconds, self.objects);
        match &self.error {
            None => tracing::info!(
                %stream, ?outcome, read, seen, written, late, quarantined, pages, objects,
                lag_seconds, "run ended"
            ),
            Some(error) if *outcome == Outcome::Waiting => {
                tracing::warn!(%stream, ?outcome, error, "no run was made");
            }
            Some(error) => tracing::error!(
                %stream, ?outcome, read, seen, written, late, quarantined, pages, objects,
                lag_seconds, error, "run failed"
            ),
        }
    }

    /// The report of a run that has not begun.
    #[must_use]
    pub fn new(stream: StreamId) -> Self {
        Self { stream, ..Self::default() }
    }
}

impl Report {
    /// Why the invocation as a whole fails; `None` if it does not. It fails if an operator must
    /// correct the listing of organizations, and for every stream whose error an operator must
    /// correct or that failed `tolerated` times in a row.
    #[must_use]
    pub fn failure(&self, tolerated: i64) -> Option<String> {
        let discovery = self.discovery.iter().filter(|discovery| discovery.needs_operator);
        let discovery = discovery.filter_map(|discovery| discovery.error.as_ref());
        let streams = self.streams.iter().filter(|s| {
            s.outcome == Outcome::Failed && (s.needs_operator || s.failures >= tolerated)
        });
        let failed: Vec<_> = discovery
            .map(|error| format!("discovery: {error}"))
            .chain(
                streams
                    .map(|s| format!("{}: {}", s.stream, s.error.as_deref().unwrap_or("failed"))),
            )
            .collect();
        (!failed.is_empty()).then(|| failed.join("; "))
    }
}
