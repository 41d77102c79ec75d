//! Journal and index expire by age: that is told from deletion, and nothing is archived again for it.

use engine::collect::RunPurpose;
use engine::limits::{DAY_MS, HOUR_MS, MINUTE_MS};
use engine::report::Outcome;
use engine::stream::StreamId;
use engine::time::Window;

use crate::world::{START_MS, World, settings};

/// An event each hour on both sides of each midnight, and one without a timestamp each month.
fn load(world: &World, days: std::ops::Range<i64>) {
    for day in days {
        let midnight_ms = (START_MS.div_euclid(DAY_MS) + day) * DAY_MS;
        for ms in [midnight_ms - MINUTE_MS, midnight_ms + MINUTE_MS, midnight_ms + 9 * HOUR_MS] {
            world.jumpcloud.load(ms, ms, "sso");
        }
        // Late: it adds to a slot that was begun before.
        let late_ms = midnight_ms + 9 * HOUR_MS;
        world.jumpcloud.load(late_ms + 1, late_ms + 8 * HOUR_MS, "directory");
        if day % 30 == 0 {
            world.jumpcloud.load_unplaced(midnight_ms + 10 * HOUR_MS);
        }
    }
}

/// A live stream, a lane that was finished, and snapshots of users that were stopped.
async fn aged(days: i64) -> World {
    let world = World::new();
    load(&world, -3..days + 1);
    world.collect().await;
    let lane = Window::new(START_MS - 3 * DAY_MS, START_MS - 2 * DAY_MS);
    assert_eq!(world.backfill(lane).await.refused, Vec::<String>::new());
    let users = StreamId::own().users().unwrap();
    for _ in 0..3 {
        let snapshot = world.run(&users, RunPurpose::Snapshot).await;
        assert_eq!((snapshot.outcome, snapshot.error), (Outcome::Ok, None));
        world.collect_for(1, 6 * HOUR_MS).await;
    }
    world.collect_for(days - 3, 6 * HOUR_MS).await;
    world
}

#[tokio::test]
async fn a_healthy_stack_is_verified_at_any_age() {
    let mut world = aged(112).await;
    assert_eq!(world.verify().await.older_than_journal, 0);
    for _ in 112..132 {
        world.assert_verified().await;
        world.collect_for(1, 6 * HOUR_MS).await;
    }
    world.assert_verified().await;
    let verdict = world.verify().await;
    // The lane's and the users' parts, and those of the live stream's first days.
    assert!(verdict.older_than_journal > 20, "{verdict:?}");
    assert!(verdict.parts > 300 && verdict.slots > 300, "{verdict:?}");

    // The clock is set forth, back, and right again.
    let archived = world.archived_once().await;
    load(&world, 133..135);
    for skew_ms in [40 * DAY_MS, -40 * DAY_MS, 0] {
        world.pass(6 * HOUR_MS);
        world.time.skew(skew_ms);
        world.restart();
        let run = world.run(&StreamId::own(), RunPurpose::Collect).await;
        assert_eq!(run.error, None, "{skew_ms}");
        world.assert_verified().await;
        assert_eq!(world.status().await[0].gaps, 0);
    }
    assert!(world.archived_once().await > archived);
}

/// A stream that was paused for weeks: its entries are further apart than those of one that runs.
#[tokio::test]
async fn a_stack_that_was_paused_is_verified_too() {
    let world = World::new();
    load(&world, -1..140);
    world.collect_for(10, 6 * HOUR_MS).await;
    world.pass(60 * DAY_MS);
    for _ in 70..140 {
        world.collect_for(1, DAY_MS).await;
        world.assert_verified().await;
    }
}

#[tokio::test]
async fn what_was_deleted_is_not_taken_for_expired() {
    let world = aged(30).await;
    world.assert_verified().await;
    let entries = world.store.keys("state", "journal/v1/self/");
    for key in &entries[..5] {
        world.store.delete("state", key);
    }
    let problems = world.verify().await.problems;
    let is_told = |what: &str| problems.iter().any(|problem| problem.contains(what));
    assert!(is_told("the entries before it are missing"), "{problems:?}");
    assert!(is_told("no entry holds it"), "the deleted entries' parts: {problems:?}");

    // Also where the first entries have expired since: those behind them were too young.
    let world = aged(118).await;
    let entries = world.store.keys("state", "journal/v1/self/");
    for key in &entries[..40] {
        world.store.delete("state", key);
    }
    world.collect_for(3, 6 * HOUR_MS).await;
    let problems = world.verify().await.problems;
    assert!(!problems.is_empty(), "40 entries were deleted");

    // And a slot object is missed as long as the entry is kept that it is of.
    let world = aged(30).await;
    let slots = world.store.keys("state", "index/v1/self/");
    world.store.delete("state", &slots[slots.len() / 2]);
    assert!(!world.verify().await.problems.is_empty(), "a slot object was deleted");
}

#[tokio::test]
async fn where_nothing_was_ever_collected_nothing_is_verified() {
    let problems = World::new().verify().await.problems;
    assert!(problems.iter().any(|problem| problem.contains("nothing to verify")), "{problems:?}");
}

/// A sweep loads the slots of a day; the runs between sweeps need those of the overlap.
#[tokio::test]
async fn slots_that_a_sweep_has_loaded_are_released() {
    let world = World::with(settings(), |_| {});
    load(&world, -1..4);
    world.collect_for(2, HOUR_MS).await;
    let mut reads = Vec::new();
    for _ in 0..24 {
        world.store.reads("");
        world.collect_for(0, HOUR_MS).await;
        world.pass(HOUR_MS);
        world.collect().await;
        reads.push(world.store.reads("index/"));
    }
    let sweeps = reads.iter().filter(|reads| **reads > 2).count();
    assert!(sweeps >= 2, "a sweep finds what the one before has loaded: {reads:?}");
}
