//! Read: what a run asks JumpCloud for, and in which order: the head, a comparison of counts, the
//! full sweep, hours whose counts differ.

use std::sync::Arc;

use futures_util::future;

use super::counts::Counts;
use super::reader::Reader;
use super::stop::{Progress, Stop};
use crate::archive::Batch;
use crate::cursor::Reading;
use crate::error::RunError;
use crate::limits::HOUR_MS;
use crate::ports::InsightsError;
use crate::read::{Plan, ReadingKind, SweepUrgency, comparison, sweep, window};
use crate::time::Window;

/// The part of a run that one kind of reading may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadAllowance {
    /// When its time ends, UTC milliseconds of the local clock.
    pub(super) until_ms: i64,
    /// It may request pages until the whole run has used this many.
    pub(super) pages: u64,
}

/// JumpCloud's hourly counts, or why they cannot be had.
type Counted = Result<Counts, InsightsError>;

impl<'e> Reader<'e> {
    /// Reads what is due. The sweep has its own share of the run, so that neither starves the
    /// other.
    pub(super) async fn read(&mut self) -> Result<Progress, Stop> {
        let engine = self.engine;
        self.batch = Batch::default();
        if self.is_out_of_time() {
            return Ok(Progress::Interrupted);
        }
        engine.measure_clock_skew(self.stream, &self.meter, &self.budget).await?;
        let ahead = self.counts_ahead();
        let (head, counted) = future::join(self.read_head(), ahead).await;
        let head = head?;
        if !self.stream.is_lane() {
            let urgency = self.compare(counted).await?;
            self.read_again(urgency).await?;
        }
        Ok(head)
    }

    /// The head: an interrupted reading first, and then, in the same run, what is new since.
    async fn read_head(&mut self) -> Result<Progress, Stop> {
        let settings = &self.engine.settings;
        loop {
            let now_ms = self.engine.now_ms();
            let was_interrupted = self.writer.cursor.state.reading.is_some();
            let Plan::Read(reading) = window::head(&self.writer.cursor, now_ms, settings) else {
                return Ok(Progress::Waiting);
            };
            match self.read_through(ReadingKind::Head, reading, self.head_share(now_ms)).await? {
                // A lane's next reading would be of the same range: that is the next run's.
                Progress::Complete
                    if was_interrupted
                        && self.writer.cursor.end_ms.is_none()
                        && !self.is_out_of_time() => {}
                progress => return Ok(progress),
            }
        }
    }

    /// All of the run, but for a quarter of the time where a sweep or an hour is due.
    fn head_share(&self, now_ms: i64) -> ReadAllowance {
        let settings = &self.engine.settings;
        let local_ms = self.engine.clock.now_ms();
        let end_ms = self.budget.read_until_ms(0);
        let is_more_due = !self.stream.is_lane()
            && (sweep::sweep(&self.writer.cursor, now_ms, settings, SweepUrgency::Usual).is_some()
                || comparison::hour(&self.writer.cursor, settings).is_some());
        let kept_ms = if is_more_due { (end_ms - local_ms).max(0) / 4 } else { 0 };
        ReadAllowance { until_ms: end_ms - kept_ms, pages: u64::from(settings.pages_per_run) }
    }

    /// What is left of the run: its time, and the pages the head left, but at least a quarter of
    /// them.
    fn rest_share(&self) -> ReadAllowance {
        let pages = u64::from(self.engine.settings.pages_per_run);
        let own = self.report.pages + (pages / 4).max(1);
        ReadAllowance { until_ms: self.budget.read_until_ms(0), pages: own.max(pages) }
    }

    /// The full sweep and the hours that are due.
    async fn read_again(&mut self, urgency: SweepUrgency) -> Result<Progress, Stop> {
        let settings = &self.engine.settings;
        let share = self.rest_share();
        let now_ms = self.engine.now_ms();
        if let Some(reading) = sweep::sweep(&self.writer.cursor, now_ms, settings, urgency) {
            let progress = self.read_through(ReadingKind::Sweep, reading, share).await?;
            if progress != Progress::Complete {
                return Ok(progress);
            }
        }
        while let Some((hour, reading)) = comparison::hour(&self.writer.cursor, settings) {
            let progress = self.read_through(hour, reading, share).await?;
            if progress != Progress::Complete {
                return Ok(progress);
            }
        }
        Ok(Progress::Complete)
    }

