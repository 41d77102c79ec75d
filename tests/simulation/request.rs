//! What the engine asks of the world, and what it gets.

use std::collections::BTreeMap;

use bytes::Bytes;
use engine::cursor::{Item, Update};
use engine::page::Page;
use engine::ports::{
    InsightsError, ListPage, ListRequest, PageRequest, PutResult, Services, StoreError,
};
use engine::stream::StreamId;

/// What the engine asks of the world.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Create {
        bucket: String,
        key: String,
        body: Bytes,
        sha256: [u8; 32],
    },
    Get {
        bucket: String,
        key: String,
    },
    Sha256 {
        bucket: String,
        key: String,
    },
    List {
        bucket: String,
        prefix: String,
        after: String,
        most: usize,
    },
    Item {
        stream: StreamId,
    },
    Update {
        stream: StreamId,
        update: Update,
    },
    /// The headers of a page, and with them what its body will hold.
    Page(PageRequest),
    /// The body of a page whose headers are there.
    Body(PageRequest),
    Count(PageRequest),
    Hourly(PageRequest),
    Services(PageRequest),
    Listed(ListRequest),
    /// Messages to the work queue.
    Send(Vec<String>),
    Sleep(u64),
}

/// What it gets.
#[derive(Debug)]
pub(crate) enum Answer {
    Created(Result<PutResult, StoreError>),
    Bytes(Result<Option<Bytes>, StoreError>),
    Sha256(Result<Option<String>, StoreError>),
    Keys(Result<Vec<String>, StoreError>),
    Item(Result<Option<Item>, StoreError>),
    Page(Box<Result<Page, InsightsError>>),
    /// A page that was asked for again, if the body broke off.
    Body(Box<Result<Option<Page>, InsightsError>>),
    Count(Result<u64, InsightsError>),
    Hourly(Result<BTreeMap<i64, i64>, InsightsError>),
    Services(Services),
    Listed(Result<ListPage, InsightsError>),
    /// Which messages were not accepted.
    Sent(Result<Vec<usize>, StoreError>),
    Slept,
}

impl Request {
    /// Whether making it leaves something behind.
    pub(crate) fn changes_something(&self) -> bool {
        matches!(self, Self::Create { .. } | Self::Update { .. } | Self::Send(_))
    }

    /// What kind of request it is, by what the protocol calls it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Create { bucket, .. } if bucket == "archive" => "create part",
            Self::Create { key, .. } => match key.split('/').next() {
                Some("journal") => "create entry",
                Some("index") => "create slot",
                _ => "create certificate",
            },
            Self::Get { .. } => "get",
            Self::Sha256 { .. } => "head",
            Self::List { .. } => "list",
            Self::Item { .. } => "read cursor",
            Self::Update { update, .. } => {
                let sets = |wanted| update.set.iter().any(|(name, _)| *name == wanted);
                match update {
                    Update { add, .. } if !add.is_empty() => "claim",
                    Update { remove, .. } if remove.contains(&"lease_owner") => "release",
                    _ if sets("seq") => "advance",
                    _ => "update cursor",
                }
            }
            Self::Page(_) => "page",
            Self::Body(_) => "body",
            Self::Count(_) => "count",
            Self::Hourly(_) => "hourly counts",
            Self::Services(_) => "services",
            Self::Listed(_) => "console list",
            Self::Send(_) => "send messages",
            Self::Sleep(_) => "sleep",
        }
    }

    pub(crate) fn is_page(&self) -> bool {
        matches!(self, Self::Page(_))
    }

    pub(crate) fn is_body(&self) -> bool {
        matches!(self, Self::Body(_))
    }

    pub(crate) fn is_for_jumpcloud(&self) -> bool {
        matches!(
            self,
            Self::Page(_)
                | Self::Body(_)
                | Self::Count(_)
                | Self::Hourly(_)
                | Self::Services(_)
                | Self::Listed(_)
        )
    }

    /// The answer that leaves everything open.
    pub(crate) fn unclear(&self, why: &str) -> Answer {
        let unclear = || StoreError::Indeterminate(why.into());
        let unavailable = || InsightsError::Unavailable(why.into());
        match self {
            Self::Create { .. } => Answer::Created(Err(unclear())),
            Self::Get { .. } => Answer::Bytes(Err(unclear())),
            Self::Sha256 { .. } => Answer::Sha256(Err(unclear())),
            Self::List { .. } => Answer::Keys(Err(unclear())),
            Self::Item { .. } | Self::Update { .. } => Answer::Item(Err(unclear())),
            Self::Page(_) => Answer::Page(Box::new(Err(unavailable()))),
            Self::Body(_) => Answer::Body(Box::new(Err(unavailable()))),
            Self::Count(_) => Answer::Count(Err(unavailable())),
            Self::Hourly(_) => Answer::Hourly(Err(unavailable())),
            Self::Services(_) => Answer::Services(Err(unavailable())),
            Self::Listed(_) => Answer::Listed(Err(unavailable())),
            Self::Send(_) => Answer::Sent(Err(unclear())),
            Self::Sleep(_) => Answer::Slept,
        }
    }
}
