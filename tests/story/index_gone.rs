//! An index that is gone is not taken for one in which nothing was ever decided.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use engine::collect::RunPurpose;
use engine::limits::{DAY_MS, MINUTE_MS};
use engine::ports::Objects;
use engine::report::Outcome;
use engine::stream::StreamId;
use tokio::sync::Notify;

use super::ports::{DiesAfterDeciding, JumpCloud};
use super::{NOW_MS, World};

/// What was archived would be archived again.
#[tokio::test]
async fn an_index_that_was_deleted_stops_the_stream() {
    let world = World::new();
    world.run().await;
    let archive = world.objects.keys("archive");
    world.objects.remove_below("state", "index/");
    for _ in 0..2 {
        let report = world.run().await;
        assert_eq!(report.outcome, Outcome::Failed);
        assert!(report.needs_operator);
        let error = report.error.unwrap();
        let said = "damaged: index/v1/self/: it is empty, and the last entry, 1, names 1 slots";
        assert!(error.starts_with(said), "{error}");
    }
    assert_eq!(world.objects.keys("archive"), archive, "nothing is archived twice");

    world.objects.remove_below("state", "journal/");
    let error = world.run().await.error.unwrap();
    let said = "damaged: journal/v1/self/00000000000000000001: it is absent, and";
    assert!(error.starts_with(said), "{error}");
}

/// Nothing new for longer than the index is kept, but for the entries of each week, which add
/// nothing to it.
#[tokio::test]
async fn an_index_that_has_expired_stops_nothing() {
    let world = World::new();
    world.run().await;
    for _ in 0..16 {
        world.clock.0.fetch_add(8 * DAY_MS, Ordering::Relaxed);
        let report = world.run().await;
        assert_eq!((report.outcome, report.error), (Outcome::Ok, None));
    }
    assert!(world.state("journal/").len() > 10, "an entry a week");
    world.objects.remove_below("state", "index/");
    let report = world.run().await;
    assert_eq!((report.outcome, report.error, report.tally.written), (Outcome::Ok, None, 0));
}

/// The slots that a recovered entry adds would hide that the others are gone.
#[tokio::test]
async fn an_index_that_was_deleted_is_noticed_before_an_entry_is_recovered() {
    let mut world = World::new();
    world.run().await;
    let archive = world.objects.keys("archive");
    // An event of an hour of which the index has nothing, in an entry that is not published.
    let late = r#"{"id":"c3","service":"sso","timestamp":"2026-11-21T07:50:00Z"}"#;
    world.jumpcloud = Arc::new(JumpCloud([(NOW_MS - 40 * MINUTE_MS, late)].into()));
    let objects =
        Arc::new(DiesAfterDeciding { objects: Arc::clone(&world.objects), died: Notify::new() });
    let engine = world.engine(Arc::clone(&objects) as Arc<dyn Objects>);
    let stream = StreamId::own();
    tokio::select! {
        biased;
        report = engine.run(&stream, RunPurpose::Collect, world.budget()) => {
            unreachable!("the process has died: {report:?}")
        }
        () = objects.died.notified() => {}
    }
    world.objects.remove_below("state", "index/");
    world.clock.0.fetch_add(MINUTE_MS, Ordering::Relaxed);
    let report = world.run().await;
    assert_eq!((report.outcome, world.objects.keys("archive")), (Outcome::Failed, archive));
    assert!(report.error.is_some_and(|error| error.contains("names 1 slots")));
}
