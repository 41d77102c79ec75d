//! The limit of a process's request rate.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::limits::REQUESTS_PER_SECOND;
use engine::ports::Clock;

/// Delays requests so that within any second no more than [`REQUESTS_PER_SECOND`] are made by this
/// process.
#[derive(Debug, Default)]
pub(super) struct RateLimiter {
    /// When the last requests were due, in UTC milliseconds, oldest first.
    due_ms: Mutex<VecDeque<i64>>,
}

impl RateLimiter {
    /// Waits until a request may be made.
    pub(super) async fn acquire(&self, clock: &dyn Clock) {
        let wait_ms = self.reserve(clock.now_ms());
        if wait_ms > 0 {
            clock.sleep(wait_ms).await;
        }
    }

    /// Reserves the next free moment. Returns how many milliseconds after `now_ms` it is.
    fn reserve(&self, now_ms: i64) -> u64 {
        let mut due_ms = self.due_ms.lock().unwrap_or_else(PoisonError::into_inner);
        // Drops times far in the future, which were reserved before the clock was set back.
        due_ms.retain(|at_ms| *at_ms <= now_ms + 60_000);
        let at_ms = match due_ms.front() {
            Some(first_ms) if due_ms.len() >= REQUESTS_PER_SECOND => now_ms.max(first_ms + 1_000),
            _ => now_ms,
        };
        due_ms.push_back(at_ms);
        if due_ms.len() > REQUESTS_PER_SECOND {
            due_ms.pop_front();
        }
        u64::try_from(at_ms - now_ms).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_sees_more_than_its_share() {
        let limiter = RateLimiter::default();
        let due: Vec<u64> = (0..25).map(|_| 5_000 + limiter.reserve(5_000)).collect();
        assert_eq!(due[..10], [5_000; 10], "a burst is served at once");
        for window in due.windows(REQUESTS_PER_SECOND + 1) {
            assert!(window[REQUESTS_PER_SECOND] - window[0] >= 1_000, "{window:?}");
        }
        assert_eq!(limiter.reserve(60_000), 0, "idle time frees everything");
    }

    #[test]
    fn a_clock_set_back_blocks_nothing() {
        let limiter = RateLimiter::default();
        (0..10).for_each(|_| assert!(limiter.reserve(9_000_000) < 60_000));
        assert_eq!(limiter.reserve(1_000), 0);
    }
}
