//! Which stream owns a row at the end of a lane if the row's timestamp cannot be read.
//!
//! JumpCloud may treat the upper bound of a window as inclusive. A row's own timestamp shows
//! whether it belongs to the next stream. Without one, a second request decides: whether JumpCloud
//! returns the row for a window that begins where the lane ends.

use std::collections::BTreeSet;

use super::pages;
use super::reader::Reader;
use crate::cursor::Reading;
use crate::error::RunError;
use crate::identity::Identity;
use crate::page::Page;
use crate::read::{PageSummary, Positions, Retry, Step, Walk, position};
use crate::time::Window;

impl Reader<'_> {
    /// If the reading ends where the lane ends, moves those rows of `page` to the end of the
    /// reading that belong to the next stream and have no readable timestamp.
    pub(super) async fn settle_border(
        &mut self,
        positions: &mut Positions,
        page: &Page,
        reading: &Reading,
        before_ms: i64,
    ) -> Result<(), RunError> {
        if self.writer.cursor.end_ms != Some(reading.window.end_ms) {
            return Ok(());
        }
        let doubtful = position::doubtful(page, before_ms, reading.window.end_ms);
        if doubtful.is_empty() {
            return Ok(());
        }
        let beyond = self.read_border(reading).await?;
        for number in doubtful {
            if beyond.contains(&page.rows()[number].identity) {
                positions.put(number, reading.window.end_ms);
            }
        }
        Ok(())
    }

    /// The identities of the rows that JumpCloud returns for the first millisecond after the
    /// reading.
    async fn read_border(&mut self, reading: &Reading) -> Result<BTreeSet<Identity>, RunError> {
        let border_ms = reading.window.end_ms;
        let mut walk =
            Walk::new(Window::new(border_ms, border_ms + 1), self.engine.settings.page_limit);
        let mut found = BTreeSet::new();
        loop {
            let page = match self.ask(&walk, reading).await {
                Ok(page) => page,
                Err(error) => match pages::failure(&error) {
                    // The skipped row is beyond the border.
                    Some(failure) if walk.failed(failure, border_ms) != Retry::Over => continue,
                    _ => return Err(error.into()),
                },
            };
            self.report.pages += 1;
            found.extend(page.rows().iter().map(|row| row.identity));
            if walk.passed(&PageSummary::of(
                &page,
                position::last_ms(&page, border_ms, border_ms + 1),
            ))? == Step::End
            {
                return Ok(found);
            }
        }
    }
}
