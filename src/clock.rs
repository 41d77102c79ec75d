//! The real [`Clock`]: the one place that asks the system for time and chance.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use engine::ports::Clock;

/// The system's clock and randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the clock")]
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    #[expect(clippy::disallowed_methods, reason = "the only place that waits")]
    async fn sleep(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    fn random(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        // Where the system gives no randomness, chance from the process's own hash keys must do:
        // the bytes only have to differ between writers.
        if getrandom::fill(&mut bytes).is_err() {
            bytes.iter_mut().for_each(|byte| *byte = fastrand::u8(..));
        }
        bytes
    }
}
