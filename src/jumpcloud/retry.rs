//! When a request is tried again, and after how long.

use reqwest::StatusCode;

use crate::limits::{BACKOFF_FIRST_MS, BACKOFF_MAX_MS};
use engine::cause::Cause;
use engine::ports::InsightsError;

/// Why a try gave no answer, by what comes next.
#[derive(Debug)]
pub enum TryError {
    /// Another try would fail the same way.
    Permanent(InsightsError),
    /// The credential of this generation was refused.
    Unauthorized {
        /// See [`AuthHeader`](super::AuthHeader).
        generation: u64,
        /// What JumpCloud said.
        message: String,
    },
    /// Another try may succeed.
    Transient {
        /// What happened.
        message: String,
        /// The wait in milliseconds that JumpCloud asks for.
        wait_ms: Option<u64>,
    },
}

impl TryError {
    pub(super) fn refused(cause: impl Into<Cause>) -> Self {
        Self::Permanent(InsightsError::Refused(cause.into()))
    }

    pub(super) fn credential(cause: impl Into<Cause>) -> Self {
        Self::Permanent(InsightsError::Credential(cause.into()))
    }

    pub(super) fn transient(message: impl Into<String>) -> Self {
        Self::Transient { message: message.into(), wait_ms: None }
    }
}

/// The wait in milliseconds before try `tried + 1` where JumpCloud names none: full jitter, from 0
/// to a ceiling that doubles with each try, both inclusive.
pub(super) fn backoff_ms(tried: u32, random: [u8; 16]) -> u64 {
    let doubled = BACKOFF_FIRST_MS.saturating_mul(1 << tried.saturating_sub(1).min(20));
    let ceiling = doubled.min(BACKOFF_MAX_MS);
    let [a, b, c, d, ..] = random;
    // A fraction of what lies between, in units of 2^-32.
    (u64::from(u32::from_be_bytes([a, b, c, d])) * (ceiling + 1)) >> 32
}

/// Whether another try may be answered differently.
pub(super) fn is_transient(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jitter_is_full_and_its_ceiling_doubles() {
        assert_eq!(backoff_ms(1, [0; 16]), 0);
        assert_eq!(backoff_ms(1, [0x7f; 16]), BACKOFF_FIRST_MS / 2 - 1);
        assert_eq!(backoff_ms(3, [0xff; 16]), BACKOFF_FIRST_MS * 4);
        assert_eq!(backoff_ms(u32::MAX, [0xff; 16]), BACKOFF_MAX_MS);
    }
}
