//! Buckets whose objects expire, and a table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use engine::cursor::{Item, Update};
use engine::limits::{DAY_MS, STATE_KEPT_MS};
use engine::ports::{Cursors, ObjectMeta, Objects, PutResult, StoreError};
use engine::stream::StreamId;

use crate::ports::{Time, lock};

/// An object, and when it was created.
struct Object {
    body: Bytes,
    sha256: [u8; 32],
    created_ms: i64,
}

/// Both buckets. Journal and index expire by whole days, as S3's lifecycle has it.
pub(crate) struct Store {
    time: Arc<Time>,
    objects: Mutex<BTreeMap<(String, String), Object>>,
    /// Keys that have expired and that S3 has not come to yet.
    undeleted: Mutex<BTreeSet<String>>,
    /// What is there only when the archive is listed.
    withheld: Mutex<BTreeMap<(String, String), Object>>,
    reads: Mutex<Vec<String>>,
}

impl Store {
    pub(crate) fn new(time: Arc<Time>) -> Self {
        let (undeleted, withheld) = (Mutex::default(), Mutex::default());
        Self { time, objects: Mutex::default(), undeleted, withheld, reads: Mutex::default() }
    }

    /// These keys stay when they have expired.
    pub(crate) fn delay_deletion(&self, keys: impl IntoIterator<Item = String>) {
        lock(&self.undeleted).extend(keys);
    }

    /// What was created at this time or later is not there until somebody lists the archive.
    pub(crate) fn withhold_from(&self, ms: i64) {
        let mut objects = lock(&self.objects);
        let (earlier, withheld) =
            std::mem::take(&mut *objects).into_iter().partition(|(_, it)| it.created_ms < ms);
        *objects = earlier;
        *lock(&self.withheld) = withheld;
    }

    /// Deletes what has expired by now.
    pub(crate) fn expire(&self) {
        let day = |ms: i64| ms.div_euclid(DAY_MS);
        let today = day(self.time.now_ms());
        lock(&self.objects).retain(|(_, key), object| {
            let expires = (key.starts_with("journal/") || key.starts_with("index/"))
                && !lock(&self.undeleted).contains(key);
            !expires || day(object.created_ms + STATE_KEPT_MS) >= today
        });
    }

    /// The keys of a bucket below a prefix, ascending.
    pub(crate) fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let objects = lock(&self.objects);
        let keys = objects.keys().filter(|(place, key)| place == bucket && key.starts_with(prefix));
        keys.map(|(_, key)| key.clone()).collect()
    }

    /// Somebody deletes an object.
    pub(crate) fn delete(&self, bucket: &str, key: &str) {
        lock(&self.objects).remove(&(bucket.to_owned(), key.to_owned()));
    }

    /// How many objects below a prefix were read since this was asked last.
    pub(crate) fn reads(&self, prefix: &str) -> usize {
        let reads = std::mem::take(&mut *lock(&self.reads));
        reads.iter().filter(|key| key.starts_with(prefix)).count()
    }
}

#[async_trait]
impl Objects for Store {
    async fn create(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
        about: &ObjectMeta,
    ) -> Result<PutResult, StoreError> {
        let mut objects = lock(&self.objects);
        let place = (bucket.to_owned(), key.to_owned());
        if objects.contains_key(&place) {
            return Ok(PutResult::AlreadyExists);
        }
        let created_ms = self.time.now_ms();
        objects.insert(place, Object { body, sha256: about.sha256, created_ms });
        Ok(PutResult::Created)
    }

    async fn refuses_overwrite(&self, _: &str, _: &str) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, StoreError> {
        lock(&self.reads).push(key.to_owned());
        let objects = lock(&self.objects);
        let found = objects.get(&(bucket.to_owned(), key.to_owned()));
        Ok(found.map(|object| object.body.clone()))
    }

    async fn sha256(&self, bucket: &str, key: &str) -> Result<Option<String>, StoreError> {
        let objects = lock(&self.objects);
        let found = objects.get(&(bucket.to_owned(), key.to_owned()));
        Ok(found.map(|object| hex::encode(object.sha256)))
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        if bucket == "archive" {
            lock(&self.objects).append(&mut lock(&self.withheld));
        }
        let mut keys = self.keys(bucket, prefix);
        keys.retain(|key| key.as_str() > after);
        keys.truncate(most);
        Ok(keys)
    }
}

/// The table of cursors.
#[derive(Default)]
pub(crate) struct Table {
    items: Mutex<BTreeMap<StreamId, Item>>,
    /// The first answer to each update is lost, and the update is made again.
    loses_answers: AtomicBool,
}

impl Table {
    /// Somebody deletes a stream's item.
    pub(crate) fn delete(&self, stream: &StreamId) {
        lock(&self.items).remove(stream);
    }

    /// From now on the first answer to each update is lost, and the client makes the update again.
    pub(crate) fn lose_answers(&self) {
        self.loses_answers.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Cursors for Table {
    async fn get(&self, stream: &StreamId) -> Result<Option<Item>, StoreError> {
        Ok(lock(&self.items).get(stream).cloned())
    }

    async fn update(&self, stream: &StreamId, update: &Update) -> Result<Option<Item>, StoreError> {
        let mut items = lock(&self.items);
        let mut item = items.get(stream).cloned().unwrap_or_default();
        if !update.allows(&item) {
            return Ok(None);
        }
        update.apply(&mut item);
        items.insert(stream.clone(), item.clone());
        let is_made_twice = self.loses_answers.load(Ordering::Relaxed);
        if is_made_twice && !update.allows(&item) {
            return Ok(None);
        }
        Ok(Some(item))
    }
}
