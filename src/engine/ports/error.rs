//! The errors of the ports, named by what the caller does next.

use std::error::Error;

use crate::cause::Cause;
use crate::page::PageHeaders;

/// Why a request to JumpCloud failed.
#[derive(Debug, thiserror::Error)]
pub enum InsightsError {
    /// JumpCloud refuses the credential (401), or the secret contains none that can be used.
    #[error(transparent)]
    Credential(Cause),
    /// It refuses what this query asks for: 400, 402, 403, 404. The message is in plain words.
    #[error("{cause}")]
    Refused {
        /// The status of its answer.
        status: u16,
        /// What it said.
        #[source]
        cause: Cause,
    },
    /// It redirects to another address, which is not followed: all queries fail the same way.
    #[error(transparent)]
    Redirected(Cause),
    /// It asks to wait longer than the request may take (429 or `Retry-After`): with every query.
    #[error(transparent)]
    Throttled(Cause),
    /// It may answer next time: 5xx, a broken answer, no answer.
    #[error(transparent)]
    Unavailable(Cause),
    /// As many tries as the request allows have failed in a way that one for fewer rows may not.
    #[error(transparent)]
    Unfetched(Box<Unfetched>),
    /// The request's deadline passed before there was an answer.
    #[error("JumpCloud has not answered in time")]
    OutOfTime,
    /// The answer is larger than the limits: request fewer rows.
    #[error("the page is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit_bytes: usize,
        /// What its headers say.
        headers: PageHeaders,
    },
}

/// Why a page did not come: 5xx, a time-out, an answer that is cut off or cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct Unfetched {
    /// What happened to the last try.
    #[source]
    pub cause: Cause,
    /// Tries of this page, those before this request among them.
    pub tried: u32,
    /// Tries of this request that fewer rows might not have failed.
    pub failed: u32,
    /// Whether no try is left in this run.
    pub is_over: bool,
    /// What the last answer said, if it was whole with status 200, but no page.
    pub headers: Option<PageHeaders>,
    /// The one row that such an answer has between its brackets, where one row was asked for.
    pub row: Option<Vec<u8>>,
}

/// Why a request to a store, a queue or the secrets failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The permission is missing: an operator must grant it.
    #[error(transparent)]
    Denied(Cause),
    /// The same request will be rejected again until an operator changes something, for example
    /// because the bucket, table or queue does not exist.
    #[error(transparent)]
    Rejected(Cause),
    /// The request may or may not have taken effect, and a later one may succeed: throttled, timed
    /// out, or the connection was lost.
    #[error(transparent)]
    Indeterminate(Cause),
}

/// The operating system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no randomness: {0}")]
pub struct NoRandomness(#[source] pub Cause);

/// Whether `error`, or one of its sources, is [`StoreError::Denied`].
pub fn is_denied(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if matches!(error.downcast_ref(), Some(StoreError::Denied(_))) {
            return true;
        }
        next = error.source();
    }
    false
}
