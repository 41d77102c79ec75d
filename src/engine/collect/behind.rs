//! Readings behind the heads: one that fails ends only itself.

use super::read::ReadAllowance;
use super::reader::Reader;
use super::stop::{Progress, Stop};
use super::turns::Turns;
use crate::cursor::Reading;
use crate::error::{QueryError, RunError};
use crate::limits::SLOW_PAGE_MS_MIN;
use crate::page::Query;
use crate::read::{ReadingKind, queries};

impl Reader<'_> {
    /// Reads a window, like [`read_through`](Self::read_through). None if the query failed, which is
    /// noted and ends no other's reading.
    pub(super) async fn read_behind(
        &mut self,
        kind: ReadingKind,
        reading: &mut Reading,
        queries: &[Query],
        allowance: ReadAllowance,
        turns: &mut Turns,
    ) -> Result<Option<Progress>, Stop> {
        let (begun_ms, before) = (self.engine.clock.now_ms(), reading.clone());
        let ended = self.read_through(kind, reading, queries, allowance).await;
        // Of a list, only the names are counted, and read again, that `all` does not return.
        let names = queries::containing(&self.state, &reading.query);
        // A repair begins again in each run, and what is dated ahead does so in time.
        let is_resumed = !matches!(kind, ReadingKind::Future | ReadingKind::Repair);
        let has_advanced =
            is_resumed && (reading.query != before.query || reading.at_ms > before.at_ms);
        let is_narrower =
            kind != ReadingKind::Repair && !self.is_out_of_time() && rows(reading) < rows(&before);
        let is_further = has_advanced || is_narrower;
        if is_further && let Some(query) = self.state.query_mut(&names) {
            query.failures_behind = 0;
        }
        match ended {
            Ok(progress) => {
                if progress == Progress::Complete {
                    turns.complete_behind(names);
                }
                Ok(Some(progress))
            }
            // It had too little time to tell a failure from the end of the run.
            Err(Stop::Failed(RunError::Query(QueryError::Unavailable(_))))
                if self.is_out_of_time()
                    && (has_advanced
                        || self.engine.clock.now_ms() - begun_ms < SLOW_PAGE_MS_MIN) =>
            {
                Ok(Some(Progress::Interrupted))
            }
            Err(Stop::Failed(RunError::Query(error))) => {
                self.fail_behind(&names, &error, is_further, turns);
                Ok(None)
            }
            Err(stop) => Err(stop),
        }
    }

    /// Notes that a query failed behind its head. If it is refused there, its head is still read and it
    /// is not a refused query, whose sweeps are suspended and which ends every comparison: report and
    /// status name it, and it is tried again as long as the reading is due. What fails temporarily in
    /// several runs in a row without getting any further is told like a refusal: the heads show nothing
    /// of it.
    fn fail_behind(
        &mut self,
        names: &Query,
        error: &QueryError,
        is_further: bool,
        turns: &mut Turns,
    ) {
        let (stream, query) = (self.stream, names.join(","));
        tracing::warn!(%stream, query, %error, "query failed behind its head");
        let (reason, now_ms) = (error.to_string(), self.engine.now_ms());
        // A lane has no readings behind its head, so that nothing would end what is noted there.
        let is_noted = !self.stream.is_lane();
        match error {
            QueryError::Refused { .. } => {
                turns.refuse_behind(names.clone());
                if is_noted {
                    queries::refuse_behind(&mut self.state, names, &reason, now_ms);
                }
            }
            QueryError::Unavailable(_) => {
                let is_first = turns.fail_behind(names.clone());
                if is_noted && is_first && !is_further {
                    queries::fail_behind(&mut self.state, names, &reason, now_ms);
                }
            }
        }
    }

    /// Ends the refusals and failures behind a head of which something was read to its end and
    /// nothing failed.
    pub(super) fn end_failures_behind(&mut self, turns: &Turns) {
        for names in turns.read_behind() {
            if let Some(query) = self.state.query_mut(names) {
                (query.refused_behind, query.failures_behind) = (None, 0);
            }
        }
    }
}

/// How many rows a reading asks for at once. Fewer are the way to a row that cannot be fetched, but only
/// where answers come: what hangs would be asked for fewer and fewer without a word.
fn rows(reading: &Reading) -> u32 {
    reading.limit.map_or(u32::MAX, |limit| limit.rows)
}
