//! What the engine needs of the world. Each adapter keeps these contracts; the tests hold every
//! one of them to the same suite.

pub mod error;
pub mod incoming;
pub mod meter;

pub use self::error::{InsightsError, StoreError, is_denied};
pub use self::incoming::Incoming;
pub use self::meter::{Costs, Meter};

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;

use crate::cursor::{Item, Update};
use crate::page::{Ask, Query};
use crate::stream::{Scope, StreamId};

/// JumpCloud's Directory Insights API.
pub trait Insights: Send + Sync {
    /// Asks for one page, which is on its way from then on. It makes progress by itself where the
    /// adapter can, so that a page arrives while another one is being worked on.
    ///
    /// Passing failures are retried inside, within `request.deadline_ms`; a page is whole or an
    /// error.
    fn page(&self, request: PageRequest) -> Incoming;

    /// Counts the events of a window without reading them; nothing is pulled.
    fn count(&self, request: PageRequest) -> BoxFuture<'static, Result<u64, InsightsError>>;

    /// Counts the events of each hour of a window, by the hour's first UTC millisecond. An hour
    /// without events may be absent.
    fn hourly(
        &self,
        request: PageRequest,
    ) -> BoxFuture<'static, Result<BTreeMap<i64, i64>, InsightsError>>;

    /// How far the local clock was ahead of the `Date` of the last answer, in milliseconds, never
    /// below 0; `None` before the first answer of this process.
    fn clock_skew_ms(&self) -> Option<i64>;
}

/// One question to JumpCloud.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// Whose events.
    pub scope: Scope,
    /// The service list.
    pub query: Query,
    /// Window, limit and continuation.
    pub ask: Ask,
    /// Tries end here, on the local clock.
    pub deadline_ms: i64,
    /// Counts what the request costs.
    pub meter: Arc<Meter>,
}

impl PageRequest {
    /// What `stream` asks for with `query`, counted by a meter of its own.
    #[must_use]
    pub fn new(stream: &StreamId, query: &Query, ask: Ask, deadline_ms: i64) -> Self {
        let (query, meter) = (query.clone(), Arc::default());
        Self { scope: stream.scope(), query, ask, deadline_ms, meter }
    }
}

/// JumpCloud's console: lists of what a tenant or a provider has, by pages.
pub trait Console: Send + Sync {
    /// Asks for one page of a list, sorted by id. The future makes progress by itself where the
    /// adapter can.
    ///
    /// Passing failures are retried inside, within `request.deadline_ms`; a page is whole or an
    /// error.
    fn list(&self, request: ListRequest) -> BoxFuture<'static, Result<ListPage, InsightsError>>;
}

/// Which list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum List {
    /// The organizations an administrator may see. Takes no organization.
    Organizations,
    /// The organizations of a provider. Takes no organization.
    ProviderOrganizations(String),
    /// The users of an organization, which is named where it is not the key's own.
    Users(Scope),
}

/// One question to the console.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// Which list.
    pub list: List,
    /// Rows of it to leave out at its front.
    pub skip: u64,
    /// Tries end here, on the local clock.
    pub deadline_ms: i64,
    /// Counts what the request costs.
    pub meter: Arc<Meter>,
}

/// One page of a list. It may be short anywhere: only the total tells the end.
#[derive(Debug)]
pub struct ListPage {
    /// Rows of the whole list, as JumpCloud counts them now.
    pub total: u64,
    /// The page's rows, as sent.
    pub rows: Vec<Box<RawValue>>,
}

/// S3, or something that keeps its promise of conditional creation.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Creates an object unless its key is taken. Atomic: of any number of creations of one key,
    /// one succeeds, and nobody sees half an object.
    ///
    /// # Errors
    /// [`StoreError::Indeterminate`] also where the object may have been created all the same.
    async fn create(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
        meta: &ObjectMeta,
    ) -> Result<PutResult, StoreError>;

    /// Asks to write without the condition of [`create`](Self::create), and tells whether that was
    /// refused. The request is one that cannot succeed for another reason, too, so that nothing is
    /// written where it is let through.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn refuses_overwrite(&self, bucket: &str, key: &str) -> Result<bool, StoreError>;

    /// Reads an object; `None` only if it is certain that there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, StoreError>;

    /// The SHA-256 an object was created with, hex; `None` only if it is certain that there is no
    /// such object.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn sha256(&self, bucket: &str, key: &str) -> Result<Option<String>, StoreError>;

    /// The keys under `prefix` that sort behind `after`, ascending, over all pages of the listing;
    /// at most `most` of them.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Result<Vec<String>, StoreError>;
}

/// What is written beside an object's bytes.
#[derive(Clone, Debug, Default)]
pub struct ObjectMeta {
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// `Content-Type`.
    pub content_type: &'static str,
    /// User metadata; `sha256` is added by the adapter.
    pub metadata: Vec<(&'static str, String)>,
}

/// How a creation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutResult {
    /// The object was not there; now it is.
    Created,
    /// The key is taken, by this content or another; perhaps by an earlier try of this request.
    AlreadyExists,
}

/// The table of cursors.
#[async_trait]
pub trait Cursors: Send + Sync {
    /// Reads a stream's item, consistently; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn get(&self, stream: &StreamId) -> Result<Option<Item>, StoreError>;

    /// Reads the items of several streams, each consistently; streams without one are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn get_many(&self, streams: &[StreamId]) -> Result<BTreeMap<StreamId, Item>, StoreError> {
        let mut items = BTreeMap::new();
        for stream in streams {
            items.extend(self.get(stream).await?.map(|item| (stream.clone(), item)));
        }
        Ok(items)
    }

    /// Makes one atomic conditional update; creates the item if the conditions allow that.
    /// Returns the item as it is afterwards, or `None` if a condition did not hold.
    ///
    /// A retry inside the adapter may find that its first try was made: then a condition does not
    /// hold any more, although the update happened. The caller looks.
    ///
    /// # Errors
    /// [`StoreError::Indeterminate`] also where the update may have been made all the same.
    async fn update(&self, stream: &StreamId, update: &Update) -> Result<Option<Item>, StoreError>;
}

/// The queue that many streams are worked through from. It delivers each message at least once, in
/// any order.
#[async_trait]
pub trait WorkQueue: Send + Sync {
    /// Sends at most [`QUEUE_BATCH_MAX`](crate::limits::QUEUE_BATCH_MAX) messages in one request.
    /// Returns the places in `bodies` of those that were not taken.
    ///
    /// # Errors
    /// [`StoreError::Indeterminate`] also where some may have been taken all the same.
    async fn send(&self, bodies: &[String]) -> Result<Vec<usize>, StoreError>;
}

/// Where API keys are kept.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// Reads the secret anew.
    ///
    /// # Errors
    /// [`StoreError`]; no message ever holds any of the secret.
    async fn read(&self) -> Result<secrecy::SecretString, StoreError>;
}

/// Time and randomness.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The local clock, UTC milliseconds. It may be wrong; nothing's safety rests on it.
    fn now_ms(&self) -> i64;

    /// Waits.
    async fn sleep(&self, ms: u64);

    /// Random bytes, for names that must not meet.
    fn random(&self) -> [u8; 16];
}
