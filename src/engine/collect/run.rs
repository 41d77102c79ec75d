//! One run of one stream: claim, recover, read, decide, publish, advance, release.

use std::sync::Arc;

use super::claim::{Claim, Unwritten};
use super::engine::Engine;
use super::reader::Reader;
use super::request::{RunPurpose, RunRequest};
use super::stop::{Progress, Stop};
use super::writer::Writer;
use crate::cursor::{Cursor, Item, attribute, lease, number};
use crate::error::RunError;
use crate::ports::Meter;
use crate::read::{Budget, LaneEnd, window};
use crate::report::{Outcome, StreamReport};
use crate::stream::StreamId;

impl Engine {
    /// Makes one run over `stream`. It never returns an error: a failure is in the report.
    pub async fn run(
        &self,
        stream: &StreamId,
        purpose: RunPurpose<'_>,
        budget: Budget,
    ) -> StreamReport {
        self.run_request(RunRequest { stream, purpose, budget, is_from_queue: false }).await
    }

    pub(super) async fn run_request(&self, request: RunRequest<'_>) -> StreamReport {
        let is_recovery = request.purpose == RunPurpose::Recover;
        StreamReport { is_recovery, ..self.claim_and_run(request).await }
    }

    async fn claim_and_run(&self, request: RunRequest<'_>) -> StreamReport {
        let meter = Arc::new(Meter::default());
        let stream = request.stream;
        match self.claim(&request, &meter).await {
            Ok(Claim::Mine(item)) => self.run_claimed(request, meter, &item).await,
            Ok(Claim::Busy(item)) => {
                if request.is_from_queue {
                    self.unqueue(stream).await;
                }
                self.report_busy(stream, &item)
            }
            Ok(Claim::Nothing) => {
                if request.is_from_queue {
                    self.unqueue(stream).await;
                }
                // A recovery finds nothing to publish also where the lane was not begun yet.
                if stream.is_lane()
                    && request.purpose != RunPurpose::Recover
                    && let Ok(Some(opened_ms)) = self.opened_ms(stream).await
                {
                    self.close_lane(stream, opened_ms).await;
                }
                StreamReport::new(stream.clone())
            }
            Err(error) => {
                let mut report = StreamReport::failed(stream.clone(), &error);
                report.costs = meter.costs();
                report.failures = self.record_failure_before_creation(&request, &error).await;
                report
            }
        }
    }

    /// The report of a stream that another run has, or one that was killed: what its item says.
    fn report_busy(&self, stream: &StreamId, item: &Item) -> StreamReport {
        let mut report =
            StreamReport { outcome: Outcome::Busy, ..StreamReport::new(stream.clone()) };
        report.last_success_ms = number(item, attribute::LAST_SUCCESS_MS).ok();
        if let Ok(cursor) = Cursor::read(item) {
            report.gaps = Some(cursor.gaps());
            report.set_position(&cursor, self.now_ms());
        }
        report
    }

    async fn run_claimed(
        &self,
        request: RunRequest<'_>,
        meter: Arc<Meter>,
        item: &Item,
    ) -> StreamReport {
        let failures = number(item, attribute::FAILURES).unwrap_or(0);
        let failed = |error: RunError| {
            (
                StreamReport::failed(request.stream.clone(), &error),
                Unwritten { cursor: None, lane_end: LaneEnd::None },
            )
        };
        let was_finished = item.contains_key(attribute::FINISHED_MS);
        let (mut request, mut opened_ms) = (request, None);
        let (mut report, unwritten) = match self.cursor(request.stream, item).await {
            Ok(cursor) => {
                opened_ms = cursor.opened_ms;
                // It was taken out since it was listed: no run would finish what this one decides.
                if request.stream.is_lane() && opened_ms.is_none() {
                    request.purpose = RunPurpose::Recover;
                }
                self.work(&request, &meter, cursor, was_finished).await
            }
            Err(error) => failed(error),
        };
        let is_over = unwritten.lane_end != LaneEnd::None;
        if report.outcome == Outcome::Failed {
            report.failures = failures + 1;
        }
        if let Err(error) = self.release(&request, item, &report, unwritten).await {
            report.fail(&error);
            report.failures = failures + 1;
        }
        // No run that was overtaken before it was over can leave anything undone any more.
        let was_long_over = is_over && lease::is_long_over(item, self.clock.now_ms());
        if let Some(opened_ms) = opened_ms.filter(|_| was_long_over) {
            self.close_lane(request.stream, opened_ms).await;
        }
        report.last_success_ms = number(item, attribute::LAST_SUCCESS_MS).ok();
        report.costs = meter.costs();
        report
    }

