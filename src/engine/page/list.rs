//! Paging through a list of the console API by number of rows. Pure.
//!
//! Any page may be short, and rows may move between pages while the list changes. So only the total
//! shows where the list ends, and a row that was received before does not end it.

use serde::Deserialize;

use crate::stream::is_object_id;

/// The position of a pass through a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListWalk {
    /// Number of rows received so far, which the next request skips.
    pub skip: u64,
}

/// What to do after a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Request another page, from [`ListWalk::skip`] on.
    Page,
    /// Stop: as many rows were received as the list has.
    End,
}

/// The list sent an empty page before as many rows were received as its total says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("JumpCloud's list ends after {received} rows, its totalCount is {total}")]
pub struct EndsEarly {
    /// Rows received.
    pub received: u64,
    /// The list's `totalCount`.
    pub total: u64,
}

impl ListWalk {
    /// Records a page of `rows` rows of a list that now has `total` rows.
    ///
    /// # Errors
    /// [`EndsEarly`] for an empty page before the end: the same request would give the same page
    /// again.
    pub fn take(&mut self, rows: usize, total: u64) -> Result<Next, EndsEarly> {
        self.skip += rows as u64;
        match rows {
            _ if self.skip >= total => Ok(Next::End),
            0 => Err(EndsEarly { received: self.skip, total }),
            _ => Ok(Next::Page),
        }
    }
}

/// The organization that a row names: the administrator's list calls it `_id`, a provider's `id`.
///
/// # Errors
/// What the row is instead, in plain words.
pub fn listed_organization(row: &[u8]) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Row {
        #[serde(rename = "_id")]
        own_id: Option<String>,
        id: Option<String>,
    }
    let row: Row = serde_json::from_slice(row).map_err(|_| {
        "JumpCloud lists an organization that is not an object with an id".to_owned()
    })?;
    let id = row.own_id.or(row.id).ok_or("JumpCloud lists an organization without an id")?;
    if is_object_id(&id) {
        return Ok(id);
    }
    // What is there instead is not quoted: this crate knows no secret that it could remove from it.
    let length = id.chars().count();
    Err(format!(
        "JumpCloud lists an organization by an id of {length} characters, expected 24 lower-case \
         hex digits"
    ))
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
