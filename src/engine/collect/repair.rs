//! Repair: hours that a person wants read again.

use super::counts::CountRequest;
use super::read::ReadAllowance;
use super::reader::Reader;
use super::stop::{Progress, Stop};
use super::turns::Turns;
use crate::cursor::{KnownHour, Reading};
use crate::limits::HOUR_MS;
use crate::page::Query;
use crate::read::{Counted, ReadingKind, window};
use crate::time::Window;

impl Reader<'_> {
    /// Reads the hours that begin at `hours_ms` again, cut at the origin and where the index may have
    /// expired, and nothing else. A query that fails, or is refused, ends its hour as it ends any other
    /// reading behind the head: the run does not fail, and what was not read is left.
    pub(super) async fn repair(&mut self, hours_ms: &[i64]) -> Result<Progress, Stop> {
        self.begin();
        self.engine.measure_clock_skew(self.stream, &self.meter, &self.budget).await?;
        if window::is_expired(&self.writer.cursor, self.engine.now_ms()) {
            return Ok(Progress::Complete);
        }
        // A lane's new queries would have read nothing of it; its next run begins them.
        if !self.stream.is_lane() {
            self.follow_configuration();
        }
        let mut turns = Turns::default();
        let mut all = Progress::Complete;
        for &hour_ms in hours_ms {
            // An hour is read through every query, or its rows would seem too few.
            if self.is_out_of_time() || turns.has_any_failed() {
                return Ok(Progress::Interrupted);
            }
            let read = self.repair_hour(hour_ms, &mut turns).await?;
            self.flush().await?;
            all = all.and(read);
        }
        Ok(all)
    }

    /// Reads one hour through every query that is counted in it, so that no row counts twice.
    async fn repair_hour(&mut self, hour_ms: i64, turns: &mut Turns) -> Result<Progress, Stop> {
        let whole = Window::new(hour_ms, hour_ms + HOUR_MS);
        let now_ms = self.engine.now_ms();
        let earliest_ms = window::earliest_ms(&self.writer.cursor, now_ms);
        let end_ms = whole.end_ms.min(self.state.read_to_ms());
        let window = Window::new(whole.start_ms.max(earliest_ms), end_ms);
        let readable = self.readable(turns);
        if window.is_empty() || readable.is_empty() {
            return Ok(Progress::Complete);
        }
        let counted = self.count_again(&readable, whole).await;
        let queries = counted.as_ref().map_or(readable, |counted| counted.queries.clone());
        let allowance = ReadAllowance { until_ms: self.budget.read_until_ms(0), pages: u64::MAX };
        let mut rows = 0;
        for query in queries {
            let mut reading = Reading::begin(window, &query, now_ms);
            match self.read_behind(ReadingKind::Repair, &mut reading, &[], allowance, turns).await?
            {
                Some(Progress::Complete) => rows += self.rows.all(),
                progress => return Ok(progress.unwrap_or(Progress::Interrupted)),
            }
        }
        if let Some(counted) = counted.filter(|_| window == whole) {
            let count = counted.hours.get(&hour_ms).copied().unwrap_or(0);
            self.state.known_hours.insert(hour_ms, KnownHour(count, rows));
        }
        Ok(Progress::Complete)
    }

    /// JumpCloud's count of an hour now, and the queries that were counted. None where it cannot be
    /// had: the hour is read all the same, and its rows are not held against a count.
    async fn count_again(&self, queries: &[Query], hour: Window) -> Option<Counted> {
        let (stream, meter) = (self.stream, &self.meter);
        let deadline_ms = self.budget.read_until_ms(0);
        let request = CountRequest { stream, window: hour, deadline_ms, meter };
        let counted = self.engine.counted(queries, request).await;
        counted
            .inspect_err(|error| tracing::warn!(%stream, %error, "an hour cannot be counted"))
            .ok()
            .flatten()
    }
}
