//! The reading side of a run: the batch that is being filled, its counts, and the writer that
//! decides it.

use std::sync::Arc;

use super::digests::Decided;
use super::engine::Engine;
use super::stop::Stop;
use super::writer::Writer;
use crate::archive::Batch;
use crate::cursor::ReadingState;
use crate::limits::ENTRY_INTERVAL_MS_MAX;
use crate::ports::Meter;
use crate::read::{Budget, RowCount};
use crate::report::{StreamReport, Tally};
use crate::stream::StreamId;

/// Reads one stream into batches.
pub(super) struct Reader<'e> {
    pub(super) engine: &'e Engine,
    pub(super) stream: &'e StreamId,
    pub(super) writer: Writer<'e>,
    pub(super) budget: Budget,
    /// Requests end here at the latest, on the local clock: a query that is not answered leaves time
    /// for the others.
    pub(super) requests_until_ms: i64,
    pub(super) batch: Batch,
    /// Where reading is once the batch is decided. It goes ahead of the writer's cursor as long as
    /// the batch holds anything.
    pub(super) state: ReadingState,
    /// What became of the rows that were read since something was last decided or kept.
    pub(super) tally: Tally,
    /// What the rows were made of that this run has decided.
    pub(super) decided: Decided,
    /// Rows of the query that is being read.
    pub(super) rows: RowCount,
    pub(super) meter: Arc<Meter>,
    /// The credential that is known to be of the stream's organization.
    pub(super) confirmed: Option<u64>,
    pub(super) report: StreamReport,
}

impl<'e> Reader<'e> {
    /// Creates a reader with an empty batch.
    pub(super) fn new(writer: Writer<'e>, budget: Budget, meter: Arc<Meter>) -> Self {
        let (engine, stream, state) = (writer.engine, writer.stream, writer.cursor.state.clone());
        Self {
            engine,
            stream,
            writer,
            budget,
            requests_until_ms: i64::MAX,
            batch: Batch::default(),
            state,
            tally: Tally::default(),
            decided: Decided::default(),
            rows: RowCount::default(),
            meter,
            confirmed: None,
            report: StreamReport::new(stream.clone()),
        }
    }

    /// Begins from where the cursor is, with nothing held.
    pub(super) fn begin(&mut self) {
        self.batch = Batch::default();
        self.tally = Tally::default();
        self.state = self.writer.cursor.state.clone();
    }

    /// Decides the batch together with `state`. Afterwards the batch is empty, also if that failed.
    pub(super) async fn decide(&mut self, state: &ReadingState) -> Result<(), Stop> {
        let tally = self.take_tally();
        let digests = self.batch.take_digests();
        self.writer.decide(&mut self.batch, state).await?;
        self.decided.keep(digests);
        self.report.tally.add(&tally);
        self.state = self.writer.cursor.state.clone();
        Ok(())
    }

    /// Decides what is held together with where reading is, that is with the states of all queries.
    pub(super) async fn flush(&mut self) -> Result<(), Stop> {
        let state = self.state.clone();
        self.decide_or_keep(&state).await
    }

    /// Decides the batch together with `state`. If the batch is empty, no entry is needed and
    /// `state` is kept for the release, unless the last entry is too old: the journal must always
    /// hold a recent state.
    pub(super) async fn decide_or_keep(&mut self, state: &ReadingState) -> Result<(), Stop> {
        let entry_age_ms = self.engine.now_ms() - state.last_entry_ms;
        if self.batch.is_empty() && entry_age_ms < ENTRY_INTERVAL_MS_MAX {
            self.keep(state);
            let tally = self.take_tally();
            self.report.tally.add(&tally);
            return Ok(());
        }
        self.decide(state).await
    }

    /// Keeps `state` for the release, without an entry.
    pub(super) fn keep(&mut self, state: &ReadingState) {
        self.writer.keep_state(state);
        self.state = self.writer.cursor.state.clone();
    }

    fn take_tally(&mut self) -> Tally {
        let tally = std::mem::take(&mut self.tally);
        debug_assert!(tally.is_whole(), "a row is read and nothing has become of it: {tally:?}");
        tally
    }

    /// Whether the time for reading is over.
    pub(super) fn is_out_of_time(&self) -> bool {
        self.engine.clock.now_ms() >= self.budget.read_until_ms(0)
    }
}
