//! The position of each row of a page in event time.
//!
//! A row's position is the millisecond of its timestamp or, if that cannot be read or is outside
//! the requested range, the position of the row before it. JumpCloud sorts rows by timestamp.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::identity::Slot;
use crate::page::{Page, Row, RowKind};
use crate::time;

/// The positions of a page's rows.
#[derive(Debug)]
pub struct Positions {
    /// The position before the first row: everything decided before this page is at or before it.
    before_ms: i64,
    /// For each row, the millisecond of its own timestamp, if that can be read.
    own_ms: Vec<Option<i64>>,
    ms: Vec<i64>,
    /// For each row, the smallest known position among it, the rows after it and the token; at the end,
    /// that of the token.
    least_behind: Vec<i64>,
}

impl Positions {
    /// The positions of the rows of `page`, in a reading up to `end_ms`. `before_ms` is the
    /// position before the first row.
    #[must_use]
    pub fn of(page: &Page, before_ms: i64, end_ms: i64) -> Self {
        let asked = asked(before_ms, end_ms);
        let inside = |ms: &i64| asked.contains(ms);
        let own_ms: Vec<_> = page.rows().iter().map(readable).collect();
        let mut place = before_ms;
        let mut ms = Vec::with_capacity(own_ms.len());
        for own in &own_ms {
            place = own.filter(inside).unwrap_or(place);
            ms.push(place);
        }
        let mut least = token_ms(page).filter(inside).unwrap_or(i64::MAX);
        let mut least_behind = vec![least; own_ms.len() + 1];
        for (own, behind) in own_ms.iter().zip(&mut least_behind).rev() {
            least = least.min(own.filter(inside).unwrap_or(i64::MAX));
            *behind = least;
        }
        Self { before_ms, own_ms, ms, least_behind }
    }

    /// The position of row `number`, UTC milliseconds.
    #[must_use]
    pub fn ms(&self, number: usize) -> i64 {
        self.ms[number]
    }

    /// Where row `number` counts: the last row of a page where the next page begins, which receives it
    /// once more if the reading begins again there; another one that says it lies behind what comes
    /// after it, where the row before it lies.
    #[must_use]
    pub fn counted_ms(&self, number: usize) -> i64 {
        let is_last = number + 1 == self.ms.len();
        let (least, behind) = (self.least_behind[number], self.least_behind[number + 1]);
        if is_last && least < i64::MAX {
            return least;
        }
        if is_last || self.ms[number] <= behind {
            return self.ms[number];
        }
        number.checked_sub(1).map_or(self.before_ms, |last| self.ms[last]).min(behind)
    }

    /// The millisecond of row `number`'s own timestamp; `None` if it cannot be read.
    #[must_use]
    pub fn own_ms(&self, number: usize) -> Option<i64> {
        self.own_ms[number]
    }

    /// The slots of the rows.
    #[must_use]
    pub fn slots(&self) -> BTreeSet<Slot> {
        self.own_ms.iter().map(|ms| Slot::at(*ms)).collect()
    }

    /// Sets the position of row `number`, once it is known.
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

/// The millisecond of a page's last row: the lower of its own and the token's, as far as they are
/// in the requested range; never below `before_ms`.
#[must_use]
pub fn last_ms(page: &Page, before_ms: i64, end_ms: i64) -> i64 {
    let asked = asked(before_ms, end_ms);
    let inside = |ms: &i64| asked.contains(ms);
    let own_ms = page.rows().last().and_then(readable).filter(inside);
    let last_readable = || page.rows().iter().rev().filter_map(readable).find(inside);
    match (own_ms, token_ms(page).filter(inside)) {
        _ if page.rows().is_empty() => before_ms,
        (Some(own), Some(token)) => own.min(token),
        (Some(own), None) => own,
        (None, Some(token)) => token,
        (None, None) => last_readable().unwrap_or(before_ms),
    }
}

/// The rows of which the page does not show whether they are before `end_ms`: rows without a
/// readable timestamp that no row before `end_ms` follows.
#[must_use]
pub fn doubtful(page: &Page, before_ms: i64, end_ms: i64) -> Vec<usize> {
    let before_it = |ms: i64| (before_ms..end_ms).contains(&ms);
    if token_ms(page).is_some_and(before_it) {
        return Vec::new();
    }
    let ms: Vec<_> = page.rows().iter().map(readable).collect();
    let last = ms.iter().rposition(|ms| ms.is_some_and(before_it));
    let first = last.map_or(0, |last| last + 1);
    (first..ms.len()).filter(|number| ms[*number].is_none()).collect()
}

/// The range in which the timestamps of an answer should be: JumpCloud may treat the end as
/// inclusive.
fn asked(before_ms: i64, end_ms: i64) -> RangeInclusive<i64> {
    before_ms..=end_ms
}

fn readable(row: &Row) -> Option<i64> {
    match &row.kind {
        RowKind::Event(fields) => fields.timestamp_ns.map(time::floor_ms),
        RowKind::Broken(_) => None,
    }
}

fn token_ms(page: &Page) -> Option<i64> {
    page.headers.token.as_ref().map(|token| token.ms)
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
        let positions = Positions::of(&page(&[None, Some(2), None, Some(3)], None), 1_000, 9_000);
        assert_eq!(
            (0..4).map(|n| positions.ms(n)).collect::<Vec<_>>(),
            [1_000, 2_000, 2_000, 3_000]
        );
    }

