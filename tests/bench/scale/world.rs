//! Many organizations whose past days were archived long ago. What finished lanes have left in table
//! and bucket is made up when it is asked for, so that only what the engine holds takes memory; each
//! request is counted, and takes as long as it would in the same Region.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use engine::cursor::{Item, Update, Value};
use engine::journal::certificate::{Certificate, certificate_key};
use engine::limits::DAY_MS;
use engine::page::{Page, PageHeaders};
use engine::ports::{
    Clock, Console, Cursors, Incoming, Insights, InsightsError, ListPage, ListRequest,
    NoRandomness, ObjectMeta, Objects, PageRequest, PutResult, Services, StoreError, WorkQueue,
};
use engine::stream::StreamId;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream};

/// How long a request to DynamoDB or SQS takes, and one to S3.
const FAST: Duration = Duration::from_millis(5);
const SLOW: Duration = Duration::from_millis(20);
/// Items in one request, and such requests at the same time, as the adapter has them.
const ITEMS_PER_READ: usize = 100;
const READS_AT_ONCE: usize = 8;
/// Lanes of an organization.
pub(crate) const DAYS: i64 = 90;

/// Everything outside the engine.
pub(crate) struct World {
    pub(crate) now_ms: AtomicI64,
    draws: AtomicU64,
    end_ms: i64,
    /// The first day of each organization's lanes.
    first_day_ms: i64,
    /// Whether there are finished lanes at all.
    pub(crate) has_lanes: AtomicBool,
    /// Of how many organizations in a hundred the lanes were created not long ago.
    pub(crate) young_percent: u64,
    items: Mutex<BTreeMap<StreamId, Item>>,
    objects: Mutex<BTreeMap<String, (Bytes, [u8; 32])>>,
    queue: Mutex<Vec<String>>,
    calls: Mutex<BTreeMap<&'static str, usize>>,
    /// Requests take no time while the world is prepared.
    pub(crate) is_instant: Mutex<bool>,
}

impl World {
    /// Organizations are created at `start_ms`; their lanes lie before that, and are finished by
    /// `end_ms`.
    pub(crate) fn new(start_ms: i64, end_ms: i64) -> Self {
        Self {
            now_ms: AtomicI64::new(start_ms),
            draws: AtomicU64::new(0),
            end_ms,
            first_day_ms: start_ms.div_euclid(DAY_MS) * DAY_MS - (DAYS + 2) * DAY_MS,
            has_lanes: AtomicBool::new(false),
            young_percent: 10,
            items: Mutex::default(),
            objects: Mutex::default(),
            queue: Mutex::default(),
            calls: Mutex::default(),
            is_instant: Mutex::new(true),
        }
    }

    /// The requests since this was asked last.
    pub(crate) fn calls(&self) -> BTreeMap<&'static str, usize> {
        std::mem::take(&mut *lock(&self.calls))
    }

    pub(crate) fn messages(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.queue))
    }

    /// The whole table is lost.
    pub(crate) fn lose_table(&self) {
        lock(&self.items).clear();
    }

    /// The lanes of an organization, days ascending.
    pub(crate) fn lanes(&self, live: &StreamId) -> Vec<StreamId> {
        let days = 0..if self.has_lanes.load(Ordering::Relaxed) { DAYS } else { 0 };
        days.filter_map(|day| live.lane(self.first_day_ms + day * DAY_MS)).collect()
    }

    async fn call(&self, name: &'static str, takes: Duration) {
        *lock(&self.calls).entry(name).or_default() += 1;
        let is_instant = *lock(&self.is_instant);
        if !is_instant {
            tokio::time::sleep(takes).await;
        }
    }

    /// The certificate of a finished lane.
    fn certificate(&self, key: &str) -> Option<Bytes> {
        let (live, file) = key.strip_prefix("lanes/v1/")?.split_once('/')?;
        let lane =
            StreamId::try_from(live.to_owned()).ok()?.lane_of(file.strip_suffix(".json")?)?;
        let day_ms = lane.lane_day_ms()?;
        let is_one = self.has_lanes.load(Ordering::Relaxed)
            && (0..DAYS).contains(&((day_ms - self.first_day_ms).div_euclid(DAY_MS)));
        let number = u64::from_str_radix(live, 16).unwrap_or(0);
        let age_days = if number % 100 < self.young_percent { 20 } else { 125 };
        is_one.then(|| {
            let certificate = Certificate {
                version: 1,
                stream: lane,
                epoch: "0a1b2c3d".to_owned(),
                origin_ms: day_ms,
                end_ms: Some(day_ms + DAY_MS),
                born_ms: self.end_ms - age_days * DAY_MS,
            };
            certificate.encode()
        })
    }

    fn item(&self, stream: &StreamId) -> Option<Item> {
        lock(&self.items).get(stream).cloned()
    }

    /// Changes an item by hand.
    pub(crate) fn set(&self, stream: &StreamId, name: &str, value: Value) {
        lock(&self.items).entry(stream.clone()).or_default().insert(name.to_owned(), value);
    }
}

#[async_trait]
impl Cursors for World {
    async fn get(&self, stream: &StreamId) -> Result<Option<Item>, StoreError> {
        self.call("GetItem", FAST).await;
        Ok(self.item(stream))
    }

