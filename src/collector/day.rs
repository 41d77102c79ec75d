//! The time of a demonstration: a day that has just ended, with two runs that lie far enough apart
//! for the audit to cover every event of it.

use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use engine::limits::{DAY_MS, MINUTE_MS};
use engine::ports::{Clock, NoRandomness};
use engine::time::{Window, floor_hour_ms};
use jumpcloud_collector::clock::SystemClock;

/// Time from the first run to the end of the last hour that is audited.
const BEFORE_HOUR_MS: i64 = 5 * MINUTE_MS;

/// When the runs of a demonstration begin. Both lie in the past and on one UTC day, so that each run
/// takes the users' snapshot of the same day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Day {
    /// The first run's time, UTC milliseconds.
    pub(crate) first_ms: i64,
    /// The second run's time, UTC milliseconds.
    pub(crate) second_ms: i64,
}

impl Day {
    /// The last such day before `now_ms`.
    pub(crate) fn before(now_ms: i64, overlap_ms: i64, settle_lag_ms: i64) -> Self {
        // Only hours that no head reading covers again are audited.
        let wait_ms = overlap_ms + settle_lag_ms + MINUTE_MS;
        let mut hour_ms = floor_hour_ms(now_ms - wait_ms);
        let midnight_ms = floor_day_ms(hour_ms + wait_ms);
        if hour_ms - BEFORE_HOUR_MS < midnight_ms {
            hour_ms = floor_hour_ms(midnight_ms - wait_ms - 1);
        }
        Self { first_ms: hour_ms - BEFORE_HOUR_MS, second_ms: hour_ms + wait_ms }
    }

    /// When the day's events happen: whole hours to the first run.
    pub(crate) fn events(self) -> Window {
        Window::new(self.first_ms + BEFORE_HOUR_MS - DAY_MS, self.first_ms)
    }
}

fn floor_day_ms(ms: i64) -> i64 {
    ms.div_euclid(DAY_MS) * DAY_MS
}

/// A clock that runs, and can be set.
#[derive(Debug)]
pub(crate) struct SetClock {
    behind_ms: AtomicI64,
}

impl SetClock {
    /// A clock that is at `now_ms`.
    pub(crate) fn at(now_ms: i64) -> Self {
        Self { behind_ms: AtomicI64::new(SystemClock.now_ms() - now_ms) }
    }

    /// Sets the clock.
    pub(crate) fn set(&self, now_ms: i64) {
        self.behind_ms.store(SystemClock.now_ms() - now_ms, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for SetClock {
    fn now_ms(&self) -> i64 {
        SystemClock.now_ms() - self.behind_ms.load(Ordering::Relaxed)
    }

    async fn sleep(&self, ms: u64) {
        SystemClock.sleep(ms).await;
    }

    fn random(&self) -> [u8; 16] {
        SystemClock.random()
    }

    fn nonce(&self) -> Result<[u8; 16], NoRandomness> {
        SystemClock.nonce()
    }
}

#[cfg(test)]
mod tests {
    use engine::limits::HOUR_MS;

    use super::*;

    #[test]
    fn both_runs_lie_in_the_past_and_on_one_day() {
        for overlap_ms in [0, 15 * MINUTE_MS, 3 * HOUR_MS] {
            for now_ms in (0..2 * DAY_MS).step_by(7 * 60_000).map(|ms| 20_000 * DAY_MS + ms) {
                let day = Day::before(now_ms, overlap_ms, 10_000);
                let Day { first_ms, second_ms } = day;
                assert_eq!(day.events().start_ms % HOUR_MS, 0, "{now_ms}");
                assert!(first_ms < second_ms && second_ms <= now_ms, "{now_ms}");
                assert_eq!(floor_day_ms(first_ms), floor_day_ms(second_ms), "{now_ms}");
                let audited_to_ms = floor_hour_ms(second_ms - 10_000 - overlap_ms);
                assert!(first_ms <= audited_to_ms, "{now_ms}");
            }
        }
    }
}
