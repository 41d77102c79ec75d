//! Escapes of lone surrogates, such as `"\\ud83d"` without the second half of the pair: valid JSON
//! that cannot be represented in UTF-8, and that strict parsers reject (RFC 8259, section 8.2).

/// The positions of the escapes that are half of a surrogate pair without the other half,
/// ascending.
pub fn lone(json: &[u8]) -> impl Iterator<Item = usize> {
    let unit = |at: usize| {
        let escape = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(escape).ok()?, 16).ok()
    };
    let mut next = 0;
    std::iter::from_fn(move || {
        loop {
            let at = next + memchr::memchr(b'\\', json.get(next..)?)?;
            next = at + 2;
            match unit(at) {
                Some(0xd800..0xdc00) if matches!(unit(at + 6), Some(0xdc00..0xe000)) => {
                    next = at + 12;
                }
                Some(0xd800..0xe000) => return Some(at),
                _ => {}
            }
        }
    })
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
            assert_eq!(lone(json.as_bytes()).collect::<Vec<_>>(), at, "{json}");
        }
    }
}
