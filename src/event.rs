//! One event as JumpCloud sent it: which bytes of it name its organization, service, id and
//! timestamp. Its value is never rebuilt; only these four members are looked at.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of an event that decide where it belongs, each as the raw JSON of its value.
///
/// A key that appears twice counts as the last one. Every other member is checked to be JSON and
/// left alone, at any depth.
#[derive(Debug, Default, Clone, Copy)]
pub struct Members<'a> {
    /// `organization`.
    pub organization: Option<&'a RawValue>,
    /// `service`.
    pub service: Option<&'a RawValue>,
    /// `id`.
    pub id: Option<&'a RawValue>,
    /// `timestamp`.
    pub timestamp: Option<&'a RawValue>,
}

/// The text of a raw JSON string, decoded; `None` for every other type.
///
/// Bytes and not `str`: an escaped lone surrogate is legal JSON and no legal UTF-8.
#[must_use]
pub fn text(raw: &str) -> Option<Cow<'_, [u8]>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner.as_bytes()));
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
    let mut deserializer = serde_json::Deserializer::from_str(raw);
    deserializer.deserialize_bytes(Bytes).ok().map(Cow::Owned)
}

/// Calls `each` with every member of the JSON object `object`, in order: its key, decoded, and the
/// raw JSON of its value. Returns whether it is an object to its end.
pub fn for_each_member<'e>(object: &'e str, each: &mut dyn FnMut(&[u8], &'e RawValue)) -> bool {
    struct Each<'f, 'e>(&'f mut dyn FnMut(&[u8], &'e RawValue));
    impl<'e> Visitor<'e> for Each<'_, 'e> {
        type Value = ();
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }
        fn visit_map<A: MapAccess<'e>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key::<&RawValue>()? {
                let key = text(key.get()).unwrap_or_default();
                (self.0)(&key, map.next_value()?);
            }
            Ok(())
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(object);
    deserializer.deserialize_map(Each(each)).is_ok() && deserializer.end().is_ok()
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Members::default();
        // As raw JSON: a key with a lone surrogate is a key like any other, and one with a raw
        // control character is no JSON.
        while let Some(key) = map.next_key::<&RawValue>()? {
            let key = text(key.get()).unwrap_or_default();
            match &*key {
                b"organization" => members.organization = Some(map.next_value()?),
                b"service" => members.service = Some(map.next_value()?),
                b"id" => members.id = Some(map.next_value()?),
                b"timestamp" => members.timestamp = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(members)
    }
}

/// The raw JSON of a user's `_id`, the last of several.
#[derive(Debug)]
pub struct UserId<'a>(pub Option<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for UserId<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = UserId<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut id = None;
                while let Some(key) = map.next_key::<&RawValue>()? {
                    if text(key.get()).unwrap_or_default().as_ref() == b"_id" {
                        id = Some(map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(UserId(id))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn members(json: &str) -> Members<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        let members = members(r#"{"id":"a","i\u0064":"b"}"#);
        assert_eq!(members.id.unwrap().get(), r#""b""#);
    }

    #[test]
    fn raw_control_characters_are_no_json_in_keys_either() {
        for json in ["{\"\0id\":1}", "{\"i\nd\":1}", "{\"i\td\":1}", "{\"a\":{\"\0\":1}}"] {
            assert!(serde_json::from_str::<Members<'_>>(json).is_err(), "{json:?}");
        }
        assert!(members(r#"{"\u0000id":1}"#).id.is_none());
    }

    #[test]
    fn lone_surrogates_and_deep_nesting_are_read_past() {
        let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
        let json = format!(
            r#"{{"\ud800":"\udfff","deep":{deep},"n":12345678901234567890,"service":"sso"}}"#
        );
        assert_eq!(members(&json).service.unwrap().get(), r#""sso""#);
    }

    #[test]
    fn text_is_decoded_only_where_it_must_be() {
        assert!(matches!(text(r#""abc""#), Some(Cow::Borrowed(b"abc"))));
        assert_eq!(text(r#""a\u0062c""#).unwrap().as_ref(), b"abc");
        assert_eq!(text(r#""\ud800""#).unwrap().len(), 3);
        assert_eq!(text("12"), None);
        assert_eq!(text("null"), None);
    }
}
