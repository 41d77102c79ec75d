//! Whose a row is that lies where a lane ends, if its timestamp cannot be read.
//!
//! JumpCloud may take the upper bound of a window inclusively. A row's own timestamp tells then
//! that it is the next stream's; without one, only JumpCloud knows: a window that begins at the
//! border holds the row or does not.

use std::collections::BTreeSet;

use super::reader::Reader;
use crate::cursor::Reading;
use crate::error::RunError;
use crate::identity::Identity;
use crate::page::Page;
use crate::ports::InsightsError;
use crate::read::{PageSummary, Positions, Step, Walk, position};
use crate::time::Window;

impl Reader<'_> {
    /// Puts rows of `page` at the end of the reading that lie there, where that is the lane's end
    /// and the page leaves it open.
    pub(super) async fn settle_border(
        &mut self,
        positions: &mut Positions,
        page: &Page,
        reading: &Reading,
    ) -> Result<(), RunError> {
        if self.writer.cursor.end_ms != Some(reading.window.end_ms) {
            return Ok(());
        }
        let doubtful = position::doubtful(page, reading.window.end_ms);
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

    /// What JumpCloud has in the first millisecond behind the reading.
    async fn read_border(&mut self, reading: &Reading) -> Result<BTreeSet<Identity>, RunError> {
        let border_ms = reading.window.end_ms;
        let mut walk =
            Walk::new(Window::new(border_ms, border_ms + 1), self.engine.settings.page_limit);
        let mut found = BTreeSet::new();
        loop {
            let page = match self.ask(&walk, reading).await {
                Ok(page) => page,
                Err(InsightsError::TooLarge { token, .. }) => {
                    // The reading itself quarantines such a row by its position.
                    walk.too_large(token, border_ms)?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            self.report.pages += 1;
            found.extend(page.rows().iter().map(|row| row.identity));
            if walk.passed(&PageSummary::of(&page, position::last_ms(&page, border_ms)))?
                == Step::End
            {
                return Ok(found);
            }
        }
    }
}
