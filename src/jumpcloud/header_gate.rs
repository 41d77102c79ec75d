//! Separates the headers of an answer from its body.

use futures_util::future::BoxFuture;
use reqwest::header::HeaderMap;
use tokio::sync::watch;

use super::headers::page_headers;
use engine::page::{Page, PageHeaders};
use engine::ports::{Incoming, InsightsError};

/// Passes on the headers of a page when they arrive, and delays reading its body until that is
/// allowed.
pub(super) struct HeaderGate {
    headers: watch::Sender<Option<PageHeaders>>,
    body_allowed: watch::Receiver<bool>,
}

impl HeaderGate {
    /// Starts the request for a page with a gate, through which its answer passes.
    pub(super) fn of(
        start: impl FnOnce(Self) -> BoxFuture<'static, Result<Page, InsightsError>>,
    ) -> Incoming {
        let (headers, mut sent) = watch::channel(None);
        let (allow_body, body_allowed) = watch::channel(false);
        let page = start(Self { headers, body_allowed });
        let first = Box::pin(async move { sent.wait_for(Option::is_some).await.ok()?.clone() });
        Incoming::new(first, page, move || _ = allow_body.send_replace(true))
    }

    /// Passes on the headers of an answer, and waits until its body may be read.
    pub(super) async fn pass(&self, headers: &HeaderMap) {
        self.headers.send_replace(Some(page_headers(headers)));
        // Lets the task that waits for the headers run first: if the body is already there, reading
        // it would keep this thread busy.
        tokio::task::yield_now().await;
        // If the sender was dropped, the page is no longer needed.
        let _ = self.body_allowed.clone().wait_for(|is_allowed| *is_allowed).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::requester::spawn;
    use super::*;

    #[tokio::test]
    async fn a_body_waits_behind_its_headers_until_it_is_admitted() {
        let has_passed = Arc::new(AtomicBool::new(false));
        let passed = Arc::clone(&has_passed);
        let mut page = HeaderGate::of(|gate| {
            spawn(async move {
                gate.pass(&HeaderMap::new()).await;
                passed.store(true, Ordering::SeqCst);
                Err(InsightsError::OutOfTime)
            })
        });
        assert_eq!(page.headers().await, Some(PageHeaders::default()));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!has_passed.load(Ordering::SeqCst));
        assert!(page.await.is_err() && has_passed.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn an_answer_without_headers_is_not_a_page() {
        let mut page = HeaderGate::of(|_| spawn(async { Err(InsightsError::OutOfTime) }));
        assert_eq!(page.headers().await, None);
        assert!(matches!(page.await, Err(InsightsError::OutOfTime)));
    }
}
