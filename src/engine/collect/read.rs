//! Read: what a run asks JumpCloud for, and in which order: the heads, a comparison of counts, the
//! full sweeps, hours whose counts differ, what is dated ahead.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future;

use super::counts::{CountRequest, Counts};
use super::reader::Reader;
use super::stop::{Progress, Stop};
use super::turns::Turns;
use crate::cursor::{QueryProgress, Reading, ReadingState};
use crate::error::RunError;
use crate::page::Query;
use crate::ports::InsightsError;
use crate::read::future::future as reading_ahead;
use crate::read::{Counted, ReadingKind, SweepUrgency, comparison, queries, sweep, window};
use crate::report::Lost;
use crate::time::Window;

/// The part of a run that one kind of reading may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadAllowance {
    /// When its time ends, UTC milliseconds of the local clock.
    pub(super) until_ms: i64,
    /// It may request pages until the whole run has used this many.
    pub(super) pages: u64,
}

/// JumpCloud's hourly counts, none where it cannot be told how those of several queries add up; or
/// why there are none.
type CountAnswer = Result<Option<Counted>, InsightsError>;

impl<'e> Reader<'e> {
    /// Reads what is due. Sweeps have their own share of the run, so that neither they nor the heads
    /// starve.
    pub(super) async fn read(&mut self) -> Result<Progress, Stop> {
        let engine = self.engine;
        self.begin();
        if self.is_out_of_time() {
            return Ok(Progress::Interrupted);
        }
        engine.measure_clock_skew(self.stream, &self.meter, &self.budget).await?;
        if window::is_expired(&self.writer.cursor, engine.now_ms()) {
            return Ok(Progress::Complete);
        }
        self.follow_configuration();
        let early = self.counts_early();
        let (turns, counted) = future::join(self.read_heads(), early).await;
        let mut turns = turns?;
        if !self.stream.is_lane() {
            let urgency = self.compare(counted).await?;
            self.read_again(urgency, &mut turns).await?;
            self.end_failures_behind(&turns);
            self.flush().await?;
        }
        Ok(turns.ended()?)
    }

    /// Gives the stream the queries that are configured, as far as they are not refused.
    pub(super) fn follow_configuration(&mut self) {
        let settings = &self.engine.settings;
        let now_ms = self.engine.now_ms();
        queries::configure(&mut self.state, &self.writer.cursor, settings, now_ms);
        queries::join(&mut self.state, &settings.queries);
        if self.state != self.writer.cursor.state {
            self.writer.keep_state(&self.state);
        }
    }

    /// An equal share, for one of `left` readings, of the time until `until_ms` and of the pages that
    /// are left of `pages`; a page at least.
    pub(super) fn share(&self, until_ms: i64, pages: u64, left: usize) -> ReadAllowance {
        let (now_ms, used) = (self.engine.clock.now_ms(), self.report.pages);
        let left = u32::try_from(left).unwrap_or(u32::MAX).max(1);
        ReadAllowance {
            until_ms: now_ms + (until_ms - now_ms).max(0) / i64::from(left),
            pages: used + (pages.saturating_sub(used) / u64::from(left)).max(1),
        }
    }

    /// Whether there is any time until `until_ms` and any page of `pages`.
    pub(super) fn has_more(&self, until_ms: i64, pages: u64) -> bool {
        self.engine.clock.now_ms() < until_ms && self.report.pages < pages
    }

    pub(super) fn pages_per_run(&self) -> u64 {
        u64::from(self.engine.settings.pages_per_run)
    }

    /// Until when the heads are read, on the local clock: all of the run, but for a quarter of the
    /// time where anything else is due.
    pub(super) fn heads_until_ms(&self) -> i64 {
        let settings = &self.engine.settings;
        let (cursor, now_ms) = (&self.writer.cursor, self.engine.now_ms());
        let is_swept = |query| sweep::sweep(cursor, query, now_ms, settings, SweepUrgency::Usual);
        let is_more_due = !self.stream.is_lane()
            && (cursor.state.accepted().any(|query| is_swept(query).is_some())
                || self.is_more_than_sweeps_due());
        self.until_ms(is_more_due)
    }

    /// The end of the time for reading, on the local clock, or a quarter of what is left before it.
    fn until_ms(&self, is_more_due: bool) -> i64 {
        let end_ms = self.budget.read_until_ms(0);
        let left_ms = (end_ms - self.engine.clock.now_ms()).max(0);
        end_ms - if is_more_due { left_ms / 4 } else { 0 }
    }

    fn is_more_than_sweeps_due(&self) -> bool {
        let (cursor, settings) = (&self.writer.cursor, &self.engine.settings);
        let now_ms = self.engine.now_ms();
        let is_due = |query| reading_ahead(query, cursor.origin_ms, now_ms, settings).is_some();
        comparison::hours(cursor, now_ms).next().is_some() || cursor.state.accepted().any(is_due)
    }

