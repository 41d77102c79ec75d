//! The events of the mock, sorted as it serves them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::time::{NS_A_MS, event_time_ns, floor_ms};

/// The identifier of a row in the search index of the API: 20 characters of base64url, unique, and
/// unrelated to the event's own `id`. It orders rows of the same millisecond and is the second part
/// of `X-Search_after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocId([u8; 20]);

impl DocId {
    /// Before every identifier.
    pub(crate) const FIRST: Self = Self([0; 20]);

    /// Reads what a client sent: shorter texts are before, longer ones as their first 20 bytes.
    pub(crate) fn from_text(text: &str) -> Self {
        let mut bytes = [0; 20];
        for (place, byte) in bytes.iter_mut().zip(text.bytes()) {
            *place = byte;
        }
        Self(bytes)
    }

    fn draw(random: &mut fastrand::Rng) -> Self {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        Self(std::array::from_fn(|_| ALPHABET[random.usize(..64)]))
    }
}

impl std::fmt::Display for DocId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// The key by which rows are sorted: the millisecond, then the identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// The event's timestamp, floored to UTC milliseconds.
    pub sort_ms: i64,
    /// Breaks ties.
    pub doc_id: DocId,
}

impl RowKey {
    /// The smallest key of a millisecond.
    pub(crate) fn first_of(sort_ms: i64) -> Self {
        Self { sort_ms, doc_id: DocId::FIRST }
    }

    /// The next larger key.
    pub(crate) fn successor(self) -> Self {
        let mut bytes = self.doc_id.0;
        for byte in bytes.iter_mut().rev() {
            let (next, overflows) = byte.overflowing_add(1);
            *byte = next;
            if !overflows {
                return Self { sort_ms: self.sort_ms, doc_id: DocId(bytes) };
            }
        }
        Self::first_of(self.sort_ms.saturating_add(1))
    }

    /// Reads `[milliseconds, identifier]`; the number may be written as a string.
    pub(crate) fn read(token: &Value) -> Option<Self> {
        let [sort_ms, Value::String(doc_id)] = token.as_array()?.as_slice() else { return None };
        let sort_ms = match sort_ms {
            Value::String(digits) => digits.parse().ok()?,
            number => number.as_i64()?,
        };
        Some(Self { sort_ms, doc_id: DocId::from_text(doc_id) })
    }

    /// The value of `X-Search_after` for a page that ends with this row.
    pub fn token(&self) -> String {
        format!(r#"[{},"{}"]"#, self.sort_ms, self.doc_id)
    }
}

/// An event as loaded, with what the selection needs to know about it.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// The bytes served.
    pub raw: Bytes,
    /// The organization whose queries see it; empty for none.
    pub organization: Arc<str>,
    /// The provider whose own queries return it. It is not documented how an event of the
    /// multi-tenant portal is marked, so any event with a provider counts as one.
    pub provider: Option<Arc<str>>,
    /// The service it belongs to.
    pub service: Arc<str>,
    /// Virtual time from which queries see it (inclusive), UTC milliseconds.
    pub visible_at_ms: i64,
    /// Nanoseconds of its timestamp below the millisecond, for exact bounds.
    pub below_ms_ns: u32,
}

impl StoredEvent {
    /// The timestamp in nanoseconds.
    pub(crate) fn time_ns(&self, key: &RowKey) -> i128 {
        i128::from(key.sort_ms) * NS_A_MS + i128::from(self.below_ms_ns)
    }
}

/// Why an event cannot be loaded from its bytes alone.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LoadError {
    /// The bytes are not a JSON object in UTF-8.
    #[error("event is not a json object")]
    NotAnObject,
    /// There is no timestamp, or it is not an RFC 3339 time.
    #[error("event has no readable timestamp")]
    NoTimestamp,
}

/// The members of an event by which it is served.
pub(crate) struct Envelope {
    pub(crate) time_ns: i128,
    pub(crate) organization: String,
    pub(crate) provider: Option<String>,
    pub(crate) service: String,
}

