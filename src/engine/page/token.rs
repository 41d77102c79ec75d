//! The value of `X-Search_after`, with which the next page is requested.

use serde_json::value::RawValue;

/// A usable token: `[epoch milliseconds of the last row, its document id]`.
///
/// ```
/// use engine::page::token::Token;
///
/// let token = Token::parse(r#"[1795219200123, "a1"]"#).expect("usable");
/// assert_eq!(token.ms, 1_795_219_200_123);
/// assert_eq!(token.json().get(), r#"[1795219200123, "a1"]"#);
/// assert_eq!(Token::parse("null"), None);
/// ```
#[derive(Debug, Clone)]
pub struct Token {
    json: Box<RawValue>,
    /// Milliseconds of the last row.
    pub ms: i64,
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.json.get() == other.json.get()
    }
}

impl Eq for Token {}

impl Token {
    /// Reads the header's text. `None` if it is not a JSON array that begins with a number of
    /// milliseconds.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let json: Box<RawValue> = serde_json::from_str(header.trim()).ok()?;
        let items: Vec<&RawValue> = serde_json::from_str(json.get()).ok()?;
        let [ms, _, ..] = items.as_slice() else { return None };
        let ms = ms.get().trim_matches('"').parse().ok()?;
        Some(Self { json, ms })
    }

    /// The JSON as it is sent back to JumpCloud.
    #[must_use]
    pub fn json(&self) -> &RawValue {
        &self.json
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_token_needs_a_millisecond() {
        let token = Token::parse(r#"[1576181718000,"DZrPyW8BNsa9iKWoOm7h"]"#).unwrap();
        assert_eq!(token.ms, 1_576_181_718_000);
        assert_eq!(Token::parse(r#"["1576181718000", "x"]"#).unwrap().ms, 1_576_181_718_000);
        for header in
            ["", "[]", "null", "{}", "[1]", "[null,\"x\"]", "[\"x\",\"y\"]", "garbage", "[1,"]
        {
            assert!(Token::parse(header).is_none(), "{header}");
        }
    }
}
