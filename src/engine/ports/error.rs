//! Why a port gave no answer, named by what the caller does next.

use std::error::Error;

use crate::cause::Cause;
use crate::page::Token;

/// Why JumpCloud gave no page.
#[derive(Debug, thiserror::Error)]
pub enum InsightsError {
    /// It refuses the credential (401), or the secret holds none that can be used.
    #[error(transparent)]
    Credential(Cause),
    /// It refuses what is asked for: 400, 402, 403, 404, a redirect. The message is in plain words.
    #[error(transparent)]
    Refused(Cause),
    /// It may answer next time: 429, 5xx, a broken answer, no answer.
    #[error(transparent)]
    Unavailable(Cause),
    /// The request's deadline came first.
    #[error("JumpCloud has not answered in time")]
    OutOfTime,
    /// The answer is larger than the limits; ask for fewer rows.
    #[error("the page is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit it broke.
        limit_bytes: usize,
        /// The continuation in its headers.
        token: Option<Token>,
    },
}

/// Why a store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// This program may not do that: an operator must grant it.
    #[error(transparent)]
    Denied(Cause),
    /// It will be rejected again until an operator changes something: no such bucket, table or
    /// queue.
    #[error(transparent)]
    Rejected(Cause),
    /// It may have happened or not, and may work next time: throttled, timed out, cut off.
    #[error(transparent)]
    Indeterminate(Cause),
}

/// Whether `error`, or one it came from, is a store's [`StoreError::Denied`].
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
