//! One event as JumpCloud sent it: which bytes of it name its organization, service, id and
//! timestamp. Its value is never rebuilt; only these four members are looked at.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

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
                let key = text(key.get().as_bytes()).unwrap_or_default();
                (self.0)(&key, map.next_value()?);
            }
            Ok(())
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(object);
    deserializer.deserialize_map(Each(each)).is_ok() && deserializer.end().is_ok()
}

/// Reads the object at the front of `text`; returns its members and its length. `None` if it is no
/// JSON.
#[must_use]
pub fn members(text: &str) -> Option<(Members<'_>, usize)> {
    front::<Members<'_>>(text)
        .or_else(|| front(text).map(|(Exact(members), length)| (members, length)))
}

fn front<'a, T: Deserialize<'a>>(text: &'a str) -> Option<(T, usize)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<T>();
    let value = values.next()?.ok()?;
    Some((value, values.byte_offset()))
}

/// A key of an event.
enum Key {
    Organization,
    Service,
    Id,
    Timestamp,
    Other,
}

impl Key {
    fn named(name: &[u8]) -> Self {
        match name {
            b"organization" => Self::Organization,
            b"service" => Self::Service,
            b"id" => Self::Id,
            b"timestamp" => Self::Timestamp,
            _ => Self::Other,
        }
    }
}

/// Reads keys as nearly all are: without an escape. Any other is an error, and then the object is
/// read again as [`Exact`].
impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Plain;
        impl<'de> Visitor<'de> for Plain {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key without escapes")
            }
            fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Key, E> {
                Ok(Key::named(name.as_bytes()))
            }
        }
        deserializer.deserialize_str(Plain)
    }
}

/// A key as raw JSON: one with a lone surrogate is a key like any other, and one with a raw
/// control character is no JSON.
struct ExactKey(Key);

impl<'de> Deserialize<'de> for ExactKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Self(Key::named(&text(raw.get().as_bytes()).unwrap_or_default())))
    }
}

impl From<ExactKey> for Key {
    fn from(ExactKey(key): ExactKey) -> Self {
        key
    }
}

/// Members of an object whose keys may be any.
struct Exact<'a>(Members<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Each::<Key>(PhantomData))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Exact<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Each::<ExactKey>(PhantomData)).map(Self)
    }
}

/// Reads each member, with keys as `K` reads them.
struct Each<K>(PhantomData<K>);

impl<'de, K: Deserialize<'de> + Into<Key>> Visitor<'de> for Each<K> {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Members::default();
        while let Some(key) = map.next_key::<K>()? {
            let member = match key.into() {
                Key::Organization => &mut members.organization,
                Key::Service => &mut members.service,
                Key::Id => &mut members.id,
                Key::Timestamp => &mut members.timestamp,
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *member = Some(map.next_value()?);
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
                    if text(key.get().as_bytes()).unwrap_or_default().as_ref() == b"_id" {
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
        let (members, length) = super::members(json).unwrap();
        assert_eq!(length, json.len());
        members
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        let members = members(r#"{"id":"a","i\u0064":"b"}"#);
        assert_eq!(members.id.unwrap().get(), r#""b""#);
    }

    #[test]
    fn raw_control_characters_are_no_json_in_keys_either() {
        for json in ["{\"\0id\":1}", "{\"i\nd\":1}", "{\"i\td\":1}", "{\"a\":{\"\0\":1}}"] {
            assert!(super::members(json).is_none(), "{json:?}");
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
        assert!(matches!(text(br#""abc""#), Some(Cow::Borrowed(b"abc"))));
        assert_eq!(text(br#""a\u0062c""#).unwrap().as_ref(), b"abc");
        assert_eq!(text(br#""\ud800""#).unwrap().len(), 3);
        assert_eq!(text(b"12"), None);
        assert_eq!(text(b"null"), None);
    }
}
