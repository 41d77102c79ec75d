//! Reads JSON without parsing it into values and writing it again.

pub mod ndjson;
pub mod surrogates;

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Serializes a value of this program, whose maps must have texts as keys.
///
/// # Panics
/// If the value cannot be written as JSON, which is an error in its type. Nothing is stored then.
#[must_use]
#[expect(clippy::expect_used, reason = "a mistake in a type, met by every test that writes it")]
pub fn encode<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("structs of texts and numbers are JSON")
}

/// The text of a raw JSON string, decoded; `None` for any other type.
///
/// It returns bytes because an escaped lone surrogate is valid JSON but not valid UTF-8.
#[must_use]
pub fn text(raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    let inner = raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inner).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    struct Bytes;
    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }
        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }
    let mut deserializer = serde_json::Deserializer::from_slice(raw);
    deserializer.deserialize_bytes(Bytes).ok().map(Cow::Owned)
}

/// Calls `each` with the raw JSON of key and value of every member of `object`, in order. Returns
/// whether `object` is a valid JSON object.
pub fn for_each_member<'e>(
    object: &'e str,
    each: &mut dyn FnMut(&'e RawValue, &'e RawValue),
) -> bool {
    struct Each<'f, 'e>(&'f mut dyn FnMut(&'e RawValue, &'e RawValue));
    impl<'e> Visitor<'e> for Each<'_, 'e> {
        type Value = ();
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }
        fn visit_map<A: MapAccess<'e>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some((key, value)) = map.next_entry()? {
                (self.0)(key, value);
            }
            Ok(())
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(object);
    deserializer.deserialize_map(Each(each)).is_ok() && deserializer.end().is_ok()
}

/// The key of a member, decoded.
#[must_use]
pub fn key(raw: &RawValue) -> Cow<'_, [u8]> {
    text(raw.get().as_bytes()).unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn text_is_decoded_only_where_it_must_be() {
        assert!(matches!(text(br#""abc""#), Some(Cow::Borrowed(b"abc"))));
        assert_eq!(text(br#""a\u0062c""#).unwrap().as_ref(), b"abc");
        assert_eq!(text(br#""\ud800""#).unwrap().len(), 3);
        assert_eq!(text(b"12"), None);
        assert_eq!(text(b"null"), None);
    }
}
