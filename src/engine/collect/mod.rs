//! One run of one stream: claim, recover, read, decide, publish, advance, release. This is the one
//! place with that order.
//!
//! Safety rests on one primitive: journal entry `n + 1` is created once, by a writer that had
//! loaded the index of entries `1..=n`. Leases and clocks only save work.

mod admit;
mod birth;
mod border;
mod counts;
mod decide;
mod pages;
mod parts;
mod read;
mod recover;
mod slots;
mod users;

use std::sync::{Arc, Mutex, PoisonError};

use crate::archive::batch::{Batch, BatchLimits};
use crate::cursor::item::{Item, Update, number, text};
use crate::cursor::lease::{self, Ended, Held, Release};
use crate::cursor::state::ReadingState;
use crate::cursor::{self, Cursor};
use crate::error::RunError;
use crate::limits::{LEASE_MARGIN_MS, LEASE_MS_MAX};
use crate::ports::{Clock, Console, Cursors, Insights, Meter, Objects};
use crate::read::budget::Budget;
use crate::read::window;
use crate::report::lateness;
use crate::report::stream::{Answers, Outcome, StreamReport, Tally};
use crate::settings::Settings;
use crate::stream::StreamId;
pub(crate) use counts::Counts;
use pages::Rows;
use slots::{Slots, Warm};

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
    warm: Mutex<Warm>,
}

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal<'a> {
    /// Read what is due.
    Collect,
    /// Finish what was decided of a stream that is no longer collected, and read nothing.
    Recover,
    /// Read what is due of the day's snapshot of users.
    Snapshot,
    /// Read these hours again, by their first milliseconds.
    Repair(&'a [i64]),
}

/// One run to be made.
#[derive(Clone, Copy)]
struct Order<'a> {
    stream: &'a StreamId,
    goal: Goal<'a>,
    budget: Budget,
    /// It answers a message of the work queue.
    is_from_queue: bool,
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

/// What is left to write when the work is done.
#[derive(Default)]
struct Worked {
    /// The cursor, if its reading state is still to be written.
    unwritten: Option<Cursor>,
    /// The lane is finished with this run.
    is_finished: bool,
}

