//! How many rows each request asks for.

use crate::cursor::PageLimit;
use crate::limits::TRIES_AT_ONE_SIZE;

/// The number of rows of the next page: the configured number, halved after a page that cannot be
/// fetched, and doubled again after each full page.
///
/// If a larger size fails again right after the increase, it is tried less and less often. So if
/// JumpCloud answers only small pages, most requests are for a size that it answers.
#[derive(Clone, Debug)]
pub struct PageSize {
    configured: u32,
    rows: u32,
    /// Failed tries at this size since the last page.
    failed: u32,
    /// Full pages to receive before the size may grow.
    pages_to_pass: u32,
    /// Full pages to receive before the size grows again to one that has failed.
    pause: u32,
    /// Whether the size was just increased and no page was received at it yet.
    has_just_grown: bool,
}

impl PageSize {
    /// Starts with the configured number of rows, or with the size that a reading has kept.
    #[must_use]
    pub fn new(configured: u32, limit: Option<PageLimit>) -> Self {
        let PageLimit { rows, failed } = limit.unwrap_or(PageLimit { rows: configured, failed: 0 });
        Self {
            configured,
            rows: rows.clamp(1, configured),
            failed: if rows > configured { 0 } else { failed },
            pages_to_pass: 1,
            pause: 1,
            has_just_grown: false,
        }
    }

    /// What a reading has to keep: nothing if it is the configured size and no try has failed.
    #[must_use]
    pub fn limit(&self) -> Option<PageLimit> {
        let Self { configured, rows, failed, .. } = *self;
        (rows < configured || failed > 0).then_some(PageLimit { rows, failed })
    }

    /// The configured number of rows.
    #[cfg(test)]
    pub(crate) fn configured(&self) -> u32 {
        self.configured
    }

    /// The number of rows to request.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Tries at this size that may fail before it is halved. At one row it cannot be: there each try
    /// is looked at alone.
    #[must_use]
    pub fn tries_left(&self) -> u32 {
        if self.rows == 1 { 1 } else { TRIES_AT_ONE_SIZE.saturating_sub(self.failed).max(1) }
    }

    /// Records a page. `may_grow`: it was full, and the reading can begin again at its end.
    /// Returns whether the size has changed.
    pub fn came(&mut self, may_grow: bool) -> bool {
        self.failed = 0;
        if std::mem::take(&mut self.has_just_grown) {
            self.pause = 1;
        }
        if !may_grow || self.rows == self.configured {
            return false;
        }
        self.pages_to_pass = self.pages_to_pass.saturating_sub(1);
        if self.pages_to_pass > 0 {
            return false;
        }
        self.rows = self.rows.saturating_mul(2).min(self.configured);
        (self.pages_to_pass, self.has_just_grown) = (1, true);
        true
    }

    /// Records `tries` that failed. Returns whether the size has changed.
    pub fn failed(&mut self, tries: u32) -> bool {
        self.failed += tries;
        self.failed >= TRIES_AT_ONE_SIZE && self.halve()
    }

    /// Halves the size, unless it is one row. Returns whether it has changed.
    pub fn halve(&mut self) -> bool {
        if self.rows == 1 {
            return false;
        }
        self.rows /= 2;
        self.failed = 0;
        if std::mem::take(&mut self.has_just_grown) {
            self.pause = self.pause.saturating_mul(2);
        }
        self.pages_to_pass = self.pause;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_halved_by_two_failed_tries_down_to_one_row() {
        let mut size = PageSize::new(10, None);
        for rows in [5, 2, 1] {
            assert!(!size.failed(1) && size.failed(1));
            assert_eq!(size.rows(), rows);
        }
        assert!(!size.failed(2) && size.rows() == 1);
    }

    #[test]
    fn it_is_doubled_by_each_full_page_up_to_what_is_configured() {
        let mut size = PageSize::new(12, Some(PageLimit { rows: 1, failed: 0 }));
        assert!(!size.came(false), "a page that is not full, or inside a millisecond");
        for rows in [2, 4, 8, 12] {
            assert!(size.came(true));
            assert_eq!(size.rows(), rows);
        }
        assert!(!size.came(true));
        assert_eq!(size.limit(), None);
    }

    /// 504 above a size, for as long as it is so.
    #[test]
    fn a_size_that_keeps_failing_is_tried_less_and_less_often() {
        let mut size = PageSize::new(100, Some(PageLimit { rows: 50, failed: 0 }));
        let (mut pages, mut failed) = (0, Vec::new());
        while pages < 40 {
            if size.rows() == 100 {
                failed.push(pages);
                assert!(size.failed(2));
            } else {
                pages += 1;
                size.came(true);
            }
        }
        assert_eq!(failed, [1, 3, 7, 15, 31]);
    }

    #[test]
    fn it_is_kept_over_runs_with_the_tries_that_failed() {
        let mut size = PageSize::new(100, None);
        assert_eq!(size.limit(), None);
        assert!(!size.failed(1));
        let kept = size.limit();
        assert_eq!(kept, Some(PageLimit { rows: 100, failed: 1 }));
        let mut resumed = PageSize::new(100, kept);
        assert_eq!(resumed.tries_left(), 1);
        assert!(resumed.failed(1) && resumed.rows() == 50);
        let smaller = PageSize::new(20, resumed.limit());
        assert_eq!(
            (smaller.rows(), smaller.limit()),
            (20, None),
            "the configured size is the most"
        );
    }
}
