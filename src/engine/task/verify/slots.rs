//! The index as the journal has it: per slot, what its identities fold to.
//!
//! Of each slot the key and the SHA-256 of its latest object are held, and the identities of as many
//! slots as fit: those of any other are read from its object, which must have that SHA-256. An
//! event's slot is a part of what its identity is made from, so an identity that was decided twice
//! is found within one slot.

use std::collections::{BTreeMap, HashSet};

use sha2::{Digest as _, Sha256};

use super::age;
use super::verdict::{Buckets, Verdict};
use crate::identity::{Identity, Slot};
use crate::journal::index::{seq_of_slot, unplaced_day};
use crate::journal::{Entry, SlotIds, SlotRecord, entry_key};
use crate::limits::VERIFIED_IDENTITY_BYTES_MAX;
use crate::ports::StoreError;

/// What the entries so far fold to.
#[derive(Default)]
pub(super) struct Slots {
    latest: BTreeMap<Slot, Latest>,
    /// The slots used last, the latest at the end.
    held: Vec<(Slot, SlotIds)>,
}

/// A slot's latest object.
struct Latest {
    key: String,
    sha256: [u8; 32],
    /// When the entry was decided that results in it.
    decided_ms: i64,
}

/// Which entries of a journal are kept, and when that is asked.
#[derive(Clone, Copy)]
pub(super) struct KeptFrom {
    pub(super) seq: u64,
    pub(super) now_ms: i64,
}

impl Slots {
    /// Adds the identities of an entry.
    pub(super) async fn add(
        &mut self,
        buckets: Buckets<'_>,
        entry: &Entry,
        kept: KeptFrom,
        verdict: &mut Verdict,
    ) -> Result<(), StoreError> {
        let key = entry_key(&entry.header.stream, entry.header.seq);
        for (record, slot, new) in entry.slots() {
            verdict.identities += new.len();
            let ids = match self.base(buckets, (record, slot), kept, verdict).await? {
                Some(base) => {
                    let mut own = HashSet::new();
                    for identity in new.iter().filter(|id| base.contains(id) || !own.insert(**id)) {
                        let identity = hex::encode(identity.0);
                        verdict.problem(&key, format!("identity {identity} was decided before"));
                    }
                    base.with(&new, unplaced_day(entry.header.decided_ms))
                }
                None => match resulting(buckets, record, slot, &new).await? {
                    Some(ids) => ids,
                    // Its own object has expired, too.
                    None if age::may_have_expired(entry.header.decided_ms, kept.now_ms) => {
                        self.note(record, slot, entry);
                        continue;
                    }
                    None => SlotIds::empty(slot),
                },
            };
            if ids.sha256() != record.sha256 {
                verdict.problem(&record.key, "its identities are not those of the journal");
            }
            self.note(record, slot, entry);
            self.hold(slot, ids);
        }
        Ok(())
    }

    /// Notes a slot's latest object.
    fn note(&mut self, record: &SlotRecord, slot: Slot, entry: &Entry) {
        let (key, sha256, decided_ms) =
            (record.key.clone(), record.sha256, entry.header.decided_ms);
        self.latest.insert(slot, Latest { key, sha256, decided_ms });
    }

    /// What an entry's slot builds on; none if that has expired.
    async fn base(
        &mut self,
        buckets: Buckets<'_>,
        (record, slot): (&SlotRecord, Slot),
        kept: KeptFrom,
        verdict: &mut Verdict,
    ) -> Result<Option<SlotIds>, StoreError> {
        let Some(latest) = self.latest.get(&slot) else {
            let Some(key) = &record.base else { return Ok(Some(SlotIds::empty(slot))) };
            let is_kept = seq_of_slot(key).is_none_or(|seq| seq >= kept.seq);
            if is_kept {
                verdict.problem(
                    key,
                    format!("{} builds on it, and no entry results in it", record.key),
                );
            }
            let Some(bytes) = buckets.objects.get(buckets.state, key).await? else {
                return Ok(None);
            };
            let ids = SlotIds::parse(slot, &bytes);
            return Ok(ids.inspect_err(|error| verdict.problem(key, error)).ok());
        };
        if record.base.as_ref() != Some(&latest.key) {
            let base = record.base.as_deref().unwrap_or("nothing");
            verdict.problem(&latest.key, format!("the next entry builds on {base} instead"));
        }
        if let Some(at) = self.held.iter().position(|(held, _)| *held == slot) {
            return Ok(Some(self.held.remove(at).1));
        }
        let found = buckets.objects.get(buckets.state, &latest.key).await?;
        if found.is_none() && age::may_have_expired(latest.decided_ms, kept.now_ms) {
            return Ok(None);
        }
        let ids = found.filter(|bytes| *Sha256::digest(bytes) == latest.sha256);
        let ids = ids.and_then(|bytes| SlotIds::parse(slot, &bytes).ok());
        if ids.is_none() {
            verdict.problem(
                &latest.key,
                "it is absent, or its identities are not those of the journal",
            );
        }
        Ok(ids)
    }

    /// Holds a slot, and drops those used longest ago until all fit.
    fn hold(&mut self, slot: Slot, ids: SlotIds) {
        self.held.push((slot, ids));
        let bytes = |held: &[(Slot, SlotIds)]| -> usize {
            held.iter().map(|(_, ids)| ids.bytes().len()).sum()
        };
        while self.held.len() > 1 && bytes(&self.held) > VERIFIED_IDENTITY_BYTES_MAX {
            self.held.remove(0);
        }
    }

    /// Checks the latest object of every slot, as it lies in the state bucket.
    pub(super) async fn check(
        &self,
        buckets: Buckets<'_>,
        now_ms: i64,
        verdict: &mut Verdict,
    ) -> Result<(), StoreError> {
        for Latest { key, sha256, decided_ms } in self.latest.values() {
            verdict.slots += 1;
            match buckets.objects.get(buckets.state, key).await? {
                // S3 deletes what has expired one by one: its entry may be there for longer.
                None if age::may_have_expired(*decided_ms, now_ms) => {}
                None => verdict.problem(key, "it is absent, although the journal results in it"),
                Some(bytes) if *Sha256::digest(&bytes) != *sha256 => {
                    verdict.problem(key, "its identities are not those of the journal");
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

/// What an entry's slot results in, where what it builds on has expired: its object, if that holds
/// the entry's identities. None if it is absent.
async fn resulting(
    buckets: Buckets<'_>,
    record: &SlotRecord,
    slot: Slot,
    new: &[Identity],
) -> Result<Option<SlotIds>, StoreError> {
    let Some(bytes) = buckets.objects.get(buckets.state, &record.key).await? else {
        return Ok(None);
    };
    let ids = SlotIds::parse(slot, &bytes).ok();
    let ids = ids.filter(|ids| new.iter().all(|identity| ids.contains(identity)));
    Ok(Some(ids.unwrap_or_else(|| SlotIds::empty(slot))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three slots of 20 MiB are never held together.
    #[test]
    fn a_verification_holds_a_bounded_number_of_identities() {
        let count = VERIFIED_IDENTITY_BYTES_MAX as u128 / 16 * 5 / 8;
        let ids: Vec<_> = (0..count).map(|n| Identity(n.to_be_bytes())).collect();
        let mut slots = Slots::default();
        for hour in [1, 2, 3] {
            let slot = Slot::Hour(hour);
            slots.hold(slot, SlotIds::empty(slot).with(&ids, 0));
            let held: Vec<_> = slots.held.iter().map(|(slot, _)| *slot).collect();
            assert_eq!(held, [slot], "the slot used last");
        }
    }
}
