//! What lies behind the heads, after months and in trouble: what is skipped or cannot be read is told.

use engine::collect::RunPurpose;
use engine::limits::{DAY_MS, FAILURES_TOLERATED, HOUR_MS, MINUTE_MS};
use engine::report::Outcome;
use engine::settings::Settings;
use engine::stream::StreamId;
use engine::time::{UtcTime, Window};

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

/// A sweep whose pages do not come while anybody waits for them: each run ends with it, and begins it
/// again with fewer rows.
#[tokio::test]
async fn what_hangs_behind_a_head_for_long_is_told_until_it_comes() {
    let settings = Settings { overlap_ms: 0, page_limit: 16, ..crate::world::settings() };
    let world = World::with(settings, |_| {});
    world.collect().await;
    for _ in 0..23 {
        world.pass(HOUR_MS);
        world.jumpcloud.load(world.now_ms() - MINUTE_MS, world.now_ms(), "sso");
        world.collect().await;
    }
    world.jumpcloud.time_out_above(4);
    let mut told = Vec::new();
    while world.now_ms() < START_MS + 4 * DAY_MS {
        world.pass(HOUR_MS);
        world.jumpcloud.load(world.now_ms() - MINUTE_MS, world.now_ms(), "sso");
        let run = world.run(&StreamId::own(), RunPurpose::Collect).await;
        assert_eq!((run.tally.written, &run.error), (1, &None), "{run:?}");
        told.push(!run.refused.is_empty());
    }
    let first = told.iter().position(|is_told| *is_told);
    assert_eq!(first, Some(2), "after three runs in a row: {told:?}");
    assert!(told[2..].iter().any(|is_told| !is_told), "pages of four rows come: {told:?}");
}

/// A sweep that JumpCloud does not answer: the head is read and the run is none that failed, but it is
/// told, because the lag shows nothing of it.
#[tokio::test]
async fn what_fails_behind_a_head_for_long_is_told_and_fails_no_run() {
    let world = World::new();
    world.collect().await;
    world.collect_for(1, HOUR_MS).await;
    world.jumpcloud.set_down_in(Window::new(i64::MIN, world.now_ms() - 2 * HOUR_MS));
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

/// A name that is not answered alone, or hangs, stays in its list, and the others of the list are read.
#[tokio::test]
async fn a_name_without_an_answer_keeps_no_list_refused() {
    for hangs in [false, true] {
        let mut world = World::new();
        world.ask_for(&["directory,sso,alerts"]);
        world.collect().await;
        match hangs {
            true => world.jumpcloud.hang_alone("directory"),
            false => world.jumpcloud.do_not_answer_alone("directory"),
        }
        world.jumpcloud.refuse("alerts");
        for archived in 1..4 {
            world.pass(HOUR_MS);
            world.jumpcloud.load(world.now_ms() - MINUTE_MS, world.now_ms(), "sso");
            let run = world.run(&StreamId::own(), RunPurpose::Collect).await;
            let refused = run.refused.iter().map(|refused| refused.query.as_str());
            assert_eq!((refused.collect(), run.error), (vec!["alerts"], None), "{hangs}");
            assert_eq!(world.archived_once().await, archived);
        }
    }
}

/// A sweep of which a page hangs in every second run, and which gets further in the others.
#[tokio::test]
async fn what_gets_further_between_its_failures_is_not_told() {
    let settings =
        Settings { overlap_ms: 0, page_limit: 2, pages_per_run: 4, ..crate::world::settings() };
    let world = World::with(settings, |_| {});
    world.jumpcloud.time_out_above(1_000);
    world.collect().await;
    let mut hung = 0;
    for hour in 0..36 {
        let hangs = hour > 24 && hour % 2 == 0;
        world.jumpcloud.time_out_above(if hangs { 1 } else { 1_000 });
        world.pass(HOUR_MS);
        world.jumpcloud.load(world.now_ms() - MINUTE_MS, world.now_ms(), "sso");
        let run = world.run(&StreamId::own(), RunPurpose::Collect).await;
        assert_eq!((run.tally.written, &run.error, run.refused.len()), (1, &None, 0), "{run:?}");
        hung += i64::from(run.outcome == Outcome::Behind);
    }
    assert!(hung >= FAILURES_TOLERATED, "{hung} runs in which it hung");
}
