//! What the engine needs from outside, as traits. Every adapter passes the same suite of tests for
//! these contracts.

pub mod error;
pub mod incoming;
pub mod meter;

pub use self::error::{InsightsError, NoRandomness, StoreError, Unfetched, is_denied};
pub use self::incoming::Incoming;
pub use self::meter::{Costs, Meter};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::cursor::{Item, Update};
use crate::page::{Ask, Page, Query, Tries};
use crate::stream::{Scope, StreamId};

/// JumpCloud's Directory Insights API.
pub trait Insights: Send + Sync {
    /// Sends the request for one page. If the adapter can, it progresses in the background, so that
    /// a page arrives while another one is being processed.
    ///
    /// Passing failures are retried inside, within `request.deadline_ms`; a page is whole or an
    /// error.
    fn page(&self, request: PageRequest) -> Incoming;

    /// Counts the events of a window without reading them; nothing is pulled.
    fn count(&self, request: PageRequest) -> BoxFuture<'static, Result<u64, InsightsError>>;

    /// Counts the events of each hour of a window, by the hour's first UTC millisecond. An hour
    /// without events may be absent. A window is at most
    /// [`COUNTED_AT_ONCE_MS_MAX`](crate::limits::COUNTED_AT_ONCE_MS_MAX) long.
    fn hourly(
        &self,
        request: PageRequest,
    ) -> BoxFuture<'static, Result<BTreeMap<i64, i64>, InsightsError>>;

    /// The services of the events of a window; `None` where JumpCloud does not list all of them.
    fn services(&self, request: PageRequest) -> BoxFuture<'static, Services>;

    /// How far the local clock was ahead of the `Date` of the last answer, in milliseconds, never
    /// below 0; `None` before the first answer of this process.
    fn clock_skew_ms(&self) -> Option<i64>;

    /// Which credential requests are made with: another number as soon as one is made with another
    /// secret; 0 before the first.
    fn credential(&self) -> u64 {
        0
    }
}

/// The services of a window's events, if JumpCloud lists all of them.
pub type Services = Result<Option<BTreeSet<String>>, InsightsError>;

/// One request to JumpCloud.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// Whose events are requested.
    pub scope: Scope,
    /// The service list.
    pub query: Query,
    /// Window, page size and token.
    pub ask: Ask,
    /// How often it is tried, if the caller has a smaller question for a page that cannot be fetched;
    /// then [`InsightsError::Unfetched`] says that it is time for that.
    pub tries: Option<Tries>,
    /// Tries end here, on the local clock.
    pub deadline_ms: i64,
    /// Counts what the request costs.
    pub meter: Arc<Meter>,
}

impl PageRequest {
    /// A request for events of `scope` with `query`, with a meter of its own.
    #[must_use]
    pub fn new(scope: Scope, query: &Query, ask: Ask, deadline_ms: i64) -> Self {
        let (query, meter) = (query.clone(), Arc::default());
        Self { scope, query, ask, tries: None, deadline_ms, meter }
    }
}

/// JumpCloud's console API: lists of the organizations and users of a tenant or a provider, in
/// pages.
pub trait Console: Send + Sync {
    /// Requests one page of a list, sorted by id. If the adapter can, the request progresses in the
    /// background.
    ///
    /// Passing failures are retried inside, within `request.deadline_ms`; a page is whole or an
    /// error.
    fn list(&self, request: ListRequest) -> BoxFuture<'static, Result<ListPage, InsightsError>>;
}

/// Which list is requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum List {
    /// The organizations that an administrator may see. The request names no organization.
    Organizations,
    /// The organizations of a provider. The request names no organization.
    ProviderOrganizations(String),
    /// The users of an organization, which the request names unless it is the key's own.
    Users(Scope),
}

/// One request to the console API.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// Which list.
    pub list: List,
    /// Number of rows to skip at its beginning.
    pub skip: u64,
    /// Tries end here, on the local clock.
    pub deadline_ms: i64,
    /// Counts what the request costs.
    pub meter: Arc<Meter>,
}

/// One page of a list. Any page may be short: only the total shows where the list ends.
#[derive(Debug)]
pub struct ListPage {
    /// Number of rows of the whole list at the time of the request.
    pub total: u64,
    /// The page's rows, as sent, also those that are not objects or not UTF-8.
    pub rows: Page,
}

