//! A page on its way: its headers are there before its body, and tell what to ask next.

use std::future::poll_fn;
use std::task::Poll;

use futures_util::future::BoxFuture;

use crate::page::{Page, PageHeaders};
use crate::ports::InsightsError;

/// The page, or why there is none.
type Whole = Result<Page, InsightsError>;

/// An answer of `POST /events` that was asked for. Dropped, it is no longer wanted.
///
/// Its body is not read before it is [admitted](Incoming::admit) or waited for: until then, what
/// is held of it is its headers.
pub struct Incoming {
    headers: Option<BoxFuture<'static, Option<PageHeaders>>>,
    page: BoxFuture<'static, Whole>,
    allow_body: Option<Box<dyn FnOnce() + Send>>,
}

impl Incoming {
    /// A page whose `headers` end first: with `None` if the answer has not come to that. `allow_body` is
    /// called once, before `page` is waited for.
    #[must_use]
    pub fn new(
        headers: BoxFuture<'static, Option<PageHeaders>>,
        page: BoxFuture<'static, Whole>,
        allow_body: impl FnOnce() + Send + 'static,
    ) -> Self {
        Self { headers: Some(headers), page, allow_body: Some(Box::new(allow_body)) }
    }

    /// Waits for the headers. `None`: only the page tells what has happened. They are those of an
    /// answer whose body may still break; the page has its own. They are told once.
    pub async fn headers(&mut self) -> Option<PageHeaders> {
        self.headers.take()?.await
    }

    /// Lets the body in.
    pub fn allow_body(&mut self) {
        if let Some(allow_body) = self.allow_body.take() {
            allow_body();
        }
    }

    /// Lets whoever works for the page go first: what comes after this may keep the thread for
    /// long.
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

/// Waits for the whole page.
impl IntoFuture for Incoming {
    type Output = Whole;
    type IntoFuture = BoxFuture<'static, Whole>;

    fn into_future(mut self) -> Self::IntoFuture {
        self.allow_body();
        self.page
    }
}
