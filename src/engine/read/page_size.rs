//! How many rows each request asks for.

/// The size of the next page: the configured one, halved by pages that are too large to fetch, and
/// doubled again once the place they lay at has been passed.
#[derive(Clone, Debug)]
pub struct PageSize {
    configured: u32,
    rows: u32,
    /// Rows to receive before the size may grow again.
    rows_to_pass: usize,
    /// The size grows only beyond this millisecond.
    grows_after_ms: i64,
}

impl PageSize {
    /// The configured size, in rows.
    #[must_use]
    pub fn new(configured: u32) -> Self {
        Self { configured, rows: configured, rows_to_pass: 0, grows_after_ms: i64::MIN }
    }

    /// The number of rows to request.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Takes note of rows that came.
    pub fn received(&mut self, rows: usize) {
        self.rows_to_pass = self.rows_to_pass.saturating_sub(rows);
    }

    /// Halves the size after a page behind `place_ms` was too large. Returns `false` if a single
    /// row was asked for.
    pub fn halve(&mut self, place_ms: i64) -> bool {
        if self.rows <= 1 {
            return false;
        }
        self.rows_to_pass = self.rows as usize;
        self.grows_after_ms = place_ms;
        self.rows /= 2;
        true
    }

    /// Doubles the size if it was halved, and what was too large lies before `last_ms`.
    pub fn grow(&mut self, last_ms: i64) -> bool {
        let may_grow =
            self.rows < self.configured && self.rows_to_pass == 0 && last_ms > self.grows_after_ms;
        if may_grow {
            self.rows = self.rows.saturating_mul(2).min(self.configured);
            self.rows_to_pass = self.rows as usize * 2;
            self.grows_after_ms = last_ms;
        }
        may_grow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_back_behind_what_was_too_large() {
        let mut size = PageSize::new(100);
        assert!(!size.grow(9), "it is as large as it may be");
        assert!(size.halve(10) && size.rows() == 50);
        size.received(100);
        assert!(!size.grow(10), "not at the place itself");
        assert!(size.grow(11) && size.rows() == 100);
        for rows in [50, 25, 12, 6, 3, 1] {
            assert!(size.halve(12) && size.rows() == rows);
        }
        assert!(!size.halve(12), "one row is the least");
    }
}