    /// The queries that are not refused and have not failed in this run, in an order that stays.
    pub(super) fn readable(&self, turns: &Turns) -> Vec<Query> {
        let names = self.state.accepted().map(|query| query.names.clone());
        names.filter(|names| !turns.has_failed(names)).collect()
    }

    /// The full sweeps, the hours and the reading ahead that are due: with the time that is left, and
    /// the pages that the heads left, but at least a quarter of them.
    async fn read_again(&mut self, urgency: SweepUrgency, turns: &mut Turns) -> Result<(), Stop> {
        let pages = self.pages_per_run();
        let pages = pages.max(self.report.pages + (pages / 4).max(1));
        self.read_sweeps(urgency, pages, turns).await?;
        self.read_hours(pages, turns).await?;
        self.read_ahead(turns).await
    }

    async fn read_sweeps(
        &mut self,
        urgency: SweepUrgency,
        pages: u64,
        turns: &mut Turns,
    ) -> Result<(), Stop> {
        let (cursor, settings) = (&self.writer.cursor, &self.engine.settings);
        let (now_ms, until_ms) =
            (self.engine.now_ms(), self.until_ms(self.is_more_than_sweeps_due()));
        let due = self.due(turns, |query| sweep::sweep(cursor, query, now_ms, settings, urgency));
        let skipped = due.iter().filter_map(|reading| {
            let query = self.state.query(&reading.query)?;
            Some((query.clone(), sweep::lost(cursor, query, now_ms)?))
        });
        let skipped: Vec<_> = skipped.collect();
        let ended = self.read_each(ReadingKind::Sweep, due, (until_ms, pages), turns).await;
        for (before, window) in skipped {
            let is_begun = self.state.query(&before.names).is_none_or(|query| {
                query.sweep != before.sweep || query.unread_before_ms != before.unread_before_ms
            });
            if is_begun {
                self.report.lose(Lost::new(&before.names, window));
            }
        }
        ended
    }

    /// The readings that are due of the queries that can be read, in the order of their turns.
    fn due(
        &self,
        turns: &Turns,
        is_due: impl Fn(&QueryProgress) -> Option<Reading>,
    ) -> Vec<Reading> {
        let readable = self.readable(turns);
        let in_turn = queries::turns(&self.state).into_iter().filter(|q| readable.contains(q));
        in_turn.filter_map(|names| is_due(self.state.query(&names)?)).collect()
    }

    /// Reads one after the other, each with an equal share of what is left. One whose query fails
    /// ends no other.
    async fn read_each(
        &mut self,
        kind: ReadingKind,
        due: Vec<Reading>,
        (until_ms, pages): (i64, u64),
        turns: &mut Turns,
    ) -> Result<(), Stop> {
        let count = due.len();
        for (done, mut reading) in due.into_iter().enumerate() {
            let allowance = self.share(until_ms, pages, count - done);
            self.read_behind(kind, &mut reading, &[], allowance, turns).await?;
        }
        self.flush().await
    }

    async fn read_hours(&mut self, pages: u64, turns: &mut Turns) -> Result<(), Stop> {
        let allowance = self.share(self.budget.read_until_ms(0), pages, 1);
        let mut refused = BTreeSet::new();
        loop {
            let hour = comparison::hours(&self.writer.cursor, self.engine.now_ms())
                .find(|hour| !refused.contains(&hour.start_ms));
            let Some(hour) = hour else { break };
            let readable = self.readable(turns);
            let is_readable = |names: &Query| comparison::is_read_by(names, &readable);
            // An hour is read through every query that was counted, or it would seem a gap.
            if self.is_out_of_time() || !hour.queries.iter().all(is_readable) {
                break;
            }
            let (kind, mut reading) = (ReadingKind::Hour(hour.start_ms), hour.reading);
            let progress =
                self.read_behind(kind, &mut reading, &hour.queries, allowance, turns).await?;
            self.flush().await?;
            match progress {
                Some(Progress::Complete) => {}
                // The others are read, if their queries have not failed for this run.
                None => drop(refused.insert(hour.start_ms)),
                Some(_) => break,
            }
        }
        Ok(())
    }

    /// It is not ended by a number of pages, for it can only begin again.
    async fn read_ahead(&mut self, turns: &mut Turns) -> Result<(), Stop> {
        if self.is_out_of_time() {
            return Ok(());
        }
        let (origin_ms, settings) = (self.writer.cursor.origin_ms, &self.engine.settings);
        let now_ms = self.engine.now_ms();
        let due = self.due(turns, |query| reading_ahead(query, origin_ms, now_ms, settings));
        let until_ms = self.budget.read_until_ms(0);
        self.read_each(ReadingKind::Future, due, (until_ms, u64::MAX), turns).await
    }

