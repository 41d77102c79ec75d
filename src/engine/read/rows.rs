//! Counts the rows of a query, for comparison with JumpCloud's own count.

/// How many rows came, and how many of them lie before the last row's millisecond: those in it come
/// again when the reading resumes there.
#[derive(Debug, Default)]
pub struct RowCount {
    before: i64,
    at: i64,
    place_ms: i64,
}

impl RowCount {
    /// Begins to count a query of which earlier runs received `rows_before_resume` rows.
    #[must_use]
    pub fn resumed(rows_before_resume: i64) -> Self {
        Self { before: rows_before_resume, at: 0, place_ms: i64::MIN }
    }

    /// Counts a row whose position is `place_ms`. Positions must not decrease.
    pub fn add(&mut self, place_ms: i64) {
        if place_ms > self.place_ms {
            self.before += self.at;
            self.at = 0;
            self.place_ms = place_ms;
        }
        self.at += 1;
    }

    /// The number of rows before `at_ms`, exclusive.
    #[must_use]
    pub fn before(&self, at_ms: i64) -> i64 {
        if at_ms > self.place_ms { self.all() } else { self.before }
    }

    /// The number of all rows.
    #[must_use]
    pub fn all(&self) -> i64 {
        self.before + self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_millisecond_that_is_read_again_are_not_counted_twice() {
        let mut rows = RowCount::resumed(10);
        for place_ms in [1, 1, 2, 2, 2] {
            rows.add(place_ms);
        }
        assert_eq!((rows.before(2), rows.before(3), rows.all()), (12, 15, 15));
    }
}
