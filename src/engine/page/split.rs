//! Splits an answer's array into its rows, in one pass over its bytes.

use serde::de::IgnoredAny;
use smol_str::SmolStr;

use super::row::{Fields, Names, Row, RowKind, Span, Value};
use crate::identity::Identity;
use crate::json::ndjson::Json;
use crate::limits::{PAGE_LIMIT_MAX, PAGE_ROWS_MAX, ROW_BYTES_MAX};
use crate::page::envelope::{self, Member};
use crate::page::service_label;
use crate::time;

/// The body is not an array of rows. The caller makes the request again.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PageError {
    /// It does not begin as an array.
    #[error("expected a JSON array, the answer begins with `{0}`")]
    NotAnArray(String),
    /// It begins as an array but is not a valid one to its end.
    #[error("the array of events is broken at byte {at} of {length}")]
    Garbled {
        /// The byte at which reading stopped.
        at: usize,
        /// Length of the body in bytes.
        length: usize,
    },
    /// An array with more rows than any request asks for. Each row takes memory.
    #[error("expected {asked} rows at most, the array has more than {max}", asked = PAGE_LIMIT_MAX, max = PAGE_ROWS_MAX)]
    TooMany,
    /// A row is larger than one may be.
    #[error("an event of {length} bytes is larger than {ROW_BYTES_MAX}")]
    TooLarge {
        /// Length of the row.
        length: usize,
    },
}

/// Adds the rows of `body` to `rows`.
pub(super) fn split(body: &[u8], rows: &mut Vec<Row>) -> Result<(), PageError> {
    let garbled = |at| PageError::Garbled { at, length: body.len() };
    // Checked once for the whole page, which is nearly always UTF-8: then no row needs to be
    // checked.
    let text = simdutf8::basic::from_utf8(body).ok();
    let mut at = skip_space(body, 0);
    if body.get(at) != Some(&b'[') {
        return Err(PageError::NotAnArray(first_character(&body[at..])));
    }
    at = skip_space(body, at + 1);
    if body.get(at) == Some(&b']') {
        return end_of(body, at + 1);
    }
    loop {
        let (end, kind) = element(body, text, at).ok_or_else(|| garbled(at))?;
        if rows.len() == PAGE_ROWS_MAX {
            return Err(PageError::TooMany);
        }
        if end - at > ROW_BYTES_MAX {
            return Err(PageError::TooLarge { length: end - at });
        }
        // All checks of a row are made while it is in the processor's cache, which is smaller than
        // a page.
        let bytes = &body[at..end];
        let Json { is_line, has_lone_surrogate, .. } = Json::of(bytes);
        let (identity, service) = named(&kind, bytes, body);
        let range = Span::new(at, end);
        rows.push(Row { range, is_line, has_lone_surrogate, identity, service, kind });
        at = skip_space(body, end);
        match body.get(at) {
            Some(b',') => at = skip_space(body, at + 1),
            Some(b']') => return end_of(body, at + 1),
            _ => return Err(garbled(at)),
        }
    }
}

/// Whether a body is `null` and nothing else.
pub(super) fn is_null(body: &[u8]) -> bool {
    let rest = body[skip_space(body, 0)..].strip_prefix(b"null");
    rest.is_some_and(|rest| skip_space(rest, 0) == rest.len())
}

/// The bytes between the brackets of an answer that should be an array of one row and cannot be
/// read. `None` if there are no brackets, nothing between them, or more than a row may have.
#[must_use]
pub fn between_brackets(body: &[u8]) -> Option<&[u8]> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let trimmed = |bytes: &[u8]| {
        let start = skip_space(bytes, 0);
        let end = bytes.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
        start..end
    };
    let array = body[trimmed(body)].strip_prefix(b"[")?.strip_suffix(b"]")?;
    let row = &array[trimmed(array)];
    (!row.is_empty() && row.len() <= ROW_BYTES_MAX).then_some(row)
}

fn end_of(body: &[u8], at: usize) -> Result<(), PageError> {
    let at = skip_space(body, at);
    if at == body.len() { Ok(()) } else { Err(PageError::Garbled { at, length: body.len() }) }
}