    /// Requests hourly counts while the head is being read, if they are to be compared afterwards.
    /// Counts that are a little older are not larger, so they are safe to use. If a reading was
    /// interrupted, it is not known yet how far this run gets, so nothing is requested.
    fn counts_ahead(&self) -> impl Future<Output = Option<Counted>> + use<'e> {
        let now_ms = self.engine.now_ms();
        let mut read = self.writer.cursor.clone();
        let is_wanted = self.is_comparison_due(now_ms)
            && read.state.reading.is_none()
            && !self.stream.is_lane();
        read.state.read_to_ms = now_ms - self.engine.settings.settle_lag_ms;
        let range = comparison::comparable(&read, &self.engine.settings).filter(|_| is_wanted);
        let counted = range.map(|range| self.counted(range));
        async { Some(counted?.await) }
    }

    fn counted(&self, hours: Window) -> impl Future<Output = Counted> + use<'e> {
        let (engine, stream, meter) = (self.engine, self.stream, Arc::clone(&self.meter));
        let deadline_ms = self.budget.read_until_ms(0);
        async move { engine.counted(stream, hours, deadline_ms, &meter).await }
    }

    fn is_comparison_due(&self, now_ms: i64) -> bool {
        let last_ms = self.writer.cursor.state.compared_at_ms.unwrap_or(i64::MIN / 2);
        now_ms - last_ms >= self.engine.settings.sweep_every_ms
    }

    /// Compares hourly counts, if that is due, and returns how soon a full sweep is due afterwards.
    /// If JumpCloud's counts cannot be had, the run does not fail.
    async fn compare(&mut self, ahead: Option<Counted>) -> Result<SweepUrgency, RunError> {
        let settings = &self.engine.settings;
        let now_ms = self.engine.now_ms();
        let is_due = self.is_comparison_due(now_ms);
        let Some(hours) = comparison::comparable(&self.writer.cursor, settings).filter(|_| is_due)
        else {
            return Ok(SweepUrgency::Usual);
        };
        let counted = match ahead {
            Some(counted) => counted,
            None => self.counted(hours).await,
        };
        let theirs = match counted {
            Ok(mut counts) => {
                counts.retain(|hour_ms, _| hours.contains(*hour_ms));
                counts
            }
            Err(error) => {
                tracing::warn!(stream = %self.stream, %error, "hourly counts cannot be compared");
                self.report.has_no_counts = true;
                return Ok(SweepUrgency::Often);
            }
        };
        let ours = self.engine.indexed(self.stream, self.writer.cursor.seq, hours.start_ms).await?;
        let compared = comparison::compare(&self.writer.cursor, now_ms, settings, &theirs, &ours);
        self.writer.keep_state(&compared.state);
        Ok(compared.urgency)
    }

    /// Reads the hours that begin at `hours_ms` again, cut at the origin, and reads nothing else.
    pub(super) async fn repair(&mut self, hours_ms: &[i64]) -> Result<Progress, Stop> {
        self.batch = Batch::default();
        self.engine.measure_clock_skew(self.stream, &self.meter, &self.budget).await?;
        let share = ReadAllowance { until_ms: self.budget.read_until_ms(0), pages: u64::MAX };
        for &from_ms in hours_ms {
            let started_ms = self.engine.now_ms();
            let Some(query) = self.engine.settings.queries.first().cloned() else { break };
            let end_ms = (from_ms + HOUR_MS).min(self.writer.cursor.state.read_to_ms);
            let window = Window::new(from_ms, end_ms);
            let reading = Reading { window, started_ms, query, at_ms: from_ms, limit: None };
            match self.read_through(ReadingKind::Hour(from_ms), reading, share).await? {
                Progress::Complete => {}
                progress => return Ok(progress),
            }
        }
        Ok(Progress::Complete)
    }

    /// Reads every query of a window, one after the other.
    async fn read_through(
        &mut self,
        kind: ReadingKind,
        mut reading: Reading,
        share: ReadAllowance,
    ) -> Result<Progress, Stop> {
        loop {
            if reading.at_ms < reading.window.end_ms {
                let progress = self.read_query(kind, &mut reading, share).await?;
                if progress != Progress::Complete {
                    return Ok(progress);
                }
            }
            match window::next_query(&reading, &self.engine.settings.queries) {
                Some(next) => reading = next,
                None => {
                    let state = window::completed(&self.writer.cursor.state, kind, &reading);
                    self.decide_or_keep(&state).await?;
                    return Ok(Progress::Complete);
                }
            }
            if self.report.pages >= share.pages {
                let state =
                    window::reached(&self.writer.cursor.state, kind, &reading, reading.at_ms, 0);
                self.decide_or_keep(&state).await?;
                return Ok(Progress::Interrupted);
            }
        }
    }
}