    /// What is received again, where a reading begins again at the end of a page, is what counts there.
    #[test]
    fn a_row_counts_where_it_is_received_again() {
        let counted = |seconds: &[Option<i64>], token_ms| {
            let page = page(seconds, token_ms);
            let positions = Positions::of(&page, 1_000, 9_000);
            (0..seconds.len()).map(|n| positions.counted_ms(n)).collect::<Vec<_>>()
        };
        assert_eq!(counted(&[Some(2), Some(3)], Some(3_000)), [2_000, 3_000]);
        assert_eq!(counted(&[Some(8)], Some(3_000)), [3_000], "it says that it lies later");
        assert_eq!(counted(&[None], Some(3_000)), [3_000]);
        assert_eq!(counted(&[Some(2)], Some(3_000)), [2_000], "it is where the reading continues");
        assert_eq!(counted(&[Some(2), Some(8), Some(3)], Some(3_000)), [2_000, 2_000, 3_000]);
        assert_eq!(counted(&[Some(8), Some(3)], None), [1_000, 3_000]);
        assert_eq!(counted(&[Some(2), None], None), [2_000, 2_000]);
    }

    #[test]
    fn a_reading_never_continues_after_a_row_that_is_to_come() {
        let positions =
            Positions::of(&page(&[Some(1), Some(9), Some(2), None], Some(3_000)), 0, 9_000);
        assert_eq!(positions.at_ms(1), 1_000);
        assert_eq!(positions.at_ms(2), 2_000, "the row before says 9 s, the next one 2 s");
        assert_eq!(positions.at_ms(3), 2_000);
        assert_eq!(positions.at_ms(0), 0, "nothing of this page is decided");
        let dark = Positions::of(&page(&[None, None], None), 500, 9_000);
        assert_eq!((dark.at_ms(0), dark.at_ms(1)), (500, 500));
    }

    #[test]
    fn a_page_leaves_open_where_its_last_rows_without_a_time_lie() {
        let rows = [None, Some(2), None, Some(4), None, None];
        let open = |rows: &[_], token_ms, end_ms| doubtful(&page(rows, token_ms), 0, end_ms);
        assert_eq!(open(&rows, None, 5_000), [4, 5]);
        assert_eq!(open(&rows, Some(5_000), 5_000), [4, 5]);
        assert!(open(&rows, Some(4_999), 5_000).is_empty(), "the token says where it ends");
        assert_eq!(open(&rows, None, 4_000), [2, 4, 5]);
        assert_eq!(open(&[None], None, 4_000), [0]);
        assert!(open(&[Some(3)], None, 4_000).is_empty());
        let mut positions = Positions::of(&page(&rows, None), 0, 5_000);
        positions.put(5, 5_000);
        assert_eq!((positions.ms(4), positions.ms(5)), (4_000, 5_000));
    }

    #[test]
    fn the_last_place_is_the_lower_of_row_and_token() {
        assert_eq!(last_ms(&page(&[Some(5)], Some(4_999)), 0, 9_000), 4_999);
        assert_eq!(last_ms(&page(&[Some(5)], Some(6_000)), 0, 9_000), 5_000);
        assert_eq!(last_ms(&page(&[Some(5), None], Some(6_000)), 0, 9_000), 6_000);
        assert_eq!(last_ms(&page(&[Some(5), None], None), 0, 9_000), 5_000);
        assert_eq!(last_ms(&page(&[None], None), 7, 9_000), 7);
        assert_eq!(last_ms(&page(&[], Some(9_000)), 7, 9_000), 7);
    }

    /// A row sorted among others that says of itself that it lies elsewhere.
    #[test]
    fn a_row_that_lies_outside_of_what_was_asked_for_moves_no_place() {
        let rows = [Some(3), Some(1), None, Some(4), Some(50), None, Some(5)];
        let odd = page(&rows, None);
        let positions = Positions::of(&odd, 2_000, 9_000);
        let ms: Vec<_> = (0..7).map(|n| positions.ms(n)).collect();
        assert_eq!(ms, [3_000, 3_000, 3_000, 4_000, 4_000, 4_000, 5_000]);
        assert_eq!((positions.own_ms(1), positions.own_ms(2)), (Some(1_000), None));
        assert_eq!((positions.own_ms(4), positions.at_ms(1)), (Some(50_000), 3_000));
        assert!(doubtful(&odd, 2_000, 9_000).is_empty());
        // At the end of a page such a row tells nothing of where it ends.
        let ends =
            |seconds, token_ms| last_ms(&page(&[Some(3), Some(seconds)], token_ms), 2_000, 9_000);
        assert_eq!((ends(1, None), ends(50, None)), (3_000, 3_000));
        assert_eq!((ends(1, Some(4_000)), ends(50, Some(4_000))), (4_000, 4_000));
        assert_eq!((ends(9, None), ends(4, Some(99_000))), (9_000, 4_000));
    }
}
