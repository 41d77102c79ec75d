//! Why a port gave no answer, named by what the caller does next.

use crate::page::token::Token;

/// Why JumpCloud gave no page.
#[derive(Debug, thiserror::Error)]
pub enum InsightsError {
    /// Somebody must mend something: 400, 401, 402, 403, 404, a redirect, a secret that cannot be
    /// used. The message is in plain words.
    #[error("{0}")]
    Refused(String),
    /// It may work next time: 429, 5xx, a broken answer, no answer.
    #[error("{0}")]
    Unavailable(String),
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
    /// It may have happened or not, and may work next time: throttled, timed out, cut off.
    #[error("{0}")]
    Unclear(String),
    /// It will not work until somebody mends something: no permission, no such bucket.
    #[error("{0}")]
    Refused(String),
}
