//! One answer of JumpCloud: its bytes, the position of each row in them, and its headers.
//!
//! A page is used only as a whole: [`Page::parse`] reads it to its end before any of its rows can
//! be accessed, so part of a page is never archived.

pub mod envelope;
pub mod list;
pub mod list_body;
pub mod request;
pub mod service;
pub mod token;

pub mod row;
pub mod split;

pub use self::list::{EndsEarly, ListWalk, Next, listed_organization};
pub use self::request::{Ask, Query, Tries};
pub use self::row::{Extract, Fields, Names, PageBody, Row, RowKind};
pub use self::service::service_label;
pub use self::split::PageError;
pub use self::token::Token;

use std::sync::Arc;

use crate::json::ndjson::Json;
use crate::limits::PAGE_LIMIT_MAX;

/// One answer of `POST /events`.
#[derive(Debug)]
pub struct Page {
    body: PageBody,
    rows: Vec<Row>,
    /// The headers that paging depends on.
    pub headers: PageHeaders,
}

/// The headers of an answer. A header that is absent or cannot be read is `None`. Paging never
/// relies on a single one of them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct PageHeaders {
    /// `X-Limit`: the largest number of rows of this page.
    pub limit: Option<u64>,
    /// `X-Result-Count`: the number of rows in this answer.
    pub count: Option<u64>,
    /// `X-Search_after`: with it the next page is requested. It is sent with the last page, too.
    pub token: Option<Token>,
}

impl Page {
    /// Reads `body` to its end. `null` under a count of 0 is an empty page.
    ///
    /// # Errors
    /// [`PageError`] if it is anything but one JSON array, or is over a limit.
    pub fn parse(body: Vec<u8>, headers: PageHeaders) -> Result<Self, PageError> {
        Self::parse_or_return(body, headers).map_err(|(error, _)| error)
    }

    /// The same; a body that is not a page is given back.
    ///
    /// # Errors
    /// See [`Page::parse`].
    pub fn parse_or_return(
        body: Vec<u8>,
        headers: PageHeaders,
    ) -> Result<Self, (PageError, Vec<u8>)> {
        let announced = headers.count.and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
        let mut rows = Vec::with_capacity(announced.min(PAGE_LIMIT_MAX as usize));
        let is_null = headers.count == Some(0) && split::is_null(&body);
        match if is_null { Ok(()) } else { split::split(&body, &mut rows) } {
            Ok(()) => Ok(Self { body: Arc::new(body), rows, headers }),
            Err(error) => Err((error, body)),
        }
    }

    /// The rows, in the order of the answer.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Length of the body in bytes.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        self.body.len()
    }

    /// Whether an extract shares its body.
    #[cfg(test)]
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.body) > 1
    }

    /// The row's own bytes, as sent.
    #[must_use]
    pub fn bytes(&self, row: &Row) -> &[u8] {
        row.range.of(&self.body)
    }

    /// The row's own bytes, and what was found when they were read.
    #[must_use]
    pub fn json(&self, row: &Row) -> Json<'_> {
        let Row { is_line, has_lone_surrogate, .. } = *row;
        Json { text: self.bytes(row), is_line, has_lone_surrogate }
    }

    /// The row's own bytes, to be kept without a copy.
    #[must_use]
    pub fn extract(&self, row: &Row) -> Extract {
        Extract { body: Arc::clone(&self.body), range: row.range }
    }

    /// The texts of the row's members; all of them `None` if the row is not an event.
    #[must_use]
    pub fn names(&self, row: &Row) -> Names<'_> {
        match &row.kind {
            RowKind::Event(fields) => fields.names(&self.body),
            RowKind::Broken(_) => Names::default(),
        }
    }
}
