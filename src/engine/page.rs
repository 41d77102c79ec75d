//! One answer of JumpCloud: its bytes, where each row lies in them, and what its headers say.
//!
//! A page is usable only as a whole: [`Page::parse`] reads it to its end before any row of it can
//! be seen, so half a page is never archived.

use std::borrow::Cow;
use std::sync::Arc;

use serde::de::IgnoredAny;

use crate::event::{self, Member};
use crate::limits::PAGE_LIMIT_MAX;
use crate::time;
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
}

impl Page {
    /// Reads `body` to its end.
    ///
    /// # Errors
    /// [`PageError`] if it is anything but one JSON array.
    pub fn parse(body: Vec<u8>, headers: PageHeaders) -> Result<Self, PageError> {
        let announced = headers.count.and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
        let rows = split(&body, announced.min(PAGE_LIMIT_MAX as usize))?;
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

    /// The body, for its memory to be used again once nobody shares it.
    #[must_use]
    pub fn into_body(self) -> PageBody {
        self.body
    }

    /// The row's own bytes, as sent.
    #[must_use]
    pub fn bytes(&self, row: &Row) -> &[u8] {
        self.slice(row.range)
    }

    /// The same, to be kept without a copy.
    #[must_use]
    pub fn extract(&self, row: &Row) -> Extract {
        Extract { body: Arc::clone(&self.body), range: row.range }
    }

    /// What the row's members say; nothing for what is no event.
    #[must_use]
    pub fn names(&self, row: &Row) -> Names<'_> {
        let RowKind::Event(fields) = &row.kind else { return Names::default() };
        Names {
            organization: self.text(fields.organization),
            service: self.text(fields.service),
            id: self.text(fields.id),
        }
    }

    /// The raw JSON of the event's `timestamp`; empty if there is none.
    #[must_use]
    pub fn raw_timestamp(&self, fields: &Fields) -> &[u8] {
        let raw = |Value { range, is_plain }| {
            let quote = u32::from(is_plain);
            self.slice(Span { start: range.start - quote, end: range.end + quote })
        };
        fields.timestamp.map_or(&[], raw)
    }

    fn text(&self, value: Option<Value>) -> Option<Cow<'_, [u8]>> {
        let Value { range, is_plain } = value?;
        let json = self.slice(range);
        let text = if is_plain { Some(Cow::Borrowed(json)) } else { event::text(json) };
        text.filter(|text| !text.is_empty())
    }

    fn slice(&self, span: Span) -> &[u8] {
        span.of(&self.body)
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

/// The rows of `body`; there are probably `announced`.
fn split(body: &[u8], announced: usize) -> Result<Vec<Row>, PageError> {
    let garbled = |at| PageError::Garbled { at, length: body.len() };
    // Asked once for the whole page: nearly always yes, and then no row needs to be asked again.
    let text = std::str::from_utf8(body).ok();
    let mut at = skip_space(body, 0);
    if body.get(at) != Some(&b'[') {
        return Err(PageError::NotAnArray(first_character(&body[at..])));
    }
    let mut rows = Vec::with_capacity(announced);
    at = skip_space(body, at + 1);
    if body.get(at) == Some(&b']') {
        return end_of(body, at + 1).map(|()| rows);
    }
    loop {
        let (end, kind) = element(body, text, at).ok_or_else(|| garbled(at))?;
        rows.push(Row { range: Span::new(at, end), kind });
        at = skip_space(body, end);
        match body.get(at) {
            Some(b',') => at = skip_space(body, at + 1),
            Some(b']') => return end_of(body, at + 1).map(|()| rows),
            _ => return Err(garbled(at)),
        }
    }
}

fn end_of(body: &[u8], at: usize) -> Result<(), PageError> {
    let at = skip_space(body, at);
    if at == body.len() { Ok(()) } else { Err(PageError::Garbled { at, length: body.len() }) }
}

/// Reads the element that begins at `at`; returns where it ends. `None` if it is no JSON.
fn element(body: &[u8], text: Option<&str>, at: usize) -> Option<(usize, RowKind)> {
    if body.get(at) != Some(&b'{') {
        let end = at + json_length(&body[at..])?;
        return Some((end, RowKind::Broken("not a JSON object")));
    }
    let Some(text) = text else {
        let end = at + json_length(&body[at..])?;
        let Ok(own) = std::str::from_utf8(&body[at..end]) else {
            return Some((end, RowKind::Broken("not UTF-8")));
        };
        let (_, fields) = fields(own, body)?;
        return Some((end, RowKind::Event(fields)));
    };
    let (length, fields) = fields(text.get(at..)?, body)?;
    Some((at + length, RowKind::Event(fields)))
}

/// Reads the object at the front of `text`, which lies in `body`; returns its length.
fn fields(text: &str, body: &[u8]) -> Option<(usize, Fields)> {
    let (members, length) = event::members(text)?;
    let value = |member: Member<'_>| {
        let (json, is_plain) = match member {
            Member::Plain(text) => (text, true),
            Member::Raw(raw) => (raw.get(), false),
        };
        let start = json.as_ptr().addr() - body.as_ptr().addr();
        Value { range: Span::new(start, start + json.len()), is_plain }
    };
    let timestamp_ns = members
        .timestamp
        .and_then(Member::text)
        .and_then(|text| time::parse_ns(std::str::from_utf8(&text).ok()?));
    let fields = Fields {
        organization: members.organization.map(value),
        service: members.service.map(value),
        id: members.id.map(value),
        timestamp: members.timestamp.map(value),
        timestamp_ns,
    };
    Some((length, fields))
}

