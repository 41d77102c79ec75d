//! Read: what a run asks JumpCloud for, and in which order: the head, a comparison of counts, the
//! full sweep, hours whose counts differ.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::decide::Decided;
use super::{ReadEnd, Run};
use crate::batch::Batch;
use crate::cursor::{Reading, ReadingState};
use crate::error::RunError;
use crate::identity::Slot;
use crate::index;
use crate::limits::ENTRY_INTERVAL_MS_MAX;
use crate::plan::{self, Kind, Plan};
use crate::ports::{InsightsError, PageRequest};
use crate::sweep::{self, Wish};
use crate::time;
use crate::walk::Ask;

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

impl Run<'_> {
    /// Reads what is due. The sweep has its own share of the run, so that neither starves the
    /// other.
    pub(super) async fn read(&mut self) -> Result<ReadEnd, RunError> {
        let engine = self.engine;
        self.batch = Batch::default();
        if self.is_out_of_time() {
            return Ok(ReadEnd::Interrupted);
        }
        engine.ask_the_time(self.stream, &self.meter, &self.budget).await?;
        let head = self.read_head().await?;
        if matches!(head, ReadEnd::Lost) || self.stream.is_lane() {
            return Ok(head);
        }
        let wish = self.compare().await?;
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
            let Plan::Read(reading) = plan::head(&self.cursor, now_ms, settings) else {
                return Ok(ReadEnd::Waiting);
            };
            match self.read_through(Kind::Head, reading, self.head_share(now_ms)).await? {
                Ended::Complete if was_interrupted && !self.is_out_of_time() => {}
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

    /// Compares hourly counts, if that is due; returns how much a full sweep is wanted then. If
    /// JumpCloud gives no counts, that fails no run.
    async fn compare(&mut self) -> Result<Wish, RunError> {
        let settings = &self.engine.settings;
        let now_ms = self.engine.now_ms();
        let last_ms = self.cursor.state.compared_at_ms.unwrap_or(i64::MIN / 2);
        let is_due = now_ms - last_ms >= settings.sweep_every_ms;
        let Some((first_ms, end_ms)) = sweep::comparable(&self.cursor, settings).filter(|_| is_due)
        else {
            return Ok(Wish::Usual);
        };
        let mut theirs = std::collections::BTreeMap::new();
        for query in &settings.queries {
            let request = PageRequest {
                scope: self.stream.scope(),
                query: query.clone(),
                ask: Ask { start_ms: first_ms, end_ms, limit: settings.page_limit, token: None },
                deadline_ms: self.budget.read_until_ms(0),
                meter: Arc::clone(&self.meter),
            };
            match self.engine.insights.hourly(request).await {
                Ok(counts) => {
                    for (hour_ms, count) in
                        counts.into_iter().filter(|(ms, _)| (first_ms..end_ms).contains(ms))
                    {
                        let most: &mut i64 = theirs.entry(hour_ms).or_default();
                        *most = count.max(*most);
                    }
                }
                Err(error) => {
                    tracing::warn!(stream = %self.stream, %error, "hourly counts cannot be compared");
                    return Ok(Wish::Often);
                }
            }
        }
        let prefix = index::index_prefix(self.stream);
        let after = index::slot_prefix(self.stream, Slot::Hour(time::hour_of(first_ms)));
        let keys =
            self.engine.objects.list(self.state_bucket(), &prefix, &after, usize::MAX).await?;
        let ours = index::hourly_counts(self.stream, &keys, self.cursor.seq);
        let compared = sweep::compare(&self.cursor, now_ms, settings, &theirs, &ours);
        self.keep_state(&compared.state);
        Ok(compared.wish)
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
                let ended = self.read_query(kind, &reading, share).await?;
                if ended != Ended::Complete {
                    return Ok(ended);
                }
            }
            match plan::next_query(&reading, &self.engine.settings.queries) {
                Some(next) => reading = next,
                None => {
                    let state = plan::completed(&self.cursor.state, kind, &reading);
                    return self.decide_or_keep(state, Ended::Complete).await;
                }
            }
            if self.report.pages >= share.pages {
                let state = plan::reached(&self.cursor.state, kind, &reading, reading.at_ms, 0);
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

/// A page that is on its way.
pub(super) type NextPage = BoxFuture<'static, Result<crate::page::Page, InsightsError>>;
