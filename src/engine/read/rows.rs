//! Counts the rows of a query, for comparison with JumpCloud's own count.

/// How many rows were received, by millisecond: if a reading begins again at a millisecond, the
/// rows from there on are received again, in this run or the next.
#[derive(Debug, Default)]
pub struct RowCount {
    /// Rows before all of `places`.
    before: i64,
    /// Milliseconds and the number of rows in each, ascending; none is before the reading's
    /// position.
    places: Vec<(i64, i64)>,
}

impl RowCount {
    /// Begins to count a query of which earlier runs received `rows_before_resume` rows.
    #[must_use]
    pub fn resumed(rows_before_resume: i64) -> Self {
        Self { before: rows_before_resume, places: Vec::new() }
    }

    /// Counts a row whose position is `place_ms`. Positions must not decrease.
    pub fn add(&mut self, place_ms: i64) {
        match self.places.last_mut() {
            Some((ms, rows)) if *ms == place_ms => *rows += 1,
            Some((ms, _)) if *ms > place_ms => self.insert(place_ms),
            _ => self.places.push((place_ms, 1)),
        }
    }

    /// Counts a row out of order.
    fn insert(&mut self, place_ms: i64) {
        match self.places.binary_search_by_key(&place_ms, |(ms, _)| *ms) {
            Ok(at) => self.places[at].1 += 1,
            Err(at) => self.places.insert(at, (place_ms, 1)),
        }
    }

    /// The reading has passed everything before `at_ms`, and will not begin again there.
    pub fn got_to(&mut self, at_ms: i64) {
        let end = self.end(at_ms);
        self.before += self.places.drain(..end).map(|(_, rows)| rows).sum::<i64>();
    }

    /// The reading begins again at `at_ms`: rows from there on are received and counted again.
    pub fn begin_again(&mut self, at_ms: i64) {
        self.places.truncate(self.end(at_ms));
    }

    /// The number of rows before `at_ms`, exclusive.
    #[must_use]
    pub fn before(&self, at_ms: i64) -> i64 {
        self.before + self.places[..self.end(at_ms)].iter().map(|(_, rows)| rows).sum::<i64>()
    }

    /// The number of all rows.
    #[must_use]
    pub fn all(&self) -> i64 {
        self.before(i64::MAX)
    }

    fn end(&self, at_ms: i64) -> usize {
        self.places.partition_point(|(ms, _)| *ms < at_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(places: &[i64]) -> RowCount {
        let mut rows = RowCount::resumed(10);
        places.iter().for_each(|place_ms| rows.add(*place_ms));
        rows
    }

    #[test]
    fn rows_of_the_millisecond_that_is_read_again_are_not_counted_twice() {
        let rows = counted(&[1, 1, 2, 2, 2]);
        assert_eq!((rows.before(1), rows.before(2), rows.before(3), rows.all()), (10, 12, 15, 15));
    }

    #[test]
    fn a_walk_that_begins_again_inside_a_millisecond_counts_its_rows_once() {
        let mut rows = counted(&[1, 2, 2, 3]);
        rows.got_to(2);
        rows.begin_again(2);
        assert_eq!(rows.all(), 11);
        [2, 2, 2, 3].into_iter().for_each(|place_ms| rows.add(place_ms));
        assert_eq!((rows.before(3), rows.all()), (14, 15));
    }

    #[test]
    fn rows_out_of_order_are_counted_where_they_lie() {
        let rows = counted(&[5, 1, 3, 1]);
        assert_eq!((rows.before(2), rows.before(4), rows.all()), (12, 13, 14));
    }
}
