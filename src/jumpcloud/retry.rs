//! Which failures are retried, and after which wait.

use reqwest::StatusCode;

use crate::limits::BACKOFF_FIRST_MS;
use engine::cause::Cause;
use engine::limits::TRIES_MAX;
use engine::page::PageHeaders;
use engine::ports::InsightsError;

/// Why a try failed, by what the caller does next.
#[derive(Debug)]
pub enum TryError {
    /// Do not retry: another try would fail the same way.
    Permanent(InsightsError),
    /// The credential was refused: renew it and try once more.
    Unauthorized {
        /// The refused credential's generation, see [`AuthHeader`](super::AuthHeader).
        generation: u64,
        /// What JumpCloud said.
        cause: Cause,
    },
    /// Retry: another try may succeed.
    Transient {
        /// What happened.
        cause: Cause,
        /// The wait in milliseconds that JumpCloud asked for, if it did.
        wait_ms: Option<u64>,
        /// JumpCloud wants fewer requests, of whatever size: it answered 429, or asked for a wait.
        is_throttled: bool,
    },
    /// Retry: another try may succeed, and one with fewer rows even if the same request does not.
    Unfetched {
        /// What happened.
        cause: Cause,
        /// The headers, if the answer was complete with status 200.
        headers: Option<PageHeaders>,
        /// The bytes between the answer's brackets, if one row was requested and there is one.
        row: Option<Vec<u8>>,
    },
}

/// An answer that cannot be read.
impl From<Cause> for TryError {
    fn from(cause: Cause) -> Self {
        Self::transient(cause)
    }
}

impl TryError {
    pub(super) fn refused(status: StatusCode, cause: impl Into<Cause>) -> Self {
        let (status, cause) = (status.as_u16(), cause.into());
        Self::Permanent(match status {
            300..=399 => InsightsError::Redirected(cause),
            _ => InsightsError::Refused { status, cause },
        })
    }

    pub(super) fn credential(cause: impl Into<Cause>) -> Self {
        Self::Permanent(InsightsError::Credential(cause.into()))
    }

    pub(super) fn transient(cause: impl Into<Cause>) -> Self {
        Self::Transient { cause: cause.into(), wait_ms: None, is_throttled: false }
    }

    /// A status that may be different at another try, with the wait that JumpCloud asks for.
    pub(super) fn status(status: StatusCode, message: String, wait_ms: Option<u64>) -> Self {
        let is_throttled = status == StatusCode::TOO_MANY_REQUESTS || wait_ms.is_some();
        Self::Transient { cause: message.into(), wait_ms, is_throttled }
    }

    /// No answer, or one without any information about its rows.
    pub(super) fn unfetched(cause: impl Into<Cause>) -> Self {
        Self::Unfetched { cause: cause.into(), headers: None, row: None }
    }
}

/// The wait in milliseconds before try `tried + 1` if JumpCloud does not ask for one: full jitter,
/// from 0 to a ceiling that doubles with each try, both inclusive.
pub(super) fn backoff_ms(tried: u32, random: [u8; 16]) -> u64 {
    // After the last try there is no wait.
    let ceiling = BACKOFF_FIRST_MS << (tried.clamp(1, TRIES_MAX - 1) - 1);
    let [a, b, c, d, ..] = random;
    // Scales the range by a random fraction in units of 2^-32.
    (u64::from(u32::from_be_bytes([a, b, c, d])) * (ceiling + 1)) >> 32
}

/// Whether another try may get another status.
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
        assert_eq!(backoff_ms(TRIES_MAX - 1, [0xff; 16]), 4_000);
        assert_eq!(backoff_ms(u32::MAX, [0xff; 16]), 4_000);
    }
}
