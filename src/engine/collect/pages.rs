//! Reads the pages of one query. Each is requested one ahead and used only when it is complete.
//!
//! The headers of a page show which page to request next before its body has arrived. That page is
//! requested at once, and used if the first page turns out to be what its headers announced.

use std::sync::Arc;

use super::read::ReadAllowance;
use super::reader::Reader;
use super::stop::{Progress, Stop};
use crate::cause::Cause;
use crate::cursor::{Reading, ReadingState};
use crate::error::{QueryError, RunError};
use crate::limits::{PAGE_AHEAD_BYTES_MAX, SLOW_PAGE_MS_MIN};
use crate::page::{Ask, Page};
use crate::ports::{Incoming, InsightsError, PageRequest, Unfetched};
use crate::read::{
    Failure, PageSummary, ReadingKind, Retry, RowCount, Step, Walk, position, window,
};
use crate::time::{self, Window};

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

/// What to do after a page, or after a failure.
enum Taken {
    /// Receive another page, which may already be requested.
    Next(Option<Incoming>),
    /// Nothing more of this query in this run.
    Ended(Progress),
}

/// The state of reading one query that changes from page to page.
struct Place<'r> {
    kind: ReadingKind,
    reading: &'r mut Reading,
    walk: Walk,
    /// Everything before this was read.
    at_ms: i64,
    allowance: ReadAllowance,
    /// When the awaited page was requested, on the local clock.
    asked_ms: i64,
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
        let walk = Walk::resumed(window, self.engine.settings.page_limit, reading.limit);
        let walk = if kind == ReadingKind::Future { walk.ahead() } else { walk };
        self.rows = RowCount::resumed(window::rows_before_resume(&self.state, kind));
        let (at_ms, asked_ms) = (reading.at_ms, self.engine.clock.now_ms());
        let mut place = Place { kind, reading, walk, at_ms, allowance, asked_ms };
        let mut next = self.ask(&place.walk, place.reading);
        loop {
            let foreseen = self.foresee(&mut next, &place).await;
            let ended = match next.await {
                Ok(page) => self.take_page(page, &mut place, foreseen).await?,
                Err(error) => self.take_failure(error, &mut place).await?,
            };
            next = match ended {
                Taken::Ended(progress) => return Ok(progress),
                Taken::Next(Some(requested)) => requested,
                Taken::Next(None) => self.ask(&place.walk, place.reading),
            };
            place.asked_ms = self.engine.clock.now_ms();
        }
    }

    /// Adds the new rows of a page, while the next one is being received.
    async fn take_page(
        &mut self,
        page: Page,
        place: &mut Place<'_>,
        foreseen: Option<Foreseen>,
    ) -> Result<Taken, Stop> {
        self.report.pages += 1;
        let end_ms = place.reading.window.end_ms;
        // The clock may have been set forward since the reading was planned.
        place.reading.started_ms = place.reading.started_ms.min(self.engine.now_ms());
        let last_ms = position::last_ms(&page, place.at_ms, end_ms);
        let step = place.walk.passed(&PageSummary::of(&page, last_ms));
        place.reading.limit = place.walk.limit();
        let has_passed = place.reading.at_ms < last_ms;
        let left =
            self.page_budget(has_passed, self.report.pages, page.body_bytes(), place.allowance);
        let is_more = step == Ok(Step::Next) && left == PageBudget::ForMore;
        let requested = match is_more {
            true => self.requested(&place.walk, place.reading, foreseen, page.body_bytes()).await,
            false => None,
        };
        let admitted = match self.confirm_page(&page).await {
            Ok(()) => self.admit(&page, place.kind, place.reading, place.at_ms).await,
            Err(error) => Err(error.into()),
        };
        match admitted {
            // Nothing of this page was added.
            Err(Stop::Failed(error @ RunError::Query(_))) => {
                return self.end_with(place, error).await;
            }
            admitted => admitted?,
        }
        // Frees the page before a decision is awaited, during which the next page may already be in
        // memory beside the batch.
        drop(page);
        place.at_ms = last_ms;
        if step == Ok(Step::Next) {
            self.get_to(place);
        }
        match step {
            Err(error) => self.end_with(place, error.into()).await,
            Ok(Step::End) => {
                self.state = window::query_read(&self.state, place.kind, end_ms, self.rows.all());
                Ok(Taken::Ended(Progress::Complete))
            }
            Ok(Step::Next) => self.continue_query(place, left, requested).await,
        }
    }

    /// Handles a page that could not be fetched: requests it again, perhaps with fewer rows, or
    /// skips a single row.
    async fn take_failure(
        &mut self,
        error: InsightsError,
        place: &mut Place<'_>,
    ) -> Result<Taken, Stop> {
        let retry = match failure(&error) {
            Some(failure) => place.walk.failed(failure, place.at_ms),
            None => return self.end_without(error, place).await,
        };
        place.reading.limit = place.walk.limit();
        // Only a walk through what is dated ahead begins again before what it has read.
        let begins_ms = place.walk.begins_again_at().unwrap_or(place.at_ms);
        place.at_ms = place.at_ms.min(begins_ms);
        self.get_to(place);
        match retry {
            Retry::Again => Ok(Taken::Next(None)),
            Retry::Over => {
                let (limit, at) = (place.walk.ask().limit, time::rfc3339(place.at_ms));
                let text = format!("{error}; the last request was for {limit} rows from {at}");
                let cause = QueryError::Unavailable(Cause::new(text, error));
                self.end_with(place, RunError::Query(cause)).await
            }
            Retry::SkipRow { ms, ordinal } => {
                let is_asked_for = place.at_ms <= ms && ms <= place.reading.window.end_ms;
                let ms = if is_asked_for { ms } else { place.at_ms };
                self.quarantine_skipped(place.kind, place.reading, (ms, ordinal), &error).await?;
                place.at_ms = ms;
                self.get_to(place);
                self.report.pages += 1;
                let has_passed = place.reading.at_ms < place.at_ms;
                let left = self.page_budget(has_passed, self.report.pages, 0, place.allowance);
                self.continue_query(place, left, None).await
            }
        }
    }

    /// Ends the query after a failure that a smaller request would not avoid.
    async fn end_without(
        &mut self,
        error: InsightsError,
        place: &mut Place<'_>,
    ) -> Result<Taken, Stop> {
        if matches!(error, InsightsError::OutOfTime) {
            // If a run has no time for a second try, the try counts for the next run, whether or not
            // pages were received before it.
            if self.engine.clock.now_ms() - place.asked_ms >= SLOW_PAGE_MS_MIN {
                let (tried, failed, is_over) = (0, 1, true);
                let (headers, has_bytes) = (None, false);
                let failure = Failure::Unfetched { headers, tried, failed, is_over, has_bytes };
                place.walk.failed(failure, place.at_ms);
                place.reading.limit = place.walk.limit();
            }
            if place.at_ms > place.reading.at_ms {
                return Ok(self.interrupt(place));
            }
        }
        self.end_with(place, error.into()).await
    }

    /// Continues the query, if what is left of the run allows it.
    async fn continue_query(
        &mut self,
        place: &mut Place<'_>,
        left: PageBudget,
        requested: Option<Incoming>,
    ) -> Result<Taken, Stop> {
        match left {
            PageBudget::ForMore => Ok(Taken::Next(requested)),
            PageBudget::None => Ok(self.interrupt(place)),
            PageBudget::Dense => {
                let at_ms = place.at_ms;
                let text = format!("millisecond {at_ms} holds more events than a run can read");
                self.end_with(place, RunError::refused_query(text)).await
            }
        }
    }

    /// Tells the count of rows how far the reading is, and which rows will be received again.
    fn get_to(&mut self, place: &Place<'_>) {
        self.rows.got_to(place.at_ms);
        if let Some(start_ms) = place.walk.begins_again_at() {
            self.rows.begin_again(start_ms);
        }
    }

    /// Leaves the rest to the next run. The reading says how far it got.
    fn interrupt(&mut self, place: &mut Place<'_>) -> Taken {
        self.state = self.reached(place.kind, place.reading, place.at_ms);
        place.reading.at_ms = place.reading.at_ms.max(place.at_ms);
        Taken::Ended(Progress::Interrupted)
    }

    /// The reading state after everything before `at_ms` is decided.
    pub(super) fn reached(&self, kind: ReadingKind, reading: &Reading, at_ms: i64) -> ReadingState {
        window::reached(&self.state, kind, reading, at_ms, self.rows.before(at_ms))
    }

    /// The reading failed. The pages that were received whole are still decided; if only this query
    /// failed, together with those of the other queries. The reading says how far it got.
    async fn end_with(&mut self, place: &mut Place<'_>, error: RunError) -> Result<Taken, Stop> {
        let is_refused =
            matches!(error, RunError::Query(QueryError::Refused { status: Some(_), .. }));
        // A reading that JumpCloud refuses from its beginning has not begun, but for that of an hour,
        // whose queries before this one must not be read, and their rows counted, once more. One that
        // had no time for its first millisecond keeps the number of rows that it has come down to.
        let is_of_hour = matches!(place.kind, ReadingKind::Hour(_));
        if !is_refused || is_of_hour || place.at_ms > place.reading.at_ms {
            self.state = self.reached(place.kind, place.reading, place.at_ms);
        }
        place.reading.at_ms = place.reading.at_ms.max(place.at_ms);
        if !matches!(error, RunError::Query(_)) {
            self.flush().await?;
        }
        Err(error.into())
    }

    /// Requests the page after `next` as soon as the headers of `next` are known, if they say
    /// enough.
    async fn foresee(&self, next: &mut Incoming, place: &Place<'_>) -> Option<Foreseen> {
        let headers = next.headers().await?;
        let (behind, last_ms) = place.walk.foreseen(headers)?;
        let (has_passed, pages) = (place.reading.at_ms < last_ms, self.report.pages + 1);
        let left = self.page_budget(has_passed, pages, 0, place.allowance);
        let ask = || Foreseen { ask: behind.ask(), incoming: self.ask(&behind, place.reading) };
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
            tries: Some(walk.tries()),
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

/// The failure that a smaller request may avoid; `None` if it cannot.
pub(super) fn failure(error: &InsightsError) -> Option<Failure<'_>> {
    match error {
        InsightsError::TooLarge { headers, .. } => Some(Failure::TooLarge { headers }),
        InsightsError::Unfetched(why) => {
            let Unfetched { tried, failed, is_over, .. } = **why;
            let (headers, has_bytes) = (why.headers.as_ref(), why.row.is_some());
            Some(Failure::Unfetched { headers, tried, failed, is_over, has_bytes })
        }
        _ => None,
    }
}
