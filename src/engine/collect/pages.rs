//! Reads the pages of one query. Each is requested one ahead and used only when it is complete.
//!
//! The headers of a page show which page to request next before its body has arrived. That page is
//! requested at once, and used if the first page turns out to be what its headers announced.

use std::sync::Arc;

use super::read::ReadAllowance;
use super::reader::Reader;
use super::stop::{Progress, Stop};
use crate::cursor::{Reading, ReadingState};
use crate::error::{QueryError, RunError};
use crate::limits::PAGE_AHEAD_BYTES_MAX;
use crate::page::Ask;
use crate::ports::{Incoming, InsightsError, PageRequest};
use crate::read::{OversizeStep, PageSummary, ReadingKind, RowCount, Step, Walk, position, window};
use crate::time::Window;

/// Whether the allowance leaves time and pages for another page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PageBudget {
    ForMore,
    None,
    /// The time is over, and the reading is still in the millisecond in which it began.
    Dense,
}

/// A page that was requested because of the headers of the page before it.
struct Foreseen {
    ask: Ask,
    incoming: Incoming,
}

impl Reader<'_> {
    /// Reads one query page by page, from the reading's `at_ms`.
    ///
    /// The allowance does not end it before it has passed the millisecond in which it began:
    /// otherwise every run would begin there again.
    pub(super) async fn read_query(
        &mut self,
        kind: ReadingKind,
        reading: &mut Reading,
        allowance: ReadAllowance,
    ) -> Result<Progress, Stop> {
        let window = Window::new(reading.at_ms, reading.window.end_ms);
        let mut walk = Walk::new(window, self.engine.settings.page_limit);
        let mut at_ms = reading.at_ms;
        self.rows = RowCount::resumed(window::rows_before_resume(&self.state, kind));
        let mut next = self.ask(&walk, reading);
        loop {
            let foreseen = self.foresee(&mut next, &walk, reading, allowance).await;
            let page = match next.await {
                Ok(page) => page,
                Err(InsightsError::TooLarge { token, limit_bytes }) => {
                    if let OversizeStep::SkipRow { ms, ordinal } = walk.too_large(token, at_ms)? {
                        self.quarantine_position(reading, ms, ordinal, limit_bytes).await?;
                        at_ms = at_ms.max(ms);
                    }
                    next = self.ask(&walk, reading);
                    continue;
                }
                Err(InsightsError::OutOfTime) if at_ms > reading.at_ms => {
                    self.state = self.reached(kind, reading, at_ms);
                    return Ok(Progress::Interrupted);
                }
                Err(error) => return self.end_with(kind, reading, at_ms, error.into()).await,
            };
            self.report.pages += 1;
            // The clock may have been set forward since the reading was planned.
            reading.started_ms = reading.started_ms.min(self.engine.now_ms());
            let last_ms = position::last_ms(&page, at_ms);
            let step = walk.passed(&PageSummary::of(&page, last_ms));
            let left =
                self.page_budget(reading.at_ms < last_ms, self.report.pages, page.len(), allowance);
            let is_more = step == Ok(Step::Next) && left == PageBudget::ForMore;
            let requested = match is_more {
                true => self.requested(&walk, reading, foreseen, page.len()).await,
                false => None,
            };
            self.confirm_page(&page).await?;
            self.admit(&page, kind, reading, at_ms).await?;
            // Before a decision is awaited: it may hold the next page beside its batch.
            drop(page);
            at_ms = last_ms.max(at_ms);
            match (step, left) {
                (Err(error), _) => {
                    return self.end_with(kind, reading, at_ms, error.into()).await;
                }
                (Ok(Step::End), _) => {
                    self.state = window::query_read(
                        &self.state,
                        kind,
                        reading.window.end_ms,
                        self.rows.all(),
                    );
                    return Ok(Progress::Complete);
                }
                (Ok(Step::Next), PageBudget::None) => {
                    self.state = self.reached(kind, reading, at_ms);
                    return Ok(Progress::Interrupted);
                }
                (Ok(Step::Next), PageBudget::Dense) => {
                    let text = format!("millisecond {at_ms} holds more events than a run can read");
                    return self
                        .end_with(kind, reading, at_ms, RunError::refused_query(text))
                        .await;
                }
                (Ok(Step::Next), PageBudget::ForMore) => {}
            }
            next = requested.unwrap_or_else(|| self.ask(&walk, reading));
        }
    }

    /// The reading state after everything before `at_ms` is decided.
    pub(super) fn reached(&self, kind: ReadingKind, reading: &Reading, at_ms: i64) -> ReadingState {
        window::reached(&self.state, kind, reading, at_ms, self.rows.before(at_ms))
    }

    /// The reading failed. What came whole is decided all the same: where only this query failed,
    /// together with what the others bring.
    async fn end_with(
        &mut self,
        kind: ReadingKind,
        reading: &Reading,
        at_ms: i64,
        error: RunError,
    ) -> Result<Progress, Stop> {
        let is_refused = matches!(error, RunError::Query(QueryError::Refused { .. }));
        // A reading that is refused from its beginning has not begun.
        if !is_refused || at_ms > reading.at_ms {
            self.state = self.reached(kind, reading, at_ms);
        }
        if !matches!(error, RunError::Query(_)) {
            self.flush().await?;
        }
        Err(error.into())
    }

    /// Asks for the page behind one whose headers are there, if they tell enough of it.
    async fn foresee(
        &self,
        next: &mut Incoming,
        walk: &Walk,
        reading: &Reading,
        allowance: ReadAllowance,
    ) -> Option<Foreseen> {
        let headers = next.headers().await?;
        let (behind, last_ms) = walk.foreseen(headers)?;
        let left = self.page_budget(reading.at_ms < last_ms, self.report.pages + 1, 0, allowance);
        let ask = || Foreseen { ask: behind.ask(), incoming: self.ask(&behind, reading) };
        (left == PageBudget::ForMore).then(ask)
    }

    /// The request for the page after one of `page_bytes` bytes: the foreseen one, if that is the
    /// request to make, or a new one. While a large page is in memory, the body of the next one is
    /// not received.
    async fn requested(
        &self,
        walk: &Walk,
        reading: &Reading,
        foreseen: Option<Foreseen>,
        page_bytes: usize,
    ) -> Option<Incoming> {
        let may_come = page_bytes <= PAGE_AHEAD_BYTES_MAX;
        let foreseen = foreseen.filter(|foreseen| foreseen.ask == walk.ask());
        let mut next = match foreseen {
            Some(foreseen) => foreseen.incoming,
            None if may_come => {
                let mut next = self.ask(walk, reading);
                next.start().await;
                next
            }
            None => return None,
        };
        if may_come {
            next.allow_body();
        }
        Some(next)
    }

    pub(super) fn ask(&self, walk: &Walk, reading: &Reading) -> Incoming {
        self.engine.insights.page(PageRequest {
            scope: self.engine.scope(self.stream),
            query: reading.query.clone(),
            ask: walk.ask(),
            deadline_ms: self.budget.read_until_ms(self.batch.bytes()).min(self.requests_until_ms),
            meter: Arc::clone(&self.meter),
        })
    }

    /// Whether another page may be requested after `pages` pages, the last one of `page_bytes`
    /// bytes.
    fn page_budget(
        &self,
        has_passed: bool,
        pages: u64,
        page_bytes: usize,
        allowance: ReadAllowance,
    ) -> PageBudget {
        let now_ms = self.engine.clock.now_ms();
        let end_ms = self.budget.read_until_ms(self.batch.bytes() + page_bytes);
        match has_passed {
            false if now_ms >= end_ms => PageBudget::Dense,
            true if now_ms >= end_ms.min(allowance.until_ms) || pages >= allowance.pages => {
                PageBudget::None
            }
            _ => PageBudget::ForMore,
        }
    }
}
