//! A journal entry: everything that was decided together, as one create-only object.
//!
//! Format 1, which can be inspected with `head` and `tail`:
//!
//! ```text
//! jumpcloud-collector journal entry 1\n
//! <header: one line of JSON>\n
//! <new identities, 16 bytes each, slot after slot as the header lists them>
//! <the final gzip bytes of every part, one after the other>
//! <SHA-256 of all bytes before, 32 bytes>
//! ```
//!
//! Parts and slot objects are pure functions of entries, so after a crash they are made again from
//! the entry.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cursor::ReadingState;
use crate::identity::{Identity, Slot};
use crate::json;
use crate::stream::StreamId;

const MAGIC: &[u8] = b"jumpcloud-collector journal entry ";
const VERSION: &[u8] = b"1";
const HASH_BYTES: usize = 32;
const ID_BYTES: usize = 16;

/// The header of an entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The stream to which it belongs.
    pub stream: StreamId,
    /// The stream's epoch.
    pub epoch: String,
    /// Its number; the first is 1.
    pub seq: u64,
    /// Hash of the previous entry, hex; for entry 1 the hash of the birth certificate.
    pub previous: String,
    /// Random per batch: shows whether an existing entry is the writer's own or another writer's.
    pub nonce: String,
    /// When it was decided, UTC milliseconds.
    pub decided_ms: i64,
    /// When the entry before was decided, UTC milliseconds; the stream's birth for entry 1. It tells
    /// an entry that has expired from one that was deleted.
    pub previous_decided_ms: i64,
    /// The complete reading state after this entry.
    pub state: ReadingState,
    /// The bucket of its parts.
    pub bucket: String,
    /// Its parts, in the order of their bytes in the entry.
    pub parts: Vec<PartRecord>,
    /// The slots it adds to, in the order of their identities.
    pub slots: Vec<SlotRecord>,
}

/// One part of the entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRecord {
    /// Its key in the archive.
    pub key: String,
    /// The position of its first byte, counted from the end of the header's line.
    pub offset: usize,
    /// Its length in bytes.
    pub length: usize,
    /// SHA-256 of its bytes; hex in the entry.
    #[serde(with = "hex::serde")]
    pub sha256: [u8; 32],
    /// The number of its lines.
    pub events: usize,
    /// Whether each of its lines has an escape of a lone surrogate, for which strict JSON parsers
    /// reject it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_lone_surrogates: bool,
    /// Time of its first line, RFC 3339.
    pub first_timestamp: String,
    /// Time of its last line, RFC 3339.
    pub last_timestamp: String,
}

/// One slot to which the entry adds identities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotRecord {
    /// The slot's name.
    pub slot: String,
    /// The key of the slot object to which they are added; `None` for the first object of a slot.
    pub base: Option<String>,
    /// The key of the resulting slot object.
    pub key: String,
    /// SHA-256 of that object; hex in the entry.
    #[serde(with = "hex::serde")]
    pub sha256: [u8; 32],
    /// The number of new identities.
    pub added: usize,
}

/// An entry with its bytes.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its header.
    pub header: Header,
    /// SHA-256 of the whole object, including the entry's own hash at its end.
    pub sha256: [u8; 32],
    bytes: Bytes,
    body: Range<usize>,
}

/// Why bytes are not an entry that this program can use.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EntryError {
    /// A later version of this program wrote it.
    #[error("its format is {0}, this program knows 1")]
    Newer(String),
    /// It is not what any version wrote.
    #[error("{0}")]
    Damaged(String),
}

impl Entry {
    /// Encodes an entry. `parts` are the bytes of `header.parts`, whose offsets are set here;
    /// `identities` are those of `header.slots`, in the same order.
    #[must_use]
    pub fn encode(
        mut header: Header,
        identities: &BTreeMap<Slot, Vec<Identity>>,
        parts: &[Vec<u8>],
    ) -> Self {
        let ids: Vec<[u8; 16]> = identities.values().flatten().map(|identity| identity.0).collect();
        let ids = ids.as_flattened();
        let mut offset = ids.len();
        for part in &mut header.parts {
            part.offset = offset;
            offset += part.length;
        }
        let head = json::encode(&header);
        let start = MAGIC.len() + VERSION.len() + head.len() + 2;
        let mut bytes = Vec::with_capacity(start + offset + HASH_BYTES);
        for piece in [MAGIC, VERSION, b"\n", head.as_bytes(), b"\n", ids] {
            bytes.extend_from_slice(piece);
        }
        for part in parts {
            bytes.extend_from_slice(part);
        }
        let (hash, sha256) = hashes(&bytes);
        bytes.extend_from_slice(&hash);
        let entry = Self { header, sha256, bytes: bytes.into(), body: start..start + offset };
        assert!(entry.is_consistent(), "an entry is decoded to what was encoded");
        entry
    }

