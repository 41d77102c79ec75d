//! The position of each row of a page in event time.
//!
//! A row's place is its timestamp's millisecond, or, where that cannot be read, the place before
//! it. JumpCloud sorts rows by it.

use crate::page::{Page, RowKind};
use crate::time;

/// The positions of a page's rows.
#[derive(Debug)]
pub struct Positions {
    /// The position before the first row: everything decided before this page is at or before it.
    before_ms: i64,
    ms: Vec<i64>,
    /// Per row, the least readable place of it and everything behind it.
    least_behind: Vec<i64>,
}

impl Positions {
    /// The places of `page`, whose first row comes behind `before_ms`.
    #[must_use]
    pub fn of(page: &Page, before_ms: i64) -> Self {
        let token_ms = page.headers.token.as_ref().map_or(i64::MAX, |token| token.ms);
        let mut place = before_ms;
        let ms: Vec<i64> = readable(page)
            .map(|ms| {
                place = ms.unwrap_or(place);
                place
            })
            .collect();
        let mut least = token_ms;
        let mut least_behind: Vec<i64> = readable(page)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .map(|ms| {
                least = least.min(ms.unwrap_or(i64::MAX));
                least
            })
            .collect();
        least_behind.reverse();
        Self { before_ms, ms, least_behind }
    }

    /// The position of row `number`, UTC milliseconds.
    #[must_use]
    pub fn ms(&self, number: usize) -> i64 {
        self.ms[number]
    }

    /// Puts row `number` where it is known to lie.
    pub fn put(&mut self, number: usize, ms: i64) {
        self.ms[number] = ms;
    }

    /// Where a reading resumes that has decided the rows before `number`: never after the last
    /// decided row, nor after any row that is still to come.
    #[must_use]
    pub fn at_ms(&self, number: usize) -> i64 {
        let decided = number.checked_sub(1).map_or(self.before_ms, |last| self.ms[last]);
        decided.min(self.least_behind[number])
    }
}

/// The millisecond of a page's last row: the lower of its own and the token's. `before_ms` if the
/// page tells neither.
#[must_use]
pub fn last_ms(page: &Page, before_ms: i64) -> i64 {
    let token_ms = page.headers.token.as_ref().map(|token| token.ms);
    let own_ms = readable(page).last().flatten();
    let last_readable = || readable(page).flatten().last().unwrap_or(before_ms);
    match (own_ms, token_ms) {
        _ if page.is_empty() => before_ms,
        (Some(own), Some(token)) => own.min(token),
        (Some(own), None) => own,
        (None, Some(token)) => token,
        (None, None) => last_readable(),
    }
}

/// The rows of which the page does not show whether they are before `end_ms`: rows without a
/// readable timestamp that no row before `end_ms` follows.
#[must_use]
pub fn doubtful(page: &Page, end_ms: i64) -> Vec<usize> {
    if page.headers.token.as_ref().is_some_and(|token| token.ms < end_ms) {
        return Vec::new();
    }
    let ms: Vec<_> = readable(page).collect();
    let before_it = ms.iter().rposition(|ms| ms.is_some_and(|ms| ms < end_ms));
    let first = before_it.map_or(0, |last| last + 1);
    (first..ms.len()).filter(|number| ms[*number].is_none()).collect()
}

fn readable(page: &Page) -> impl Iterator<Item = Option<i64>> {
    page.rows().iter().map(|row| match &row.kind {
        RowKind::Event(fields) => fields.timestamp_ns.map(time::floor_ms),
        RowKind::Broken(_) => None,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::page::{PageHeaders, Token};

    /// One row per second of 1970, unreadable where there is none.
    fn page(seconds: &[Option<i64>], token_ms: Option<i64>) -> Page {
        let rows: Vec<_> = seconds
            .iter()
            .map(|s| match s {
                Some(s) => format!("{{\"timestamp\":\"1970-01-01T00:00:{s:02}Z\"}}"),
                None => "{\"timestamp\":\"soon\"}".to_owned(),
            })
            .collect();
        let token = token_ms.and_then(|ms| Token::parse(&format!("[{ms},\"x\"]")));
        let headers = PageHeaders { token, ..PageHeaders::default() };
        Page::parse(format!("[{}]", rows.join(",")).into_bytes(), headers).unwrap()
    }

    #[test]
    fn a_row_without_a_time_lies_where_the_one_before_it_lies() {
        let positions = Positions::of(&page(&[None, Some(2), None, Some(3)], None), 1_000);
        assert_eq!(
            (0..4).map(|n| positions.ms(n)).collect::<Vec<_>>(),
            [1_000, 2_000, 2_000, 3_000]
        );
    }

    #[test]
    fn a_reading_never_continues_after_a_row_that_is_to_come() {
        let positions = Positions::of(&page(&[Some(1), Some(9), Some(2), None], Some(3_000)), 0);
        assert_eq!(positions.at_ms(1), 1_000);
        assert_eq!(positions.at_ms(2), 2_000, "the row before says 9 s, the next one 2 s");
        assert_eq!(positions.at_ms(3), 2_000);
        assert_eq!(positions.at_ms(0), 0, "nothing of this page is decided");
        let dark = Positions::of(&page(&[None, None], None), 500);
        assert_eq!((dark.at_ms(0), dark.at_ms(1)), (500, 500));
    }

    #[test]
    fn a_page_leaves_open_where_its_last_rows_without_a_time_lie() {
        let rows = [None, Some(2), None, Some(4), None, None];
        let open = |rows: &[_], token_ms, end_ms| doubtful(&page(rows, token_ms), end_ms);
        assert_eq!(open(&rows, None, 5_000), [4, 5]);
        assert_eq!(open(&rows, Some(5_000), 5_000), [4, 5]);
        assert!(open(&rows, Some(4_999), 5_000).is_empty(), "the token says where it ends");
        assert_eq!(open(&rows, None, 4_000), [2, 4, 5]);
        assert_eq!(open(&[None], None, 4_000), [0]);
        assert!(open(&[Some(3)], None, 4_000).is_empty());
        let mut positions = Positions::of(&page(&rows, None), 0);
        positions.put(5, 5_000);
        assert_eq!((positions.ms(4), positions.ms(5)), (4_000, 5_000));
    }

    #[test]
    fn the_last_place_is_the_lower_of_row_and_token() {
        assert_eq!(last_ms(&page(&[Some(5)], Some(4_999)), 0), 4_999);
        assert_eq!(last_ms(&page(&[Some(5)], Some(6_000)), 0), 5_000);
        assert_eq!(last_ms(&page(&[Some(5), None], Some(6_000)), 0), 6_000);
        assert_eq!(last_ms(&page(&[Some(5), None], None), 0), 5_000);
        assert_eq!(last_ms(&page(&[None], None), 7), 7);
        assert_eq!(last_ms(&page(&[], Some(9_000)), 7), 7);
    }
}
