//! Read: what a run asks JumpCloud for, and in which order: the head, a comparison of counts, the
//! full sweep, hours whose counts differ.

use std::sync::Arc;

use futures_util::future;

use super::counts::Counts;
use super::decide::Decided;
use super::{ReadEnd, Run};
use crate::archive::batch::Batch;
use crate::cursor::state::{Reading, ReadingState};
use crate::error::RunError;
use crate::limits::{ENTRY_INTERVAL_MS_MAX, HOUR_MS};
use crate::ports::InsightsError;
use crate::read::sweep::{self, Wish};
use crate::read::window::{self, Kind, Plan};

/// What a kind of reading may take of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// Its time ends here, on the local clock.
    pub(super) until_ms: i64,
    /// Its pages end when the run has used this many.
    pub(super) pages: u64,
}

/// How a reading ended, if not with an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Complete,
    Interrupted,
    Lost,
}

/// JumpCloud's hourly counts, or why there are none.
type Counted = Result<Counts, InsightsError>;

impl<'e> Run<'e> {
    /// Reads what is due. The sweep has its own share of the run, so that neither starves the
    /// other.
    pub(super) async fn read(&mut self) -> Result<ReadEnd, RunError> {
        let engine = self.engine;
        self.batch = Batch::default();
        if self.is_out_of_time() {
            return Ok(ReadEnd::Interrupted);
        }
        engine.ask_the_time(self.stream, &self.meter, &self.budget).await?;
        let ahead = self.counts_ahead();
        let (head, counted) = future::join(self.read_head(), ahead).await;
        let head = head?;
        if matches!(head, ReadEnd::Lost) || self.stream.is_lane() {
            return Ok(head);
        }
        let wish = self.compare(counted).await?;
        Ok(match self.read_again(wish).await? {
            Ended::Lost => ReadEnd::Lost,
            Ended::Complete | Ended::Interrupted => head,
        })
    }

    /// The head: an interrupted reading first, and then, in the same run, what is new since.
    async fn read_head(&mut self) -> Result<ReadEnd, RunError> {
        let settings = &self.engine.settings;
        loop {
            let now_ms = self.engine.now_ms();
            let was_interrupted = self.cursor.state.reading.is_some();
            let Plan::Read(reading) = window::head(&self.cursor, now_ms, settings) else {
                return Ok(ReadEnd::Waiting);
            };
            match self.read_through(Kind::Head, reading, self.head_share(now_ms)).await? {
                // A lane's next reading would be of the same range: that is the next run's.
                Ended::Complete
                    if was_interrupted
                        && self.cursor.end_ms.is_none()
                        && !self.is_out_of_time() => {}
                Ended::Complete => return Ok(ReadEnd::Complete),
                Ended::Interrupted => return Ok(ReadEnd::Interrupted),
                Ended::Lost => return Ok(ReadEnd::Lost),
            }
        }
    }

    /// All of the run, but for a quarter of the time where a sweep or an hour is due.
    fn head_share(&self, now_ms: i64) -> Share {
        let settings = &self.engine.settings;
        let local_ms = self.engine.clock.now_ms();
        let end_ms = self.budget.read_until_ms(0);
        let is_more_due = !self.stream.is_lane()
            && (sweep::sweep(&self.cursor, now_ms, settings, Wish::Usual).is_some()
                || sweep::hour(&self.cursor, settings).is_some());
        let kept_ms = if is_more_due { (end_ms - local_ms).max(0) / 4 } else { 0 };
        Share { until_ms: end_ms - kept_ms, pages: u64::from(settings.pages_per_run) }
    }

    /// What is left of the run: its time, and the pages the head left, but at least a quarter of
    /// them.
    fn rest_share(&self) -> Share {
        let pages = u64::from(self.engine.settings.pages_per_run);
        let own = self.report.pages + (pages / 4).max(1);
        Share { until_ms: self.budget.read_until_ms(0), pages: own.max(pages) }
    }

    /// The full sweep and the hours that are due.
    async fn read_again(&mut self, wish: Wish) -> Result<Ended, RunError> {
        let settings = &self.engine.settings;
        let share = self.rest_share();
        let now_ms = self.engine.now_ms();
        if let Some(reading) = sweep::sweep(&self.cursor, now_ms, settings, wish) {
            let ended = self.read_through(Kind::Sweep, reading, share).await?;
            if ended != Ended::Complete {
                return Ok(ended);
            }
        }
        while let Some((hour, reading)) = sweep::hour(&self.cursor, settings) {
            let ended = self.read_through(hour, reading, share).await?;
            if ended != Ended::Complete {
                return Ok(ended);
            }
        }
        Ok(Ended::Complete)
    }