/// S3, or another store with conditional creation.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Creates an object if its key does not exist. Atomic: of any number of creations of one key,
    /// exactly one succeeds, and no reader sees an incomplete object.
    ///
    /// # Errors
    /// [`StoreError::Indeterminate`] also if the object may have been created all the same.
    async fn create(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
        meta: &ObjectMeta,
    ) -> Result<PutResult, StoreError>;

    /// Sends a write without the condition of [`create`](Self::create), and returns whether it was
    /// refused. The request is invalid for another reason, too, so that nothing is written if it is
    /// not refused.
    ///
    /// # Errors
    /// [`StoreError`] if the answer does not show whether it was refused.
    async fn refuses_overwrite(&self, bucket: &str, key: &str) -> Result<bool, StoreError>;

    /// Reads an object; `None` only if it is certain that there is none.
    ///
    /// # Errors
    /// [`StoreError`] if it is not certain whether there is one, or it cannot be read.
    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, StoreError>;

    /// The SHA-256 in the metadata of an object, hex; `None` only if it is certain that there is no
    /// such object.
    ///
    /// # Errors
    /// [`StoreError`] if it is not certain whether there is one, or it cannot be read.
    async fn sha256(&self, bucket: &str, key: &str) -> Result<Option<String>, StoreError>;

    /// The keys under `prefix` that sort after `after`, ascending, over all pages of the listing;
    /// at most `most` of them.
    ///
    /// # Errors
    /// [`StoreError`] if a page of the listing cannot be had.
    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Result<Vec<String>, StoreError>;
}

/// What is stored with an object besides its bytes.
#[derive(Clone, Debug, Default)]
pub struct ObjectMeta {
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// `Content-Type`.
    pub content_type: &'static str,
    /// User metadata; `sha256` is added by the adapter.
    pub metadata: Vec<(&'static str, String)>,
}

/// The result of a creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutResult {
    /// The object was created.
    Created,
    /// The key exists already, with the same or other bytes. An earlier try of this request may
    /// have created it.
    AlreadyExists,
}

/// The table of cursors.
#[async_trait]
pub trait Cursors: Send + Sync {
    /// Reads a stream's item with strong consistency; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`] if it is not certain whether there is one, or it cannot be read.
    async fn get(&self, stream: &StreamId) -> Result<Option<Item>, StoreError>;

    /// Reads the items of several streams, each with strong consistency; streams without an item
    /// are left out.
    ///
    /// # Errors
    /// [`StoreError`] if one of them cannot be read.
    async fn get_many(&self, streams: &[StreamId]) -> Result<BTreeMap<StreamId, Item>, StoreError> {
        let mut items = BTreeMap::new();
        for stream in streams {
            items.extend(self.get(stream).await?.map(|item| (stream.clone(), item)));
        }
        Ok(items)
    }

    /// Makes one atomic conditional update, which creates the item if it does not exist and the
    /// conditions are true of an empty item. Returns the item after the update, or `None` if a
    /// condition was false.
    ///
    /// If the adapter retries an update whose first try had succeeded, a condition may be false
    /// although the update was made. The caller reads the item to find out.
    ///
    /// # Errors
    /// [`StoreError::Indeterminate`] also if the update may have been made all the same.
    async fn update(&self, stream: &StreamId, update: &Update) -> Result<Option<Item>, StoreError>;
}

/// The queue for runs over many streams. It delivers each message at least once, in any order.
#[async_trait]
pub trait WorkQueue: Send + Sync {
    /// Sends at most [`QUEUE_BATCH_MAX`](crate::limits::QUEUE_BATCH_MAX) messages in one request.
    /// Returns the indices in `bodies` of those that were not accepted.
    ///
    /// # Errors
    /// [`StoreError::Indeterminate`] also if some may have been accepted all the same.
    async fn send(&self, bodies: &[String]) -> Result<Vec<usize>, StoreError>;
}

/// The store of the API key.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// Reads the secret from the store, without a cache.
    ///
    /// # Errors
    /// [`StoreError`]. No message contains any part of the secret.
    async fn read(&self) -> Result<secrecy::SecretString, StoreError>;
}

/// Time and randomness.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The local clock, UTC milliseconds. It may be wrong; the archive's correctness does not
    /// depend on it.
    fn now_ms(&self) -> i64;

    /// Waits for `ms` milliseconds.
    async fn sleep(&self, ms: u64);

    /// Random bytes for what any number serves: an order, a wait.
    fn random(&self) -> [u8; 16];

    /// Random bytes for names that must be unique: from the operating system and nothing weaker.
    /// What a batch was decided by is recognised by them.
    ///
    /// # Errors
    /// [`NoRandomness`] if the operating system gives none.
    fn nonce(&self) -> Result<[u8; 16], NoRandomness>;
}