    /// Decodes an entry and checks all of its bytes against its own hash.
    ///
    /// # Errors
    /// [`EntryError`] if a later version wrote it, or the bytes are not what any version wrote.
    pub fn decode(bytes: Bytes) -> Result<Self, EntryError> {
        let damaged = |what: &str| EntryError::Damaged(what.to_owned());
        let version_line = line(&bytes, 0).ok_or_else(|| damaged("it has no first line"))?;
        let version = bytes[version_line.clone()]
            .strip_prefix(MAGIC)
            .ok_or_else(|| damaged("it does not begin as an entry"))?;
        if version != VERSION {
            return Err(EntryError::Newer(String::from_utf8_lossy(version).into_owned()));
        }
        let head = line(&bytes, version_line.end + 1).ok_or_else(|| damaged("it has no header"))?;
        let start = head.end + 1;
        let end = bytes.len().checked_sub(HASH_BYTES).filter(|end| *end >= start);
        let end = end.ok_or_else(|| damaged("it ends before its hash"))?;
        let (hash, sha256) = hashes(&bytes[..end]);
        if hash != bytes[end..] {
            return Err(damaged("its SHA-256 is not that of its bytes"));
        }
        let header = serde_json::from_slice::<Header>(&bytes[head])
            .map_err(|error| EntryError::Damaged(format!("its header cannot be read: {error}")))?;
        let entry = Self { header, sha256, bytes, body: start..end };
        if entry.is_consistent() {
            Ok(entry)
        } else {
            Err(damaged("its header and length disagree"))
        }
    }

    /// Whether identities and parts fill the body exactly.
    fn is_consistent(&self) -> bool {
        let ids: usize = self.header.slots.iter().map(|slot| slot.added).sum();
        let mut at = ids.saturating_mul(ID_BYTES);
        for part in &self.header.parts {
            if part.offset != at {
                return false;
            }
            at = at.saturating_add(part.length);
        }
        let named = self.header.slots.iter().all(|record| Slot::parse(&record.slot).is_some());
        at == self.body.len() && named
    }

    /// The entry as it is stored.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its own hash, hex, which the next entry and the cursor refer to.
    #[must_use]
    pub fn hash(&self) -> String {
        hex::encode(&self.bytes[self.bytes.len() - HASH_BYTES..])
    }

    /// The bytes of one of its parts, not copied.
    #[must_use]
    pub fn part(&self, part: &PartRecord) -> Bytes {
        let start = self.body.start + part.offset;
        self.bytes.slice(start..start + part.length)
    }

    /// For each slot record, in order: its slot and its new identities.
    pub fn slots(&self) -> impl Iterator<Item = (&SlotRecord, Slot, Vec<Identity>)> {
        let mut at = self.body.start;
        self.header.slots.iter().map(move |record| {
            let start = at;
            at += record.added * ID_BYTES;
            let (ids, _) = self.bytes[start..at].as_chunks::<ID_BYTES>();
            let identities = ids.iter().copied().map(Identity).collect();
            (record, Slot::parse(&record.slot).unwrap_or(Slot::Unplaced), identities)
        })
    }
}

/// The key of entry `seq`.
#[must_use]
pub fn entry_key(stream: &StreamId, seq: u64) -> String {
    format!("{}{seq:020}", journal_prefix(stream))
}

/// The prefix of the keys of a stream's entries.
#[must_use]
pub fn journal_prefix(stream: &StreamId) -> String {
    format!("journal/v1/{stream}/")
}

/// The number of the entry whose key is `key`.
#[must_use]
pub fn seq_of(key: &str) -> Option<u64> {
    let (_, name) = key.rsplit_once('/')?;
    (name.len() == 20).then(|| name.parse().ok())?
}

/// The hash of an entry's bytes, and the hash of the object, which is these bytes followed by their
/// hash.
fn hashes(bytes: &[u8]) -> ([u8; HASH_BYTES], [u8; 32]) {
    let mut object = Sha256::new_with_prefix(bytes);
    let hash: [u8; HASH_BYTES] = object.clone().finalize().into();
    object.update(hash);
    (hash, object.finalize().into())
}

