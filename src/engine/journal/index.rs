//! The index: per slot, the identities that were already decided. Only the index decides whether an
//! event is new.
//!
//! A slot object consists of sorted records: an identity of 16 bytes and, in the slot `unplaced`,
//! four more bytes for the day on which it was decided (whole days since 1970-01-01, big-endian).

use std::collections::BTreeMap;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::identity::{Identity, Slot};
use crate::limits::{HOUR_MS, UNPLACED_DAYS};
use crate::stream::StreamId;
use crate::time::{self, Window};

/// The identities of one slot, as its object stores them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotIds {
    slot: Slot,
    records: Bytes,
}

/// The bytes are not the sorted records of this slot.
#[derive(Debug, thiserror::Error)]
#[error("{length} bytes are not sorted records of {width} bytes")]
pub struct NotRecords {
    length: usize,
    width: usize,
}

const ID_BYTES: usize = 16;
const DAY_BYTES: usize = 4;
const RECORD_BYTES: usize = ID_BYTES + DAY_BYTES;

/// A record, padded with zeros to the longest length.
fn padded(record: &[u8]) -> [u8; RECORD_BYTES] {
    let mut padded = [0; RECORD_BYTES];
    padded[..record.len()].copy_from_slice(record);
    padded
}

fn width(slot: Slot) -> usize {
    match slot {
        Slot::Hour(_) => ID_BYTES,
        Slot::Unplaced => RECORD_BYTES,
    }
}

impl SlotIds {
    /// A slot without identities.
    #[must_use]
    pub fn empty(slot: Slot) -> Self {
        Self { slot, records: Bytes::new() }
    }

    /// Reads a slot object.
    ///
    /// # Errors
    /// [`NotRecords`] if the bytes are not what [`SlotIds::bytes`] returns.
    pub fn parse(slot: Slot, bytes: &[u8]) -> Result<Self, NotRecords> {
        let width = width(slot);
        let ids = || bytes.chunks_exact(width).map(|record| &record[..ID_BYTES]);
        let whole = bytes.len().is_multiple_of(width);
        if whole && ids().is_sorted_by(|a, b| a < b) {
            // A copy, because an answer may be a small piece of a large buffer, which would stay in
            // memory with it.
            Ok(Self { slot, records: Bytes::copy_from_slice(bytes) })
        } else {
            Err(NotRecords { length: bytes.len(), width })
        }
    }

    /// The object's bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.records
    }

    /// SHA-256 of the object's bytes.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.records).into()
    }

    /// The number of identities.
    #[must_use]
    pub fn count(&self) -> usize {
        self.records.len() / width(self.slot)
    }

    /// Whether the slot contains this identity.
    #[must_use]
    pub fn contains(&self, identity: &Identity) -> bool {
        match self.slot {
            Slot::Hour(_) => {
                self.records.as_chunks::<ID_BYTES>().0.binary_search(&identity.0).is_ok()
            }
            Slot::Unplaced => {
                let records = self.records.as_chunks::<RECORD_BYTES>().0;
                records.binary_search_by(|record| record[..ID_BYTES].cmp(&identity.0)).is_ok()
            }
        }
    }

    /// The newest day that a record carries; 0 where none does.
    fn newest_day(&self) -> u32 {
        match self.slot {
            Slot::Hour(_) => 0,
            Slot::Unplaced => {
                let records = self.records.as_chunks::<RECORD_BYTES>().0;
                records.iter().map(day_of).max().unwrap_or(0)
            }
        }
    }

    /// The slot with `new` identities added on `day`, or on the newest day of a record where a clock
    /// was set back behind that. Records of the `unplaced` slot that are older than
    /// [`UNPLACED_DAYS`] are left out: nothing is read any more where their events lie.
    #[must_use]
    pub fn with(&self, new: &[Identity], day: u32) -> Self {
        let width = width(self.slot);
        let day = day.max(self.newest_day());
        let fresh = |record: &[u8; RECORD_BYTES]| {
            width == ID_BYTES || day_of(record).saturating_add(UNPLACED_DAYS) >= day
        };
        let old = self.records.chunks_exact(width).map(padded).filter(fresh);
        let new = new.iter().map(|identity| {
            let mut record = padded(&identity.0);
            record[ID_BYTES..].copy_from_slice(&day.to_be_bytes());
            record
        });
        let mut records: Vec<_> = old.chain(new).collect();
        records.sort();
        // Equal identities are adjacent, the earlier day first: the first one is kept.
        records.dedup_by_key(|record| padded(&record[..ID_BYTES]));
        let mut bytes = Vec::with_capacity(records.len() * width);
        records.iter().for_each(|record| bytes.extend_from_slice(&record[..width]));
        Self { slot: self.slot, records: bytes.into() }
    }
}

/// The day that a record of the `unplaced` slot carries.
fn day_of(record: &[u8; RECORD_BYTES]) -> u32 {
    let [.., a, b, c, d] = *record;
    u32::from_be_bytes([a, b, c, d])
}

/// The day that new records of the `unplaced` slot carry.
pub(crate) fn unplaced_day(decided_ms: i64) -> u32 {
    u32::try_from(time::day_of(decided_ms)).unwrap_or(0)
}

/// The prefix of the keys of a slot's objects.
#[must_use]
pub fn slot_prefix(stream: &StreamId, slot: Slot) -> String {
    format!("{}{}/", index_prefix(stream), slot.name())
}

/// The key of the object of `slot` that results from entry `seq` and has `count` identities.
#[must_use]
pub fn slot_key(stream: &StreamId, slot: Slot, seq: u64, count: usize) -> String {
    format!("{}{seq:020}-{count:020}.ids", slot_prefix(stream, slot))
}

