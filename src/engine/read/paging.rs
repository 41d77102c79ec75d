//! Paging through one query of a window: which request comes next, and whether there is one.
//!
//! Pure: it takes a summary of each page, or the failure to fetch it, and returns the next step. It
//! never stops silently and never loops: every request carries a new token, starts at a later
//! millisecond, asks for fewer rows, or is one of a few tries; or the walk ends with an error that
//! names the millisecond.

use crate::cursor::PageLimit;
use crate::limits::TRIES_MAX;
use crate::page::{Ask, Page, PageHeaders, Token, Tries};
use crate::read::PageSize;
use crate::time::Window;

/// The position of a walk through one query.
///
/// ```
/// use engine::read::paging::{PageSummary, Step, Walk};
/// let mut walk = Walk::new(engine::time::Window::new(0, 60_000), 100);
/// let short = PageSummary { rows: 2, count: None, limit: Some(100), token: None, last_ms: 5_000 };
/// assert_eq!(walk.passed(&short), Ok(Step::End), "less than a full page is the last one");
/// ```
#[derive(Clone, Debug)]
pub struct Walk {
    size: PageSize,
    window: Window,
    /// The latest millisecond at which a request may begin that has no token.
    latest_start_ms: i64,
    token: Option<Token>,
    /// The millisecond of the last row that was skipped and not received, and how many such rows
    /// were skipped in it.
    skipped: (i64, u32),
    /// Number of tries since the last page.
    tried: u32,
    /// The token with which to continue after a row that cannot be used, from the last answer, and
    /// whether the row's bytes were received.
    behind_unusable: Option<(Token, bool)>,
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

/// Why a page cannot be used.
#[derive(Clone, Copy, Debug)]
pub enum Failure<'a> {
    /// It is larger than the limits, and would be too large again.
    TooLarge {
        /// Its headers.
        headers: &'a PageHeaders,
    },
    /// Anything else.
    Unfetched {
        /// The headers, if the answer was complete with status 200 but cannot be read.
        headers: Option<&'a PageHeaders>,
        /// Tries since the last page, at any size.
        tried: u32,
        /// How many tries of the last request count as failures at its size.
        failed: u32,
        /// Whether this run has no try left.
        is_over: bool,
        /// Whether the bytes of the single row were received, so that it is not identified by its
        /// position.
        has_bytes: bool,
    },
}

/// What comes after a page that cannot be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Make another request, perhaps for fewer rows.
    Again,
    /// A single row cannot be used, and its answer says how to continue after it.
    SkipRow {
        /// The row's millisecond.
        ms: i64,
        /// The number of rows that were skipped in that millisecond before it without their bytes.
        ordinal: u32,
    },
    /// Stop for this run: no try is left.
    Over,
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
}

impl Walk {
    /// Begins a walk through `window` in pages of `page_limit` rows.
    #[must_use]
    pub fn new(window: Window, page_limit: u32) -> Self {
        Self::resumed(window, page_limit, None)
    }

    /// The same, with the page size that an interrupted reading had.
    #[must_use]
    pub fn resumed(window: Window, page_limit: u32, limit: Option<PageLimit>) -> Self {
        Self {
            size: PageSize::new(page_limit, limit),
            window,
            latest_start_ms: i64::MAX,
            token: None,
            skipped: (i64::MIN, 0),
            tried: 0,
            behind_unusable: None,
        }
    }

    /// The same walk through what is dated ahead. JumpCloud refuses a start in its future: where the
    /// walk cannot continue by token, it begins again where it began, and its pages do not grow.
    #[must_use]
    pub fn ahead(self) -> Self {
        Self { latest_start_ms: self.window.start_ms, ..self }
    }

    /// The page size, if a reading has to keep it.
    #[must_use]
    pub fn limit(&self) -> Option<PageLimit> {
        self.size.limit()
    }

    /// The next request.
    #[must_use]
    pub fn ask(&self) -> Ask {
        Ask { window: self.window, limit: self.size.rows(), token: self.token.clone() }
    }

    /// How often the next request may be tried.
    #[must_use]
    pub fn tries(&self) -> Tries {
        Tries { made: self.tried, failures: self.size.tries_left() }
    }

    /// The millisecond at which the next request begins, if it has no token: rows from there on may
    /// be received again.
    #[must_use]
    pub fn begins_again_at(&self) -> Option<i64> {
        self.token.is_none().then_some(self.window.start_ms)
    }

