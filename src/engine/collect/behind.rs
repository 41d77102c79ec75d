//! How readings behind the heads end: one that is refused ends only itself.

use super::reader::Reader;
use super::stop::{Progress, Stop};
use super::turns::Turns;
use crate::cursor::Reading;
use crate::error::{QueryError, RunError};
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
        match ended {
            Ok(progress) => {
                if progress == Progress::Complete {
                    self.accept_behind(&reading.query);
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
                self.fail_behind(&reading.query, error, turns);
                Ok(None)
            }
            Err(stop) => Err(stop),
        }
    }

    /// Notes that a sweep, an hour or a reading ahead was read to its end.
    fn accept_behind(&mut self, names: &Query) {
        if self.refused_behind.contains(names) {
            return;
        }
        if let Some(query) = self.state.query_mut(names)
            && let Some(refusal) = query.refused_behind.take()
        {
            self.ended_behind.insert(names.clone(), refusal);
        }
    }

    /// Notes that a query failed behind its head. If it is refused there, its head is still read and it
    /// is not a refused query, whose sweeps are suspended and which ends every comparison: report and
    /// status name it, and it is tried again as long as the reading is due.
    fn fail_behind(&mut self, names: &Query, error: QueryError, turns: &mut Turns) {
        let (stream, query) = (self.stream, names.join(","));
        if let QueryError::Refused { cause, .. } = &error {
            tracing::warn!(%stream, query, %error, "query is refused behind its head");
            let ended = self.ended_behind.remove(names);
            let now_ms = self.engine.now_ms();
            queries::refuse_behind(&mut self.state, names, cause.text(), now_ms, ended);
            self.refused_behind.insert(names.clone());
        } else {
            tracing::warn!(%stream, query, %error, "query failed");
            turns.note(names.clone(), Err(error));
        }
    }
}