/// The key of the slot's object at entry `head`: the one with the largest seq that is not above it.
/// `keys` are all keys under the slot's prefix, in any order; keys of anything else are ignored.
#[must_use]
pub fn object_at(keys: &[String], head: u64) -> Option<&String> {
    keys.iter()
        .filter_map(|key| Some((named(key)?.0, key)))
        .filter(|(seq, _)| *seq <= head)
        .max()
        .map(|(_, key)| key)
}

/// The number of identities per hour at entry `head`, by the hour's first millisecond. `keys` are
/// all keys of the stream's index.
#[must_use]
pub fn hourly_counts(stream: &StreamId, keys: &[String], head: u64) -> BTreeMap<i64, i64> {
    let prefix = index_prefix(stream);
    let mut latest: BTreeMap<i64, (u64, i64)> = BTreeMap::new();
    for key in keys {
        let slot = key.strip_prefix(&prefix).and_then(|rest| rest.split_once('/'));
        let Some(Slot::Hour(hour)) = slot.and_then(|(name, _)| Slot::parse(name)) else { continue };
        let Some((seq, count)) = named(key).filter(|(seq, _)| *seq <= head) else { continue };
        let found = latest.entry(hour * HOUR_MS).or_default();
        *found = (*found).max((seq, count));
    }
    latest.into_iter().map(|(hour_ms, (_, count))| (hour_ms, count)).collect()
}

/// The numbers of the entries that added identities to hours that begin in `window`.
pub fn entries_of(stream: &StreamId, keys: &[String], window: Window) -> impl Iterator<Item = u64> {
    let prefix = index_prefix(stream);
    keys.iter().filter_map(move |key| {
        let (name, _) = key.strip_prefix(&prefix)?.split_once('/')?;
        let Some(Slot::Hour(hour)) = Slot::parse(name) else { return None };
        named(key).filter(|_| window.contains(hour * HOUR_MS)).map(|(seq, _)| seq)
    })
}

/// The number of the entry that resulted in the slot object at `key`.
#[must_use]
pub fn seq_of_slot(key: &str) -> Option<u64> {
    named(key).map(|(seq, _)| seq)
}

/// The entry's number and the count in the key of a slot object.
fn named(key: &str) -> Option<(u64, i64)> {
    let (seq, count) = key.rsplit_once('/')?.1.strip_suffix(".ids")?.split_once('-')?;
    let whole = seq.len() == 20 && count.len() == 20;
    whole.then(|| Some((seq.parse().ok()?, count.parse().ok()?)))?
}

/// The prefix of the keys of a stream's index.
#[must_use]
pub fn index_prefix(stream: &StreamId) -> String {
    format!("index/v1/{stream}/")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn id(n: u8) -> Identity {
        Identity([n; 16])
    }

    #[test]
    fn a_slot_holds_what_was_added_sorted_and_once() {
        let hour = Slot::Hour(1);
        let slot = SlotIds::empty(hour).with(&[id(3), id(1)], 0).with(&[id(2), id(3)], 0);
        assert_eq!(slot.count(), 3);
        assert!(slot.contains(&id(1)) && slot.contains(&id(2)) && slot.contains(&id(3)));
        assert!(!slot.contains(&id(0)) && !slot.contains(&id(4)));
        assert_eq!(*slot.bytes(), [[1; 16], [2; 16], [3; 16]].concat());
        assert_eq!(SlotIds::parse(hour, slot.bytes()).unwrap(), slot);
    }

    #[test]
    fn unplaced_records_carry_their_day_and_end() {
        let slot = SlotIds::empty(Slot::Unplaced).with(&[id(1)], 1_000);
        assert_eq!(slot.bytes().len(), 20);
        assert_eq!(slot.bytes()[16..], 1_000_u32.to_be_bytes());
        let kept = slot.with(&[id(2)], 1_000 + UNPLACED_DAYS);
        assert!(kept.contains(&id(1)) && kept.contains(&id(2)));
        assert!(!kept.with(&[], 1_001 + UNPLACED_DAYS).contains(&id(1)));
    }

    /// A record that carried the day of the clock that was set back would be left out as many days
    /// too early.
    #[test]
    fn unplaced_records_are_never_of_a_day_before_the_newest_one() {
        let slot = SlotIds::empty(Slot::Unplaced).with(&[id(1)], 1_000).with(&[id(2)], 900);
        let later = slot.with(&[id(3)], 1_000 + UNPLACED_DAYS);
        assert!(later.contains(&id(1)) && later.contains(&id(2)));
    }

    #[test]
    fn bytes_that_are_not_sorted_records_are_refused() {
        for bytes in [vec![0; 15], vec![0; 32], [[2; 16], [1; 16]].concat()] {
            assert!(SlotIds::parse(Slot::Hour(0), &bytes).is_err());
        }
    }

    #[test]
    fn the_object_at_the_head_is_the_latest_not_beyond_it() {
        let stream = StreamId::own();
        let key = |seq| slot_key(&stream, Slot::Hour(0), seq, 1);
        let keys = [key(3), key(12), key(7), "index/v1/self/x/readme".to_owned()];
        assert_eq!(object_at(&keys, 11), Some(&key(7)));
        assert_eq!(object_at(&keys, 12), Some(&key(12)));
        assert_eq!(object_at(&keys, 2), None);
        let counts = hourly_counts(&stream, &keys, 11);
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), [(0, 1)]);
        assert_eq!(
            key(7),
            "index/v1/self/1970-01-01T00/00000000000000000007-00000000000000000001.ids"
        );
    }
}
