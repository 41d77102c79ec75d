//! `OUTPUT_FORMAT=raw`: the event's own JSON, byte for byte.
//!
//! Two exceptions, neither of which changes a JSON value: line breaks between tokens are removed,
//! and raw U+2028, U+2029 and U+0085 are written as escapes, because some readers split lines
//! there (Datadog's forwarder uses Python's `splitlines`).

use super::surrogates;

/// JSON that becomes a line, and what is known of its bytes, so that they are scanned only once.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a> {
    /// Its bytes, as sent.
    pub text: &'a [u8],
    /// Whether they may be written to a line unchanged.
    pub is_line: bool,
    /// Whether they contain an escape of a lone surrogate, which strict JSON parsers reject.
    pub has_lone_surrogate: bool,
}

impl<'a> Json<'a> {
    /// Scans `text`, which must be valid JSON in UTF-8.
    #[must_use]
    pub fn of(text: &'a [u8]) -> Self {
        let is_plain = is_plain(text);
        let is_line = is_plain || is_as_is(text);
        let has_lone_surrogate = !is_plain && surrogates::lone(text).next().is_some();
        Self { text, is_line, has_lone_surrogate }
    }

    /// Appends it in the form in which it is written to a line.
    pub fn write(self, line: &mut Vec<u8>) {
        if self.is_line {
            line.extend_from_slice(self.text);
        } else {
            write(line, self.text);
        }
    }
}

fn write(line: &mut Vec<u8>, json: &[u8]) {
    let mut copied = 0;
    for (at, length, replacement) in exceptions(json) {
        line.extend_from_slice(&json[copied..at]);
        line.extend_from_slice(replacement.as_bytes());
        copied = at + length;
    }
    line.extend_from_slice(&json[copied..]);
}

/// Whether `json` may be written to a line unchanged.
fn is_as_is(json: &[u8]) -> bool {
    memchr::memchr2(b'\n', b'\r', json).is_none() && separators(json).next().is_none()
}

/// Whether `json` is free of every byte that an exception or an escape begins with. Most events are,
/// and then no more need be asked of their bytes.
fn is_plain(json: &[u8]) -> bool {
    memchr::memchr3(b'\\', 0xc2, 0xe2, json).is_none()
        && memchr::memchr2(b'\n', b'\r', json).is_none()
}

/// The exceptions in order: the position of each, its length in bytes, and what is written instead.
///
/// Raw line breaks occur only between JSON tokens and the other characters only inside strings, so
/// the context of each need not be known.
fn exceptions(bytes: &[u8]) -> impl Iterator<Item = (usize, usize, &'static str)> {
    let mut breaks = memchr::memchr2_iter(b'\n', b'\r', bytes).map(|at| (at, 1, "")).peekable();
    let mut separators = separators(bytes).peekable();
    std::iter::from_fn(move || match (breaks.peek(), separators.peek()) {
        (Some(a), Some(b)) if b < a => separators.next(),
        (Some(_), _) => breaks.next(),
        (None, _) => separators.next(),
    })
}

/// The exceptions that are characters of more than one byte.
fn separators(bytes: &[u8]) -> impl Iterator<Item = (usize, usize, &'static str)> {
    memchr::memchr2_iter(0xc2, 0xe2, bytes).filter_map(|at| match bytes[at..] {
        [0xc2, 0x85, ..] => Some((at, 2, "\\u0085")),
        [0xe2, 0x80, 0xa8, ..] => Some((at, 3, "\\u2028")),
        [0xe2, 0x80, 0xa9, ..] => Some((at, 3, "\\u2029")),
        _ => None,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn line(event: &str) -> String {
        let mut line = Vec::new();
        write(&mut line, event.as_bytes());
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn an_event_is_written_as_it_came() {
        for event in [
            r#"{"n":1.50,"big":12345678901234567890,"s":"\u00e9é\ud800","a":1,"a":2}"#,
            r#"{ "spaces" :	"kept" }"#,
        ] {
            assert_eq!(line(event), event);
        }
    }

    #[test]
    fn only_what_would_break_a_line_is_changed() {
        assert_eq!(line("{\r\n  \"a\":\n1\r}"), "{  \"a\":1}");
        let event = "{\"a\":\"x\u{2028}y\u{2029}z\u{85}é™\"}";
        let written = line(event);
        assert_eq!(written, "{\"a\":\"x\\u2028y\\u2029z\\u0085é™\"}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&written), value(event));
    }

    proptest::proptest! {
        #[test]
        fn a_line_is_one_line_and_the_same_value(texts: Vec<String>, pretty: bool) {
            let value = serde_json::json!({ "texts": texts });
            let event = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let written = line(&event.unwrap());
            proptest::prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), value);
            let breaks = ['\n', '\r', '\u{2028}', '\u{2029}', '\u{85}'];
            proptest::prop_assert!(!written.contains(breaks));
        }
    }
}
