//! Table, buckets and what was asked of them. Of the archive only sizes are kept, of the journal and of
//! each slot only what a run may still ask for: a month of it fits into memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use engine::cursor::{Item, Update};
use engine::ports::{Cursors, ObjectMeta, Objects, PutResult, StoreError};
use engine::stream::StreamId;

/// Hours whose slots are kept: further back than a sweep after an outage of a day.
const SLOTS_KEPT: usize = 5 * 24;

/// Objects and bytes that were written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Stores {
    items: Mutex<BTreeMap<StreamId, Item>>,
    state: Mutex<BTreeMap<String, (Bytes, [u8; 32])>>,
    /// Folders of slots, oldest first.
    slots: Mutex<BTreeSet<String>>,
    calls: Mutex<BTreeMap<&'static str, u64>>,
    written: Mutex<BTreeMap<String, Written>>,
}

impl Stores {
    /// The requests since this was asked last.
    pub(crate) fn calls(&self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut *lock(&self.calls))
    }

    /// What was written since this was asked last, by the first folder of the keys.
    pub(crate) fn written(&self) -> BTreeMap<String, Written> {
        std::mem::take(&mut *lock(&self.written))
    }

    /// Bytes of the objects that are kept.
    pub(crate) fn held_bytes(&self) -> usize {
        lock(&self.state).values().map(|(body, _)| body.len()).sum()
    }

    fn call(&self, name: &'static str) {
        *lock(&self.calls).entry(name).or_default() += 1;
    }
}

#[async_trait]
impl Objects for Stores {
    async fn create(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
        meta: &ObjectMeta,
    ) -> Result<PutResult, StoreError> {
        self.call("PutObject");
        let mut state = lock(&self.state);
        if state.contains_key(key) {
            return Ok(PutResult::AlreadyExists);
        }
        let folder = key.split('/').next().unwrap_or_default().to_owned();
        let mut written = lock(&self.written);
        let written = written.entry(folder).or_default();
        written.objects += 1;
        written.bytes += body.len() as u64;
        if bucket == "archive" {
            return Ok(PutResult::Created);
        }
        if let Some(place) = replaced(key) {
            let first = std::ops::Bound::Included(place.to_owned());
            let older: Vec<_> = state
                .range((first, std::ops::Bound::Unbounded))
                .map(|(key, _)| key.clone())
                .take_while(|key| key.starts_with(place))
                .collect();
            // The last two: the one before is what the next entry builds on.
            for key in older.iter().rev().skip(1) {
                state.remove(key);
            }
        }
        state.insert(key.to_owned(), (body, meta.sha256));
        if let Some(slot) = replaced(key).filter(|place| place.starts_with("index/")) {
            let mut slots = lock(&self.slots);
            slots.insert(slot.to_owned());
            if slots.len() > SLOTS_KEPT {
                let oldest = slots.pop_first().unwrap_or_default();
                state.retain(|key, _| !key.starts_with(&oldest));
            }
        }
        Ok(PutResult::Created)
    }

    async fn refuses_overwrite(&self, _bucket: &str, _key: &str) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn get(&self, _bucket: &str, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.call("GetObject");
        Ok(lock(&self.state).get(key).map(|(body, _)| body.clone()))
    }

    async fn sha256(&self, _bucket: &str, key: &str) -> Result<Option<String>, StoreError> {
        self.call("HeadObject");
        Ok(lock(&self.state).get(key).map(|(_, sha256)| hex::encode(sha256)))
    }

    async fn list(
        &self,
        _bucket: &str,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.call("ListObjectsV2");
        let state = lock(&self.state);
        let first = std::ops::Bound::Included(prefix.to_owned());
        let keys = state.range((first, std::ops::Bound::Unbounded)).map(|(key, _)| key);
        let keys = keys.take_while(|key| key.starts_with(prefix));
        Ok(keys.filter(|key| key.as_str() > after).take(most).cloned().collect())
    }
}

/// The folder whose older objects no run asks for once this one is written: a journal's, a slot's.
fn replaced(key: &str) -> Option<&str> {
    let is_replaced = key.starts_with("journal/") || key.starts_with("index/");
    is_replaced.then(|| key.rfind('/').map(|end| &key[..=end]))?
}

#[async_trait]
impl Cursors for Stores {
    async fn get(&self, stream: &StreamId) -> Result<Option<Item>, StoreError> {
        self.call("GetItem");
        Ok(lock(&self.items).get(stream).cloned())
    }

    async fn update(&self, stream: &StreamId, update: &Update) -> Result<Option<Item>, StoreError> {
        self.call("UpdateItem");
        let mut items = lock(&self.items);
        let mut item = items.get(stream).cloned().unwrap_or_default();
        if !update.allows(&item) {
            return Ok(None);
        }
        update.apply(&mut item);
        items.insert(stream.clone(), item.clone());
        Ok(Some(item))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
