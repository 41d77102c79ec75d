//! Recover: finishes what an earlier run has decided.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::slots::LoadedSlot;
use super::writer::{Writer, slot_is_absent};
use crate::error::RunError;
use crate::identity::Slot;
use crate::journal::index::unplaced_day;
use crate::journal::{Entry, SlotIds, entry_key};
use crate::limits::WRITES_AT_ONCE;

impl Writer<'_> {
    /// Publishes every entry after the cursor and advances to it. Everything decided is finished
    /// before anything new is read.
    pub(super) async fn recover(&mut self, is_cold: bool) -> Result<(), RunError> {
        if !is_cold {
            return self.recover_known().await;
        }
        // Before anything is published: slots that a recovered entry writes would hide that the
        // others are gone.
        self.check_index().await?;
        let seq = self.cursor.seq;
        loop {
            self.recover_known().await?;
            if self.check_journal_end().await? {
                break;
            }
        }
        if self.cursor.seq > seq { self.check_index().await } else { Ok(()) }
    }

    async fn recover_known(&mut self) -> Result<(), RunError> {
        while let Some(entry) = self.read_entry(self.cursor.seq + 1).await? {
            // Entry n + 2 exists, so it was decided by a run that had published n + 1.
            let after_next = entry_key(self.stream, self.cursor.seq + 2);
            if self.engine.objects.sha256(self.state_bucket(), &after_next).await?.is_none() {
                self.publish_again(&entry).await?;
            }
            self.slots.forget();
            self.advance(&entry).await?;
            tracing::info!(stream = %self.stream, seq = self.cursor.seq, "recovered a decided entry");
        }
        Ok(())
    }

    /// Publishes an entry that may already have been published, partly or completely.
    async fn publish_again(&mut self, entry: &Entry) -> Result<(), RunError> {
        if !entry.header.slots.is_empty() && self.are_slots_there(entry).await? {
            // Slots are written after the parts, so the parts were written. A reader may have
            // removed them since.
            return Ok(());
        }
        let slots = self.resulting_slots(entry).await?;
        self.publish_parts(entry).await?;
        self.publish_slots(entry, &slots).await
    }

    async fn are_slots_there(&self, entry: &Entry) -> Result<bool, RunError> {
        let looks = entry
            .header
            .slots
            .iter()
            .map(|record| self.engine.objects.sha256(self.state_bucket(), &record.key));
        let found: Vec<_> =
            stream::iter(looks).buffer_unordered(WRITES_AT_ONCE).try_collect().await?;
        Ok(found.iter().all(Option::is_some))
    }

    /// The slots that the entry results in, made from those it builds on and checked against its
    /// hashes. One of these may have expired since; the entry may have kept nothing of it.
    async fn resulting_slots(&self, entry: &Entry) -> Result<BTreeMap<Slot, LoadedSlot>, RunError> {
        let day = unplaced_day(entry.header.decided_ms);
        let mut slots = BTreeMap::new();
        for (record, slot, new) in entry.slots() {
            let found = match &record.base {
                Some(key) => self.find_slot(slot, key).await?,
                None => None,
            };
            let is_there = found.is_some();
            let base = found.map_or_else(|| SlotIds::empty(slot), |found| found.ids);
            let ids = base.with(&new, day);
            if ids.sha256() != record.sha256 {
                if let Some(key) = record.base.as_ref().filter(|_| !is_there) {
                    return Err(slot_is_absent(key));
                }
                let [found, expected] = [ids.sha256(), record.sha256].map(hex::encode);
                let what = format!("it gives {found}, its entry says {expected}");
                return Err(RunError::damaged(&record.key, what));
            }
            slots.insert(slot, LoadedSlot { key: Some(record.key.clone()), ids });
        }
        Ok(slots)
    }
}
