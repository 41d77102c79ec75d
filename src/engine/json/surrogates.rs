//! Escapes of lone surrogates, such as `"\\ud83d"` without the second half of the pair: valid JSON
//! that cannot be represented in UTF-8, and that strict parsers reject (RFC 8259, section 8.2).

/// The positions of the escapes that are half of a surrogate pair without the other half,
/// ascending.
#[must_use]
pub fn lone(json: &[u8]) -> Vec<usize> {
    let unit = |at: usize| {
        let escape = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(escape).ok()?, 16).ok()
    };
    let mut halves = Vec::new();
    let mut at = 0;
    while let Some(next) = memchr::memchr(b'\\', &json[at.min(json.len())..]) {
        at += next;
        match (unit(at), unit(at + 6)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => at += 12,
            (Some(0xd800..0xe000), _) => {
                halves.push(at);
                at += 6;
            }
            _ => at += 2,
        }
    }
    halves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_halves_without_their_other_half_are_lone() {
        for (json, at) in [
            (r#"{"a":"\ud83d\ude00"}"#, vec![]),
            (r#"{"a":"\ud83d"}"#, vec![6]),
            (r#"{"a":"\ude00\ud83d"}"#, vec![6, 12]),
            (r#"{"\uD83D":"\\ud83d \u00e9"}"#, vec![2]),
            (r#"{"a":"\ud83d\u0041"}"#, vec![6]),
        ] {
            assert_eq!(lone(json.as_bytes()), at, "{json}");
        }
    }
}
