//! The engine's ports, for one worker: every call is a request under way until the scheduler
//! answers it.

use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use engine::cursor::{Item, Update};
use engine::page::{Page, PageHeaders};
use engine::ports::{
    Clock, Console, Cursors, Incoming, Insights, InsightsError, ListPage, ListRequest,
    NoRandomness, ObjectMeta, Objects, PageRequest, PutResult, Services, StoreError, WorkQueue,
};
use engine::stream::StreamId;
use futures_util::future::BoxFuture;

use crate::promise::Promise;
use crate::request::{Answer, Request};
use crate::world::{Shared, lock};

/// Unwraps the kind of answer that its request always gets.
macro_rules! answered {
    ($kind:ident, $answer:expr) => {
        match $answer {
            Answer::$kind(answer) => answer,
            other => unreachable!("{other}"),
        }
    };
}

/// What one worker's engine works with.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) world: Shared,
    pub(crate) worker: usize,
}

/// Waits for the answer to one request. Dropped, it hangs up.
struct Reply {
    world: Shared,
    id: u64,
}

impl Ports {
    fn ask(&self, request: Request) -> Reply {
        let id = lock(&self.world).begin(self.worker, request);
        Reply { world: Arc::clone(&self.world), id }
    }
}

impl Ports {
    fn waited_for(&self, request: &PageRequest) {
        let mut world = lock(&self.world);
        if let Err(wrong) = world.walks.continues(self.worker, request) {
            world.wrong(Promise::Asked.broken(wrong));
        }
    }

    /// The page behind its headers, or the one that came when it was asked for again.
    async fn whole(
        &self,
        page: Result<Page, InsightsError>,
        request: &PageRequest,
    ) -> Result<Page, InsightsError> {
        let page = page?;
        let again = *answered!(Body, self.ask(Request::Body(request.clone())).await);
        again.map(|again| again.unwrap_or(page))
    }
}

impl Future for Reply {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let answer = lock(&self.world).take_answer(self.id, context.waker());
        answer.map_or(Poll::Pending, Poll::Ready)
    }
}

/// Waits for the headers of a page.
struct Headers {
    world: Shared,
    id: u64,
}

impl Future for Headers {
    type Output = Option<PageHeaders>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let headers = lock(&self.world).headers(self.id, context.waker());
        headers.map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        lock(&self.world).hang_up(self.id);
    }
}

#[async_trait]
impl Objects for Ports {
    async fn create(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
        meta: &ObjectMeta,
    ) -> Result<PutResult, StoreError> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        answered!(
            Created,
            self.ask(Request::Create { bucket, key, body, sha256: meta.sha256 }).await
        )
    }

    /// What is simulated writes only by `create`.
    async fn refuses_overwrite(&self, _bucket: &str, _key: &str) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, StoreError> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        answered!(Bytes, self.ask(Request::Get { bucket, key }).await)
    }

    async fn sha256(&self, bucket: &str, key: &str) -> Result<Option<String>, StoreError> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        answered!(Sha256, self.ask(Request::Sha256 { bucket, key }).await)
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        let (bucket, prefix, after) = (bucket.to_owned(), prefix.to_owned(), after.to_owned());
        answered!(Keys, self.ask(Request::List { bucket, prefix, after, most }).await)
    }
}

#[async_trait]
impl WorkQueue for Ports {
    async fn send(&self, bodies: &[String]) -> Result<Vec<usize>, StoreError> {
        answered!(Sent, self.ask(Request::Send(bodies.to_vec())).await)
    }
}

#[async_trait]
impl Cursors for Ports {
    async fn get(&self, stream: &StreamId) -> Result<Option<Item>, StoreError> {
        answered!(Item, self.ask(Request::Item { stream: stream.clone() }).await)
    }

    async fn update(&self, stream: &StreamId, update: &Update) -> Result<Option<Item>, StoreError> {
        let (stream, update) = (stream.clone(), update.clone());
        answered!(Item, self.ask(Request::Update { stream, update }).await)
    }
}

impl Insights for Ports {
    fn page(&self, request: PageRequest) -> Incoming {
        let (ports, reply) = (self.clone(), self.ask(Request::Page(request.clone())));
        let headers = Headers { world: Arc::clone(&self.world), id: reply.id };
        let page = async move {
            ports.waited_for(&request);
            let page = ports.whole(*answered!(Page, reply.await), &request).await;
            lock(&ports.world).walks.received(ports.worker, &request, &page);
            page
        };
        Incoming::new(Box::pin(headers), Box::pin(page), || {})
    }

    fn count(&self, request: PageRequest) -> BoxFuture<'static, Result<u64, InsightsError>> {
        let reply = self.ask(Request::Count(request));
        Box::pin(async move { answered!(Count, reply.await) })
    }

    fn hourly(
        &self,
        request: PageRequest,
    ) -> BoxFuture<'static, Result<BTreeMap<i64, i64>, InsightsError>> {
        let reply = self.ask(Request::Hourly(request));
        Box::pin(async move { answered!(Hourly, reply.await) })
    }

    fn services(&self, request: PageRequest) -> BoxFuture<'static, Services> {
        let reply = self.ask(Request::Services(request));
        Box::pin(async move { answered!(Services, reply.await) })
    }

    fn credential(&self) -> u64 {
        lock(&self.world).locals[self.worker].credential
    }

    fn clock_skew_ms(&self) -> Option<i64> {
        lock(&self.world).locals[self.worker].measured_skew_ms
    }
}

/// The list says whose the key is where it has one organization. It is asked like everything else
/// where there is a stack.
impl Console for Ports {
    fn list(&self, request: ListRequest) -> BoxFuture<'static, Result<ListPage, InsightsError>> {
        let mut world = lock(&self.world);
        if world.stack.is_none() {
            world.locals[self.worker].credential = world.key_number + 1;
            return Box::pin(ready(world.listed(self.worker, &request)));
        }
        drop(world);
        let reply = self.ask(Request::Listed(request));
        Box::pin(async move { answered!(Listed, reply.await) })
    }
}

#[async_trait]
impl Clock for Ports {
    fn now_ms(&self) -> i64 {
        let world = lock(&self.world);
        world.now_ms + world.locals[self.worker].skew_ms
    }

    async fn sleep(&self, ms: u64) {
        let Answer::Slept = self.ask(Request::Sleep(ms)).await else {
            unreachable!("a sleep ends")
        };
    }

    fn random(&self) -> [u8; 16] {
        lock(&self.world).random(self.worker)
    }

    fn nonce(&self) -> Result<[u8; 16], NoRandomness> {
        Ok(self.random())
    }
}
