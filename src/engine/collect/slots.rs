//! The slots of the index that a run has loaded, and which the process may keep for the next run.

use std::collections::HashMap;

use crate::identity::{Identity, Slot};
use crate::journal::SlotIds;
use crate::limits::WARM_IDENTITY_BYTES_MAX;
use crate::stream::StreamId;
use crate::time;

/// Slots as they are at one head. A later run uses them only if the cursor it claimed has that
/// head.
#[derive(Debug, Default)]
pub(super) struct Slots {
    head_hash: String,
    loaded: HashMap<Slot, LoadedSlot>,
}

/// One loaded slot: its identities, and the key of its object, `None` if there is no object yet.
#[derive(Clone, Debug)]
pub(super) struct LoadedSlot {
    pub(super) key: Option<String>,
    pub(super) ids: SlotIds,
}

impl Slots {
    /// An empty set of slots at the head `head_hash`.
    pub(super) fn at(head_hash: &str) -> Self {
        Self { head_hash: head_hash.to_owned(), loaded: HashMap::new() }
    }

    pub(super) fn is_at(&self, head_hash: &str) -> bool {
        self.head_hash == head_hash
    }

    pub(super) fn set_head(&mut self, head_hash: &str) {
        head_hash.clone_into(&mut self.head_hash);
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&LoadedSlot> {
        self.loaded.get(&slot)
    }

    /// Whether the identity was already decided. The slot must have been loaded.
    pub(super) fn contains(&self, slot: Slot, identity: &Identity) -> bool {
        self.loaded.get(&slot).is_some_and(|slot| slot.ids.contains(identity))
    }

    pub(super) fn put(&mut self, slot: Slot, loaded: LoadedSlot) {
        self.loaded.insert(slot, loaded);
    }

    /// Drops all slots: another writer has decided an entry, so they may be of an older head.
    pub(super) fn forget(&mut self) {
        self.loaded.clear();
    }

    /// Bytes of the identities, plus an estimate of the other memory of each slot.
    pub(super) fn bytes(&self) -> usize {
        self.loaded.values().map(|slot| slot.ids.bytes().len() + 256).sum::<usize>() + 256
    }

    /// Drops the slots that are not needed.
    pub(super) fn drop_others(&mut self, is_needed: impl Fn(Slot) -> bool) {
        self.loaded.retain(|slot, _| is_needed(*slot));
    }

    /// Drops the slots of hours before the hour of `ms`, which no reading will need soon.
    pub(super) fn drop_before(&mut self, ms: i64) {
        self.loaded.retain(|slot, _| match slot {
            Slot::Hour(hour) => *hour >= time::hour_of(ms),
            Slot::Unplaced => true,
        });
    }
}

/// The slots of many streams, kept between runs: those used most recently, as far as they fit.
#[derive(Debug, Default)]
pub(super) struct Warm {
    kept: HashMap<StreamId, (u64, Slots)>,
    bytes: usize,
    turn: u64,
}

impl Warm {
    pub(super) fn take(&mut self, stream: &StreamId) -> Option<Slots> {
        let (_, slots) = self.kept.remove(stream)?;
        self.bytes -= slots.bytes();
        Some(slots)
    }

    /// Keeps a stream's slots, and drops the least recently used ones until all fit. Of one stream
    /// whose slots do not fit by themselves, the head alone is kept.
    pub(super) fn keep(&mut self, stream: &StreamId, mut slots: Slots) {
        self.take(stream);
        if slots.bytes() > WARM_IDENTITY_BYTES_MAX {
            slots.forget();
        }
        self.turn += 1;
        self.bytes += slots.bytes();
        self.kept.insert(stream.clone(), (self.turn, slots));
        while self.bytes > WARM_IDENTITY_BYTES_MAX && self.kept.len() > 1 {
            let oldest = self.kept.iter().min_by_key(|(_, (turn, _))| *turn);
            let Some(oldest) = oldest.map(|(stream, _)| stream.clone()) else { break };
            self.take(&oldest);
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Slots that hold two fifths of what is kept at most.
    fn large() -> Slots {
        slots(WARM_IDENTITY_BYTES_MAX / 16 / 5 * 2)
    }

    fn slots(count: usize) -> Slots {
        let ids: Vec<_> = (0..count as u128).map(|n| Identity(n.to_be_bytes())).collect();
        let mut slots = Slots::default();
        let empty = SlotIds::empty(Slot::Hour(1));
        slots.put(Slot::Hour(1), LoadedSlot { key: None, ids: empty.with(&ids, 0) });
        slots
    }

    #[test]
    fn what_was_used_longest_ago_gives_way() {
        let [a, b, c] = [1, 2, 3].map(|n| StreamId::try_from(format!("{n:024x}")).unwrap());
        let mut warm = Warm::default();
        warm.keep(&a, large());
        warm.keep(&b, large());
        let used = warm.take(&a).unwrap();
        warm.keep(&a, used);
        warm.keep(&c, large());
        assert!(warm.take(&b).is_none() && warm.take(&a).is_some() && warm.take(&c).is_some());
        assert_eq!(warm.bytes, 0);
    }

    #[test]
    fn slots_of_one_stream_that_do_not_fit_are_not_kept() {
        let mut warm = Warm::default();
        warm.keep(&StreamId::own(), slots(WARM_IDENTITY_BYTES_MAX / 16 + 1));
        assert!(warm.bytes <= WARM_IDENTITY_BYTES_MAX, "{} bytes are kept", warm.bytes);
        assert!(warm.take(&StreamId::own()).is_some(), "the head is known");
    }
}
