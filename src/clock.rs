//! The real [`Clock`]: the one place that asks the system for time and randomness.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use engine::cause::Cause;
use engine::ports::{Clock, NoRandomness};

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
        fastrand::u128(..).to_le_bytes()
    }

    fn nonce(&self) -> Result<[u8; 16], NoRandomness> {
        let mut bytes = [0; 16];
        let filled = getrandom::fill(&mut bytes);
        filled.map(|()| bytes).map_err(|error| NoRandomness(Cause::of(error)))
    }
}
