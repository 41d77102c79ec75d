//! One run of one stream: claim, recover, read, decide, publish, advance, release. This is the one
//! place with that order.
//!
//! Safety rests on one primitive: journal entry `n + 1` is created once, by a writer that had
//! loaded the index of entries `1..=n`. Leases and clocks only save work.

mod admit;
mod birth;
mod counts;
mod decide;
mod pages;
mod read;
mod recover;
mod slots;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::batch::{Batch, BatchLimits};
use crate::cursor::{self, Cursor, Ended, ReadingState};
use crate::error::RunError;
use crate::lateness::Lateness;
use crate::limits::{LEASE_MARGIN_MS, LEASE_MS_MAX};
use crate::plan::{Budget, Settings};
use crate::ports::{Clock, Console, Cursors, Insights, Meter, Objects};
use crate::report::{Outcome, StreamReport, Tally};
use crate::stream::StreamId;
use crate::time;
use crate::update::{Item, Update, number, text};
pub(crate) use decide::unplaced_day;
use pages::Rows;
use slots::Slots;

/// The engine: the world, the settings, and what is kept between runs of a process.
pub struct Engine {
    /// JumpCloud.
    pub insights: Arc<dyn Insights>,
    /// JumpCloud's lists.
    pub console: Arc<dyn Console>,
    /// Both buckets.
    pub objects: Arc<dyn Objects>,
    /// The table.
    pub cursors: Arc<dyn Cursors>,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// What the configuration says.
    pub settings: Settings,
    /// When a batch closes.
    pub batch_limits: BatchLimits,
    warm: Mutex<HashMap<StreamId, Slots>>,
}

/// What a run is for.
#[derive(Clone, Copy)]
enum Goal<'a> {
    /// Read what is due.
    Collect,
    /// Finish what was decided.
    Recover,
    /// Read these hours again, by their first milliseconds.
    Repair(&'a [i64]),
}

/// How a claim ended.
enum Claim {
    Mine(Item),
    Busy,
}

/// How reading ended, if not with an error.
enum ReadEnd {
    /// Nothing is left to read.
    Complete,
    /// The budget is used up.
    Interrupted,
    /// The window is empty.
    Waiting,
    /// Another writer decided first: begin again at recovery.
    Lost,
}

/// One run, while it lasts.
struct Run<'e> {
    engine: &'e Engine,
    stream: &'e StreamId,
    budget: Budget,
    cursor: Cursor,
    slots: Slots,
    batch: Batch,
    /// What the batch holds.
    tally: Tally,
    /// Rows of the query that is read.
    rows: Rows,
    /// The reading state as the table has it.
    written: ReadingState,
    /// The cursor's reading state is ahead of the table's: no entry was needed for it. It is
    /// written with the release.
    has_unwritten: bool,
    meter: Arc<Meter>,
    report: StreamReport,
}