    /// Records the page that was received for [`Walk::ask`], and returns what to do next.
    ///
    /// # Errors
    /// [`WalkError`] if the query is not at its end and no next request is possible.
    pub fn passed(&mut self, held: &PageSummary) -> Result<Step, WalkError> {
        (self.tried, self.behind_unusable) = (0, None);
        let in_force = held.limit.filter(|limit| *limit > 0);
        let full = u64::from(self.size.rows()).min(in_force.unwrap_or(u64::MAX));
        let rows = held.rows as u64;
        let count = held.count.unwrap_or(rows);
        let new_token = held.token.clone().filter(|token| self.token.as_ref() != Some(token));
        let restart_ms = held.last_ms.min(self.latest_start_ms);
        let later = restart_ms > self.window.start_ms;
        let is_full = rows >= full;
        let has_grown = self.size.came(is_full && later);
        // Without X-Limit it is not known how many rows a full page would have.
        let may_be_full = in_force.is_none() && rows > 0 && new_token.is_some();
        if !is_full && count < full && !may_be_full {
            return Ok(Step::End);
        }
        if held.last_ms >= self.window.end_ms {
            // All further rows are beyond the window, whether its upper bound is inclusive or not.
            return Ok(Step::End);
        }
        if !is_full && count >= full {
            // The header announces a full page but the array is shorter. The rows are used, but the
            // page is not taken for the last one.
            let short = WalkError::Short { count, rows: held.rows };
            return if later { Ok(self.restart(restart_ms)) } else { Err(short) };
        }
        match new_token {
            Some(token) if !has_grown => {
                self.token = Some(token);
                Ok(Step::Next)
            }
            _ if later => Ok(self.restart(restart_ms)),
            _ => Err(WalkError::Dense(held.last_ms.max(self.window.start_ms))),
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

    /// Records a page that cannot be fetched, and returns what to do next. `place_ms` is the
    /// millisecond of the last row received before it.
    ///
    /// Two tries are made at each size, but only one if the page is too large. A row is skipped
    /// only if two answers to a request for one row agree on how to continue after it.
    pub fn failed(&mut self, failure: Failure<'_>, place_ms: i64) -> Retry {
        let (has_changed, is_over) = match failure {
            _ if self.size.rows() == 1 => return self.one_failed(failure),
            Failure::TooLarge { .. } => (self.size.halve(), false),
            Failure::Unfetched { tried, failed, is_over, .. } => {
                self.tried = tried;
                (self.size.failed(failed), is_over)
            }
        };
        if has_changed {
            self.restart(place_ms.max(self.window.start_ms).min(self.latest_start_ms));
        }
        if is_over { Retry::Over } else { Retry::Again }
    }

    /// The same for a request for one row.
    fn one_failed(&mut self, failure: Failure<'_>) -> Retry {
        let (headers, tried, is_over, has_bytes) = match failure {
            Failure::TooLarge { headers } => {
                let tried = self.tried + 1;
                (Some(headers), tried, tried >= TRIES_MAX, false)
            }
            Failure::Unfetched { headers, tried, is_over, has_bytes, .. } => {
                (headers, tried, is_over, has_bytes)
            }
        };
        let behind = headers.filter(|headers| headers.count == Some(1));
        let behind = behind.and_then(|headers| headers.token.clone());
        let behind = behind.filter(|token| self.token.as_ref() != Some(token));
        let behind = behind.map(|token| (token, has_bytes));
        let before = std::mem::replace(&mut self.behind_unusable, behind.clone());
        self.tried = tried;
        let is_same = behind.is_some() && before == behind;
        match behind {
            Some((token, _)) if is_same => {
                let (ms, count) = self.skipped;
                let ordinal = if ms == token.ms { count } else { 0 };
                let ms = token.ms;
                self.skipped = (ms, ordinal + u32::from(!has_bytes));
                (self.tried, self.behind_unusable) = (0, None);
                self.token = Some(token);
                Retry::SkipRow { ms, ordinal }
            }
            _ if is_over => Retry::Over,
            _ => Retry::Again,
        }
    }

    /// Continues by time, with a new query that starts at `start_ms`. JumpCloud requires limit and
    /// window to stay the same while paging by token; in a new query they may change.
    fn restart(&mut self, start_ms: i64) -> Step {
        self.window.start_ms = start_ms;
        self.token = None;
        // Rows skipped from this millisecond on are received again, so they are counted from 0
        // again.
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
        assert_eq!(walk().passed(&nonsense), Ok(Step::Next), "as good as none");
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

    /// Asks a JumpCloud whose row `n` lies at millisecond `ms[n]`, until the end; `answer` is told the
    /// first row of a page, the one behind its last, and the page's headers, and says why it does not
    /// come. Returns what was skipped, and how often each row came.
    fn read(
        mut walk: Walk,
        ms: &[i64],
        answer: impl Fn(usize, usize) -> Option<Broken>,
    ) -> (Vec<(i64, u32)>, Vec<usize>, Walk) {
        let (mut over, mut seen, mut place_ms) = (Vec::new(), vec![0; ms.len()], i64::MIN);
        for _ in 0..500 {
            let ask = walk.ask();
            let after =
                ask.token.as_ref().map_or(0, |token| token.json().get().matches('x').count());
            let by_time = ms.partition_point(|ms| *ms < ask.window.start_ms);
            let from = by_time.max(after);
            let to = (from + ask.limit as usize).min(ms.len());
            let last_ms = if to > from { ms[to - 1] } else { place_ms };
            let token = token(last_ms, &"x".repeat(to));
            let rows = to - from;
            let headers = PageHeaders {
                limit: Some(u64::from(ask.limit)),
                count: Some(rows as u64),
                token: token.clone(),
            };
            if let Some(broken) = answer(from, to) {
                let failure = match broken {
                    Broken::TooLarge => Failure::TooLarge { headers: &headers },
                    Broken::Unreadable => unfetched(&walk, Some(&headers)),
                    Broken::Unanswered => unfetched(&walk, None),
                };
                match walk.failed(failure, place_ms) {
                    Retry::Again => {}
                    Retry::SkipRow { ms, ordinal } => over.push((ms, ordinal)),
                    // The next run.
                    Retry::Over => {
                        let window = Window::new(place_ms.max(0), 1_000);
                        walk = Walk::resumed(window, walk.size.configured(), walk.limit());
                    }
                }
                continue;
            }
            place_ms = last_ms;
            seen[from..to].iter_mut().for_each(|times| *times += 1);
            let held = PageSummary {
                rows,
                count: headers.count,
                limit: headers.limit,
                token: headers.token,
                last_ms,
            };
            if walk.passed(&held) == Ok(Step::End) {
                return (over, seen, walk);
            }
        }
        unreachable!("the walk did not end: {walk:?}")
    }

    #[derive(Clone, Copy)]
    enum Broken {
        TooLarge,
        /// Status 200, and no JSON.
        Unreadable,
        /// 504.
        Unanswered,
    }

    fn unfetched<'h>(walk: &Walk, headers: Option<&'h PageHeaders>) -> Failure<'h> {
        let Tries { made, failures } = walk.tries();
        let failed = failures.min(TRIES_MAX - made);
        let tried = made + failed;
        Failure::Unfetched { headers, tried, failed, is_over: tried >= TRIES_MAX, has_bytes: false }
    }

    /// One row of 64 that cannot be fetched is found in a bounded number of requests, and every
    /// other row is seen.
    #[test]
    fn a_row_that_cannot_be_used_is_skipped_alone() {
        let ms: Vec<i64> = (0..64).collect();
        for broken in [Broken::TooLarge, Broken::Unreadable] {
            for bad in [0, 1, 21, 62, 63] {
                let walk = Walk::new(Window::new(0, 1_000), 16);
                let holds = |from, to| (from..to).contains(&bad).then_some(broken);
                let (over, seen, _) = read(walk, &ms, holds);
                assert_eq!(over, [(bad as i64, 0)]);
                let missed: Vec<_> = (0..64).filter(|row| seen[*row] == 0).collect();
                assert_eq!(missed, [bad]);
            }
        }
    }

    #[test]
    fn a_server_that_answers_small_pages_only_is_read_in_small_pages() {
        let ms: Vec<i64> = (0..400).collect();
        let walk = Walk::new(Window::new(0, 1_000), 400);
        let holds = |from: usize, to: usize| (to - from > 100).then_some(Broken::Unanswered);
        let (over, seen, _) = read(walk, &ms, holds);
        assert!(over.is_empty() && seen.iter().all(|times| *times > 0));
    }

    /// Only an answer that tells how to continue after the row passes it over, and only where it says the
    /// same twice.
    #[test]
    fn a_row_is_skipped_only_if_its_own_answers_say_how() {
        let one = |count, token| PageHeaders { limit: Some(1), count, token };
        let how = one(Some(1), token(5, "x"));
        let other = one(Some(1), token(5, "y"));
        fn tried(tried: u32, headers: Option<&PageHeaders>) -> Failure<'_> {
            Failure::Unfetched {
                headers,
                tried,
                failed: 1,
                is_over: tried == TRIES_MAX,
                has_bytes: false,
            }
        }
        let start = || Walk::new(Window::new(0, 1_000), 1);
        for no in [
            None,
            Some(one(None, token(5, "x"))),
            Some(one(Some(0), token(5, "x"))),
            Some(one(Some(1), None)),
        ] {
            let mut walk = start();
            for n in 1..TRIES_MAX {
                assert_eq!(walk.failed(tried(n, no.as_ref()), 0), Retry::Again, "{no:?}");
            }
            assert_eq!(walk.failed(tried(TRIES_MAX, no.as_ref()), 0), Retry::Over, "{no:?}");
        }
        let mut walk = start();
        assert_eq!(walk.failed(tried(1, Some(&how)), 0), Retry::Again);
        assert_eq!(walk.failed(tried(2, None), 0), Retry::Again, "not the same twice in a row");
        assert_eq!(walk.failed(tried(3, Some(&how)), 0), Retry::Again);
        assert_eq!(walk.failed(tried(4, Some(&other)), 0), Retry::Again, "another row's");
        assert_eq!(walk.failed(tried(5, Some(&other)), 0), Retry::SkipRow { ms: 5, ordinal: 0 });
        assert_eq!((walk.ask().token, walk.tries().made), (token(5, "y"), 0));
        assert_eq!(walk.failed(tried(1, Some(&other)), 0), Retry::Again, "it is no new token now");
        assert_eq!(walk.failed(tried(2, Some(&other)), 0), Retry::Again);
    }