    /// Requests hourly counts while the head is being read, if they are to be compared afterwards.
    /// Counts that are a little older are not larger, so they are safe to use. If a reading was
    /// interrupted, it is not known yet how far this run gets, so nothing is requested.
    fn counts_early(&self) -> impl Future<Output = Option<CountAnswer>> + use<'e> {
        let counted = self.countable_early().map(|range| self.counted(range));
        async { Some(counted?.await) }
    }

    /// The hours that this run compares, if its heads come to their end; none if it compares none.
    fn countable_early(&self) -> Option<Window> {
        let now_ms = self.engine.now_ms();
        let is_wanted = !self.stream.is_lane()
            && self.is_comparison_due(now_ms)
            && self.state.accepted().all(|query| query.reading.is_none());
        let mut read = is_wanted.then(|| self.writer.cursor.clone())?;
        for query in &mut read.state.queries {
            query.read_to_ms = now_ms - self.engine.settings.settle_lag_ms;
        }
        comparison::comparable(&read, now_ms, &self.engine.settings)
    }

    fn counted(&self, hours: Window) -> impl Future<Output = CountAnswer> + use<'e> {
        let (engine, stream, meter) = (self.engine, self.stream, Arc::clone(&self.meter));
        let deadline_ms = self.budget.read_until_ms(0);
        let queries: Vec<Query> = self.state.accepted().map(|query| query.names.clone()).collect();
        async move {
            let request = CountRequest { stream, window: hours, deadline_ms, meter: &meter };
            engine.counted(&queries, request).await
        }
    }

    fn is_comparison_due(&self, now_ms: i64) -> bool {
        let last_ms = self.writer.cursor.state.compared_at_ms.unwrap_or(i64::MIN / 2);
        now_ms - last_ms >= self.engine.settings.sweep_every_ms
    }

    /// Compares hourly counts, if that is due, and returns how soon a full sweep is due afterwards.
    /// If JumpCloud's counts cannot be had, the run does not fail.
    async fn compare(&mut self, early: Option<CountAnswer>) -> Result<SweepUrgency, RunError> {
        let settings = &self.engine.settings;
        let now_ms = self.engine.now_ms();
        let state = comparison::forget(&self.writer.cursor, now_ms, settings);
        if state != self.writer.cursor.state {
            self.keep(&state);
        }
        let hours = comparison::comparable(&self.writer.cursor, now_ms, settings);
        let Some(hours) = hours.filter(|_| self.is_comparison_due(now_ms)) else {
            return Ok(self.urgency());
        };
        let answer = match early {
            Some(answer) => answer,
            None => self.counted(hours).await,
        };
        let before = self.writer.cursor.state.clone();
        let state = match answer {
            Ok(Some(mut theirs)) => {
                theirs.hours.retain(|hour_ms, _| hours.contains(*hour_ms));
                let ours = match theirs.hours.values().any(|count| *count > 0) {
                    true => {
                        let seq = self.writer.cursor.seq;
                        self.engine.indexed(self.stream, seq, hours.start_ms).await?
                    }
                    // No hour can have more than the index: that costs a listing.
                    false => Counts::new(),
                };
                comparison::compare(&before, hours.start_ms, now_ms, &theirs, &ours)
            }
            Ok(None) => {
                let not_comparable_ms = before.not_comparable_ms.or(Some(now_ms));
                ReadingState { compared_at_ms: Some(now_ms), not_comparable_ms, ..before }
            }
            Err(error) => {
                tracing::warn!(stream = %self.stream, %error, "hourly counts cannot be compared");
                self.report.has_no_counts = true;
                return Ok(SweepUrgency::Often);
            }
        };
        self.keep(&state);
        Ok(self.urgency())
    }

    /// How much a full sweep is wanted where the counts could be had.
    fn urgency(&self) -> SweepUrgency {
        match self.writer.cursor.state.not_comparable_ms {
            Some(_) => SweepUrgency::Often,
            None => SweepUrgency::Usual,
        }
    }

    /// Reads a window through the query that the reading is in and those behind it in `queries`.
    pub(super) async fn read_through(
        &mut self,
        kind: ReadingKind,
        reading: &mut Reading,
        queries: &[Query],
        share: ReadAllowance,
    ) -> Result<Progress, Stop> {
        loop {
            if reading.at_ms < reading.window.end_ms {
                let progress = self.read_query(kind, reading, share).await?;
                if progress != Progress::Complete {
                    return Ok(progress);
                }
            }
            let Some(next) = window::next_query(reading, queries) else {
                self.state = window::completed(&self.state, kind, reading);
                return Ok(Progress::Complete);
            };
            *reading = next;
            if self.report.pages >= share.pages {
                self.state = window::reached(&self.state, kind, reading, reading.at_ms, 0);
                return Ok(Progress::Interrupted);
            }
        }
    }
}
