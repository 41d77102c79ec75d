//! Decide and advance: a batch becomes a journal entry, and the cursor moves to it.

use std::collections::BTreeMap;

use libdeflater::CompressionLvl;

use super::slots::LoadedSlot;
use super::stop::Stop;
use super::writer::Writer;
use crate::archive::{Batch, Sealed};
use crate::cause::Cause;
use crate::cursor::{self, ReadingState, attribute, number};
use crate::error::RunError;
use crate::identity::Slot;
use crate::journal::index::unplaced_day;
use crate::journal::{Entry, Header, SlotRecord, entry_key, slot_key};
use crate::limits::CREATE_TRIES_MAX;
use crate::ports::{ObjectMeta, PutResult, StoreError};

impl Writer<'_> {
    /// Decides the batch together with the reading state it leads to, publishes it and advances the
    /// cursor. Afterwards the batch is empty.
    ///
    /// # Errors
    /// [`Stop::Overtaken`] if another writer has created the entry first: the batch, and all
    /// progress since the table was last written, are dropped.
    pub(super) async fn decide(
        &mut self,
        batch: &mut Batch,
        state: &ReadingState,
    ) -> Result<(), Stop> {
        let (entry, slots) = self.seal(batch, state)?;
        if !self.create_entry(&entry).await? {
            self.drop_progress();
            return Err(Stop::Overtaken);
        }
        self.publish_parts(&entry).await?;
        self.publish_slots(&entry, &slots).await?;
        self.advance(&entry).await?;
        for (slot, loaded) in slots {
            self.slots.put(slot, loaded);
        }
        Ok(())
    }

    /// Makes the entry of the batch, and the contents of the slots that it results in.
    fn seal(
        &mut self,
        batch: &mut Batch,
        state: &ReadingState,
    ) -> Result<(Entry, BTreeMap<Slot, LoadedSlot>), RunError> {
        assert!(self.slots.is_at(&self.cursor.head_hash), "the slots are those of the head");
        let settings = &self.engine.settings;
        let level = CompressionLvl::new(settings.compression_level).unwrap_or_default();
        let Sealed { parts, identities } = std::mem::take(batch).seal(&settings.layout, level);
        let seq = self.cursor.seq + 1;
        let state = self.cursor.raised(state);
        // A clock may be set back by weeks. What is dated by it must not leave the index before the
        // rows are too old to be read again; none of them lies behind the frontier.
        let decided_ms = self.engine.now_ms().max(state.frontier_ms);
        let mut slots = BTreeMap::new();
        let mut records = Vec::new();
        for (slot, new) in &identities {
            let base = self.slots.get(*slot).ok_or_else(|| {
                RunError::transient(format!("slot {} was not loaded", slot.name()))
            })?;
            let ids = base.ids.with(new, unplaced_day(decided_ms));
            let key = slot_key(self.stream, *slot, seq, ids.count());
            records.push(SlotRecord {
                slot: slot.name(),
                base: base.key.clone(),
                key: key.clone(),
                sha256: ids.sha256(),
                added: new.len(),
            });
            slots.insert(*slot, LoadedSlot { key: Some(key), ids });
        }
        let mut state = ReadingState { last_entry_ms: decided_ms, ..state };
        let (parts, bodies) = self.parts(parts, seq, &mut state)?;
        let header = Header {
            stream: self.stream.clone(),
            epoch: self.cursor.epoch.clone(),
            seq,
            previous: self.cursor.head_hash.clone(),
            nonce: hex::encode(self.engine.clock.nonce()?),
            decided_ms,
            previous_decided_ms: self.cursor.state.last_entry_ms,
            state,
            bucket: settings.archive_bucket.clone(),
            parts,
            slots: records,
        };
        Ok((Entry::encode(header, &identities, &bodies), slots))
    }

    /// Creates the entry. Returns `false` if another writer's entry exists at its number.
    ///
    /// If the answer is indeterminate, the entry is read: if it has our nonce, our request had
    /// succeeded.
    async fn create_entry(&self, entry: &Entry) -> Result<bool, RunError> {
        let key = entry_key(self.stream, entry.header.seq);
        let meta = ObjectMeta {
            sha256: entry.sha256,
            content_type: "application/octet-stream",
            metadata: Vec::new(),
        };
        let mut cause = Cause::from("its key exists but the entry cannot be found");
        for _ in 0..CREATE_TRIES_MAX {
            match self
                .engine
                .objects
                .create(self.state_bucket(), &key, entry.bytes().clone(), &meta)
                .await
            {
                Ok(PutResult::Created) => return Ok(true),
                Ok(PutResult::AlreadyExists) => {}
                Err(StoreError::Indeterminate(why)) => cause = why,
                Err(error) => return Err(error.into()),
            }
            if let Some(found) = self.read_entry(entry.header.seq).await? {
                let is_own = found.header.nonce == entry.header.nonce;
                tracing::info!(stream = %self.stream, key, is_own, "entry existed already");
                return Ok(is_own);
            }
        }
        Err(RunError::transient(Cause::new(format!("{key} could not be created: {cause}"), cause)))
    }

    /// Reads entry `seq` and checks its hash, stream, number, epoch and predecessor. `None` only if
    /// it is certain that there is none.
    pub(super) async fn read_entry(&self, seq: u64) -> Result<Option<Entry>, RunError> {
        let key = entry_key(self.stream, seq);
        let Some(bytes) = self.engine.objects.get(self.state_bucket(), &key).await? else {
            return Ok(None);
        };
        let entry = Entry::decode(bytes).map_err(|error| RunError::of_entry(&key, error))?;
        let header = &entry.header;
        if header.stream != *self.stream || header.seq != seq || header.epoch != self.cursor.epoch {
            return Err(RunError::damaged(&key, "it is another stream's or epoch's entry"));
        }
        if seq == self.cursor.seq + 1 && header.previous != self.cursor.head_hash {
            let (found, head) = (&header.previous, &self.cursor.head_hash);
            return Err(RunError::damaged(
                &key,
                format!("it follows {found}, the cursor is at {head}"),
            ));
        }
        Ok(Some(entry))
    }

    /// Moves the cursor to `entry`. If another run has already moved it there or further, that is
    /// success.
    pub(super) async fn advance(&mut self, entry: &Entry) -> Result<(), RunError> {
        let hash = entry.hash();
        loop {
            let update = self.cursor.advance(&hash, &entry.header.state);
            if self.engine.cursors.update(self.stream, &update).await?.is_some() {
                break;
            }
            let item = self.engine.cursors.get(self.stream).await?.unwrap_or_default();
            let found = cursor::seq(&item);
            if found.is_some_and(|found| found >= entry.header.seq) {
                break;
            }
            // Another run has written reading state at this `seq`: its frontier is kept.
            let frontier_ms = number(&item, attribute::FRONTIER_MS).unwrap_or(i64::MIN);
            if found != Some(self.cursor.seq) || frontier_ms <= self.cursor.state.frontier_ms {
                let (found, seq) = (found.unwrap_or(0), entry.header.seq);
                return Err(RunError::transient(format!(
                    "the cursor moved back: it is at {found}, behind {seq}"
                )));
            }
            self.cursor.state.frontier_ms = frontier_ms;
        }
        let state = self.cursor.raised(&entry.header.state);
        assert!(state.frontier_ms >= self.cursor.state.frontier_ms, "the frontier never falls");
        assert_eq!(entry.header.seq, self.cursor.seq + 1, "entries follow one another");
        self.cursor.state = state;
        self.cursor.seq = entry.header.seq;
        self.cursor.head_hash = hash;
        self.slots.set_head(&self.cursor.head_hash);
        self.mark_stored();
        Ok(())
    }
}
