//! The request rate of a process.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use engine::limits::REQUESTS_PER_SECOND;
use engine::ports::Clock;

/// Holds requests back so that no second sees more than [`REQUESTS_PER_SECOND`], whoever makes
/// them.
#[derive(Debug, Default)]
pub struct Pace {
    /// When the last requests were due, oldest first.
    booked_ms: Mutex<VecDeque<i64>>,
}

impl Pace {
    /// Waits for this request's turn.
    pub async fn turn(&self, clock: &dyn Clock) {
        let wait_ms = self.book(clock.now_ms());
        if wait_ms > 0 {
            clock.sleep(wait_ms).await;
        }
    }

    /// Books the next free moment; returns how far it is away.
    fn book(&self, now_ms: i64) -> u64 {
        let mut booked_ms = self.booked_ms.lock().unwrap_or_else(PoisonError::into_inner);
        // Times far ahead were booked before the clock was set back.
        booked_ms.retain(|at_ms| *at_ms <= now_ms + 60_000);
        let free_ms = match booked_ms.front() {
            Some(first_ms) if booked_ms.len() >= REQUESTS_PER_SECOND => first_ms + 1_000,
            _ => now_ms,
        };
        let at_ms = free_ms.max(now_ms);
        booked_ms.push_back(at_ms);
        if booked_ms.len() > REQUESTS_PER_SECOND {
            booked_ms.pop_front();
        }
        u64::try_from(at_ms - now_ms).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_sees_more_than_its_share() {
        let pace = Pace::default();
        let due: Vec<u64> = (0..25).map(|_| 5_000 + pace.book(5_000)).collect();
        assert_eq!(due[..10], [5_000; 10], "a burst is served at once");
        for window in due.windows(REQUESTS_PER_SECOND + 1) {
            assert!(window[REQUESTS_PER_SECOND] - window[0] >= 1_000, "{window:?}");
        }
        assert_eq!(pace.book(60_000), 0, "idle time frees everything");
    }

    #[test]
    fn a_clock_set_back_holds_nothing_up() {
        let pace = Pace::default();
        (0..10).for_each(|_| assert!(pace.book(9_000_000) < 60_000));
        assert_eq!(pace.book(1_000), 0);
    }
}
