//! The line of a row that cannot be archived as an event: JSON with the reason, and the row's bytes in
//! base64 where there are any.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A row that cannot be archived as an event. Its line is made where it is put: a row may be large.
#[derive(Clone, Copy, Debug)]
pub struct Quarantined<'a> {
    /// Why.
    pub reason: &'a str,
    /// Its bytes, where they came.
    pub row: Option<&'a [u8]>,
}

impl Quarantined<'_> {
    /// Length of the line, its line feed included.
    #[must_use]
    pub fn line_bytes(&self) -> usize {
        let bytes = self.row.map_or(4, |row| row.len().div_ceil(3) * 4 + 2);
        br#"{"bytes":,"reason":}"#.len() + bytes + self.reason().len() + 1
    }

    /// Appends the line.
    pub fn write(&self, line: &mut Vec<u8>) {
        line.reserve(self.line_bytes());
        line.extend_from_slice(b"{\"bytes\":");
        match self.row {
            None => line.extend_from_slice(b"null"),
            Some(row) => {
                line.push(b'"');
                let start = line.len();
                line.resize(start + row.len().div_ceil(3) * 4, b'=');
                // The buffer has the length of the text, so that this cannot fail.
                let written = STANDARD.encode_slice(row, &mut line[start..]).unwrap_or(0);
                line.truncate(start + written);
                line.push(b'"');
            }
        }
        line.extend_from_slice(b",\"reason\":");
        line.extend_from_slice(self.reason().as_bytes());
        line.extend_from_slice(b"}\n");
    }

    fn reason(&self) -> String {
        crate::json::encode(self.reason)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_reason_and_bytes_and_is_as_long_as_it_says() {
        for (reason, row, expected) in [
            ("not UTF-8", Some(&b"\xff"[..]), r#"{"bytes":"/w==","reason":"not UTF-8"}"#),
            ("a \"b\"", Some(b""), r#"{"bytes":"","reason":"a \"b\""}"#),
            ("too large", None, r#"{"bytes":null,"reason":"too large"}"#),
        ] {
            let quarantined = Quarantined { reason, row };
            let mut line = b"before\n".to_vec();
            quarantined.write(&mut line);
            assert_eq!(String::from_utf8(line.clone()).unwrap(), format!("before\n{expected}\n"));
            assert_eq!(line.len(), 7 + quarantined.line_bytes());
        }
    }

    proptest::proptest! {
        #[test]
        fn the_bytes_are_read_back(row: Vec<u8>) {
            let mut line = Vec::new();
            Quarantined { reason: "r", row: Some(&row) }.write(&mut line);
            let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
            proptest::prop_assert_eq!(STANDARD.decode(value["bytes"].as_str().unwrap()).unwrap(), row);
        }
    }
}
