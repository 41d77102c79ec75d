//! One answer of JumpCloud: its bytes, where each row lies in them, and what its headers say.
//!
//! A page is usable only as a whole: [`Page::parse`] reads it to its end before any row of it can
//! be seen, so half a page is never archived.

mod split;

use std::borrow::Cow;
use std::sync::Arc;

use smol_str::SmolStr;

use crate::event;
use crate::identity::{Identity, Instant};
use crate::limits::{PAGE_LIMIT_MAX, PAGE_ROWS_MAX};
use crate::token::Token;

/// The bytes of an answer. Whoever holds lines of it shares them.
pub type PageBody = Arc<Vec<u8>>;

/// One answer of `POST /events`.
#[derive(Debug)]
pub struct Page {
    body: PageBody,
    rows: Vec<Row>,
    /// What the headers said.
    pub headers: PageHeaders,
}

/// The headers of an answer. An absent or unreadable one is `None`: none of them is trusted alone.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct PageHeaders {
    /// `X-Limit`: the page size in force.
    pub limit: Option<u64>,
    /// `X-Result-Count`: rows in this answer.
    pub count: Option<u64>,
    /// `X-Search_after`: where the next page begins. Sent with the last page, too.
    pub token: Option<Token>,
}

/// One element of the answer's array.
#[derive(Debug)]
pub struct Row {
    range: Span,
    /// Whether its bytes may stand in a line of the archive as they are.
    pub is_line: bool,
    /// What stands for it in the index.
    pub identity: Identity,
    /// Its service, as it stands in keys.
    pub service: SmolStr,
    /// What it is.
    pub kind: RowKind,
}

/// What an element of the answer's array is.
#[derive(Debug)]
pub enum RowKind {
    /// A JSON object, however odd.
    Event(Fields),
    /// Something else, with the reason it is quarantined for.
    Broken(&'static str),
}

/// The bytes of one row, which keep their page's body.
#[derive(Debug, Clone)]
pub struct Extract {
    body: PageBody,
    range: Span,
}

/// Where the four members lie that decide what becomes of an event.
#[derive(Debug, Default)]
pub struct Fields {
    organization: Option<Value>,
    service: Option<Value>,
    id: Option<Value>,
    timestamp: Option<Value>,
    /// The timestamp in nanoseconds since the epoch, where it can be read.
    pub timestamp_ns: Option<i128>,
}

/// What an event's members say, each where it is text that is not empty.
#[derive(Debug, Default)]
pub struct Names<'a> {
    /// `organization`.
    pub organization: Option<Cow<'a, [u8]>>,
    /// `service`.
    pub service: Option<Cow<'a, [u8]>>,
    /// `id`.
    pub id: Option<Cow<'a, [u8]>>,
}

/// Byte positions in the body; a page is shorter than 4 GiB.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

/// Where a member's value lies.
#[derive(Debug, Clone, Copy)]
struct Value {
    /// Its JSON; between the quotes, if it is text without an escape.
    range: Span,
    is_plain: bool,
}

/// The body is not the array of rows it should be. The request is made again.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PageError {
    /// Valid or not, it does not begin as an array.
    #[error("expected a JSON array, the answer begins with `{0}`")]
    NotAnArray(String),
    /// It begins as an array and is not one to its end.
    #[error("the array of events is broken at byte {at} of {length}")]
    Garbled {
        /// Where reading stopped.
        at: usize,
        /// Length of the body.
        length: usize,
    },
    /// A JSON array, but nothing asks for so many rows, and each takes memory.
    #[error("expected {asked} rows at most, the array has more than {max}", asked = PAGE_LIMIT_MAX, max = PAGE_ROWS_MAX)]
    TooMany,
}

impl Page {
    /// Reads `body` to its end.
    ///
    /// # Errors
    /// [`PageError`] if it is anything but one JSON array, or has more than [`PAGE_ROWS_MAX`] rows.
    pub fn parse(body: Vec<u8>, headers: PageHeaders) -> Result<Self, PageError> {
        Self::parse_into(Vec::new(), body, headers)
    }

    /// The same, with the memory of another page's rows.
    ///
    /// # Errors
    /// [`PageError`] if it is anything but one JSON array, or has more than [`PAGE_ROWS_MAX`] rows.
    pub fn parse_into(
        mut rows: Vec<Row>,
        body: Vec<u8>,
        headers: PageHeaders,
    ) -> Result<Self, PageError> {
        let announced = headers.count.and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
        rows.clear();
        rows.reserve_exact(announced.min(PAGE_LIMIT_MAX as usize));
        split::split(&body, &mut rows)?;
        Ok(Self { body: Arc::new(body), rows, headers })
    }

    /// The rows, in the order they came.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Bytes held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Whether no row came.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Body and rows, for their memory to be used again; the body's once nobody shares it.
    #[must_use]
    pub fn into_parts(self) -> (PageBody, Vec<Row>) {
        (self.body, self.rows)
    }

    /// The row's own bytes, as sent.
    #[must_use]
    pub fn bytes(&self, row: &Row) -> &[u8] {
        row.range.of(&self.body)
    }

    /// The same, to be kept without a copy.
    #[must_use]
    pub fn extract(&self, row: &Row) -> Extract {
        Extract { body: Arc::clone(&self.body), range: row.range }
    }

    /// What the row's members say; nothing for what is no event.
    #[must_use]
    pub fn names(&self, row: &Row) -> Names<'_> {
        match &row.kind {
            RowKind::Event(fields) => fields.names(&self.body),
            RowKind::Broken(_) => Names::default(),
        }
    }
}

impl Fields {
    /// `body` is the page's they lie in.
    fn names<'a>(&self, body: &'a [u8]) -> Names<'a> {
        let text = |value: Option<Value>| value?.text(body).filter(|text| !text.is_empty());
        Names {
            organization: text(self.organization),
            service: text(self.service),
            id: text(self.id),
        }
    }

    fn instant<'a>(&self, body: &'a [u8]) -> Instant<'a> {
        let raw = || self.timestamp.map_or(&[][..], |value| value.raw(body));
        self.timestamp_ns.map_or_else(|| Instant::Unreadable(raw()), Instant::Ns)
    }
}

impl Value {
    /// Its text, decoded; `None` for every other type.
    fn text(self, body: &[u8]) -> Option<Cow<'_, [u8]>> {
        let json = self.range.of(body);
        if self.is_plain { Some(Cow::Borrowed(json)) } else { event::text(json) }
    }

    /// Its JSON.
    fn raw(self, body: &[u8]) -> &[u8] {
        let Self { range: Span { start, end }, is_plain } = self;
        let quote = u32::from(is_plain);
        Span { start: start - quote, end: end + quote }.of(body)
    }
}

impl Extract {
    /// The row's own bytes, as sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.range.of(&self.body)
    }

    /// Whether it keeps the body of `page`.
    #[must_use]
    pub fn is_of(&self, page: &Page) -> bool {
        Arc::ptr_eq(&self.body, &page.body)
    }
}

impl Span {
    /// Bodies are limited to less than 4 GiB (`limits.rs` asserts it).
    fn new(start: usize, end: usize) -> Self {
        let bounded = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { start: bounded(start), end: bounded(end) }
    }

    fn of(self, body: &[u8]) -> &[u8] {
        &body[self.start as usize..self.end as usize]
    }
}