    async fn get_many(&self, streams: &[StreamId]) -> Result<BTreeMap<StreamId, Item>, StoreError> {
        let chunks: Vec<_> = streams.chunks(ITEMS_PER_READ).map(<[_]>::to_vec).collect();
        let reads = stream::iter(chunks).map(|chunk| async move {
            self.call("BatchGetItem", FAST).await;
            chunk.iter().filter_map(|one| Some((one.clone(), self.item(one)?))).collect::<Vec<_>>()
        });
        Ok(reads.buffer_unordered(READS_AT_ONCE).concat().await.into_iter().collect())
    }

    async fn update(&self, stream: &StreamId, update: &Update) -> Result<Option<Item>, StoreError> {
        self.call("UpdateItem", FAST).await;
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

#[async_trait]
impl Objects for World {
    async fn create(
        &self,
        _bucket: &str,
        key: &str,
        body: Bytes,
        meta: &ObjectMeta,
    ) -> Result<PutResult, StoreError> {
        self.call("PutObject", SLOW).await;
        let mut objects = lock(&self.objects);
        if objects.contains_key(key) || self.certificate(key).is_some() {
            return Ok(PutResult::AlreadyExists);
        }
        objects.insert(key.to_owned(), (body, meta.sha256));
        Ok(PutResult::Created)
    }

    async fn refuses_overwrite(&self, _bucket: &str, _key: &str) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn get(&self, _bucket: &str, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.call("GetObject", SLOW).await;
        let kept = lock(&self.objects).get(key).map(|(body, _)| body.clone());
        Ok(kept.or_else(|| self.certificate(key)))
    }

    async fn sha256(&self, _bucket: &str, key: &str) -> Result<Option<String>, StoreError> {
        self.call("HeadObject", SLOW).await;
        Ok(lock(&self.objects).get(key).map(|(_, sha256)| hex::encode(sha256)))
    }

    async fn list(
        &self,
        _bucket: &str,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.call("ListObjectsV2", SLOW).await;
        let kept = lock(&self.objects);
        let first = std::ops::Bound::Included(prefix.to_owned());
        let kept = kept.range((first, std::ops::Bound::Unbounded)).map(|(key, _)| key.clone());
        let kept = kept.take_while(|key| key.starts_with(prefix));
        let live = prefix.strip_prefix("lanes/v1/").and_then(|rest| rest.strip_suffix('/'));
        let live = live.and_then(|live| StreamId::try_from(live.to_owned()).ok());
        let lanes = live.map(|live| self.lanes(&live)).unwrap_or_default();
        let all: BTreeSet<_> = kept.chain(lanes.iter().map(certificate_key)).collect();
        let wanted = all.into_iter().filter(|key| key.as_str() > after).take(most);
        let keys: Vec<_> = wanted.collect();
        // A page of a listing has a thousand keys.
        *lock(&self.calls).entry("ListObjectsV2").or_default() +=
            keys.len().saturating_sub(1) / 1_000;
        Ok(keys)
    }
}

#[async_trait]
impl WorkQueue for World {
    async fn send(&self, bodies: &[String]) -> Result<Vec<usize>, StoreError> {
        self.call("SendMessageBatch", FAST).await;
        lock(&self.queue).extend_from_slice(bodies);
        Ok(Vec::new())
    }
}

/// A JumpCloud with nothing new.
impl Insights for World {
    fn page(&self, request: PageRequest) -> Incoming {
        let limit = Some(u64::from(request.ask.limit));
        let headers = PageHeaders { limit, count: Some(0), token: None };
        let page = Page::parse(b"[]".to_vec(), headers.clone());
        let page = page.map_err(|error| InsightsError::Unavailable(error.to_string().into()));
        Incoming::new(Box::pin(ready(Some(headers))), Box::pin(ready(page)), || {})
    }

    fn count(&self, _: PageRequest) -> BoxFuture<'static, Result<u64, InsightsError>> {
        Box::pin(ready(Ok(0)))
    }

    fn hourly(
        &self,
        _: PageRequest,
    ) -> BoxFuture<'static, Result<BTreeMap<i64, i64>, InsightsError>> {
        Box::pin(ready(Ok(BTreeMap::new())))
    }

    fn services(&self, _: PageRequest) -> BoxFuture<'static, Services> {
        Box::pin(ready(Ok(Some(BTreeSet::new()))))
    }

    fn clock_skew_ms(&self) -> Option<i64> {
        Some(0)
    }
}

impl Console for World {
    fn list(&self, _: ListRequest) -> BoxFuture<'static, Result<ListPage, InsightsError>> {
        Box::pin(ready(Err(InsightsError::Unavailable("organizations are configured".into()))))
    }
}

#[async_trait]
impl Clock for World {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    async fn sleep(&self, ms: u64) {
        self.now_ms.fetch_add(ms.cast_signed(), Ordering::Relaxed);
    }

    fn random(&self) -> [u8; 16] {
        (u128::from(self.draws.fetch_add(1, Ordering::Relaxed)) << 96 | 1).to_be_bytes()
    }

    fn nonce(&self) -> Result<[u8; 16], NoRandomness> {
        Ok(self.random())
    }
}

/// A process, which knows nothing yet.
pub(crate) fn as_ports(world: &Arc<World>) -> [Arc<World>; 5] {
    std::array::from_fn(|_| Arc::clone(world))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
