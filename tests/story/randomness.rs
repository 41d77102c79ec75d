//! A process to which the operating system gives no randomness decides nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use engine::cause::Cause;
use engine::collect::{Engine, RunPurpose};
use engine::ports::{Clock, NoRandomness};
use engine::report::Outcome;
use engine::stream::StreamId;

use super::{World, settings};

/// Gives random bytes so many times and no more.
struct Exhausted {
    clock: Arc<dyn Clock>,
    left: AtomicUsize,
}

#[async_trait]
impl Clock for Exhausted {
    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    async fn sleep(&self, ms: u64) {
        self.clock.sleep(ms).await;
    }

    fn random(&self) -> [u8; 16] {
        self.clock.random()
    }

    fn nonce(&self) -> Result<[u8; 16], NoRandomness> {
        let left =
            self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        left.map_err(|_| NoRandomness(Cause::from("no such device")))?;
        self.clock.nonce()
    }
}

/// The claim, the birth and the batch each have a name that must be unique.
#[tokio::test]
async fn without_randomness_nothing_is_decided_and_the_run_says_so() {
    for given in 0..3 {
        let world = World::new();
        let clock = Arc::clone(&world.clock) as Arc<dyn Clock>;
        let engine = Engine::new(
            Arc::clone(&world.jumpcloud) as _,
            Arc::clone(&world.jumpcloud) as _,
            Arc::clone(&world.objects) as _,
            Arc::clone(&world.cursors) as _,
            Arc::new(Exhausted { clock, left: AtomicUsize::new(given) }),
            settings(),
        );
        let report = engine.run(&StreamId::own(), RunPurpose::Collect, world.budget()).await;
        assert_eq!(report.outcome, Outcome::Failed, "{given}");
        let error = report.error.unwrap();
        assert_eq!(error, "the operating system gave no randomness: no such device", "{given}");
        assert!(world.state("journal/").is_empty(), "{given}: nothing is decided");
        assert!(world.objects.keys("archive").is_empty(), "{given}: nothing is published");

        // The next process has randomness, and everything is archived.
        let report = world.run().await;
        assert_eq!((report.outcome, report.tally.written), (Outcome::Ok, 2), "{given}");
    }
}