    /// The cursor that was claimed; of a lane, with when it was opened last.
    async fn cursor(&self, stream: &StreamId, item: &Item) -> Result<Cursor, RunError> {
        let mut cursor = Cursor::read(item)?;
        if stream.is_lane() {
            cursor.opened_ms = self.opened_ms(stream).await?;
        }
        Ok(cursor)
    }

    /// Everything between claim and release.
    async fn work(
        &self,
        request: &RunRequest<'_>,
        meter: &Arc<Meter>,
        cursor: Cursor,
        was_finished: bool,
    ) -> (StreamReport, Unwritten) {
        let stream = request.stream;
        let (slots, is_cold) = self.take_warm(stream, &cursor.head_hash);
        let writer = Writer::new(self, stream, cursor, slots);
        let mut reader = Reader::new(writer, request.budget, Arc::clone(meter));
        let recovered = reader.recover(is_cold).await;
        let is_whole = recovered.is_ok();
        let ended = match recovered {
            Ok(()) => reader.run(request.purpose).await,
            Err(error) => Err(error),
        };
        let Reader { writer, mut report, .. } = reader;
        match ended {
            Ok(Progress::Interrupted) => report.outcome = Outcome::Behind,
            Ok(Progress::Waiting) => report.outcome = Outcome::Waiting,
            Ok(Progress::Complete) => {}
            Err(error) => report.fail(&error),
        }
        let has_unstored = writer.has_unstored();
        let Writer { cursor, mut slots, objects, bytes_out, .. } = writer;
        // What a sweep has loaded is not needed before the next one.
        slots.drop_before(cursor.state.frontier_ms - self.settings.overlap_ms);
        (report.objects, report.bytes_out) = (objects, bytes_out);
        report.gaps = Some(cursor.gaps());
        report.set_position(&cursor, self.now_ms());
        // What stops a stream on a cold start stops it in every later run of this process, too.
        if is_whole {
            self.keep_warm(stream, slots);
        }
        let horizon_ms = self.settings.late_horizon_ms;
        let lane_end = match report.error {
            None => window::lane_end(&cursor, was_finished, self.now_ms(), horizon_ms),
            // It may have decided an entry that is not published yet: the lane needs another run.
            Some(_) => LaneEnd::None,
        };
        if lane_end == LaneEnd::Expired {
            report.fail(&RunError::refused(window::unread_of_lane(&cursor)));
        }
        (report, Unwritten { cursor: has_unstored.then_some(cursor), lane_end })
    }
}

impl Reader<'_> {
    /// Checks on a cold start that nothing of the stream's state is missing, and recovers.
    async fn recover(&mut self, is_cold: bool) -> Result<(), RunError> {
        if is_cold {
            self.writer.check_certificate().await?;
        }
        self.writer.recover(is_cold).await
    }

    async fn run(&mut self, purpose: RunPurpose<'_>) -> Result<Progress, RunError> {
        if purpose != RunPurpose::Recover {
            self.confirm_organization().await?;
        }
        loop {
            let ended = match purpose {
                RunPurpose::Collect => self.read().await,
                RunPurpose::Recover => Ok(Progress::Complete),
                RunPurpose::Snapshot => self.snapshot().await,
                RunPurpose::Repair(hours_ms) => self.repair(hours_ms).await,
            };
            match ended {
                Ok(progress) => return Ok(progress),
                Err(Stop::Overtaken) => self.writer.recover(false).await?,
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
    }
}
