//! The slots of the index that a run has loaded, and may keep for the next one.

use std::collections::{BTreeSet, HashMap};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::Run;
use crate::error::RunError;
use crate::identity::{Identity, Slot};
use crate::index::{SlotIds, object_at, slot_prefix};
use crate::limits::WRITES_AT_ONCE;
use crate::time;

/// Slots as they are at one head. Used in a later run only if its claimed cursor has that head.
#[derive(Debug, Default)]
pub(super) struct Slots {
    head_hash: String,
    held: HashMap<Slot, Held>,
}

/// One slot: its object's key, none before the first, and what it holds.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) key: Option<String>,
    pub(super) ids: SlotIds,
}

impl Slots {
    pub(super) fn is_at(&self, head_hash: &str) -> bool {
        self.head_hash == head_hash
    }

    pub(super) fn set_head(&mut self, head_hash: &str) {
        head_hash.clone_into(&mut self.head_hash);
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Held> {
        self.held.get(&slot)
    }

    /// Whether the identity was decided. The slot has been loaded.
    pub(super) fn contains(&self, slot: Slot, identity: &Identity) -> bool {
        self.held.get(&slot).is_some_and(|held| held.ids.contains(identity))
    }

    pub(super) fn put(&mut self, slot: Slot, held: Held) {
        self.held.insert(slot, held);
    }

    /// What is held may be of an older head: another writer has decided.
    pub(super) fn forget(&mut self) {
        self.held.clear();
    }

    /// Drops the slots before `ms`, which no reading will touch soon.
    pub(super) fn drop_before(&mut self, ms: i64) {
        self.held.retain(|slot, _| match slot {
            Slot::Hour(hour) => *hour >= time::hour_of(ms),
            Slot::Unplaced => true,
        });
    }
}

impl Run<'_> {
    /// Loads those of `slots` that are not held.
    pub(super) async fn load(&mut self, slots: &BTreeSet<Slot>) -> Result<(), RunError> {
        let missing: Vec<Slot> =
            slots.iter().copied().filter(|s| self.slots.get(*s).is_none()).collect();
        let run = &*self;
        let loaded: Vec<_> = stream::iter(missing)
            .map(|slot| async move { Ok::<_, RunError>((slot, run.load_slot(slot).await?)) })
            .buffer_unordered(WRITES_AT_ONCE)
            .try_collect()
            .await?;
        for (slot, held) in loaded {
            self.slots.put(slot, held);
        }
        Ok(())
    }

    /// The slot as it is at this run's head.
    async fn load_slot(&self, slot: Slot) -> Result<Held, RunError> {
        let none = Held { key: None, ids: SlotIds::empty(slot) };
        if self.cursor.seq == 0 {
            return Ok(none);
        }
        let prefix = slot_prefix(self.stream, slot);
        let keys = self.engine.objects.list(self.state_bucket(), &prefix, "", usize::MAX).await?;
        match object_at(&keys, self.cursor.seq) {
            None => Ok(none),
            Some(key) => self.read_slot(slot, key).await,
        }
    }

    /// Reads one slot object, and checks it against the count in its key.
    pub(super) async fn read_slot(&self, slot: Slot, key: &str) -> Result<Held, RunError> {
        let bytes = self.engine.objects.get(self.state_bucket(), key).await?;
        let bytes = bytes.ok_or_else(|| RunError::damaged(key, "the slot object is absent"))?;
        let ids = SlotIds::parse(slot, &bytes).map_err(|error| RunError::damaged(key, error))?;
        if !key.ends_with(&format!("-{:020}.ids", ids.count())) {
            return Err(RunError::damaged(key, format!("it holds {} identities", ids.count())));
        }
        Ok(Held { key: Some(key.to_owned()), ids })
    }
}
