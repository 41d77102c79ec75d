//! The ports in memory: the contracts in their shortest form.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use engine::ports::{About, Created, Cursors, Objects, StoreError};
use engine::stream::StreamId;
use engine::update::{Item, Update};

/// Bucket and key, and what was created there.
type Stored = BTreeMap<(String, String), (Bytes, [u8; 32])>;

/// Buckets that are there as soon as they are named.
#[derive(Default)]
pub struct MemoryObjects(Mutex<Stored>);

/// A table of cursors.
#[derive(Default)]
pub struct MemoryCursors(Mutex<BTreeMap<StreamId, Item>>);

#[async_trait]
impl Objects for MemoryObjects {
    async fn create(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
        about: &About,
    ) -> Result<Created, StoreError> {
        let mut stored = lock(&self.0);
        let place = (bucket.to_owned(), key.to_owned());
        if stored.contains_key(&place) {
            return Ok(Created::Taken);
        }
        stored.insert(place, (body, about.sha256));
        Ok(Created::New)
    }

    async fn refuses_overwrite(&self, _bucket: &str, _key: &str) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, StoreError> {
        let stored = lock(&self.0);
        let found = stored.get(&(bucket.to_owned(), key.to_owned()));
        Ok(found.map(|(body, _)| body.clone()))
    }

    async fn sha256(&self, bucket: &str, key: &str) -> Result<Option<String>, StoreError> {
        let stored = lock(&self.0);
        let found = stored.get(&(bucket.to_owned(), key.to_owned()));
        Ok(found.map(|(_, sha256)| hex::encode(sha256)))
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        let stored = lock(&self.0);
        let keys = stored.keys().filter(|(place, _)| place == bucket).map(|(_, key)| key);
        let wanted = |key: &&String| key.starts_with(prefix) && key.as_str() > after;
        Ok(keys.filter(wanted).take(most).cloned().collect())
    }
}

#[async_trait]
impl Cursors for MemoryCursors {
    async fn get(&self, stream: &StreamId) -> Result<Option<Item>, StoreError> {
        Ok(lock(&self.0).get(stream).cloned())
    }

    async fn update(&self, stream: &StreamId, update: &Update) -> Result<Option<Item>, StoreError> {
        let mut items = lock(&self.0);
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
