//! What lies behind the heads, after months and in trouble: what is skipped or cannot be read is told.

use engine::collect::RunPurpose;
use engine::limits::{DAY_MS, FAILURES_TOLERATED, HOUR_MS};
use engine::report::Outcome;
use engine::stream::StreamId;
use engine::time::UtcTime;

use crate::world::{START_MS, World};

/// Names that are added to a stream of 130 days: what lies more than 100 days back may have been
/// archived and forgotten.
#[tokio::test]
async fn the_past_of_added_names_that_may_not_be_read_is_reported_once() {
    let mut world = World::with(crate::world::settings(), |jumpcloud| {
        jumpcloud.retention_ms = 365 * DAY_MS;
    });
    world.ask_for(&["sso"]);
    world.jumpcloud.load(START_MS - HOUR_MS, START_MS, "directory");
    world.jumpcloud.load(START_MS + 90 * DAY_MS, START_MS + 90 * DAY_MS, "directory");
    world.collect().await;
    world.collect_for(130, 6 * HOUR_MS).await;
    world.ask_for(&["sso", "directory"]);
    let lost = world.collect().await.lost;
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert_eq!(lost[0].query, "directory");
    assert!(lost[0].from <= UtcTime(START_MS - HOUR_MS), "{lost:?}");
    assert_eq!(lost[0].to, UtcTime(world.now_ms() - 100 * DAY_MS));
    assert_eq!(world.archived_once().await, 1);
    assert_eq!(world.collect().await.lost, []);
}

/// A sweep that JumpCloud does not answer: the head is read and the run is none that failed, but it is
/// told, because the lag shows nothing of it.
#[tokio::test]
async fn what_fails_behind_a_head_for_long_is_told_and_fails_no_run() {
    let world = World::new();
    world.collect().await;
    world.collect_for(1, HOUR_MS).await;
    world.jumpcloud.set_down_before(world.now_ms() - 2 * HOUR_MS);
    let mut failed = 0;
    while failed <= FAILURES_TOLERATED {
        world.pass(HOUR_MS);
        world.jumpcloud.load(world.now_ms() - HOUR_MS / 2, world.now_ms(), "sso");
        let run = world.run(&StreamId::own(), RunPurpose::Collect).await;
        assert_eq!((run.tally.written, &run.error), (1, &None), "{run:?}");
        failed += i64::from(run.outcome == Outcome::Behind);
        assert_eq!(!run.refused.is_empty(), failed >= FAILURES_TOLERATED, "{run:?}");
        assert!(world.now_ms() < START_MS + 4 * DAY_MS, "no sweep was due");
    }
    assert_eq!(world.status().await[0].failures, 0);
    world.jumpcloud.set_down(false);
    world.pass(HOUR_MS);
    assert_eq!(world.collect().await.refused, []);
}
