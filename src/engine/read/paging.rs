//! Paging through one query of a window: which request comes next, and whether there is one.
//!
//! Pure: it is told what a page held and answers with the next step. It never stops silently and
//! never loops: every request either carries a new token or starts at a later millisecond, or the
//! walk ends with an error that says where.

use crate::page::{Ask, Page, PageHeaders, Token};
use crate::read::PageSize;
use crate::time::Window;

/// The position of a walk through one query.
///
/// ```
/// use engine::read::paging::{PageSummary, Step, Walk};
/// let mut walk = Walk::new(engine::time::Window::new(0, 60_000), 100);
/// let short = PageSummary { rows: 2, count: None, limit: None, token: None, last_ms: 5_000 };
/// assert_eq!(walk.passed(&short), Ok(Step::End), "less than a full page is the last one");
/// ```
#[derive(Clone, Debug)]
pub struct Walk {
    size: PageSize,
    window: Window,
    token: Option<Token>,
    /// Positions given up in the millisecond of the last one.
    skipped: (i64, u32),
}

/// The properties of a page that paging depends on.
#[derive(Clone, Debug)]
pub struct PageSummary {
    /// Rows in the array.
    pub rows: usize,
    /// `X-Result-Count`.
    pub count: Option<u64>,
    /// `X-Limit`.
    pub limit: Option<u64>,
    /// The value of `X-Search_after`, with which the next page is requested.
    pub token: Option<Token>,
    /// Millisecond of the last row.
    pub last_ms: i64,
}

impl PageSummary {
    /// The summary of `page`, whose last row is at `last_ms`.
    #[must_use]
    pub fn of(page: &Page, last_ms: i64) -> Self {
        let PageHeaders { limit, count, token } = page.headers.clone();
        Self { rows: page.rows().len(), count, limit, token, last_ms }
    }
}

/// What to do after a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Request the next page.
    Next,
    /// Stop: the query was read to its end.
    End,
}

/// What to do after a page that was too large to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OversizeStep {
    /// Request the page again, with fewer rows.
    RequestFewer,
    /// A single row is too large: its position is quarantined, and the walk continues after it.
    SkipRow {
        /// The row's millisecond.
        ms: i64,
        /// How many rows of that millisecond were skipped before this one.
        ordinal: u32,
    },
}

/// Why a walk cannot continue.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum WalkError {
    /// A single millisecond fills a page, and there is no token to continue within it.
    #[error("millisecond {0} fills a page of events and JumpCloud sends no usable X-Search_after")]
    Dense(i64),
    /// Fewer rows were received than the header announces, and none from which to continue.
    #[error("JumpCloud announces {count} rows and sends {rows}")]
    Short {
        /// Rows that `X-Result-Count` announces.
        count: u64,
        /// Rows that were received.
        rows: usize,
    },
    /// A row too large to fetch came without a token to pass it by.
    #[error(
        "an event at millisecond {0} is too large to fetch and JumpCloud sends no X-Search_after"
    )]
    Stuck(i64),
}

impl Walk {
    /// Begins a walk through `window` in pages of `page_limit` rows.
    #[must_use]
    pub fn new(window: Window, page_limit: u32) -> Self {
        Self { size: PageSize::new(page_limit), window, token: None, skipped: (i64::MIN, 0) }
    }

    /// The next request.
    #[must_use]
    pub fn ask(&self) -> Ask {
        Ask { window: self.window, limit: self.size.rows(), token: self.token.clone() }
    }

    /// Takes note of a page that answered [`Walk::ask`].
    ///
    /// # Errors
    /// [`WalkError`] if the query is not at its end and no next request is possible.
    pub fn passed(&mut self, held: &PageSummary) -> Result<Step, WalkError> {
        let full =
            u64::from(self.size.rows()).min(held.limit.filter(|n| *n > 0).unwrap_or(u64::MAX));
        let rows = held.rows as u64;
        let count = held.count.unwrap_or(rows);
        if rows < full && count < full {
            return Ok(Step::End);
        }
        if held.last_ms >= self.window.end_ms {
            // All further rows are beyond the window, whether its upper bound is inclusive or not.
            return Ok(Step::End);
        }
        self.size.received(held.rows);
        if rows < full {
            // The header announces a full page and the array is none: the array is believed, but
            // not that it is the last one.
            let short = WalkError::Short { count, rows: held.rows };
            return if held.last_ms > self.window.start_ms {
                Ok(self.restart(held.last_ms))
            } else {
                Err(short)
            };
        }
        let later = held.last_ms > self.window.start_ms;
        if later && self.size.grow(held.last_ms) {
            return Ok(self.restart(held.last_ms));
        }
        match &held.token {
            Some(token) if self.token.as_ref() != Some(token) => {
                self.token = Some(token.clone());
                Ok(Step::Next)
            }
            _ if later => Ok(self.restart(held.last_ms)),
            _ => Err(WalkError::Dense(self.window.start_ms)),
        }
    }