/// One run, while it lasts.
struct Run<'e> {
    engine: &'e Engine,
    stream: &'e StreamId,
    budget: Budget,
    cursor: Cursor,
    slots: Slots,
    batch: Batch,
    /// Memory for the next entry.
    entry_room: Vec<u8>,
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
    pub async fn run(&self, stream: &StreamId, goal: Goal<'_>, budget: Budget) -> StreamReport {
        self.make(Order { stream, goal, budget, is_from_queue: false }).await
    }

    async fn make(&self, order: Order<'_>) -> StreamReport {
        let meter = Arc::new(Meter::default());
        let stream = order.stream;
        match self.claim(stream, &meter, &order.budget).await {
            Ok(Claim::Mine(item)) => self.claimed(order, meter, &item).await,
            Ok(Claim::Busy) => {
                if order.is_from_queue {
                    self.unqueue(stream).await;
                }
                StreamReport { outcome: Outcome::Busy, ..StreamReport::new(stream.clone()) }
            }
            Err(error) => {
                let mut report = StreamReport::new(stream.clone());
                report.fail(&error);
                report.take(&meter);
                report.failures = self.failed_unborn(&order, &error).await;
                report
            }
        }
    }

    /// Counts a failure of a stream that could not even be born, so that it does not fail in
    /// silence for ever. Returns the failures in a row.
    async fn failed_unborn(&self, order: &Order<'_>, error: &RunError) -> i64 {
        let Order { stream, is_from_queue, .. } = *order;
        let update = lease::failed_unborn(&error.to_string(), self.clock.now_ms(), is_from_queue);
        match self.cursors.update(stream, &update).await {
            Ok(Some(item)) => number(&item, "failures").unwrap_or(1),
            Ok(None) | Err(_) => {
                if is_from_queue {
                    self.unqueue(stream).await;
                }
                1
            }
        }
    }

    /// Gives the stream's place in the queue back. If that fails, it is taken for lost in time.
    pub(crate) async fn unqueue(&self, stream: &StreamId) {
        if let Err(error) = self.cursors.update(stream, &lease::unqueue()).await {
            tracing::warn!(%stream, %error, "the place in the queue stays taken for a while");
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
            let claim = lease::claim(&owner, now_ms, now_ms + left_ms.min(LEASE_MS_MAX));
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

    async fn claimed(&self, order: Order<'_>, meter: Arc<Meter>, item: &Item) -> StreamReport {
        let failures = number(item, "failures").unwrap_or(0);
        let (mut report, worked) = match Cursor::read(item) {
            Ok(cursor) => self.work(&order, &meter, cursor).await,
            Err(error) => {
                let mut report = StreamReport::new(order.stream.clone());
                report.fail(&error.into());
                (report, Worked::default())
            }
        };
        if report.outcome == Outcome::Failed {
            report.failures = failures + 1;
        }
        if let Err(error) = self.release(&order, item, &report, worked).await {
            report.fail(&error);
            report.failures = failures + 1;
        }
        report.last_success_ms = number(item, "last_success_ms").ok();
        report.take(&meter);
        report
    }

    /// Everything between claim and release.
    async fn work(
        &self,
        order: &Order<'_>,
        meter: &Arc<Meter>,
        cursor: Cursor,
    ) -> (StreamReport, Worked) {
        let stream = order.stream;
        let (slots, cold) = self.take_warm(stream, &cursor.head_hash);
        let mut run = Run {
            engine: self,
            stream,
            budget: order.budget,
            written: cursor.state.clone(),
            cursor,
            slots,
            batch: Batch::default(),
            entry_room: Vec::new(),
            tally: Tally::default(),
            rows: Rows::default(),
            has_unwritten: false,
            meter: Arc::clone(meter),
            report: StreamReport::new(stream.clone()),
        };
        let ended = run.work(order.goal, cold).await;
        let Run { cursor, mut slots, has_unwritten, mut report, .. } = run;
        match ended {
            Ok(ReadEnd::Interrupted) => report.outcome = Outcome::Behind,
            Ok(ReadEnd::Waiting) => report.outcome = Outcome::Waiting,
            Ok(_) => {}
            Err(error) => report.fail(&error),
        }
        report.gaps = Some(cursor.state.gaps());
        report.stands(&cursor, self.now_ms());
        slots.set_head(&cursor.head_hash);
        self.warm.lock().unwrap_or_else(PoisonError::into_inner).keep(stream, slots);
        // A run that failed may have decided what nobody has published yet: it must be seen again.
        let is_finished =
            report.error.is_none() && window::is_finished(&cursor, self.settings.late_horizon_ms);
        (report, Worked { unwritten: has_unwritten.then_some(cursor), is_finished })
    }

    /// The run's last update: removes the lease, keeps how it went, and writes reading state that
    /// needed no entry. If another run has moved on, there is nothing of ours to write or remove.
    async fn release(
        &self,
        order: &Order<'_>,
        claimed: &Item,
        report: &StreamReport,
        worked: Worked,
    ) -> Result<(), RunError> {
        let Order { stream, is_from_queue, .. } = *order;
        let ended = match &report.error {
            Some(error) => Ended::Badly { error, failures: report.failures },
            None => Ended::Well,
        };
        let at_ms = self.now_ms();
        let since_ms = number(claimed, "finished_ms").unwrap_or(at_ms);
        let finished_ms = worked.is_finished.then_some(since_ms);
        let release = Release { at_ms, ended, is_from_queue, finished_ms };
        let (held, before) = (Held::of(claimed), lateness::stored(claimed));
        let released = |update, release| {
            let update = lease::release(update, &held, release);
            lateness::add_to(update, &before, &report.lateness)
        };
        let is_unwritten = worked.unwritten.is_some();
        if let Some(cursor) = worked.unwritten {
            let update = released(cursor.progress(&cursor.state, held.fence()), release);
            if self.cursors.update(stream, &update).await?.is_some() {
                return Ok(());
            }
        }
        // Its reading state was not written: whether the lane is finished is open.
        let finished_ms = release.finished_ms.filter(|_| !is_unwritten);
        let release = Release { finished_ms, ..release };
        let update = released(Update::default(), release);
        if self.cursors.update(stream, &update).await?.is_none() && is_from_queue {
            self.unqueue(stream).await;
        }
        Ok(())
    }

    /// Now, for everything stored: the local clock, lowered by how far it was ahead of JumpCloud.
    fn now_ms(&self) -> i64 {
        self.clock.now_ms() - self.insights.ahead_ms().unwrap_or(0)
    }

    /// The slots kept from the last run, if this cursor is the one they were kept for; and whether
    /// this process meets the stream for the first time.
    fn take_warm(&self, stream: &StreamId, head_hash: &str) -> (Slots, bool) {
        let kept = self.warm.lock().unwrap_or_else(PoisonError::into_inner).take(stream);
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
                Goal::Snapshot => self.snapshot().await?,
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
        self.answers = Answers {
            throttled: meter.throttled.load(Relaxed),
            broken: meter.broken.load(Relaxed),
            denied: meter.denied.load(Relaxed),
        };
    }
}
