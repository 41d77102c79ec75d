//! Finds organization, service, id and timestamp in the bytes of one event. The event is never
//! parsed into a value and written again; only these four members are read.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::text;

/// The members of an event that decide its identity and its partition.
///
/// If a key appears twice, its last value counts. Every other member is only checked to be valid
/// JSON, at any depth.
#[derive(Debug, Default, Clone, Copy)]
pub struct Members<'a> {
    /// `organization`.
    pub organization: Option<Member<'a>>,
    /// `service`.
    pub service: Option<Member<'a>>,
    /// `id`.
    pub id: Option<Member<'a>>,
    /// `timestamp`.
    pub timestamp: Option<Member<'a>>,
}

/// The value of a member.
#[derive(Debug, Clone, Copy)]
pub enum Member<'a> {
    /// Text without an escape: the characters between its quotes.
    Plain(&'a str),
    /// Raw JSON of any kind.
    Raw(&'a RawValue),
}

impl<'a> Member<'a> {
    /// The value's text, decoded; `None` if the value is not a string.
    #[must_use]
    pub fn text(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Plain(text) => Some(Cow::Borrowed(text.as_bytes())),
            Self::Raw(raw) => text(raw.get().as_bytes()),
        }
    }
}

/// Reads the object at the beginning of `text`; returns its members and its length in bytes. `None`
/// if it is not valid JSON.
///
/// Nearly all keys, and values of the four members, are texts without escapes, so they are first read
/// without decoding; an object for which that is not so is read a second time.
#[must_use]
pub fn members(text: &str) -> Option<(Members<'_>, usize)> {
    read_as::<Plain>(text).or_else(|| read_as::<Exact>(text))
}

fn read_as<'a, W: Way<'a>>(text: &'a str) -> Option<(Members<'a>, usize)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Read<'a, W>>();
    let Read(members, _) = values.next()?.ok()?;
    Some((members, values.byte_offset()))
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

/// How keys and values are read.
trait Way<'de> {
    fn key<A: MapAccess<'de>>(map: &mut A) -> Result<Option<Key>, A::Error>;
    fn value<A: MapAccess<'de>>(map: &mut A) -> Result<Member<'de>, A::Error>;
}

/// Accepts only texts without an escape.
struct Plain;

impl<'de> Way<'de> for Plain {
    fn key<A: MapAccess<'de>>(map: &mut A) -> Result<Option<Key>, A::Error> {
        Ok(map.next_key::<&str>()?.map(|name| Key::named(name.as_bytes())))
    }

    fn value<A: MapAccess<'de>>(map: &mut A) -> Result<Member<'de>, A::Error> {
        map.next_value().map(Member::Plain)
    }
}

/// Accepts any JSON. A key with a lone surrogate is valid.
struct Exact;

impl<'de> Way<'de> for Exact {
    fn key<A: MapAccess<'de>>(map: &mut A) -> Result<Option<Key>, A::Error> {
        let raw = map.next_key::<&RawValue>()?;
        Ok(raw.map(|raw| Key::named(&text(raw.get().as_bytes()).unwrap_or_default())))
    }

    fn value<A: MapAccess<'de>>(map: &mut A) -> Result<Member<'de>, A::Error> {
        map.next_value().map(Member::Raw)
    }
}

/// The members read in the way `W`.
struct Read<'a, W>(Members<'a>, PhantomData<W>);

impl<'de: 'a, 'a, W: Way<'de>> Deserialize<'de> for Read<'a, W> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Each::<W>(PhantomData)).map(|read| Self(read, PhantomData))
    }
}

/// Reads each member.
struct Each<W>(PhantomData<W>);

impl<'de, W: Way<'de>> Visitor<'de> for Each<W> {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Members::default();
        while let Some(key) = W::key(&mut map)? {
            let member = match key {
                Key::Organization => &mut members.organization,
                Key::Service => &mut members.service,
                Key::Id => &mut members.id,
                Key::Timestamp => &mut members.timestamp,
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *member = Some(W::value(&mut map)?);
        }
        Ok(members)
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
        assert_eq!(members.id.unwrap().text().unwrap(), b"b".as_slice());
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
        assert_eq!(members(&json).service.unwrap().text().unwrap(), b"sso".as_slice());
    }
}
