//! The identity of an event, and the slot of the index in which it is kept.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use sha2::{Digest, Sha256};

use crate::time;

/// 16 bytes by which an event is recognised: the first bytes of a SHA-256 over its organization,
/// service, id and timestamp.
///
/// The id alone is not enough: the same id has been seen with two timestamps.
///
/// ```
/// use engine::identity::{Identity, Instant};
/// use engine::time::parse_ns;
///
/// let at = |time: &str| parse_ns(time).map_or(Instant::Unreadable(b""), Instant::Ns);
/// let event = |time: &str| Identity::of_event(b"self", b"sso", b"a1", at(time));
/// assert_eq!(event("2026-11-21T08:00:00Z"), event("2026-11-21T08:00:00.000Z"));
/// assert_ne!(event("2026-11-21T08:00:00Z"), event("2026-11-21T08:00:01Z"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Identity(pub [u8; 16]);

/// A set of identities.
pub type Identities = HashSet<Identity, BuildHasherDefault<IdentityPrefix>>;

/// Identities with a digest of the bytes that each was made from.
pub type Digests = HashMap<Identity, u64, BuildHasherDefault<IdentityPrefix>>;

/// Hashes an identity by its first 8 bytes: they are part of a SHA-256 already, so keys cannot be
/// chosen to collide.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdentityPrefix(u64);

impl Hasher for IdentityPrefix {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(prefix) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*prefix);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The timestamp of an event.
#[derive(Clone, Copy, Debug)]
pub enum Instant<'a> {
    /// Nanoseconds since 1970-01-01T00:00:00Z: `…41Z` and `…41.000Z` are the same instant.
    Ns(i128),
    /// The raw JSON of a timestamp that cannot be read; empty if there is none.
    Unreadable(&'a [u8]),
}

/// What an identity was made from. It is part of the hash, so that identities of different sources
/// differ.
#[derive(Clone, Copy)]
enum Source {
    Names = 1,
    Bytes = 2,
    Position = 3,
    User = 4,
    NamelessUser = 5,
}

impl Identity {
    /// The identity of an event with an id, from its organization, service, id and timestamp.
    #[must_use]
    pub fn of_event(organization: &[u8], service: &[u8], id: &[u8], at: Instant<'_>) -> Self {
        let mut digest = Sha256::new();
        digest.update([Source::Names as u8]);
        separated(&mut digest, organization);
        separated(&mut digest, service);
        separated(&mut digest, id);
        match at {
            Instant::Ns(ns) => {
                digest.update([1]);
                digest.update(ns.to_be_bytes());
            }
            Instant::Unreadable(raw) => {
                digest.update([0]);
                separated(&mut digest, raw);
            }
        }
        Self::first_16_bytes(digest)
    }

    /// The identity of a row without an id, from its bytes: an event without an id (JumpCloud's
    /// LDAP schema has none), or a row that is not a JSON object.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut digest = Sha256::new();
        digest.update([Source::Bytes as u8]);
        digest.update(bytes);
        Self::first_16_bytes(digest)
    }

    /// The identity of a row that could not be fetched: where it lay, in a stream.
    #[must_use]
    pub fn of_position(stream: &str, ms: i64, ordinal: u32) -> Self {
        let mut digest = Sha256::new();
        digest.update([Source::Position as u8]);
        separated(&mut digest, stream.as_bytes());
        digest.update(ms.to_be_bytes());
        digest.update(ordinal.to_be_bytes());
        Self::first_16_bytes(digest)
    }

    /// The identity of a user on the day that begins at `day_ms`, from its organization and id.
    #[must_use]
    pub fn of_user(organization: &str, id: &[u8], day_ms: i64) -> Self {
        Self::on_day(Source::User, organization, id, day_ms)
    }

    /// The identity of a user without an id on the day that begins at `day_ms`, from its
    /// organization and bytes.
    #[must_use]
    pub fn of_nameless_user(organization: &str, bytes: &[u8], day_ms: i64) -> Self {
        Self::on_day(Source::NamelessUser, organization, bytes, day_ms)
    }

    fn on_day(source: Source, organization: &str, what: &[u8], day_ms: i64) -> Self {
        let mut digest = Sha256::new();
        digest.update([source as u8]);
        separated(&mut digest, organization.as_bytes());
        separated(&mut digest, what);
        digest.update(day_ms.to_be_bytes());
        Self::first_16_bytes(digest)
    }

    fn first_16_bytes(digest: Sha256) -> Self {
        let mut prefix = [0; 16];
        prefix.copy_from_slice(&digest.finalize()[..16]);
        Self(prefix)
    }
}

/// Adds `text` with its length before it, so that two texts cannot be confused with two others.
fn separated(digest: &mut Sha256, text: &[u8]) {
    digest.update((text.len() as u64).to_be_bytes());
    digest.update(text);
}

