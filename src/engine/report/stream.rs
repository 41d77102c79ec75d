//! What an invocation did: the function's answer, a line a stream.

use serde::{Deserialize, Serialize};

use crate::cursor::Cursor;
use crate::error::RunError;
use crate::ports::Costs;
use crate::report::{Lateness, SnapshotReport, StreamStatus};
use crate::stream::StreamId;
use crate::time::UtcTime;

/// What an invocation did.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// A line a stream, in the order they had their turn. Of streams that went through the work
    /// queue, only those that did not: their runs have reports of their own.
    pub streams: Vec<StreamReport>,
    /// How looking for organizations went; none where they are named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovery: Option<Discovery>,
    /// How many streams went through the work queue; none where they ran directly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued: Option<Queued>,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// Where the streams stood before this invocation, if there is more than one.
    #[serde(skip)]
    pub statuses_before: Vec<StreamStatus>,
}

/// What became of streams that go through the work queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Queued {
    /// Messages sent.
    pub sent: usize,
    /// Streams whose message is still outstanding.
    pub outstanding: usize,
    /// Streams that keep failing and were not tried.
    pub suspended: usize,
    /// Streams that could not be queued.
    pub failed: usize,
}

/// How looking for organizations went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discovery {
    /// Organizations that JumpCloud listed.
    pub organizations: usize,
    /// Why that may not be all of them; those that were collected before are collected still.
    pub error: Option<String>,
    /// Whether a person must mend it.
    #[serde(skip)]
    pub needs_operator: bool,
    /// Whether that is AWS, which denies the function its secret.
    #[serde(skip)]
    pub is_denied: bool,
}

/// What one run did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StreamReport {
    /// The stream.
    pub stream: StreamId,
    /// How it ended.
    pub outcome: Outcome,
    /// Rows JumpCloud sent.
    pub read: u64,
    /// Rows already decided, dropped.
    pub seen: u64,
    /// What became of the rows that were new.
    #[serde(flatten)]
    pub tally: Tally,
    /// Pages used.
    pub pages: u64,
    /// What the requests to JumpCloud cost.
    #[serde(flatten)]
    pub costs: Costs,
    /// Bytes of the parts written.
    pub bytes_out: u64,
    /// Parts written.
    pub objects: u64,
    /// Event time up to which the head has read; none before the birth.
    pub frontier: Option<UtcTime>,
    /// How far that is behind now, in seconds.
    pub lag_seconds: Option<i64>,
    /// The last snapshot begun; none for a stream of events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotReport>,
    /// Why it failed.
    pub error: Option<String>,
    /// Hours in which JumpCloud counts more events than came; none if the cursor was not seen.
    #[serde(skip)]
    pub gaps: Option<usize>,
    /// When a run ended well before this one, UTC milliseconds.
    #[serde(skip)]
    pub last_success_ms: Option<i64>,
    /// Failures in a row, this one included.
    #[serde(skip)]
    pub failures: i64,
    /// Whether a person must mend it.
    #[serde(skip)]
    pub needs_operator: bool,
}

/// What becomes of rows that are new, counted when they are archived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Events archived.
    pub written: u64,
    /// Of those, how many lay where the head had read before.
    pub late: u64,
    /// How late events arrived, per service; what a first look-back or an outage brought is left out.
    #[serde(skip_deserializing)]
    pub lateness: Lateness,
    /// Events the filter left out.
    pub filtered: u64,
    /// Rows put into quarantine.
    pub quarantined: u64,
    /// Of those, how many name another organization than the one asked for.
    pub foreign: u64,
    /// Events in parts of their own, for strict JSON parsers reject them: an escape of a lone
    /// surrogate.
    pub lone_surrogates: u64,
    /// Events without an id, archived by their bytes.
    #[serde(skip)]
    pub without_id: u64,
    /// Events without a readable timestamp, archived by their collection day.
    #[serde(skip)]
    pub without_timestamp: u64,
}

impl Tally {
    /// Adds what another one has counted.
    pub fn add(&mut self, more: &Self) {
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

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything there was is archived.
    #[default]
    Ok,
    /// The budget is used up, and there is more to read.
    Behind,
    /// Another run has the stream.
    Busy,
    /// There is nothing to ask for yet.
    Waiting,
    /// See `error`.
    Failed,
}

impl StreamReport {
    /// The report of a run that `error` kept from beginning.
    #[must_use]
    pub fn failed(stream: StreamId, error: &RunError) -> Self {
        let mut report = Self::new(stream);
        report.fail(error);
        report
    }

    /// Says where the stream is: its frontier, how far that is behind `now_ms`, and its snapshot.
    pub fn set_position(&mut self, cursor: &Cursor, now_ms: i64) {
        let frontier_ms = cursor.state.frontier_ms;
        self.frontier = Some(UtcTime(frontier_ms));
        // A lane ends in the past: how far that is says nothing.
        let is_lane = cursor.end_ms.is_some();
        self.lag_seconds = (!is_lane).then(|| (now_ms - frontier_ms).max(0) / 1_000);
        self.snapshot = cursor.state.snapshot.as_ref().map(SnapshotReport::of);
    }

    /// The run has failed.
    pub fn fail(&mut self, error: &RunError) {
        self.outcome = Outcome::Failed;
        self.error = Some(error.to_string());
        self.needs_operator = error.needs_operator();
    }

    /// Logs how the run ended.
    pub fn log(&self) {
        let Self { stream, outcome, read, seen, pages, .. } = self;
        let Tally { written, late, quarantined, .. } = self.tally;
        let (lag_seconds, objects) = (self.lag_seconds, self.objects);
        match &self.error {
            None => tracing::info!(
                %stream, ?outcome, read, seen, written, late, quarantined, pages, objects,
                lag_seconds, "run ended"
            ),
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
    /// Why the invocation as a whole fails: organizations that a person must make discoverable, and
    /// every stream that a person must mend, or that failed `tolerated` times in a row, by name.
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