    /// The walk as it will be after the page that is being received, if that page is what its
    /// `headers` announce, and the page's last millisecond. `None` if the headers do not say
    /// enough, or announce the last page.
    #[must_use]
    pub fn foreseen(&self, headers: PageHeaders) -> Option<(Self, i64)> {
        let PageHeaders { limit, count, token } = headers;
        let (rows, last_ms) = (usize::try_from(count?).ok()?, token.as_ref()?.ms);
        let mut walk = self.clone();
        let step = walk.passed(&PageSummary { rows, count, limit, token, last_ms });
        (step == Ok(Step::Next)).then_some((walk, last_ms))
    }

    /// Takes note of a page that was too large to fetch. `token` is what its headers said,
    /// `place_ms` the millisecond of the last row that came before it.
    ///
    /// # Errors
    /// [`WalkError::Stuck`] if a single row is too large and there is no token to pass it by.
    pub fn too_large(
        &mut self,
        token: Option<Token>,
        place_ms: i64,
    ) -> Result<OversizeStep, WalkError> {
        if self.size.halve(place_ms) {
            if place_ms > self.window.start_ms {
                self.restart(place_ms);
            }
            return Ok(OversizeStep::RequestFewer);
        }
        let token = token.filter(|token| self.token.as_ref() != Some(token));
        let token = token.ok_or(WalkError::Stuck(place_ms))?;
        let (ms, count) = self.skipped;
        let ordinal = if ms == token.ms { count } else { 0 };
        self.skipped = (token.ms, ordinal + 1);
        self.size.received(1);
        let narrower = OversizeStep::SkipRow { ms: token.ms, ordinal };
        self.token = Some(token);
        Ok(narrower)
    }

