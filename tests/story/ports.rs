//! The world of the story: a JumpCloud with two events, a clock that is set by hand, and a bucket
//! at which a process can be made to die.

use std::collections::BTreeMap;
use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use engine::cause::Cause;
use engine::page::{Page, PageHeaders};
use engine::ports::{
    Clock, Console, Incoming, Insights, InsightsError, ListPage, ListRequest, NoRandomness,
    ObjectMeta, Objects, PageRequest, PutResult, Services, StoreError,
};
use fixtures::memory::MemoryObjects;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

/// Events by the millisecond of their timestamp, as JumpCloud sends them.
pub(crate) struct JumpCloud(pub(crate) BTreeMap<i64, &'static str>);

impl Insights for JumpCloud {
    /// All events of the window on one page.
    fn page(&self, request: PageRequest) -> Incoming {
        let window = request.ask.window;
        let rows: Vec<&str> =
            self.0.range(window.start_ms..window.end_ms).map(|(_, event)| *event).collect();
        let limit = Some(u64::from(request.ask.limit));
        let headers = PageHeaders { limit, count: Some(rows.len() as u64), token: None };
        let page = Page::parse(format!("[{}]", rows.join(",")).into_bytes(), headers.clone());
        let page = page.map_err(|error| InsightsError::Unavailable(Cause::of(error)));
        Incoming::new(Box::pin(ready(Some(headers))), Box::pin(ready(page)), || {})
    }

    fn count(&self, _: PageRequest) -> BoxFuture<'static, Result<u64, InsightsError>> {
        unreachable!("a run counts by the hour")
    }

    fn hourly(
        &self,
        request: PageRequest,
    ) -> BoxFuture<'static, Result<BTreeMap<i64, i64>, InsightsError>> {
        let window = request.ask.window;
        let mut hours = BTreeMap::new();
        for ms in self.0.keys().filter(|ms| window.contains(**ms)) {
            *hours.entry(engine::time::floor_hour_ms(*ms)).or_default() += 1;
        }
        Box::pin(ready(Ok(hours)))
    }

    fn services(&self, _: PageRequest) -> BoxFuture<'static, Services> {
        unreachable!("there is one query")
    }

    fn clock_skew_ms(&self) -> Option<i64> {
        Some(0)
    }
}

/// Has one organization, which no event of the story names: so it is the API key's own.
impl Console for JumpCloud {
    fn list(&self, _: ListRequest) -> BoxFuture<'static, Result<ListPage, InsightsError>> {
        let body = br#"[{"_id":"5c1c30d6a2f1b3e4d5c6b7a8"}]"#.to_vec();
        let rows = Page::parse(body, PageHeaders::default());
        let rows = rows.map_err(|error| InsightsError::Unavailable(Cause::of(error)));
        Box::pin(ready(rows.map(|rows| ListPage { total: 1, rows })))
    }
}

/// Shows what it was set to.
#[derive(Default)]
pub(crate) struct SetClock(pub(crate) AtomicI64);

#[async_trait]
impl Clock for SetClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    async fn sleep(&self, ms: u64) {
        self.0.fetch_add(ms.cast_signed(), Ordering::Relaxed);
    }

    fn random(&self) -> [u8; 16] {
        [0xab; 16]
    }

    fn nonce(&self) -> Result<[u8; 16], NoRandomness> {
        Ok([0xab; 16])
    }
}

/// Both buckets, seen by a process that dies once it has created an object below `journal/`: its
/// request is made, and it never learns of that.
pub(crate) struct DiesAfterDeciding {
    pub(crate) objects: Arc<MemoryObjects>,
    pub(crate) died: Notify,
}

#[async_trait]
impl Objects for DiesAfterDeciding {
    async fn create(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
        meta: &ObjectMeta,
    ) -> Result<PutResult, StoreError> {
        let created = self.objects.create(bucket, key, body, meta).await;
        if key.starts_with("journal/") {
            self.died.notify_one();
            pending::<()>().await;
        }
        created
    }

    async fn refuses_overwrite(&self, bucket: &str, key: &str) -> Result<bool, StoreError> {
        self.objects.refuses_overwrite(bucket, key).await
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.objects.get(bucket, key).await
    }

    async fn sha256(&self, bucket: &str, key: &str) -> Result<Option<String>, StoreError> {
        self.objects.sha256(bucket, key).await
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.objects.list(bucket, prefix, after, most).await
    }
}
