//! How readings behind the heads end: one that is refused ends only itself.

use super::reader::Reader;
use super::stop::{Progress, Stop};
use super::turns::Turns;
use crate::cursor::Reading;
use crate::error::{QueryError, RunError};
use crate::limits::FAILURES_TOLERATED;
use crate::page::Query;
use crate::read::queries;

impl Reader<'_> {
    /// How a reading ended; none if its query failed, which is noted and ends no other's.
    pub(super) fn unless_failed(
        &mut self,
        ended: Result<Progress, Stop>,
        reading: &Reading,
        turns: &mut Turns,
    ) -> Result<Option<Progress>, Stop> {
        // Of a list, only the names are counted, and read again, that `all` does not return.
        let names = queries::containing(&self.state, &reading.query);
        match ended {
            Ok(progress) => {
                if progress == Progress::Complete {
                    turns.complete_behind(names);
                }
                Ok(Some(progress))
            }
            // That the run has no time left is no failure of the query's.
            Err(Stop::Failed(RunError::Query(QueryError::Unavailable(_))))
                if self.is_out_of_time() =>
            {
                Ok(Some(Progress::Interrupted))
            }
            Err(Stop::Failed(RunError::Query(error))) => {
                self.fail_behind(&names, &error, turns);
                Ok(None)
            }
            Err(stop) => Err(stop),
        }
    }

    /// Notes that a query failed behind its head. If it is refused there, its head is still read and it
    /// is not a refused query, whose sweeps are suspended and which ends every comparison: report and
    /// status name it, and it is tried again as long as the reading is due. What fails temporarily in
    /// several runs in a row is told like a refusal: the heads show nothing of it.
    fn fail_behind(&mut self, names: &Query, error: &QueryError, turns: &mut Turns) {
        let (stream, query) = (self.stream, names.join(","));
        tracing::warn!(%stream, query, %error, "query failed behind its head");
        let is_told = match error {
            QueryError::Refused { .. } => {
                turns.refuse_behind(names.clone());
                true
            }
            QueryError::Unavailable(_) => {
                let is_first = turns.fail_behind(names.clone());
                queries::fail_behind(&mut self.state, names, is_first) >= FAILURES_TOLERATED
            }
        };
        if is_told {
            let now_ms = self.engine.now_ms();
            queries::refuse_behind(&mut self.state, names, &error.to_string(), now_ms);
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