    /// Continues by time, with a new query that starts at `start_ms`. JumpCloud requires limit and
    /// window to stay the same while paging by token; in a new query they may change.
    fn restart(&mut self, start_ms: i64) -> Step {
        self.window.start_ms = start_ms;
        self.token = None;
        // What was given up from here on comes again, and is counted from the first again.
        self.skipped = (i64::MIN, 0);
        Step::Next
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn token(ms: i64, id: &str) -> Option<Token> {
        Token::parse(&format!("[{ms},\"{id}\"]"))
    }

    fn held(rows: usize, last_ms: i64) -> PageSummary {
        PageSummary {
            rows,
            count: Some(rows as u64),
            limit: Some(100),
            token: token(last_ms, &format!("doc{last_ms}")),
            last_ms,
        }
    }

    fn walk() -> Walk {
        Walk::new(Window::new(1_000, 9_000), 100)
    }

    #[test]
    fn a_short_page_is_the_last_one_whatever_its_token_says() {
        assert_eq!(walk().passed(&held(99, 2_000)), Ok(Step::End));
        assert_eq!(walk().passed(&held(0, 1_000)), Ok(Step::End));
    }

    #[test]
    fn a_full_page_continues_after_its_token() {
        let mut walk = walk();
        assert_eq!(walk.passed(&held(100, 2_000)), Ok(Step::Next));
        let ask = walk.ask();
        assert_eq!((ask.window, ask.limit), (Window::new(1_000, 9_000), 100));
        assert_eq!(ask.token.unwrap().ms, 2_000);
    }

    #[test]
    fn the_smaller_of_the_asked_and_the_lowered_limit_is_full() {
        let lowered = PageSummary { limit: Some(50), ..held(50, 2_000) };
        assert_eq!(walk().passed(&lowered), Ok(Step::Next));
        let raised = PageSummary { limit: Some(1_000), ..held(100, 2_000) };
        assert_eq!(walk().passed(&raised), Ok(Step::Next));
        let unsaid = PageSummary { limit: None, count: None, ..held(100, 2_000) };
        assert_eq!(walk().passed(&unsaid), Ok(Step::Next));
        let nonsense = PageSummary { limit: Some(0), ..held(99, 2_000) };
        assert_eq!(walk().passed(&nonsense), Ok(Step::End));
    }

    #[test]
    fn without_a_new_token_it_continues_by_time() {
        let mut walk = walk();
        assert_eq!(walk.passed(&PageSummary { token: None, ..held(100, 2_000) }), Ok(Step::Next));
        assert_eq!((walk.ask().window.start_ms, walk.ask().token), (2_000, None));
        assert_eq!(walk.passed(&held(100, 3_000)), Ok(Step::Next));
        assert_eq!(walk.passed(&held(100, 3_000)), Ok(Step::Next));
        assert_eq!(
            (walk.ask().window.start_ms, walk.ask().token),
            (3_000, None),
            "the same token twice"
        );
    }

    #[test]
    fn a_dense_millisecond_without_a_token_is_an_error() {
        let mut walk = walk();
        let dense = PageSummary { token: None, ..held(100, 1_000) };
        assert_eq!(walk.passed(&dense), Err(WalkError::Dense(1_000)));
    }

    #[test]
    fn announced_rows_that_do_not_come_are_asked_for_again_by_time() {
        let mut walk = walk();
        let short = PageSummary { count: Some(100), ..held(60, 2_000) };
        assert_eq!(walk.passed(&short), Ok(Step::Next));
        assert_eq!((walk.ask().window.start_ms, walk.ask().token), (2_000, None));
        let stuck = PageSummary { count: Some(100), ..held(0, 2_000) };
        assert_eq!(walk.passed(&stuck), Err(WalkError::Short { count: 100, rows: 0 }));
    }

    #[test]
    fn the_headers_of_a_page_tell_what_comes_behind_it() {
        let headers = |count, token| PageHeaders { limit: Some(100), count, token };
        let mut walk = walk();
        let (behind, last_ms) = walk.foreseen(headers(Some(100), token(2_000, "doc2000"))).unwrap();
        assert_eq!(walk.passed(&held(100, 2_000)), Ok(Step::Next));
        assert_eq!((behind.ask(), last_ms), (walk.ask(), 2_000));
        for (count, token) in [
            (Some(99), token(3_000, "doc3000")),
            (Some(100), token(9_000, "doc9000")),
            (Some(100), None),
            (None, token(3_000, "doc3000")),
        ] {
            assert!(walk.foreseen(headers(count, token)).is_none());
        }
    }

    #[test]
    fn nothing_is_asked_for_beyond_the_window() {
        let beyond = PageSummary { token: None, ..held(100, 9_000) };
        assert_eq!(walk().passed(&beyond), Ok(Step::End));
    }

    #[test]
    fn fewer_announced_than_sent_is_no_end_either() {
        let more = PageSummary { count: Some(3), ..held(100, 2_000) };
        assert_eq!(walk().passed(&more), Ok(Step::Next));
    }

    /// One row of 64 that cannot be fetched is found in a bounded number of requests, and every
    /// other row is seen.
    #[test]
    fn only_the_row_that_is_too_large_is_skipped() {
        let mut walk = Walk::new(Window::new(0, 1_000), 16);
        let (big, total) = (21_i64, 64_i64);
        let (mut seen, mut skipped, mut place) =
            (std::collections::BTreeSet::<i64>::new(), vec![], 0);
        for _ in 0..200 {
            let ask = walk.ask();
            let first = ask.token.as_ref().map_or(ask.window.start_ms, |token| token.ms + 1);
            let rows: Vec<i64> = (first..total).take(ask.limit as usize).collect();
            let last = rows.last().copied().unwrap_or(place);
            if rows.contains(&big) {
                if let OversizeStep::SkipRow { ms, ordinal } =
                    walk.too_large(token(last, "x"), place).unwrap()
                {
                    skipped.push((ms, ordinal));
                }
                continue;
            }
            place = last;
            seen.extend(&rows);
            let page = PageSummary {
                rows: rows.len(),
                count: None,
                limit: None,
                token: token(last, "x"),
                last_ms: last,
            };
            if walk.passed(&page) == Ok(Step::End) {
                assert_eq!(skipped, [(big, 0)]);
                assert_eq!(seen.len() as i64, total - 1);
                assert_eq!(walk.size.rows(), 16, "the limit has grown back");
                return;
            }
        }
        unreachable!("the walk did not end");
    }

    /// A walk that begins anew inside a millisecond counts its positions from the first again: a
    /// row would be quarantined under two positions otherwise.
    #[test]
    fn a_row_too_large_has_one_position() {
        // Milliseconds of the rows; the second and the fourth are too large.
        let rows = [1, 5, 5, 5, 5, 5, 5, 7, 8, 9, 9];
        let (mut walk, mut skipped, mut place) = (Walk::new(Window::new(0, 1_000), 4), vec![], 0);
        for _ in 0..100 {
            let ask = walk.ask();
            let after =
                ask.token.as_ref().map_or(0, |token| token.json().get().matches('x').count());
            let from = rows.iter().position(|ms| *ms >= ask.window.start_ms).unwrap().max(after);
            let to = (from + ask.limit as usize).min(rows.len());
            let last_ms = rows[to - 1];
            let token = token(last_ms, &"x".repeat(to));
            if (from..to).any(|row| row == 1 || row == 3) {
                if let OversizeStep::SkipRow { ms, ordinal } = walk.too_large(token, place).unwrap()
                {
                    skipped.push((ms, ordinal));
                }
                continue;
            }
            place = last_ms;
            let page = PageSummary { rows: to - from, count: None, limit: None, token, last_ms };
            if walk.passed(&page) == Ok(Step::End) {
                skipped.sort_unstable();
                skipped.dedup();
                assert_eq!(skipped, [(5, 0), (5, 1)]);
                return;
            }
        }
        unreachable!("the walk did not end");
    }
}
