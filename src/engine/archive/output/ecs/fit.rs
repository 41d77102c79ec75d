//! Whether an ECS field allows a value of an event, and how texts are written in a document.

use std::borrow::Cow;

use super::table::Fit;
use crate::json::{self, ndjson::Json, surrogates};
use crate::time;

/// Whether a scalar value of the event fits.
pub(super) fn fits(value: &[u8], fit: Fit) -> bool {
    let number = || {
        let is_number = value.first().is_some_and(|first| *first == b'-' || first.is_ascii_digit());
        std::str::from_utf8(value).ok().filter(|_| is_number)
    };
    match fit {
        Fit::Any => true,
        Fit::Text => value.starts_with(b"\""),
        Fit::Number => number().and_then(|text| text.parse::<f64>().ok()).is_some(),
        Fit::Long => number().and_then(|text| text.parse::<i64>().ok()).is_some(),
        Fit::Ip => text(value).is_some_and(|text| text.parse::<core::net::IpAddr>().is_ok()),
        Fit::Date => text(value).is_some_and(|text| time::parse_ns(&text).is_some()),
    }
}

/// Whether a number is between `-limit` and `limit`, both inclusive.
pub(super) fn is_within(number: &[u8], limit: f64) -> bool {
    let number = std::str::from_utf8(number).ok().and_then(|text| text.parse::<f64>().ok());
    number.is_some_and(|number| number.abs() <= limit)
}

/// The decoded text of a JSON string; `None` for other values.
fn text(value: &[u8]) -> Option<Cow<'_, str>> {
    match json::text(value)? {
        Cow::Borrowed(text) => std::str::from_utf8(text).ok().map(Cow::Borrowed),
        Cow::Owned(text) => String::from_utf8(text).ok().map(Cow::Owned),
    }
}

/// Appends the time of a JSON string that fits a date, in UTC, rounded down to the millisecond.
pub(super) fn write_time(json: &mut Vec<u8>, value: &[u8]) {
    let Some(text) = text(value) else { return };
    json.push(b'"');
    match text.as_bytes() {
        // The usual form: `2023-06-15T14:21:10Z`, with or without a fraction.
        plain @ [.., b'Z'] if is_plain(plain) => {
            json.extend_from_slice(&plain[..19]);
            let digits = plain[19..plain.len() - 1].iter().skip(1).chain(b"000").take(3);
            json.push(b'.');
            json.extend(digits);
            json.push(b'Z');
        }
        _ => {
            let ms = time::parse_ns(&text).map_or(0, time::floor_ms);
            json.extend_from_slice(time::rfc3339(ms).as_bytes());
        }
    }
    json.push(b'"');
}

/// Whether the text of a time has its parts at the positions of RFC 3339, and no leap second.
fn is_plain(text: &[u8]) -> bool {
    let is_at = |at: usize, byte: u8| text.get(at) == Some(&byte);
    let fraction = text.get(19..text.len() - 1).unwrap_or(b"?");
    let has_fraction =
        fraction.first() == Some(&b'.') && fraction[1..].iter().all(u8::is_ascii_digit);
    is_at(4, b'-')
        && is_at(7, b'-')
        && is_at(10, b'T')
        && is_at(13, b':')
        && is_at(16, b':')
        && !is_at(17, b'6')
        && (fraction.is_empty() || has_fraction)
}

/// Appends `text` as a JSON string, with characters escaped at which some readers split lines.
pub(super) fn write_text(json: &mut Vec<u8>, text: &[u8]) {
    json.push(b'"');
    let mut rest = text;
    while let Some(plain) = rest.iter().position(|byte| MAY_NEED_ESCAPE[usize::from(*byte)]) {
        json.extend_from_slice(&rest[..plain]);
        rest = &rest[plain..];
        let (escape, length): (&[u8], _) = match rest {
            [b'"', ..] => (b"\\\"", 1),
            [b'\\', ..] => (b"\\\\", 1),
            [b'\n', ..] => (b"\\n", 1),
            [b'\r', ..] => (b"\\r", 1),
            [b'\t', ..] => (b"\\t", 1),
            [control @ 0..0x20, ..] => (&unicode_escape(*control), 1),
            [0xc2, 0x85, ..] => (b"\\u0085", 2),
            [0xe2, 0x80, 0xa8, ..] => (b"\\u2028", 3),
            [0xe2, 0x80, 0xa9, ..] => (b"\\u2029", 3),
            other => (&other[..1], 1),
        };
        json.extend_from_slice(escape);
        rest = &rest[length..];
    }
    json.extend_from_slice(rest);
    json.push(b'"');
}

/// The bytes that begin a character that may have to be escaped.
const MAY_NEED_ESCAPE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table[0xc2] = true;
    table[0xe2] = true;
    table
};

fn unicode_escape(control: u8) -> [u8; 6] {
    let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble & 15)];
    [b'\\', b'u', b'0', b'0', digit(control >> 4), digit(control)]
}

/// The event on one line, with U+FFFD in place of every escape of a lone surrogate, which is valid
/// JSON but cannot be represented in UTF-8.
pub(super) fn without_lone_surrogates(event: Json<'_>) -> Cow<'_, [u8]> {
    if event.is_line && !event.has_lone_surrogate {
        return Cow::Borrowed(event.text);
    }
    let mut whole = Vec::with_capacity(event.text.len());
    event.write(&mut whole);
    let halves: Vec<_> = surrogates::lone(&whole).collect();
    for at in halves {
        whole[at..at + 6].copy_from_slice(b"\\ufffd");
    }
    Cow::Owned(whole)
}