impl Envelope {
    /// Reads the top level of an event; of a repeated key the last value counts.
    pub(crate) fn read(raw: &[u8]) -> Result<Self, LoadError> {
        let fields: HashMap<String, &RawValue> =
            serde_json::from_slice(raw).map_err(|_| LoadError::NotAnObject)?;
        let text = |name: &str| -> Option<String> {
            let value = fields.get(name)?;
            serde_json::from_str(value.get()).ok()
        };
        Ok(Self {
            time_ns: text("timestamp")
                .and_then(|timestamp| event_time_ns(&timestamp))
                .ok_or(LoadError::NoTimestamp)?,
            organization: text("organization").unwrap_or_default(),
            provider: text("provider").filter(|provider| !provider.is_empty()),
            service: text("service").unwrap_or_default(),
        })
    }

    pub(crate) fn sort_ms(&self) -> i64 {
        floor_ms(self.time_ns)
    }

    pub(crate) fn below_ms_ns(&self) -> u32 {
        u32::try_from(self.time_ns.rem_euclid(NS_A_MS)).unwrap_or_default()
    }
}

/// All events, by key, in a tree, so that the cost of a page depends on its length and not on the
/// number of events.
#[derive(Debug, Default)]
pub(crate) struct EventStore {
    rows: BTreeMap<RowKey, StoredEvent>,
    names: HashSet<Arc<str>>,
}

impl EventStore {
    /// Adds an event with a random identifier.
    pub(crate) fn insert(
        &mut self,
        sort_ms: i64,
        event: StoredEvent,
        random: &mut fastrand::Rng,
    ) -> RowKey {
        let mut key = RowKey { sort_ms, doc_id: DocId::draw(random) };
        while self.rows.contains_key(&key) {
            key.doc_id = DocId::draw(random);
        }
        self.rows.insert(key, event);
        key
    }

    /// Returns one shared copy of a name that many events have.
    pub(crate) fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = name.into();
        self.names.insert(Arc::clone(&shared));
        shared
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&RowKey, &StoredEvent)> {
        self.rows.iter()
    }

    /// The rows of a half-open range of keys, ascending; none if its start is after its end.
    pub(crate) fn range(
        &self,
        places: Range<RowKey>,
    ) -> impl DoubleEndedIterator<Item = (&RowKey, &StoredEvent)> {
        let end = places.end.max(places.start);
        self.rows.range(places.start..end)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Odd events are loaded too; what they say about themselves decides as far as it goes.
    #[test]
    fn the_envelope_is_read_as_far_as_it_can_be() {
        let raw = br#"{"service":7,"timestamp":"x","timestamp":"1970-01-01T00:00:01.0019Z"}"#;
        let envelope = Envelope::read(raw).unwrap();
        assert_eq!(envelope.sort_ms(), 1_001);
        assert_eq!(envelope.below_ms_ns(), 900_000);
        assert_eq!(envelope.service, "");
        assert_eq!(envelope.organization, "");
        assert_eq!(Envelope::read(b"[]").err(), Some(LoadError::NotAnObject));
        assert_eq!(Envelope::read(b"{}").err(), Some(LoadError::NoTimestamp));
    }

    /// Vendor code sends strings, other clients numbers.
    #[test]
    fn both_forms_of_search_after_are_read() {
        let wanted = RowKey { sort_ms: 7, doc_id: DocId::from_text("abc") };
        assert_eq!(RowKey::read(&serde_json::json!([7, "abc"])), Some(wanted));
        assert_eq!(RowKey::read(&serde_json::json!(["7", "abc"])), Some(wanted));
    }

    /// A cursor means "strictly after", which the half-open range expresses by the next place.
    #[test]
    fn the_successor_is_the_next_place() {
        let key = RowKey::first_of(5);
        assert!(key < key.successor());
        let last = RowKey { sort_ms: 5, doc_id: DocId([255; 20]) };
        assert_eq!(last.successor(), RowKey::first_of(6));
    }
}