/// One hour of event time, or the slot of events whose time cannot be read.
///
/// ```
/// use engine::identity::Slot;
/// use engine::time::parse_ns;
///
/// let slot = Slot::of(parse_ns("2026-11-21T08:59:59.999Z"));
/// assert_eq!(slot.name(), "2026-11-21T08");
/// assert_eq!(Slot::parse("2026-11-21T08"), Some(slot));
/// assert_eq!(Slot::of(None).name(), "unplaced");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Slot {
    /// Whole hours since 1970-01-01T00:00:00Z.
    Hour(i64),
    /// The event's timestamp cannot be read.
    Unplaced,
}

impl Slot {
    /// The slot of an event with this timestamp.
    #[must_use]
    pub fn of(timestamp_ns: Option<i128>) -> Self {
        Self::at(timestamp_ns.map(time::floor_ms))
    }

    /// The slot of an event whose timestamp lies in this millisecond.
    #[must_use]
    pub fn at(timestamp_ms: Option<i64>) -> Self {
        timestamp_ms.map_or(Self::Unplaced, |ms| Self::Hour(time::hour_of(ms)))
    }

    /// The name as it is written in keys: `2026-11-21T08` or `unplaced`.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Hour(hour) => time::rfc3339(hour * crate::limits::HOUR_MS)[..13].to_owned(),
            Self::Unplaced => "unplaced".to_owned(),
        }
    }

    /// Reads a name that [`Slot::name`] wrote.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if name == "unplaced" {
            return Some(Self::Unplaced);
        }
        let ns = time::parse_ns(&format!("{name}:00:00Z"))?;
        Some(Self::Hour(time::hour_of(time::floor_ms(ns))))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::page::{Page, PageHeaders};

    fn identities(body: &str) -> Vec<Identity> {
        let page = Page::parse(body.as_bytes().to_vec(), PageHeaders::default()).unwrap();
        page.rows().iter().map(|row| row.identity).collect()
    }

    /// Pins the format: a change here loses or repeats events in every archive there is.
    #[test]
    fn test_vectors() {
        let ids = identities(
            r#"[{"id":"63c264c6c1bd55c1b7e901a4","service":"directory","organization":"1234abcdef123456789abcde","timestamp":"2023-01-14T08:16:06.495Z"},
                {"service":"ldap","timestamp":"2023-01-14T08:16:06Z"},
                {"id":"x","timestamp":"soon"}]"#,
        );
        let hex: Vec<_> = ids.iter().map(|id| hex::encode(id.0)).collect();
        assert_eq!(
            hex,
            [
                "240ad0020ef38fa0c31110753842d63d",
                "c4af055df5e9d205e14d194c5a9a4c58",
                "0c7c70c6dc8571046a3adc5c04bcc696"
            ]
        );
        let position = Identity::of_position("self", 1_700_000_000_000, 2);
        assert_eq!(hex::encode(position.0), "07ef07eb05963cbff13c6659d9493135");
        let user = Identity::of_user("self", b"63c264c6c1bd55c1b7e901a4", 1_795_478_400_000);
        assert_eq!(hex::encode(user.0), "99832540228a2aba83b50abe5a955243");
        let nameless = Identity::of_nameless_user("self", b"{}", 1_795_478_400_000);
        assert_eq!(hex::encode(nameless.0), "63282c3825362ec84ec9ed2f1515f508");
    }

    #[test]
    fn digits_do_not_matter_and_everything_else_does() {
        let ids = identities(
            r#"[{"id":"a","service":"s","timestamp":"2023-01-14T08:16:06Z"},
                {"timestamp":"2023-01-14T08:16:06.000Z","service":"s","id":"a","more":1},
                {"id":"a","service":"s","timestamp":"2023-01-14T08:16:06.001Z"},
                {"id":"a","service":"t","timestamp":"2023-01-14T08:16:06Z"},
                {"id":"b","service":"s","timestamp":"2023-01-14T08:16:06Z"},
                {"id":"a","service":"s","organization":"o","timestamp":"2023-01-14T08:16:06Z"},
                {"id":"as","service":"","timestamp":"2023-01-14T08:16:06Z"}]"#,
        );
        assert_eq!(ids[0], ids[1]);
        let distinct: HashSet<_> = ids[1..].iter().collect();
        assert_eq!(distinct.len(), 6);
    }

    #[test]
    fn an_empty_id_is_no_id() {
        let ids = identities(r#"[{"id":"","n":1},{"id":"","n":2},{"id":null,"n":1}]"#);
        assert!(ids[0] != ids[1] && ids[0] != ids[2]);
    }

    #[test]
    fn slots_are_named_by_their_hour() {
        let slot = Slot::of(time::parse_ns("2026-11-21T08:59:59.999999999Z"));
        assert_eq!(slot.name(), "2026-11-21T08");
        assert_eq!(Slot::parse("2026-11-21T08"), Some(slot));
        assert_eq!(Slot::of(None).name(), "unplaced");
        assert_eq!(Slot::parse("unplaced"), Some(Slot::Unplaced));
        assert_eq!(Slot::of(time::parse_ns("0001-01-01T00:00:00Z")).name(), "0001-01-01T00");
    }
}