/// Length of the JSON value at the front of `bytes`, whose strings need not be UTF-8.
fn json_length(bytes: &[u8]) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

fn skip_space(body: &[u8], at: usize) -> usize {
    let space = |b: &u8| !matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    body[at..].iter().position(space).map_or(body.len(), |n| at + n)
}

/// One character is enough to tell HTML from an error object, and shows nobody's data.
fn first_character(body: &[u8]) -> String {
    match body.first() {
        None => "nothing".to_owned(),
        Some(b) if b.is_ascii_graphic() => char::from(*b).to_string(),
        Some(b) => format!("0x{b:02x}"),
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn page(body: &[u8]) -> Result<Page, PageError> {
        Page::parse(body.to_vec(), PageHeaders::default())
    }

    #[test]
    fn rows_are_the_bytes_between_the_commas() {
        let body = b" [ {\"id\" : \"a\"} ,{\"id\":\"b\",\"n\":1.50}\n]\n";
        let page = page(body).unwrap();
        let rows: Vec<_> = page.rows().iter().map(|r| page.bytes(r)).collect();
        assert_eq!(rows, [&b"{\"id\" : \"a\"}"[..], b"{\"id\":\"b\",\"n\":1.50}"]);
        assert_eq!(page.names(&page.rows()[1]).id.unwrap().as_ref(), b"b");
    }

    #[test]
    fn empty_arrays_are_pages_without_rows() {
        assert!(page(b"[]").unwrap().is_empty());
        assert!(page(b" [\n] ").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_array_to_its_end_is_no_page() {
        for body in ["", "null", "{}", "<html>", "{\"message\":\"x\"}"] {
            assert!(matches!(page(body.as_bytes()), Err(PageError::NotAnArray(_))), "{body}");
        }
        for body in [
            "[",
            "[{}",
            "[{},",
            "[{},]",
            "[{}]x",
            "[{\"a\":tru}]",
            "[{\"a\"}]",
            "[{} {}]",
            "[{\"a\":\"\n\"}]",
        ] {
            assert!(matches!(page(body.as_bytes()), Err(PageError::Garbled { .. })), "{body}");
        }
    }

    #[test]
    fn broken_rows_do_not_take_their_neighbours_along() {
        let page = page(b"[{\"id\":\"a\"},42,null,{\"id\":\"\xff\"},[{}],{\"id\":\"b\"}]").unwrap();
        let kinds: Vec<_> = page
            .rows()
            .iter()
            .map(|row| match &row.kind {
                RowKind::Event(_) => "event",
                RowKind::Broken(reason) => reason,
            })
            .collect();
        assert_eq!(
            kinds,
            [
                "event",
                "not a JSON object",
                "not a JSON object",
                "not UTF-8",
                "not a JSON object",
                "event"
            ]
        );
        assert_eq!(page.bytes(&page.rows()[3]), b"{\"id\":\"\xff\"}");
    }
}
