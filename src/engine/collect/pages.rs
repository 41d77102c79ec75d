//! The pages of one query: requested one ahead, admitted whole.
//!
//! The headers of a page tell what to ask next before its body has arrived. That is asked at once,
//! and kept if the page turns out to be what its headers said.

use std::sync::Arc;

use super::Run;
use super::decide::Decided;
use super::read::{Ended, Share};
use crate::cursor::state::Reading;
use crate::error::RunError;
use crate::limits::PAGE_AHEAD_BYTES_MAX;
use crate::page::Page;
use crate::page::request::Ask;
use crate::ports::incoming::Incoming;
use crate::ports::{InsightsError, PageRequest};
use crate::read::paging::{Held, Narrower, Step, Walk};
use crate::read::position;
use crate::read::window::{self, Kind};

/// What the share says about another page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    ForMore,
    None,
    /// The time is over before the reading has passed the millisecond it began in.
    Dense,
}

/// A page that was asked for by the headers of the one before.
struct Foreseen {
    ask: Ask,
    incoming: Incoming,
}

impl Run<'_> {
    /// Pages through one query, from where the reading is.
    ///
    /// Neither pages nor a share end it before it has passed the millisecond it began in: it
    /// would begin there again and again.
    pub(super) async fn read_query(
        &mut self,
        kind: Kind,
        reading: &mut Reading,
        share: Share,
    ) -> Result<Ended, RunError> {
        let mut walk = Walk::new(reading.at_ms, reading.end_ms, self.engine.settings.page_limit);
        let mut at_ms = reading.at_ms;
        self.rows.begin(window::rows_so_far(&self.cursor.state, kind));
        let mut next = self.ask(&walk, reading);
        loop {
            let foreseen = self.foresee(&mut next, &walk, reading, share).await;
            let page = match next.await {
                Ok(page) => page,
                Err(InsightsError::TooLarge { token, limit_bytes }) => {
                    if let Narrower::GiveUp { ms, ordinal } = walk.too_large(token, at_ms)? {
                        self.give_up(reading, ms, ordinal, limit_bytes).await?;
                        at_ms = at_ms.max(ms);
                    }
                    next = self.ask(&walk, reading);
                    continue;
                }
                Err(InsightsError::OutOfTime) if at_ms > reading.at_ms => {
                    let state = self.reached(kind, reading, at_ms);
                    return self.decide_or_keep(state, Ended::Interrupted).await;
                }
                Err(error) => return self.broken_off(kind, reading, at_ms, error.into()).await,
            };
            self.report.pages += 1;
            // The clock may have been set forward since the reading was planned.
            reading.started_ms = reading.started_ms.min(self.engine.now_ms());
            let last_ms = position::last_ms(&page, at_ms);
            let step = walk.passed(&held(&page, last_ms));
            let room = self.room(reading.at_ms < last_ms, self.report.pages, page.len(), share);
            let is_more = step == Ok(Step::Next) && room == Room::ForMore;
            let requested = match is_more {
                true => self.requested(&walk, reading, foreseen, page.len()).await,
                false => None,
            };
            if let Decided::Theirs = self.admit(&page, kind, reading, at_ms).await? {
                return Ok(Ended::Lost);
            }
            self.engine.insights.give_back(page);
            at_ms = last_ms.max(at_ms);
            match (step, room) {
                (Err(error), _) => {
                    return self.broken_off(kind, reading, at_ms, error.into()).await;
                }
                (Ok(Step::End), _) => {
                    self.cursor.state = window::query_read(
                        &self.cursor.state,
                        kind,
                        reading.end_ms,
                        self.rows.all(),
                    );
                    return Ok(Ended::Complete);
                }
                (Ok(Step::Next), Room::None) => {
                    let state = self.reached(kind, reading, at_ms);
                    return self.decide_or_keep(state, Ended::Interrupted).await;
                }
                (Ok(Step::Next), Room::Dense) => {
                    let text = format!("millisecond {at_ms} holds more events than a run can read");
                    return self.broken_off(kind, reading, at_ms, RunError::Mend(text)).await;
                }
                (Ok(Step::Next), Room::ForMore) => {}
            }
            next = requested.unwrap_or_else(|| self.ask(&walk, reading));
        }
    }

    /// The state once everything before `at_ms` is decided.
    pub(super) fn reached(
        &self,
        kind: Kind,
        reading: &Reading,
        at_ms: i64,
    ) -> crate::cursor::state::ReadingState {
        window::reached(&self.cursor.state, kind, reading, at_ms, self.rows.before(at_ms))
    }

    /// The reading failed. What came whole is decided all the same.
    async fn broken_off(
        &mut self,
        kind: Kind,
        reading: &Reading,
        at_ms: i64,
        error: RunError,
    ) -> Result<Ended, RunError> {
        let state = self.reached(kind, reading, at_ms);
        match self.decide_or_keep(state, Ended::Interrupted).await? {
            Ended::Lost => Ok(Ended::Lost),
            _ => Err(error),
        }
    }

    /// Asks for the page behind one whose headers are there, if they tell enough of it.
    async fn foresee(
        &self,
        next: &mut Incoming,
        walk: &Walk,
        reading: &Reading,
        share: Share,
    ) -> Option<Foreseen> {
        let headers = next.headers().await?;
        let (behind, last_ms) = walk.foreseen(headers)?;
        let room = self.room(reading.at_ms < last_ms, self.report.pages + 1, 0, share);
        let ask = || Foreseen { ask: behind.ask(), incoming: self.ask(&behind, reading) };
        (room == Room::ForMore).then(ask)
    }

    /// The page behind one of `page_bytes`, on its way if it may be: the foreseen one, if it is what
    /// is asked for. The body of none comes beside a large page.
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
            next.admit();
        }
        Some(next)
    }

    pub(super) fn ask(&self, walk: &Walk, reading: &Reading) -> Incoming {
        self.engine.insights.page(PageRequest {
            scope: self.stream.scope(),
            query: reading.query.clone(),
            ask: walk.ask(),
            deadline_ms: self.budget.read_until_ms(self.batch.raw_bytes()),
            meter: Arc::clone(&self.meter),
        })
    }

    /// What the share says once `pages` pages have come, the last one `page_bytes` long.
    fn room(&self, has_passed: bool, pages: u64, page_bytes: usize, share: Share) -> Room {
        let now_ms = self.engine.clock.now_ms();
        let end_ms = self.budget.read_until_ms(self.batch.raw_bytes() + page_bytes);
        match has_passed {
            false if now_ms >= end_ms => Room::Dense,
            true if now_ms >= end_ms.min(share.until_ms) || pages >= share.pages => Room::None,
            _ => Room::ForMore,
        }
    }
}

/// What paging needs to know of a page.
pub(super) fn held(page: &Page, last_ms: i64) -> Held {
    Held {
        rows: page.rows().len(),
        count: page.headers.count,
        limit: page.headers.limit,
        token: page.headers.token.clone(),
        last_ms,
    }
}

/// Counts the rows of a query, to be compared with JumpCloud's own count.
#[derive(Debug, Default)]
pub(super) struct Rows {
    before: i64,
    at: i64,
    place_ms: i64,
}

impl Rows {
    fn begin(&mut self, so_far: i64) {
        *self = Self { before: so_far, at: 0, place_ms: i64::MIN };
    }

    pub(super) fn came(&mut self, place_ms: i64) {
        if place_ms > self.place_ms {
            self.before += self.at;
            self.at = 0;
            self.place_ms = place_ms;
        }
        self.at += 1;
    }

    /// Rows before `at_ms`: those at it come again when the reading goes on there.
    fn before(&self, at_ms: i64) -> i64 {
        if at_ms > self.place_ms { self.all() } else { self.before }
    }

    fn all(&self) -> i64 {
        self.before + self.at
    }
}