fn line(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let rest = bytes.get(start..)?;
    memchr::memchr(b'\n', rest).map(|length| start..start + length)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::cursor::{Hour, KnownHour, QueryProgress, Reading, Refusal};
    use crate::time::Window;

    /// Every field that an event stream's state may have.
    fn state() -> ReadingState {
        let reading = |start_ms, end_ms| Reading {
            window: Window::new(start_ms, end_ms),
            started_ms: 1_795_168_000_000,
            query: vec!["ldap".to_owned(), "sso".to_owned()],
            at_ms: start_ms,
            limit: None,
        };
        let hour = Hour {
            start_ms: 1_795_161_600_000,
            counted: 3,
            rows_received: 2,
            rows_before_resume: 1,
            queries: vec![vec!["ldap".to_owned(), "sso".to_owned()]],
            reading: reading(1_795_161_600_000, 1_795_165_200_000),
        };
        let names = vec!["ldap".to_owned(), "sso".to_owned()];
        let query = QueryProgress {
            reading: Some(reading(1_795_164_000_000, 1_795_167_700_000)),
            sweep: Some(reading(1_794_996_000_000, 1_795_164_600_000)),
            ahead_ms: Some(1_795_168_000_000),
            ahead: Some(reading(1_795_167_999_000, 1_796_809_600_000)),
            last_turn_ms: Some(1_795_168_000_000),
            unread_before_ms: Some(1_795_160_000_000),
            refused: Some(Refusal { since_ms: 1_795_168_100_000, reason: "unknown".to_owned() }),
            ..QueryProgress::new(names, 1_795_082_400_000, 1_795_168_800_000)
        };
        ReadingState {
            queries: vec![query],
            queries_changed_ms: Some(1_795_168_200_000),
            compared_at_ms: Some(1_795_165_200_000),
            hours: vec![hour],
            known_hours: BTreeMap::from([(1_795_158_000_000, KnownHour(5, 4))]),
            not_comparable_ms: Some(1_795_165_300_000),
            ..ReadingState::at_birth(1_795_082_400_000, 1_795_168_800_000, &[])
        }
    }

    fn entry() -> Entry {
        let parts = [b"first".to_vec(), b"second".to_vec()];
        let identities = BTreeMap::from([
            (Slot::Hour(0), vec![Identity([1; 16]), Identity([2; 16])]),
            (Slot::Unplaced, vec![Identity([3; 16])]),
        ]);
        let part = |key: &str, body: &[u8]| PartRecord {
            key: key.to_owned(),
            offset: 0,
            length: body.len(),
            sha256: Sha256::digest(body).into(),
            events: 1,
            has_lone_surrogates: false,
            first_timestamp: "2026-11-21T08:00:00Z".to_owned(),
            last_timestamp: "2026-11-21T08:00:00Z".to_owned(),
        };
        let slot = |slot: &str, added| SlotRecord {
            slot: slot.to_owned(),
            base: None,
            key: format!("index/{slot}"),
            sha256: [0x22; 32],
            added,
        };
        let header = Header {
            stream: StreamId::own(),
            epoch: "0a1b2c3d".to_owned(),
            seq: 1,
            previous: "00".repeat(32),
            nonce: "11".repeat(16),
            decided_ms: 1_795_168_800_000,
            previous_decided_ms: 1_795_082_400_000,
            state: state(),
            bucket: "archive".to_owned(),
            parts: vec![part("a", &parts[0]), part("b", &parts[1])],
            slots: vec![slot("1970-01-01T00", 2), slot("unplaced", 1)],
        };
        Entry::encode(header, &identities, &parts)
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let written = entry();
        let read = Entry::decode(written.bytes().clone()).unwrap();
        assert_eq!(read.header, written.header);
        assert_eq!(read.hash(), written.hash());
        for entry in [&read, &written] {
            assert_eq!(entry.sha256, *Sha256::digest(entry.bytes()));
        }
        let parts: Vec<_> = read.header.parts.iter().map(|part| read.part(part)).collect();
        assert_eq!(parts, [&b"first"[..], b"second"]);
        let slots: Vec<_> = read.slots().map(|(_, slot, ids)| (slot, ids.len())).collect();
        assert_eq!(slots, [(Slot::Hour(0), 2), (Slot::Unplaced, 1)]);
    }

    const HEADER: &str = concat!(
        r#"{"stream":"self","epoch":"0a1b2c3d","seq":1,"previous":"000000000000000000000000"#,
        r#"0000000000000000000000000000000000000000","nonce":"11111111111111111111111111111"#,
        r#"111","decided_ms":1795168800000,"previous_decided_ms":1795082400000,"state":{"fr"#,
        r#"ontier_ms":1795082400000,"queries":[{"names":["ldap","sso"],"read_at_ms":1795082"#,
        r#"400000,"read_to_ms":1795082400000,"reading":{"start_ms":1795164000000,"end_ms":1"#,
        r#"795167700000,"started_ms":1795168000000,"query":["ldap","sso"],"at_ms":179516400"#,
        r#"0000},"sweep_mark_ms":1795168800000,"sweep":{"start_ms":1794996000000,"end_ms":1"#,
        r#"795164600000,"started_ms":1795168000000,"query":["ldap","sso"],"at_ms":179499600"#,
        r#"0000},"ahead_ms":1795168000000,"ahead":{"start_ms":1795167999000,"end_ms":179680"#,
        r#"9600000,"started_ms":1795168000000,"query":["ldap","sso"],"at_ms":1795167999000}"#,
        r#","last_turn_ms":1795168000000,"unread_before_ms":1795160000000,"refused":{"since"#,
        r#"_ms":1795168100000,"reason":"unknown"}}],"queries_changed_ms":1795168200000,"com"#,
        r#"pared_at_ms":1795165200000,"hours":[{"start_ms":1795161600000,"counted":3,"rows_"#,
        r#"received":2,"rows_before_resume":1,"queries":[["ldap","sso"]],"reading":{"start_"#,
        r#"ms":1795161600000,"end_ms":1795165200000,"started_ms":1795168000000,"query":["ld"#,
        r#"ap","sso"],"at_ms":1795161600000}}],"known_hours":{"1795158000000":[5,4]},"not_c"#,
        r#"omparable_ms":1795165300000,"last_entry_ms":1795168800000},"bucket":"archive","p"#,
        r#"arts":[{"key":"a","offset":48,"length":5,"sha256":"a7937b64b8caa58f03721bb6bacf5"#,
        r#"c78cb235febe0e70b1b84cd99541461a08e","events":1,"first_timestamp":"2026-11-21T08"#,
        r#":00:00Z","last_timestamp":"2026-11-21T08:00:00Z"},{"key":"b","offset":53,"length"#,
        r#"":6,"sha256":"16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4","#,
        r#""events":1,"first_timestamp":"2026-11-21T08:00:00Z","last_timestamp":"2026-11-21"#,
        r#"T08:00:00Z"}],"slots":[{"slot":"1970-01-01T00","base":null,"key":"index/1970-01-"#,
        r#"01T00","sha256":"222222222222222222222222222222222222222222222222222222222222222"#,
        r#"2","added":2},{"slot":"unplaced","base":null,"key":"index/unplaced","sha256":"22"#,
        r#"22222222222222222222222222222222222222222222222222222222222222","added":1}]}"#,
    );

    /// Pins format 1: entries written today must be read for as long as journals are kept.
    #[test]
    fn test_vector() {
        assert_eq!(
            entry().hash(),
            "21ae3dc922ce5b49cdeeea00c033d0ca9c009f01d4535867bfc0e1312ad92062"
        );
        let text = String::from_utf8_lossy(entry().bytes()).into_owned();
        let lines: Vec<_> = text.splitn(3, '\n').collect();
        assert_eq!(lines[0], "jumpcloud-collector journal entry 1");
        assert_eq!(lines[1], HEADER);
    }

    #[test]
    fn any_flipped_bit_is_seen() {
        let good = entry().bytes().to_vec();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(Entry::decode(bad.into()).is_err(), "byte {at}");
        }
        for length in 0..good.len() {
            assert!(Entry::decode(good[..length].to_vec().into()).is_err(), "length {length}");
        }
    }

    #[test]
    fn a_newer_format_is_named_as_such() {
        let newer = Bytes::from_static(b"jumpcloud-collector journal entry 2\n{}\n");
        assert_eq!(Entry::decode(newer).unwrap_err(), EntryError::Newer("2".to_owned()));
    }

    #[test]
    fn numbers_are_read_from_keys() {
        let key = entry_key(&StreamId::own(), 42);
        assert_eq!(key, "journal/v1/self/00000000000000000042");
        assert_eq!(seq_of(&key), Some(42));
        assert_eq!(seq_of("journal/v1/self/42"), None);
    }
}
