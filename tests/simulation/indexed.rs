//! The index is what the journal says, and nothing else: the journal is folded here by other means than
//! the engine's.
//!
//! Holds P2 and P6.

use std::collections::{BTreeMap, HashMap, HashSet};

use engine::identity::{Identity, Slot};
use engine::journal::{Entry, slot_prefix};
use engine::limits::UNPLACED_DAYS;
use engine::stream::StreamId;

use crate::jumps::expires_ms;
use crate::promise::Promise;
use crate::schedule::DAY;
use crate::world::World;

/// What the entries so far fold to in one slot.
#[derive(Default)]
struct Fold {
    /// The key of its object.
    key: Option<String>,
    /// Each identity, with the day on which it was decided.
    days: BTreeMap<[u8; 16], u32>,
}

impl Fold {
    /// Adds what was decided on a day: by a clock that was set back, on the latest one so far.
    fn add(&mut self, slot: Slot, new: &[Identity], day: u32) {
        let day = self.days.values().copied().fold(day, u32::max);
        if slot == Slot::Unplaced {
            self.days.retain(|_, decided| *decided + UNPLACED_DAYS >= day);
        }
        for identity in new {
            self.days.entry(identity.0).or_insert(day);
        }
    }

    /// What the slot's object must hold.
    fn bytes(&self, slot: Slot) -> Vec<u8> {
        let records = self.days.iter().map(|(identity, day)| match slot {
            Slot::Hour(_) => identity.to_vec(),
            Slot::Unplaced => [&identity[..], &day.to_be_bytes()].concat(),
        });
        records.collect::<Vec<_>>().concat()
    }
}

/// Checks the index of a stream.
pub(crate) fn index(world: &World, stream: &StreamId) -> Result<(), String> {
    let mut slots: HashMap<Slot, Fold> = HashMap::new();
    let mut keys = HashSet::new();
    for ((_, seq), entry) in world.store.entries.iter().filter(|((of, _), _)| of == stream) {
        let day = u32::try_from(entry.header.decided_ms / DAY).unwrap();
        for (record, slot, new) in entry.slots() {
            let fold = slots.entry(slot).or_default();
            if record.base.is_none() && has_expired(world, fold.key.as_deref(), entry) {
                *fold = Fold::default();
            }
            if record.base != fold.key {
                let (on, key) = (&record.base, &fold.key);
                let how = format_args!("entry {seq} builds on {on:?}, the fold on {key:?}");
                return Err(Promise::Indexed.broken(how));
            }
            if let Some(twice) = new.iter().find(|id| fold.days.contains_key(&id.0)) {
                let how = format_args!("identity {twice:?} is decided again in entry {seq}");
                return Err(Promise::Once.broken(how));
            }
            fold.add(slot, &new, day);
            fold.key = Some(record.key.clone());
            let stored = world.store.ever(&record.key).map(|object| &object.body[..]);
            if stored != Some(&fold.bytes(slot)[..]) {
                let how = format_args!("{} is not the fold of the journal", record.key);
                return Err(Promise::Indexed.broken(how));
            }
            keys.insert(record.key.clone());
        }
    }
    let prefix = slot_prefix(stream, Slot::Unplaced).replace("unplaced/", "");
    let strange = world.store.state_below(&prefix).find(|(key, _)| !keys.contains(*key));
    strange.map_or(Ok(()), |(key, _)| {
        Err(Promise::Indexed.broken(format_args!("{key} is of no entry")))
    })
}

/// Whether a slot object could not be read any more when the entry was decided.
fn has_expired(world: &World, key: Option<&str>, entry: &Entry) -> bool {
    let object = key.and_then(|key| world.store.ever(key));
    object.is_some_and(|slot| expires_ms(slot.created_ms) <= entry.header.decided_ms + DAY)
}
