//! The writing side of a run: the stream's cursor, and the slots of the index at its head.
//!
//! [`Writer::decide`](super::decide) is the only way from reading to the archive: what a run has
//! read becomes part of the archive there or not at all.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::engine::Engine;
use super::slots::{LoadedSlot, Slots};
use crate::cause::Cause;
use crate::cursor::{Cursor, ReadingState};
use crate::error::RunError;
use crate::identity::Slot;
use crate::journal::{SlotIds, object_at, slot_prefix};
use crate::limits::WRITES_AT_ONCE;
use crate::stream::StreamId;

/// Decides, publishes and advances one stream.
pub(super) struct Writer<'e> {
    pub(super) engine: &'e Engine,
    pub(super) stream: &'e StreamId,
    pub(super) cursor: Cursor,
    /// Slots as they are at the cursor's head.
    pub(super) slots: Slots,
    /// The reading state as it is in the table.
    stored: ReadingState,
    /// Whether the cursor has reading state that no entry holds: it is written with the release.
    has_unstored: bool,
    /// Parts written by this run.
    pub(super) objects: u64,
    /// Bytes of the parts this run has published.
    pub(super) bytes_out: u64,
}

impl<'e> Writer<'e> {
    /// Creates a writer that continues from `cursor`, as it is in the table.
    pub(super) fn new(
        engine: &'e Engine,
        stream: &'e StreamId,
        cursor: Cursor,
        slots: Slots,
    ) -> Self {
        let stored = cursor.state.clone();
        Self {
            engine,
            stream,
            cursor,
            slots,
            stored,
            has_unstored: false,
            objects: 0,
            bytes_out: 0,
        }
    }

    pub(super) fn state_bucket(&self) -> &'e str {
        &self.engine.settings.state_bucket
    }

    /// Keeps reading state for the next entry or, if there is none, for the release. The frontier
    /// is never lowered.
    pub(super) fn keep_state(&mut self, state: &ReadingState) {
        self.cursor.state = self.cursor.raised(state);
        self.has_unstored = true;
    }

    /// Drops all progress since the table was last written, because another writer has decided an
    /// entry.
    pub(super) fn drop_progress(&mut self) {
        self.slots.forget();
        self.cursor.state = self.stored.clone();
        self.has_unstored = false;
    }

    /// Records that the table has the cursor's state.
    pub(super) fn mark_stored(&mut self) {
        self.stored = self.cursor.state.clone();
        self.has_unstored = false;
    }

    /// Whether the cursor has reading state that is not written yet.
    pub(super) fn has_unstored(&self) -> bool {
        self.has_unstored
    }

    /// Loads those of `slots` that are not in memory.
    pub(super) async fn load(&mut self, slots: &BTreeSet<Slot>) -> Result<(), RunError> {
        let missing: Vec<Slot> =
            slots.iter().copied().filter(|slot| self.slots.get(*slot).is_none()).collect();
        let writer = &*self;
        let loaded: Vec<_> = stream::iter(missing)
            .map(|slot| async move { Ok::<_, RunError>((slot, writer.load_slot(slot).await?)) })
            .buffer_unordered(WRITES_AT_ONCE)
            .try_collect()
            .await?;
        for (slot, loaded) in loaded {
            self.slots.put(slot, loaded);
        }
        Ok(())
    }

    /// Loads a slot as it is at the cursor's head.
    async fn load_slot(&self, slot: Slot) -> Result<LoadedSlot, RunError> {
        let empty = LoadedSlot { key: None, ids: SlotIds::empty(slot) };
        if self.cursor.seq == 0 {
            return Ok(empty);
        }
        let prefix = slot_prefix(self.stream, slot);
        let keys = self.engine.objects.list(self.state_bucket(), &prefix, "", usize::MAX).await?;
        match object_at(&keys, self.cursor.seq) {
            None => Ok(empty),
            Some(key) => self.read_slot(slot, key).await,
        }
    }

    /// Reads one slot object, which must exist.
    async fn read_slot(&self, slot: Slot, key: &str) -> Result<LoadedSlot, RunError> {
        self.find_slot(slot, key).await?.ok_or_else(|| slot_is_absent(key))
    }

    /// Reads one slot object, if it exists, and checks its length against the count in its key.
    pub(super) async fn find_slot(
        &self,
        slot: Slot,
        key: &str,
    ) -> Result<Option<LoadedSlot>, RunError> {
        let Some(bytes) = self.engine.objects.get(self.state_bucket(), key).await? else {
            return Ok(None);
        };
        let ids = SlotIds::parse(slot, &bytes)
            .map_err(|error| RunError::damaged(key, Cause::of(error)))?;
        if !key.ends_with(&format!("-{:020}.ids", ids.count())) {
            return Err(RunError::damaged(key, format!("it holds {} identities", ids.count())));
        }
        Ok(Some(LoadedSlot { key: Some(key.to_owned()), ids }))
    }
}

/// The error of a slot object that must exist.
pub(super) fn slot_is_absent(key: &str) -> RunError {
    RunError::damaged(key, "the slot object is absent")
}
