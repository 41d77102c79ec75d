//! Publish: writes the objects of an entry, from exactly its bytes.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::parts::content_type;
use super::slots::LoadedSlot;
use super::writer::Writer;
use crate::cause::Cause;
use crate::error::RunError;
use crate::identity::Slot;
use crate::journal::{Entry, PartRecord};
use crate::limits::{CREATE_TRIES_MAX, WRITES_AT_ONCE};
use crate::ports::{ObjectMeta, PutResult, StoreError};

impl Writer<'_> {
    /// Writes the entry's parts. Succeeds only if all of them exist.
    pub(super) async fn publish_parts(&mut self, entry: &Entry) -> Result<(), RunError> {
        let writes = entry.header.parts.iter().map(|part| {
            let mut metadata = vec![
                ("event-count", part.events.to_string()),
                ("first-timestamp", part.first_timestamp.clone()),
                ("last-timestamp", part.last_timestamp.clone()),
                ("stream", self.stream.to_string()),
                ("seq", entry.header.seq.to_string()),
            ];
            if part.has_lone_surrogates {
                metadata.push(("lone-surrogates", "true".to_owned()));
            }
            let content_type = content_type(&part.key);
            self.write_part(entry, part, ObjectMeta { sha256: part.sha256, content_type, metadata })
        });
        let new: Vec<bool> =
            stream::iter(writes).buffer_unordered(WRITES_AT_ONCE).try_collect().await?;
        self.objects += new.iter().filter(|new| **new).count() as u64;
        self.bytes_out += entry.header.parts.iter().map(|part| part.length as u64).sum::<u64>();
        Ok(())
    }

    /// Writes one part. Returns whether this run created it.
    async fn write_part(
        &self,
        entry: &Entry,
        part: &PartRecord,
        meta: ObjectMeta,
    ) -> Result<bool, RunError> {
        let PartRecord { key, events, length: bytes, .. } = part;
        let (stream, seq) = (self.stream, entry.header.seq);
        let is_new = self.create_same(&entry.header.bucket, key, entry.part(part), meta).await?;
        if is_new {
            tracing::info!(%stream, seq, key, events, bytes, "part written");
        } else {
            tracing::info!(%stream, seq, key, "part existed already");
        }
        Ok(is_new)
    }

    /// Writes the slot objects that the entry results in. Must not be called before all of the
    /// entry's parts exist.
    pub(super) async fn publish_slots(
        &self,
        entry: &Entry,
        slots: &BTreeMap<Slot, LoadedSlot>,
    ) -> Result<(), RunError> {
        let writes = entry.header.slots.iter().zip(slots.values()).map(|(record, slot)| {
            let meta = ObjectMeta {
                sha256: record.sha256,
                content_type: "application/octet-stream",
                metadata: Vec::new(),
            };
            self.create_same(self.state_bucket(), &record.key, slot.ids.bytes().clone(), meta)
        });
        stream::iter(writes).buffer_unordered(WRITES_AT_ONCE).try_collect::<Vec<_>>().await?;
        Ok(())
    }

    /// Creates an object, or checks that an existing one has the same SHA-256. Returns whether this
    /// run created it.
    async fn create_same(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
        meta: ObjectMeta,
    ) -> Result<bool, RunError> {
        let mut cause = Cause::from("it was not tried");
        for _ in 0..CREATE_TRIES_MAX {
            match self.engine.objects.create(bucket, key, body.clone(), &meta).await {
                Ok(PutResult::Created) => return Ok(true),
                Ok(PutResult::AlreadyExists) => {
                    return self.check_same(bucket, key, &meta).await.map(|()| false);
                }
                Err(StoreError::Indeterminate(why)) => cause = why,
                Err(error) => return Err(error.into()),
            }
        }
        Err(RunError::transient(Cause::new(
            format!("{bucket}/{key} could not be written: {cause}"),
            cause,
        )))
    }

    async fn check_same(&self, bucket: &str, key: &str, meta: &ObjectMeta) -> Result<(), RunError> {
        let (found, ours) =
            (self.engine.objects.sha256(bucket, key).await?, hex::encode(meta.sha256));
        match found {
            Some(found) if found == ours => Ok(()),
            Some(found) => {
                let what = format!("its SHA-256 is {found}, the journal's {ours}");
                Err(RunError::damaged(&format!("{bucket}/{key}"), what))
            }
            // A reader has already removed the object after it was created.
            None => Ok(()),
        }
    }
}
