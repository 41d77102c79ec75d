//! Work that goes on while nobody waits for it.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;

use engine::ports::InsightsError;

/// A task that makes progress by itself and ends when nobody waits for it any more.
pub(super) struct ByItself<T>(JoinHandle<Result<T, InsightsError>>);

impl<T: Send + 'static> ByItself<T> {
    pub(super) fn start(
        future: impl Future<Output = Result<T, InsightsError>> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, InsightsError>> {
        Box::pin(Self(tokio::spawn(future)))
    }
}

impl<T> Future for ByItself<T> {
    type Output = Result<T, InsightsError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = |_| Err(InsightsError::Unavailable("the request was ended".to_owned()));
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or_else(ended))
    }
}

impl<T> Drop for ByItself<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