/// Reads the element that begins at `at`; returns where it ends. `None` if it is not valid JSON.
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

/// The identity of a row, and its service as it is written in keys.
fn named(kind: &RowKind, row: &[u8], body: &[u8]) -> (Identity, SmolStr) {
    let RowKind::Event(fields) = kind else {
        return (Identity::of_bytes(row), service_label(None).into());
    };
    let Names { organization, service, id } = fields.names(body);
    let label = service_label(service.as_deref()).into();
    let Some(id) = id else { return (Identity::of_bytes(row), label) };
    let [organization, service] = [organization, service].map(Option::unwrap_or_default);
    let identity = Identity::of_event(&organization, &service, &id, fields.instant(body));
    (identity, label)
}

/// Reads the object at the beginning of `text`, which is part of `body`; returns its length.
fn fields(text: &str, body: &[u8]) -> Option<(usize, Fields)> {
    let (members, length) = envelope::members(text)?;
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

/// Length of the JSON value at the beginning of `bytes`, whose strings need not be UTF-8.
pub(super) fn json_length(bytes: &[u8]) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

pub(super) fn skip_space(body: &[u8], at: usize) -> usize {
    let space = |b: &u8| !matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    body[at..].iter().position(space).map_or(body.len(), |n| at + n)
}

/// The first character of the answer: enough to distinguish HTML from an error object, without any
/// data.
fn first_character(body: &[u8]) -> String {
    match body.first() {
        None => "nothing".to_owned(),
        Some(b) if b.is_ascii_graphic() => char::from(*b).to_string(),
        Some(b) => format!("0x{b:02x}"),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::{Page, PageHeaders};
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
        assert!(page(b"[]").unwrap().rows().is_empty());
        assert!(page(b" [\n] ").unwrap().rows().is_empty());
    }

    #[test]
    fn a_body_that_is_not_an_array_to_its_end_is_not_a_page() {
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
    fn an_array_of_too_many_rows_is_not_a_page() {
        let body = |rows: usize| format!("[{}1]", "1,".repeat(rows - 1)).into_bytes();
        let largest = Page::parse(body(PAGE_ROWS_MAX), PageHeaders::default()).unwrap();
        assert_eq!(largest.rows().len(), PAGE_ROWS_MAX);
        let more = Page::parse(body(PAGE_ROWS_MAX + 1), PageHeaders::default());
        assert_eq!(more.unwrap_err(), PageError::TooMany);
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

    #[test]
    fn null_is_an_empty_page_only_where_no_rows_are_announced() {
        let counted = |body: &[u8], count| {
            let headers = PageHeaders { count, ..PageHeaders::default() };
            Page::parse(body.to_vec(), headers).map(|page| page.rows().len())
        };
        assert_eq!(counted(b" null\n", Some(0)), Ok(0));
        for (body, count) in [
            (&b"null"[..], None),
            (b"null", Some(1)),
            (b"nul", Some(0)),
            (b"nullx", Some(0)),
            (b"{}", Some(0)),
        ] {
            assert!(
                matches!(counted(body, count), Err(PageError::NotAnArray(_))),
                "{body:?} {count:?}"
            );
        }
    }

    #[test]
    fn a_row_over_the_limit_is_no_page() {
        let row =
            |length: usize| format!("[{{\"x\":\"{}\"}}]", "x".repeat(length - 8)).into_bytes();
        assert!(page(&row(ROW_BYTES_MAX)).is_ok());
        let length = ROW_BYTES_MAX + 1;
        assert_eq!(page(&row(length)).unwrap_err(), PageError::TooLarge { length });
    }

    #[test]
    fn the_only_element_is_found_between_the_brackets() {
        for (body, row) in [
            ("[NaN]", Some("NaN")),
            (" [ {\"a\":NaN} ]\r\n", Some("{\"a\":NaN}")),
            ("[[]", Some("[")),
            ("[]", None),
            ("[ ]", None),
            ("[", None),
            ("", None),
            ("{\"a\":1}", None),
            ("[{\"a\":1}", None),
        ] {
            assert_eq!(between_brackets(body.as_bytes()), row.map(str::as_bytes), "{body}");
        }
    }
}
