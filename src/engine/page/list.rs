//! Paging through a console's list by number of rows. Pure.
//!
//! A page may be short anywhere, and rows may move between pages while the list changes: only the
//! total tells the end, and a row that was seen before is no reason to stop.

/// Where a pass through a list stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListWalk {
    /// Rows that came so far, which are left out of the next page.
    pub skip: u64,
}

/// What comes after a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another page, from [`ListWalk::skip`] on.
    Page,
    /// Nothing: as many rows came as the list has.
    End,
}

/// The list ended before its own total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("JumpCloud's list ends after {received} rows, its totalCount is {total}")]
pub struct EndsEarly {
    /// Rows that came.
    pub received: u64,
    /// Rows the list should have.
    pub total: u64,
}

impl ListWalk {
    /// Takes a page of `rows` rows of a list that now has `total`.
    ///
    /// # Errors
    /// [`EndsEarly`] for an empty page in front of the end: asking again would bring it again.
    pub fn take(&mut self, rows: usize, total: u64) -> Result<Next, EndsEarly> {
        self.skip += rows as u64;
        match rows {
            _ if self.skip >= total => Ok(Next::End),
            0 => Err(EndsEarly { received: self.skip, total }),
            _ => Ok(Next::Page),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_total_tells_the_end() {
        let mut walk = ListWalk::default();
        assert_eq!(walk.take(100, 230), Ok(Next::Page));
        assert_eq!(walk.take(3, 230), Ok(Next::Page), "a short page");
        assert_eq!(walk.take(100, 203), Ok(Next::End), "the list became shorter");
        assert_eq!(walk.skip, 203);
        assert_eq!(ListWalk::default().take(0, 0), Ok(Next::End), "an empty list");
    }

    #[test]
    fn an_empty_page_in_front_of_the_end_is_an_error() {
        let mut walk = ListWalk::default();
        assert_eq!(walk.take(100, 230), Ok(Next::Page));
        assert_eq!(walk.take(0, 230), Err(EndsEarly { received: 100, total: 230 }));
    }
}
