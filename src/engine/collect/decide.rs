//! Decide, publish, advance: how a batch becomes part of the archive.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use libdeflater::CompressionLvl;

use super::Run;
use super::parts::content_type;
use super::slots::Held;
use crate::archive::batch::Sealed;
use crate::cursor;
use crate::cursor::item::number;
use crate::cursor::state::ReadingState;
use crate::error::{RunError, unusable_entry};
use crate::identity::Slot;
use crate::journal::entry::{Entry, Header, PartRecord, SlotRecord, entry_key};
use crate::journal::index::{slot_key, unplaced_day};
use crate::limits::{CREATE_TRIES_MAX, WRITES_AT_ONCE};
use crate::ports::{About, Created, StoreError};

/// How a decision ended.
pub(super) enum Decided {
    /// The batch is archived.
    Mine,
    /// Another writer's entry stands where ours would: the batch is dropped.
    Theirs,
}

impl Run<'_> {
    /// Decides the batch together with the reading state it leads to, publishes and advances it.
    ///
    /// If another writer was first, the batch, the page position and the sweep's progress are
    /// dropped; the caller begins again at recovery.
    pub(super) async fn decide(&mut self, state: &ReadingState) -> Result<Decided, RunError> {
        let (entry, slots) = self.seal(state)?;
        let tally = std::mem::take(&mut self.tally);
        if !self.create_entry(&entry).await? {
            self.slots.forget();
            self.cursor.state = self.written.clone();
            self.has_unwritten = false;
            return Ok(Decided::Theirs);
        }
        self.publish_parts(&entry).await?;
        self.publish_slots(&entry, &slots).await?;
        self.advance(&entry).await?;
        for (slot, held) in slots {
            self.slots.put(slot, held);
        }
        self.report.archived(&tally);
        self.entry_room = entry.into_room();
        Ok(Decided::Mine)
    }

    /// Turns the batch into an entry, and the slots it adds to into what they will be.
    fn seal(&mut self, state: &ReadingState) -> Result<(Entry, BTreeMap<Slot, Held>), RunError> {
        let settings = &self.engine.settings;
        let level = CompressionLvl::new(settings.compression_level).unwrap_or_default();
        let mut batch = std::mem::take(&mut self.batch);
        let Sealed { parts, identities } = batch.seal(&settings.layout, level);
        let seq = self.cursor.seq + 1;
        let decided_ms = self.engine.now_ms();
        let mut slots = BTreeMap::new();
        let mut records = Vec::new();
        for (slot, new) in &identities {
            let base = self
                .slots
                .get(*slot)
                .ok_or_else(|| RunError::Pass(format!("slot {} was not loaded", slot.name())))?;
            let ids = base.ids.with(new, unplaced_day(decided_ms));
            let key = slot_key(self.stream, *slot, seq, ids.count());
            records.push(SlotRecord {
                slot: slot.name(),
                base: base.key.clone(),
                key: key.clone(),
                sha256: hex::encode(ids.sha256()),
                added: new.len(),
            });
            slots.insert(*slot, Held { key: Some(key), ids });
        }
        let mut state = ReadingState { last_entry_ms: decided_ms, ..self.cursor.raised(state) };
        let (parts, bodies) = self.parts(&parts, seq, &mut state)?;
        let header = Header {
            stream: self.stream.clone(),
            epoch: self.cursor.epoch.clone(),
            seq,
            previous: self.cursor.head_hash.clone(),
            nonce: hex::encode(self.engine.clock.random()),
            decided_ms,
            state,
            bucket: settings.archive_bucket.clone(),
            parts,
            slots: records,
        };
        let room = std::mem::take(&mut self.entry_room);
        let entry = Entry::encode(header, &identities, &bodies, room);
        self.batch = batch;
        Ok((entry, slots))
    }

    /// Creates the entry. `false`: another writer's stands there.
    ///
    /// An answer that leaves it open is settled by looking: our nonce means that it was us.
    async fn create_entry(&self, entry: &Entry) -> Result<bool, RunError> {
        let key = entry_key(self.stream, entry.header.seq);
        let about = About {
            sha256: entry.sha256,
            content_type: "application/octet-stream",
            metadata: Vec::new(),
        };
        let mut open = String::new();
        for _ in 0..CREATE_TRIES_MAX {
            match self
                .engine
                .objects
                .create(self.state_bucket(), &key, entry.bytes().clone(), &about)
                .await
            {
                Ok(Created::New) => return Ok(true),
                Ok(Created::Taken) => "its key is taken and it is not there".clone_into(&mut open),
                Err(StoreError::Unclear(message)) => open = message,
                Err(error) => return Err(error.into()),
            }
            if let Some(found) = self.read_entry(entry.header.seq).await? {
                let is_own = found.header.nonce == entry.header.nonce;
                tracing::info!(stream = %self.stream, key, is_own, "entry was there already");
                return Ok(is_own);
            }
        }
        Err(RunError::Pass(format!("{key} could not be created: {open}")))
    }

    /// Entry `seq`, checked against its own hash and its place; `None` only if there is none.
    pub(super) async fn read_entry(&self, seq: u64) -> Result<Option<Entry>, RunError> {
        let key = entry_key(self.stream, seq);
        let Some(bytes) = self.engine.objects.get(self.state_bucket(), &key).await? else {
            return Ok(None);
        };
        let entry = Entry::decode(bytes).map_err(|error| unusable_entry(&key, &error))?;
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

    /// Writes the entry's parts, from exactly its bytes.
    pub(super) async fn publish_parts(&mut self, entry: &Entry) -> Result<(), RunError> {
        let writes = entry.header.parts.iter().map(|part| {
            let about = About {
                sha256: unhex(&part.sha256),
                content_type: content_type(&part.key),
                metadata: vec![
                    ("event-count", part.events.to_string()),
                    ("first-timestamp", part.first_timestamp.clone()),
                    ("last-timestamp", part.last_timestamp.clone()),
                    ("stream", self.stream.to_string()),
                    ("seq", entry.header.seq.to_string()),
                ],
            };
            self.write_part(entry, part, about)
        });
        let new: Vec<bool> =
            stream::iter(writes).buffer_unordered(WRITES_AT_ONCE).try_collect().await?;
        self.report.objects += new.iter().filter(|new| **new).count() as u64;
        self.report.bytes_out +=
            entry.header.parts.iter().map(|part| part.length as u64).sum::<u64>();
        Ok(())
    }

    /// Writes one part. Returns whether it is new.
    async fn write_part(
        &self,
        entry: &Entry,
        part: &PartRecord,
        about: About,
    ) -> Result<bool, RunError> {
        let PartRecord { key, events, length: bytes, .. } = part;
        let (stream, seq) = (self.stream, entry.header.seq);
        let is_new = self.create_same(&entry.header.bucket, key, entry.part(part), about).await?;
        if is_new {
            tracing::info!(%stream, seq, key, events, bytes, "part written");
        } else {
            tracing::info!(%stream, seq, key, "part was there already");
        }
        Ok(is_new)
    }

    /// Writes the slot objects the entry results in; only when all of its parts are there.
    pub(super) async fn publish_slots(
        &self,
        entry: &Entry,
        slots: &BTreeMap<Slot, Held>,
    ) -> Result<(), RunError> {
        let writes = entry.header.slots.iter().zip(slots.values()).map(|(record, held)| {
            let about = About {
                sha256: unhex(&record.sha256),
                content_type: "application/octet-stream",
                metadata: Vec::new(),
            };
            let body = Bytes::copy_from_slice(held.ids.bytes());
            self.create_same(self.state_bucket(), &record.key, body, about)
        });
        stream::iter(writes).buffer_unordered(WRITES_AT_ONCE).try_collect::<Vec<_>>().await?;
        Ok(())
    }

    /// Creates an object, or finds it there with the same bytes. Returns whether it is new.
    async fn create_same(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
        about: About,
    ) -> Result<bool, RunError> {
        let mut open = String::new();
        for _ in 0..CREATE_TRIES_MAX {
            match self.engine.objects.create(bucket, key, body.clone(), &about).await {
                Ok(Created::New) => return Ok(true),
                Ok(Created::Taken) => {
                    return self.check_same(bucket, key, &about).await.map(|()| false);
                }
                Err(StoreError::Unclear(message)) => open = message,
                Err(error) => return Err(error.into()),
            }
        }
        Err(RunError::Pass(format!("{bucket}/{key} could not be written: {open}")))
    }

    async fn check_same(&self, bucket: &str, key: &str, about: &About) -> Result<(), RunError> {
        let (found, ours) =
            (self.engine.objects.sha256(bucket, key).await?, hex::encode(about.sha256));
        match found {
            Some(found) if found == ours => Ok(()),
            Some(found) => {
                let what = format!("its SHA-256 is {found}, the journal's {ours}");
                Err(RunError::damaged(&format!("{bucket}/{key}"), what))
            }
            // A reader that removes what it has read was faster.
            None => Ok(()),
        }
    }

    /// Moves the cursor to `entry`. Losing the race to another run that does the same is success.
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
            // Another run has written reading state at this seq: its frontier stays.
            let frontier_ms = number(&item, "frontier_ms").unwrap_or(i64::MIN);
            if found != Some(self.cursor.seq) || frontier_ms <= self.cursor.state.frontier_ms {
                let (found, seq) = (found.unwrap_or(0), entry.header.seq);
                return Err(RunError::Pass(format!(
                    "the cursor moved back: it is at {found}, behind {seq}"
                )));
            }
            self.cursor.state.frontier_ms = frontier_ms;
        }
        self.cursor.state = self.cursor.raised(&entry.header.state);
        self.cursor.seq = entry.header.seq;
        self.cursor.head_hash = hash;
        self.written = self.cursor.state.clone();
        self.has_unwritten = false;
        Ok(())
    }
}

/// A hash an entry holds; one that is none meets no object's.
fn unhex(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    let _ = hex::decode_to_slice(text, &mut hash);
    hash
}
