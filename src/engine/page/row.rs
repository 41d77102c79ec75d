//! The rows of an answer: the position of each in its bytes, and what decides its partition and
//! identity.

use std::borrow::Cow;
use std::sync::Arc;

use smol_str::SmolStr;

use crate::identity::{Identity, Instant};
use crate::json;

/// The bytes of an answer, shared by all that keep lines of it.
pub type PageBody = Arc<Vec<u8>>;

/// One element of the answer's array.
#[derive(Debug)]
pub struct Row {
    pub(super) range: Span,
    /// Whether its bytes may be written to a line of the archive unchanged.
    pub is_line: bool,
    /// Whether it contains an escape of a lone surrogate, which strict JSON parsers reject.
    pub has_lone_surrogate: bool,
    /// Its identity, which is what the index stores.
    pub identity: Identity,
    /// Its service, as it is written in keys.
    pub service: SmolStr,
    /// Whether it is an event.
    pub kind: RowKind,
}

/// What an element of the answer's array is.
#[derive(Debug)]
pub enum RowKind {
    /// A JSON object, whatever its members are.
    Event(Fields),
    /// Anything else, with the reason for which it is quarantined.
    Broken(&'static str),
}

/// The bytes of one row, shared with its page's body.
#[derive(Debug, Clone)]
pub struct Extract {
    pub(super) body: PageBody,
    pub(super) range: Span,
}

/// The positions of the four members that decide identity and partition of an event.
#[derive(Debug, Default)]
pub struct Fields {
    pub(super) organization: Option<Value>,
    pub(super) service: Option<Value>,
    pub(super) id: Option<Value>,
    pub(super) timestamp: Option<Value>,
    /// The timestamp in nanoseconds since 1970-01-01T00:00:00Z; `None` if it cannot be read.
    pub timestamp_ns: Option<i128>,
}

/// The texts of an event's members; `None` for a member that is absent, not a string, or empty.
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
pub(super) struct Span {
    start: u32,
    end: u32,
}

/// The position of a member's value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    /// The range of its JSON or, for text without an escape, of the text between its quotes.
    pub(super) range: Span,
    pub(super) is_plain: bool,
}

impl Fields {
    /// Reads the texts from `body`, which is the body of the page.
    pub(super) fn names<'a>(&self, body: &'a [u8]) -> Names<'a> {
        let text = |value: Option<Value>| value?.text(body).filter(|text| !text.is_empty());
        Names {
            organization: text(self.organization),
            service: text(self.service),
            id: text(self.id),
        }
    }

    pub(super) fn instant<'a>(&self, body: &'a [u8]) -> Instant<'a> {
        let raw = || self.timestamp.map_or(&[][..], |value| value.raw(body));
        self.timestamp_ns.map_or_else(|| Instant::Unreadable(raw()), Instant::Ns)
    }
}

impl Value {
    /// The value's text, decoded; `None` if the value is not a string.
    fn text(self, body: &[u8]) -> Option<Cow<'_, [u8]>> {
        let json = self.range.of(body);
        if self.is_plain { Some(Cow::Borrowed(json)) } else { json::text(json) }
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
}

impl Span {
    /// Bodies are limited to less than 4 GiB (`limits.rs` asserts it).
    pub(super) fn new(start: usize, end: usize) -> Self {
        let bounded = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { start: bounded(start), end: bounded(end) }
    }

    pub(super) fn of(self, body: &[u8]) -> &[u8] {
        &body[self.start as usize..self.end as usize]
    }
}