    /// Asks for hourly counts while the head is read, if they are to be compared once it has been:
    /// counts of a little earlier are no larger. Where a reading was interrupted, how far this run
    /// gets is open.
    fn counts_ahead(&self) -> impl Future<Output = Option<Counted>> + use<'e> {
        let now_ms = self.engine.now_ms();
        let mut read = self.cursor.clone();
        let is_wanted = self.is_comparison_due(now_ms)
            && read.state.reading.is_none()
            && !self.stream.is_lane();
        read.state.read_to_ms = now_ms - self.engine.settings.settle_lag_ms;
        let range = sweep::comparable(&read, &self.engine.settings).filter(|_| is_wanted);
        let counted = range.map(|range| self.counted(range));
        async { Some(counted?.await) }
    }

    fn counted(&self, range: (i64, i64)) -> impl Future<Output = Counted> + use<'e> {
        let (engine, stream, meter) = (self.engine, self.stream, Arc::clone(&self.meter));
        let deadline_ms = self.budget.read_until_ms(0);
        async move { engine.counted(stream, range, deadline_ms, &meter).await }
    }

    fn is_comparison_due(&self, now_ms: i64) -> bool {
        let last_ms = self.cursor.state.compared_at_ms.unwrap_or(i64::MIN / 2);
        now_ms - last_ms >= self.engine.settings.sweep_every_ms
    }

    /// Compares hourly counts, if that is due; returns how much a full sweep is wanted then. If
    /// JumpCloud gives no counts, that fails no run.
    async fn compare(&mut self, ahead: Option<Counted>) -> Result<Wish, RunError> {
        let settings = &self.engine.settings;
        let now_ms = self.engine.now_ms();
        let is_due = self.is_comparison_due(now_ms);
        let Some((first_ms, end_ms)) = sweep::comparable(&self.cursor, settings).filter(|_| is_due)
        else {
            return Ok(Wish::Usual);
        };
        let counted = match ahead {
            Some(counted) => counted,
            None => self.counted((first_ms, end_ms)).await,
        };
        let theirs = match counted {
            Ok(mut counts) => {
                counts.retain(|hour_ms, _| (first_ms..end_ms).contains(hour_ms));
                counts
            }
            Err(error) => {
                tracing::warn!(stream = %self.stream, %error, "hourly counts cannot be compared");
                return Ok(Wish::Often);
            }
        };
        let ours = self.engine.indexed(self.stream, self.cursor.seq, first_ms).await?;
        let compared = sweep::compare(&self.cursor, now_ms, settings, &theirs, &ours);
        self.keep_state(&compared.state);
        Ok(compared.wish)
    }

    /// Reads the hours that begin at `hours_ms` again, cut at the origin, and nothing else.
    pub(super) async fn repair(&mut self, hours_ms: &[i64]) -> Result<ReadEnd, RunError> {
        self.batch = Batch::default();
        self.engine.ask_the_time(self.stream, &self.meter, &self.budget).await?;
        let share = Share { until_ms: self.budget.read_until_ms(0), pages: u64::MAX };
        for &from_ms in hours_ms {
            let started_ms = self.engine.now_ms();
            let Some(query) = self.engine.settings.queries.first().cloned() else { break };
            let end_ms = (from_ms + HOUR_MS).min(self.cursor.state.read_to_ms);
            let reading = Reading { from_ms, end_ms, started_ms, query, at_ms: from_ms };
            match self.read_through(Kind::Hour(from_ms), reading, share).await? {
                Ended::Complete => {}
                Ended::Interrupted => return Ok(ReadEnd::Interrupted),
                Ended::Lost => return Ok(ReadEnd::Lost),
            }
        }
        Ok(ReadEnd::Complete)
    }

    /// Reads every query of a window, one after the other.
    async fn read_through(
        &mut self,
        kind: Kind,
        mut reading: Reading,
        share: Share,
    ) -> Result<Ended, RunError> {
        loop {
            if reading.at_ms < reading.end_ms {
                let ended = self.read_query(kind, &mut reading, share).await?;
                if ended != Ended::Complete {
                    return Ok(ended);
                }
            }
            match window::next_query(&reading, &self.engine.settings.queries) {
                Some(next) => reading = next,
                None => {
                    let state = window::completed(&self.cursor.state, kind, &reading);
                    return self.decide_or_keep(state, Ended::Complete).await;
                }
            }
            if self.report.pages >= share.pages {
                let state = window::reached(&self.cursor.state, kind, &reading, reading.at_ms, 0);
                return self.decide_or_keep(state, Ended::Interrupted).await;
            }
        }
    }

    /// Decides what is held together with `state`. Without anything new no entry is needed, but
    /// the journal always holds a recent cursor.
    pub(super) async fn decide_or_keep(
        &mut self,
        state: ReadingState,
        ended: Ended,
    ) -> Result<Ended, RunError> {
        let entry_age_ms = self.engine.now_ms() - state.last_entry_ms;
        if self.batch.is_empty() && entry_age_ms < ENTRY_INTERVAL_MS_MAX {
            self.keep_state(&state);
            return Ok(ended);
        }
        Ok(match self.decide(&state).await? {
            Decided::Mine => ended,
            Decided::Theirs => Ended::Lost,
        })
    }

    /// Keeps reading state for the next entry, or for the release if there is none.
    pub(super) fn keep_state(&mut self, state: &ReadingState) {
        self.cursor.state = self.cursor.raised(state);
        self.has_unwritten = true;
    }

    pub(super) fn is_out_of_time(&self) -> bool {
        self.engine.clock.now_ms() >= self.budget.read_until_ms(0)
    }
}