impl Engine {
    /// An engine with nothing warm.
    #[must_use]
    pub fn new(
        insights: Arc<dyn Insights>,
        console: Arc<dyn Console>,
        objects: Arc<dyn Objects>,
        cursors: Arc<dyn Cursors>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Self {
        let (batch_limits, warm) = (BatchLimits::default(), Mutex::default());
        Self { insights, console, objects, cursors, clock, settings, batch_limits, warm }
    }

    /// One run over `stream`. Never fails as such: what went wrong is in the report.
    pub async fn run(&self, stream: &StreamId, budget: Budget) -> StreamReport {
        self.run_to(stream, budget, Goal::Collect).await
    }

    /// Finishes what was decided of a stream that is no longer collected, and reads nothing.
    pub async fn recover_only(&self, stream: &StreamId, budget: Budget) -> StreamReport {
        self.run_to(stream, budget, Goal::Recover).await
    }

    /// Reads hours again whose counts differ, as a reading of the stream, under its claim.
    pub async fn repair(
        &self,
        stream: &StreamId,
        hours_ms: &[i64],
        budget: Budget,
    ) -> StreamReport {
        self.run_to(stream, budget, Goal::Repair(hours_ms)).await
    }

    async fn run_to(&self, stream: &StreamId, budget: Budget, goal: Goal<'_>) -> StreamReport {
        let meter = Arc::new(Meter::default());
        match self.claim(stream, &meter, &budget).await {
            Ok(Claim::Mine(item)) => self.claimed(stream, budget, goal, meter, &item).await,
            Ok(Claim::Busy) => {
                StreamReport { outcome: Outcome::Busy, ..StreamReport::new(stream.clone()) }
            }
            Err(error) => {
                let mut report = StreamReport::new(stream.clone());
                fail(&mut report, &error);
                report.take(&meter);
                report.failures = self.failed_unborn(stream, &error).await;
                report
            }
        }
    }

    /// Counts a failure of a stream that could not even be born, so that it does not fail in
    /// silence for ever. Returns the failures in a row.
    async fn failed_unborn(&self, stream: &StreamId, error: &RunError) -> i64 {
        let update = cursor::failed_unborn(&error.to_string());
        match self.cursors.update(stream, &update).await {
            Ok(Some(item)) => number(&item, "failures").unwrap_or(1),
            Ok(None) | Err(_) => 1,
        }
    }

    /// Claims the stream; gives birth to it or rebuilds its cursor first where there is none.
    async fn claim(
        &self,
        stream: &StreamId,
        meter: &Arc<Meter>,
        budget: &Budget,
    ) -> Result<Claim, RunError> {
        let owner = hex::encode(&self.clock.random()[..8]);
        loop {
            let now_ms = self.clock.now_ms();
            let left_ms = (budget.deadline_ms - now_ms).max(0) + LEASE_MARGIN_MS;
            let claim = cursor::claim(&owner, now_ms, now_ms + left_ms.min(LEASE_MS_MAX));
            if let Some(item) = self.cursors.update(stream, &claim).await? {
                return Ok(Claim::Mine(item));
            }
            match self.cursors.get(stream).await? {
                // A retry inside the adapter met its own first try.
                Some(item) if text(&item, "lease_owner").is_ok_and(|found| found == owner) => {
                    return Ok(Claim::Mine(item));
                }
                Some(item) if cursor::seq(&item).is_some() => {
                    return Cursor::read(&item).map(|_| Claim::Busy).map_err(RunError::from);
                }
                _ => self.bear(stream, meter, budget).await?,
            }
        }
    }

    async fn claimed(
        &self,
        stream: &StreamId,
        budget: Budget,
        goal: Goal<'_>,
        meter: Arc<Meter>,
        item: &Item,
    ) -> StreamReport {
        let fence = number(item, "fence").unwrap_or(0);
        let failures = number(item, "failures").unwrap_or(0);
        let before = cursor::lateness(item);
        let (mut report, unwritten) = match Cursor::read(item) {
            Ok(cursor) => self.work(stream, budget, goal, &meter, cursor).await,
            Err(error) => {
                let mut report = StreamReport::new(stream.clone());
                fail(&mut report, &error.into());
                (report, None)
            }
        };
        if report.outcome == Outcome::Failed {
            report.failures = failures + 1;
        }
        if let Err(error) = self.release(stream, fence, &before, &report, unwritten).await {
            fail(&mut report, &error);
            report.failures = failures + 1;
        }
        report.take(&meter);
        report
    }

    /// Everything between claim and release. Returns the cursor if its reading state is still to
    /// be written.
    async fn work(
        &self,
        stream: &StreamId,
        budget: Budget,
        goal: Goal<'_>,
        meter: &Arc<Meter>,
        cursor: Cursor,
    ) -> (StreamReport, Option<Cursor>) {
        let (slots, cold) = self.take_warm(stream, &cursor.head_hash);
        let mut run = Run {
            engine: self,
            stream,
            budget,
            written: cursor.state.clone(),
            cursor,
            slots,
            batch: Batch::default(),
            tally: Tally::default(),
            rows: Rows::default(),
            has_unwritten: false,
            meter: Arc::clone(meter),
            report: StreamReport::new(stream.clone()),
        };
        let ended = run.work(goal, cold).await;
        let Run { cursor, mut slots, has_unwritten, mut report, .. } = run;
        match ended {
            Ok(ReadEnd::Interrupted) => report.outcome = Outcome::Behind,
            Ok(ReadEnd::Waiting) => report.outcome = Outcome::Waiting,
            Ok(_) => {}
            Err(error) => fail(&mut report, &error),
        }
        let frontier_ms = cursor.state.frontier_ms;
        report.frontier = Some(time::rfc3339(frontier_ms));
        report.lag_seconds = Some((self.now_ms() - frontier_ms).max(0) / 1_000);
        slots.set_head(&cursor.head_hash);
        self.warm.lock().unwrap_or_else(PoisonError::into_inner).insert(stream.clone(), slots);
        (report, has_unwritten.then_some(cursor))
    }

    /// The run's last update: removes the lease, keeps how it went, and writes reading state that
    /// needed no entry. If another run has moved on, there is nothing of ours to write or remove.
    async fn release(
        &self,
        stream: &StreamId,
        fence: i64,
        before: &Lateness,
        report: &StreamReport,
        unwritten: Option<Cursor>,
    ) -> Result<(), RunError> {
        let ended = match &report.error {
            Some(error) => Ended::Badly { error, failures: report.failures },
            None => Ended::Well { at_ms: self.now_ms() },
        };
        let released = |update| {
            let update = cursor::release(update, fence, ended);
            cursor::measured(update, before, &report.lateness)
        };
        if let Some(cursor) = unwritten {
            let update = released(cursor.progress(&cursor.state, fence));
            if self.cursors.update(stream, &update).await?.is_some() {
                return Ok(());
            }
        }
        self.cursors.update(stream, &released(Update::default())).await?;
        Ok(())
    }

    /// Now, for everything stored: the local clock, lowered by how far it was ahead of JumpCloud.
    fn now_ms(&self) -> i64 {
        self.clock.now_ms() - self.insights.ahead_ms().unwrap_or(0)
    }

    /// The slots kept from the last run, if this cursor is the one they were kept for; and whether
    /// this process meets the stream for the first time.
    fn take_warm(&self, stream: &StreamId, head_hash: &str) -> (Slots, bool) {
        let kept = self.warm.lock().unwrap_or_else(PoisonError::into_inner).remove(stream);
        let cold = kept.is_none();
        (kept.filter(|slots| slots.is_at(head_hash)).unwrap_or_default(), cold)
    }
}

impl Run<'_> {
    async fn work(&mut self, goal: Goal<'_>, cold: bool) -> Result<ReadEnd, RunError> {
        if cold {
            self.check_birth().await?;
        }
        self.recover(cold).await?;
        loop {
            let end = match goal {
                Goal::Collect => self.read().await?,
                Goal::Recover => ReadEnd::Complete,
                Goal::Repair(hours_ms) => self.repair(hours_ms).await?,
            };
            match end {
                ReadEnd::Lost => self.recover(false).await?,
                end => return Ok(end),
            }
        }
    }

    fn state_bucket(&self) -> &str {
        &self.engine.settings.state_bucket
    }
}

impl StreamReport {
    fn take(&mut self, meter: &Meter) {
        use std::sync::atomic::Ordering::Relaxed;
        self.requests = meter.requests.load(Relaxed);
        self.retries = meter.retries.load(Relaxed);
        self.bytes_in = meter.bytes_in.load(Relaxed);
    }
}

fn fail(report: &mut StreamReport, error: &RunError) {
    report.outcome = Outcome::Failed;
    report.error = Some(error.to_string());
    report.needs_mending = error.needs_mending();
}
