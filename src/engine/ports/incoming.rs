//! A page that is being received: its headers arrive before its body, and show which page to
//! request next.

use std::future::poll_fn;
use std::task::Poll;

use futures_util::future::BoxFuture;

use crate::page::{Page, PageHeaders};
use crate::ports::InsightsError;

/// The page, or why the request failed.
type Whole = Result<Page, InsightsError>;

/// A request for a page that was sent. If it is dropped, the request is cancelled.
///
/// The body is not received before [`allow_body`](Incoming::allow_body) is called or the page is
/// awaited. Until then, only its headers are in memory.
pub struct Incoming {
    headers: Option<BoxFuture<'static, Option<PageHeaders>>>,
    page: BoxFuture<'static, Whole>,
    allow_body: Option<Box<dyn FnOnce() + Send>>,
}

impl Incoming {
    /// A page whose `headers` complete first, with `None` if no headers were received. `allow_body`
    /// is called once, before `page` is awaited.
    #[must_use]
    pub fn new(
        headers: BoxFuture<'static, Option<PageHeaders>>,
        page: BoxFuture<'static, Whole>,
        allow_body: impl FnOnce() + Send + 'static,
    ) -> Self {
        Self { headers: Some(headers), page, allow_body: Some(Box::new(allow_body)) }
    }

    /// Waits for the headers. Returns `None` if there were none, and on every later call. The body
    /// of this answer may still fail and the request be retried; the page then has the headers of
    /// that answer.
    pub async fn headers(&mut self) -> Option<PageHeaders> {
        self.headers.take()?.await
    }

    /// Allows the body to be received.
    pub fn allow_body(&mut self) {
        if let Some(allow_body) = self.allow_body.take() {
            allow_body();
        }
    }

    /// Lets the request progress before the caller does work that may occupy the thread for a long
    /// time.
    pub async fn start(&mut self) {
        let mut is_last = false;
        poll_fn(|context| {
            if std::mem::replace(&mut is_last, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// Allows the body and waits for the complete page.
impl IntoFuture for Incoming {
    type Output = Whole;
    type IntoFuture = BoxFuture<'static, Whole>;

    fn into_future(mut self) -> Self::IntoFuture {
        self.allow_body();
        self.page
    }
}