    /// A change of size begins again by time: what stays the same while paging does not stay so.
    #[test]
    fn no_token_is_sent_with_another_size() {
        let mut walk = walk();
        assert_eq!(walk.passed(&held(100, 2_000)), Ok(Step::Next));
        assert!(walk.ask().token.is_some());
        let failure = unfetched(&walk, None);
        assert_eq!(walk.failed(failure, 2_000), Retry::Again);
        let ask = walk.ask();
        assert_eq!((ask.window.start_ms, ask.limit, ask.token), (2_000, 50, None));
        assert_eq!(
            walk.passed(&PageSummary { limit: Some(50), ..held(50, 3_000) }),
            Ok(Step::Next)
        );
        let ask = walk.ask();
        assert_eq!((ask.window.start_ms, ask.limit, ask.token), (3_000, 100, None));
    }

    /// A walk that begins again inside a millisecond counts its positions from the first again: a
    /// row would be quarantined under two positions otherwise.
    #[test]
    fn a_row_too_large_has_one_position() {
        // Milliseconds of the rows; the second and the fourth are too large.
        let ms = [1, 5, 5, 5, 5, 5, 5, 7, 8, 9, 9];
        let holds =
            |from, to| (from..to).any(|row| row == 1 || row == 3).then_some(Broken::TooLarge);
        let (mut over, ..) = read(Walk::new(Window::new(0, 1_000), 4), &ms, holds);
        over.sort_unstable();
        over.dedup();
        assert_eq!(over, [(5, 0), (5, 1)]);
    }

    #[test]
    fn without_a_limit_in_force_a_short_page_with_a_new_token_is_not_the_last_one() {
        let unsaid = |rows, last_ms| PageSummary { limit: None, ..held(rows, last_ms) };
        let mut walk = walk();
        assert_eq!(walk.passed(&unsaid(30, 2_000)), Ok(Step::Next));
        assert_eq!(walk.ask().token, token(2_000, "doc2000"));
        assert_eq!(walk.passed(&unsaid(30, 3_000)), Ok(Step::Next));
        assert_eq!(walk.clone().passed(&unsaid(30, 3_000)), Ok(Step::End), "the token before");
        assert_eq!(walk.clone().passed(&unsaid(0, 3_000)), Ok(Step::End));
        assert_eq!(walk.passed(&PageSummary { token: None, ..unsaid(30, 4_000) }), Ok(Step::End));
    }
}
